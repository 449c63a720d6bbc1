"""The outside that we call: one package for each technology, one module for each of its roles."""
