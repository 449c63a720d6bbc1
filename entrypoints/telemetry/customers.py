"""Logs what an operator should know of customers at Stripe."""

import logging

from domain.values.accounts import UserId
from domain.values.customers import CustomerId

log = logging.getLogger("credence.customers")


class CustomerLog:
    """Implements the port CustomerWatch by lines in the log."""

    def replaced(self, user_id: UserId, gone: CustomerId, made: CustomerId) -> None:
        """Log that an account has another customer now."""
        log.warning(
            "Customer %s was deleted at Stripe; user %s has customer %s now.",
            gone,
            user_id,
            made,
            extra={"user_id": user_id},
        )

    def left_out(self, user_id: UserId, cause: str) -> None:
        """Log that a checkout went on without the account's customer."""
        log.warning("A checkout of user %s went on without a customer: %s", user_id, cause, extra={"user_id": user_id})
