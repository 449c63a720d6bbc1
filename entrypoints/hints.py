"""Says what an operator can do about a parked event."""

from collections.abc import Mapping

from domain.payments.admission import ParkReason

_CLAIM = "assign it to its user: credence claim {event} --user <id>"
_USER = "resolved automatically once the user exists; or assign it to another user: credence claim {event} --user <id>"
_DELETED = (
    "cancel in Stripe the subscription that the reason names, if any, and refund what was paid after the user left; "
    "resolved automatically if the user comes back; or assign it to another user: credence claim {event} --user <id>"
)
_PLAN = "resolved automatically once the catalogue has the plan; or: credence claim {event} --user <id> --plan <plan>"
_PRICE = "resolved automatically once the catalogue matches; or: credence claim {event} --user <id> --accept-price"
_AMBIGUOUS = (
    "list the price that the reason names in the `stripe_prices` of its plan; "
    "or: credence claim {event} --user <id> --plan <plan>"
)
_ELSEWHERE = "from another account or mode: check which webhook endpoint sends it"
_ANOTHER_S = (
    "from another Stripe account: if it is yours, set STRIPE_ACCOUNT_ID; "
    "otherwise check which webhook endpoint sends it"
)
_BY_ITSELF = "retried automatically"

_HINTS: Mapping[str, str] = {
    ParkReason.NO_USER_NAMED: _CLAIM,
    ParkReason.USER_NOT_A_UUID: _CLAIM,
    ParkReason.REFERENCE_UNCONFIRMED: _CLAIM,
    ParkReason.EMAIL_DISAGREES: _CLAIM,
    ParkReason.UNKNOWN_USER: _USER,
    ParkReason.USER_DELETED: _DELETED,
    ParkReason.UNKNOWN_PLAN: _PLAN,
    ParkReason.MODE_DISAGREES: _PLAN,
    ParkReason.PRICE_DISAGREES: _PRICE,
    ParkReason.CURRENCY_DISAGREES: _PRICE,
    ParkReason.PLAN_AMBIGUOUS: _AMBIGUOUS,
    ParkReason.LIVEMODE_DISAGREES: _ELSEWHERE,
    ParkReason.CONNECTED_ACCOUNT: _ANOTHER_S,
    ParkReason.SALE_WITHOUT_DATE: "run `credence reconcile`: it asks Stripe for the session's date",
    ParkReason.INCOMPLETE_INVOICE: "resolved automatically once Stripe returns the rest of the sale",
    ParkReason.UNREADABLE: "resolved automatically once a version of Credence can read it; nothing is lost",
}

_NAME_PLAN = "name the plan: credence claim {object} --user <id> --plan <plan>"
_ACCEPT = "to grant the plan's credits anyway: credence claim {object} --user <id> --plan <plan> --accept-price"
_TO_CLAIM: Mapping[str, str] = {
    ParkReason.UNKNOWN_USER: "name a user who is in public.users",
    ParkReason.USER_DELETED: "name a user who is in public.users",
    ParkReason.UNKNOWN_PLAN: _NAME_PLAN,
    ParkReason.MODE_DISAGREES: _NAME_PLAN,
    ParkReason.PLAN_AMBIGUOUS: _NAME_PLAN,
    ParkReason.PRICE_DISAGREES: _ACCEPT,
    ParkReason.CURRENCY_DISAGREES: _ACCEPT,
    ParkReason.INCOMPLETE_INVOICE: "retry once Stripe can be reached",
}


def hint_for(event: str, reason: str | None) -> str:
    """Return what an operator can do about an event that is parked for this reason."""
    return _HINTS.get((reason or "").partition(":")[0], _BY_ITSELF).format(event=event)


def unclaimable(object_id: str, reason: str) -> str:
    """Return why a Stripe object cannot be claimed, and what to do about it if anything helps."""
    hint = _TO_CLAIM.get(reason.partition(":")[0])
    return reason + (f". What to do: {hint.format(object=object_id)}" if hint else "")
