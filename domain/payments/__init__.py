"""What is known of payments: the facts that Stripe reports, how they join, and which credits they are worth."""
