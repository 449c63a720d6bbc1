"""Charges, cards, customers and pushed prices in memory."""
