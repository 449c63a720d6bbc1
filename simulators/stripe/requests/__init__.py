"""How requests to Stripe's API are parsed, refused, paged and carried out."""
