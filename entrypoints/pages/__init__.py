"""The pages: what is for sale, what became of a purchase, and what waits for an operator."""
