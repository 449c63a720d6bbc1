"""What a simulated Stripe account sells with: prices, customers, the portal, previews and saved cards."""
