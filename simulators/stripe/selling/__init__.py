"""Products, prices, customers, portal, promotion codes, saved cards as Stripe keeps them."""
