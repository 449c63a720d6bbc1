"""Keeps a simulated Stripe account: its objects, its clock, its ids and its events.

Everything that happens to an account is written here; the other modules decide what happens.
"""

import copy
import random
import string
import threading
import time
from collections.abc import Mapping
from typing import Any

from simulators.stripe.account.shapes import shown
from simulators.stripe.objects import (
    API_VERSION,
    Object,
    card,
    customer,
    event,
    payment_intent,
    payment_method,
    webhook_endpoint,
)
from simulators.stripe.requests.refusals import invalid, missing

UNPAID = {"status": "requires_payment_method", "amount_received": 0, "latest_charge": None}
"""What a payment is before it succeeds."""


class Books:
    """The objects of one account, as they are kept; every method is one indivisible step.

    With a seed its ids are the same in every run. What it returns are copies, but for events and what is kept. With a
    moment as `now` its time stands still, but for what is let pass. With `reports_steps` a checkout and a renewal also
    make the events that change no credits, as Stripe does.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        api_version: str | None = None,
        now: int | None = None,
        reports_steps: bool = False,
    ) -> None:
        self.api_version = api_version
        self.reports_steps = reports_steps
        self.lock = threading.RLock()
        self.endpoints: list[Object] = []
        self.events: list[Object] = []
        self._random = random.Random(seed)
        self._stands_at = now
        self._ahead = 0
        self._kept: dict[str, dict[str, Object]] = {}
        self._newest: dict[str, Object] = {}

    def now(self) -> int:
        """Return the account's own time, in seconds since 1970: the real one, and what was let pass."""
        return self._began() + self._ahead

    def set_clock(self, moment: int) -> None:
        """Let it be that moment now; time goes on from there."""
        self._ahead = moment - self._began()

    def stand_still(self, moment: int) -> None:
        """Let it be that moment, and time stand from now on, but for what is let pass."""
        self._stands_at, self._ahead = moment, 0

    def keep(self, made: Object) -> None:
        """Let an object exist."""
        self._kept.setdefault(made["object"], {})[made["id"]] = made

    def forget(self, kind: str, gone: str) -> None:
        """Let an object be no more."""
        del self._kept[kind][gone]

    def kept(self, kind: str, wanted: str) -> Object:
        """Return an object as it is kept, to be changed under the lock.

        :raises Refusal: if there is none of that id.
        """
        found = self._kept.get(kind, {}).get(wanted)
        if found is None:
            raise missing(kind, wanted)
        return found

    def has(self, kind: str, wanted: str) -> bool:
        """Return whether an object of a kind is kept under an id."""
        return wanted in self._kept.get(kind, {})

    def all_kept(self, kind: str) -> list[Object]:
        """Return every object of a kind as it is kept, oldest first."""
        return list(self._kept.get(kind, {}).values())

    def shown(self, kept: Object, version: str | None = None) -> Object:
        """Return a copy of an object in the shape of a version, the account's own if none is named."""
        with self.lock:
            return copy.deepcopy(shown(kept, version or self.api_version or API_VERSION))

    def new_customer(self, email: str | None = None) -> str:
        """Return the id of a customer whom no event is about."""
        with self.lock:
            made = customer(self.new_id("cus_"), created=self.now(), email=email)
            self.keep(made)
            return str(made["id"])

    def buyer(self, customer_id: str | None) -> Object | None:
        """Return the customer that a request names, None if it names none.

        :raises Refusal: if there is no such customer.
        """
        found = self._kept.get("customer", {}).get(customer_id or "")
        if customer_id is not None and found is None:
            raise missing("customer", customer_id, param="customer", status=400)
        return found

    def address_of(self, session: Object) -> str | None:
        """Return the address of a session's buyer, which they can't change on its page; None if they may enter one."""
        buyer = self.buyer(session["customer"])
        found = buyer["email"] if buyer is not None else session["customer_email"]
        return str(found) if found else None

    def new_intent(
        self, amount: int, currency: str, *, metadata: dict[str, str], customer_id: str | None = None
    ) -> Object:
        """Return a payment that succeeds, without a checkout."""
        session = {
            "amount_total": amount,
            "currency": currency,
            "payment_method_types": ["card"],
            "customer_email": None,
            "customer": customer_id,
        }
        intent = payment_intent(
            self.new_id("pi_"), session, created=self.now(), metadata=metadata, charge_id=self.new_id("ch_")
        )
        self.keep(intent)
        self.step("payment_intent.created", intent, **UNPAID)
        return intent

    def save_card(self, intent: Object, usage: str) -> None:
        """Let the card that pays be saved for the customer of the payment; it is a good one."""
        visa = card("visa", "4242")
        made = payment_method(self.new_id("pm_"), "card", visa, created=self.now(), allow_redisplay="limited")
        self.keep(made | {"customer": intent["customer"]})
        intent |= {"payment_method": made["id"], "setup_future_usage": usage}
        self.step("payment_method.attached", self.kept("payment_method", made["id"]))

    def add_endpoint(self, parameters: Mapping[str, Any]) -> Object:
        """Return a webhook endpoint as it is shown; nothing is delivered to it.

        :raises Refusal: if it has no address or no events.
        """
        events = parameters.get("enabled_events") or {}
        if not parameters.get("url") or not isinstance(events, Mapping) or not events:
            raise invalid("Missing required param: url or enabled_events.", "url", code="parameter_missing")
        made = webhook_endpoint(
            self.new_id("we_"),
            created=self.now(),
            url=str(parameters["url"]),
            events=sorted(map(str, events.values())),
            api_version=parameters.get("api_version"),
        )
        self.endpoints.append(made)
        return dict(made)

    def report(self, kind: str, subject: Object) -> Object:
        """Return a new event about an object as it is now."""
        version = self.api_version or API_VERSION
        given = self._report(kind, self.shown(subject, version), version)
        if version != API_VERSION:
            self._newest[given["id"]] = self.shown(subject, API_VERSION)
        return given

    def newest(self, fields: Object) -> Object:
        """Return an event as the newest version of the API reports it."""
        subject = self._newest.get(fields["id"], fields["data"]["object"])
        return fields | {"api_version": API_VERSION, "data": fields["data"] | {"object": subject}}

    def step(self, kind: str, subject: Object, **then: Any) -> None:
        """Report a step on the way, only where every step is; `then` is what was still otherwise."""
        if self.reports_steps:
            self.report(kind, subject | then)

    def event(self, event_id: str) -> Object | None:
        """Return an event as it was reported."""
        return next((one for one in tuple(self.events) if one["id"] == event_id), None)

    def twin(self, original: Object) -> Object:
        """Return another event of the same content, as Stripe makes now and then."""
        return self._report(original["type"], original["data"]["object"], original["api_version"])

    def new_id(self, prefix: str) -> str:
        """Return an id of Stripe's kind."""
        letters = string.ascii_letters + string.digits
        with self.lock:
            return prefix + "".join(self._random.choice(letters) for _ in range(24))

    def _began(self) -> int:
        return int(time.time()) if self._stands_at is None else self._stands_at

    def _report(self, kind: str, subject: Object, api_version: str) -> Object:
        with self.lock:
            given = event(
                self.new_id("evt_"), kind, copy.deepcopy(subject), created=self.now(), api_version=api_version
            )
            self.events.append(given)
            return given
