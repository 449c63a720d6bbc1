"""Schedules of subscriptions: a change that waits for the period's end. Until it is released, no other is taken."""

from simulators.stripe.account.books import Books
from simulators.stripe.objects import Object
from simulators.stripe.requests.refusals import invalid

_OVER = ("canceled", "completed", "released")


def schedule(books: Books, found: Object, price: Object) -> None:
    """Let a subscription change to a price when its period ends."""
    made: Object = {
        "id": books.new_id("sub_sched_"),
        "object": "subscription_schedule",
        "created": books.now(),
        "customer": found["customer"],
        "end_behavior": "release",
        "livemode": False,
        "metadata": {},
        "released_at": None,
        "released_subscription": None,
        "status": "active",
        "subscription": found["id"],
    }
    books.keep(made)
    found |= {"schedule": made["id"], "_next_price": price}
    books.report("customer.subscription.updated", found)


def release(books: Books, wanted: str) -> Object:
    """Let a schedule be over without what it would change; the subscription goes on as it is.

    :raises Refusal: if there is no such schedule, or it is over.
    """
    made = books.kept("subscription_schedule", wanted)
    if made["status"] in _OVER:
        message = f"You cannot release a subscription schedule that is currently in the `{made['status']}` status."
        raise invalid(message, "schedule")
    found = books.kept("subscription", made["subscription"])
    made |= {"status": "released", "released_at": books.now(), "released_subscription": found["id"]}
    made["subscription"] = None
    found |= {"schedule": None, "_next_price": None}
    books.report("customer.subscription.updated", found)
    return made


def refuse_scheduled(found: Object) -> None:
    """Refuse to change a subscription that has a schedule.

    :raises Refusal: if it has one.
    """
    if found.get("schedule"):
        message = (
            f"The subscription is managed by the subscription schedule `{found['schedule']}`, and updating any "
            "cancelation behavior or its items directly is not allowed. Please update the schedule instead."
        )
        raise invalid(message, "subscription")
