"""Defines the pages to which a customer goes from a checkout."""

import attrs


@attrs.frozen(kw_only=True)
class ReturnPages:
    """The URLs to which a customer is sent from a checkout: after paying, and after cancelling."""

    success_url: str
    cancel_url: str
