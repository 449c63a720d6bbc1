"""Changes and removals that are alike for every kind of Stripe's objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from simulators.stripe.account.account import StripeAccount
from simulators.stripe.objects import Object
from simulators.stripe.requests.parameters import merged_metadata, refuse_unknown, text


def edit(
    account: StripeAccount,
    kind: str,
    wanted: str,
    parameters: Mapping[str, Any],
    *,
    texts: Sequence[str] = (),
    reported_as: str | None = None,
) -> Object:
    """Change metadata and texts of a kept object; the event, `KIND.updated` or another, tells what they were before.

    :raises Refusal: if there is no such object, or the parameters do not fit.
    """
    refuse_unknown(parameters, ("metadata", *texts))
    kept = account.kept(kind, wanted)
    after: Object = {name: text(parameters, name) for name in texts if name in parameters}
    if "metadata" in parameters:
        after["metadata"] = merged_metadata(kept["metadata"], parameters)
    report_change(account, kept, after, reported_as=reported_as or f"{kind}.updated")
    return kept


def report_change(account: StripeAccount, kept: Object, after: Object, *, reported_as: str) -> None:
    """Let a kept object have these values from now on, and tell, unless it has them already."""
    before: Object = {name: kept.get(name) for name, value in after.items() if kept.get(name) != value}
    if "metadata" in before:
        old, new = kept["metadata"], after["metadata"]
        # A key that is new was null before.
        before["metadata"] = {key: old.get(key) for key in sorted({*old, *new}) if old.get(key) != new.get(key)}
    if not before:
        return
    kept |= after
    account.report(reported_as, kept)["data"]["previous_attributes"] = before


def remove(account: StripeAccount, kind: str, wanted: str) -> Object:
    """Remove an object; the event is `KIND.deleted`.

    :raises Refusal: if there is no such object.
    """
    gone = account.kept(kind, wanted)
    account.forget(kind, wanted)
    account.report(f"{kind}.deleted", gone)
    return {"id": wanted, "object": kind, "deleted": True}
