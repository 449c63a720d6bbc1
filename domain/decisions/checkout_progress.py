"""Says how far a checkout is, by what the ledger has recorded of it."""

import enum

import attrs

from domain.changes.changes import RecordedPurchase
from domain.payments.invoices import LineKind
from domain.payments.purchases import PaymentStatus
from domain.values.accounts import UserId


class CheckoutStage(enum.StrEnum):
    """The status of a checkout from the customer's point of view."""

    OPEN = "open"
    PROCESSING = "processing"
    CREDITED = "credited"
    TRIAL_STARTED = "trial_started"
    """A trial without credits; the first paid period brings them."""
    NOTHING_DUE = "nothing_due"
    """Finished without credits, for example a free plan that the account already has."""
    TAKEN_BACK = "taken_back"
    """Paid, and since then fully refunded, credited or disputed."""
    CREDITS_EXPIRED = "credits_expired"
    FAILED = "failed"
    EXPIRED = "expired"
    UNDER_REVIEW = "under_review"


@attrs.frozen(kw_only=True)
class CheckoutProgress:
    """A checkout's status; the credits are those that are on the account for it now, whose balance is `balance`."""

    session_id: str
    stage: CheckoutStage
    plan_id: str | None
    credits: int
    balance: int = 0


def progress_of(session_id: str, recorded: RecordedPurchase, user_id: UserId) -> CheckoutProgress:
    """Return the status of a checkout that was recorded; its balance is not known yet."""
    credits_ = max(recorded.credits_of(user_id) - _expired(recorded, user_id), 0)
    return CheckoutProgress(
        session_id=session_id,
        stage=_stage(recorded, user_id, credits_),
        plan_id=recorded.purchase.order.plan_id if recorded.purchase.order else None,
        credits=credits_,
    )


def _stage(recorded: RecordedPurchase, user_id: UserId, credits_: int) -> CheckoutStage:
    purchase = recorded.purchase
    if purchase.payment is PaymentStatus.FAILED:
        return CheckoutStage.FAILED
    if purchase.payment is PaymentStatus.UNPAID or purchase.order is None:
        return CheckoutStage.PROCESSING
    if credits_ > 0:
        return CheckoutStage.CREDITED
    if _expired(recorded, user_id):
        return CheckoutStage.CREDITS_EXPIRED
    if purchase.order.credits > 0:
        return CheckoutStage.TAKEN_BACK
    is_trial = purchase.bill is not None and any(line.kind is LineKind.TRIAL for line in purchase.bill.lines)
    return CheckoutStage.TRIAL_STARTED if is_trial else CheckoutStage.NOTHING_DUE


def _expired(recorded: RecordedPurchase, user_id: UserId) -> int:
    expired = (posted.expired.get(user_id) for posted in recorded.posted.values())
    return sum(gone.amount for gone in expired if gone is not None)
