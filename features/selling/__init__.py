"""Stories of selling on the real parts: the catalogue at Stripe, customers, the portal and saved cards."""
