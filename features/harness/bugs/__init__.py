"""Bugs to be planted, each of one line, to see that the explorers would find them."""
