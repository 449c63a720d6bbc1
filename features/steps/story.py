"""The memory of one scenario: its customers, their purchases, and the answers."""

import asyncio
import uuid
from typing import Any

import asyncpg
import attrs
import httpx

from simulators.stripe.objects import Object
from simulators.stripe.webhooks import Delivery


@attrs.define
class Customer:
    """A signed-up customer."""

    name: str
    user_id: str
    email: str
    token: str
    sessions: list[str] = attrs.field(factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that the customer's browser sends."""
        return {"Authorization": f"Bearer {self.token}"}


@attrs.define
class Story:
    """One scenario's memory, and its ways to the stack."""

    service: Any
    customers: dict[str, Customer] = attrs.field(factory=dict)
    events: list[Object] = attrs.field(factory=list)
    deliveries: list[Delivery] = attrs.field(factory=list)
    answer: httpx.Response | None = None
    answers: list[httpx.Response] = attrs.field(factory=list)
    remembered: dict[str, Any] = attrs.field(factory=dict)
    progress: dict[str, Any] = attrs.field(factory=dict)
    log_start: int = 0

    def sign_up(self, name: str) -> Customer:
        """Let somebody sign up with Supabase Auth."""
        email = f"{name.lower()}-{uuid.uuid4().hex}@example.com"
        (row,) = self.rows("insert into auth.users (email) values ($1) returning id", email)
        user_id = str(row["id"])
        token = self.service.supabase.token(user_id, email)
        self.customers[name] = Customer(name, user_id, email, token)
        return self.customers[name]

    def rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        """Return the rows that the database's owner gets."""

        async def fetch() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.service.supabase.database_url)
            try:
                return [dict(row) for row in await connection.fetch(query, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(fetch())

    def get(self, path: str, customer: Customer) -> httpx.Response:
        """Return the service's answer to a customer."""
        answer: httpx.Response = self.service.http.get(path, headers=customer.headers)
        return answer

    def open_checkout(self, customer: Customer, plan: str, **wish: object) -> str:
        """Open a checkout, in a quantity, for an amount or in a currency that the customer wants; gives its id."""
        body = {"plan": plan, **wish}
        answer = self.service.http.post("/checkout/sessions", json=body, headers=customer.headers)
        assert 201 == answer.status_code, answer.text
        session_id: str = answer.json()["id"]
        customer.sessions.append(session_id)
        return session_id

    def pay(self, session_id: str, method: str = "card") -> int:
        """Press a button of the checkout page; returns the page's status."""
        page = f"{self.service.stripe.url}/c/pay/{session_id}"
        return httpx.post(page, data={"method": method}).status_code

    def event_of(self, session_id: str) -> Object:
        """The newest event of a session."""
        events: list[Object] = self.service.stripe.account.events
        return next(event for event in reversed(events) if event["data"]["object"]["id"] == session_id)

    def deliver(self, *events: Object, **how: Any) -> None:
        """Let Stripe report events.

        On a busy machine the stand-in may answer too late for the service, which then parks an invoice as incomplete.
        Such an event is delivered once more, so that no scenario waits until the worker retries it.
        """
        self.deliveries = self.service.stripe.deliver(*events, **how)
        parked = {delivery.event_id for delivery in self.deliveries if b"incomplete_invoice" in delivery.body}
        if parked:
            self.service.stripe.deliver(*(event for event in events if event["id"] in parked))

    def buy(self, customer: Customer, plan: str) -> None:
        """Buy a plan to the end: open, pay, and let Stripe report."""
        session_id = self.open_checkout(customer, plan)
        assert 303 == self.pay(session_id)
        self.events = [self.event_of(session_id)]
        self.deliver(*self.events)

    def follow(self, customer: Customer) -> dict[str, Any]:
        """Return what the return page shows of the customer's last checkout."""
        answer = self.get(f"/checkout/sessions/{customer.sessions[-1]}", customer)
        assert 200 == answer.status_code, answer.text
        self.progress = answer.json()
        return self.progress
