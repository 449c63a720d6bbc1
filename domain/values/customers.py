"""Customers: the buyers that the payment provider knows, one for each account."""

from typing import NewType

CustomerId = NewType("CustomerId", str)
"""The provider's id of a customer, such as `cus_1AbC`."""
