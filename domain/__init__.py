"""The domain: decides what payments are worth and what spends take, without input or output, on attrs alone."""
