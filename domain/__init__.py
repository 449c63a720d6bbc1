"""The inside: what a payment is worth, decided without any input or output. Standard library and attrs only."""
