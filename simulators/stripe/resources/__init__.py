"""The kinds of objects that a simulated Stripe account has, and the shapes in which its API shows them."""
