"""The inside: what a payment is worth, decided without input or output, on attrs alone."""
