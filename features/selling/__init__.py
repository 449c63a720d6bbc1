"""Selling on real parts, and at every await: charges of saved cards while processes are killed."""
