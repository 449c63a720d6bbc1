"""One simulated Stripe account: its books, and the shapes in which they are shown; no HTTP."""
