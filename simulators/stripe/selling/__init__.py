"""Products, prices, customers, portal, promotion codes and saved cards, as Stripe keeps them."""
