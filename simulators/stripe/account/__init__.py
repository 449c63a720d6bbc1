"""One simulated Stripe account: its books, and the shapes in which they are shown. No HTTP here."""
