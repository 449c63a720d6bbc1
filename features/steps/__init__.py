"""The steps of the features: what customers, operators, products and Stripe do and see."""
