"""Runs the main job end to end on the embedded default. Exits 0 only if every check held."""

import argparse
import json
import shutil
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import redis
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulators.stack.stack import SERVICE_KEY, Stack, StackFailed, running
from simulators.stripe.webhooks import Delivery


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Stay, because the answer itself is of interest."""


class Demonstration:
    """One customer's purchase, reported three times."""

    def __init__(self, stack: Stack, console: Console) -> None:
        self._stack = stack
        self._console = console
        self.failures: list[str] = []

    def play(self) -> None:
        """Play the whole job."""
        self._say("1. Ada signs up and buys 50 credits")
        user = self._stack.sign_up("ada@example.com")
        self._check("a new account has 0 credits", 0, self._quota(user)["balance"])
        started = self._call("/checkout/sessions", user, {"plan": "starter"})
        session_id = started["id"]
        self._check("the checkout is Stripe's, through the stripe package", True, session_id.startswith("cs_test_"))
        self._check("the customer pays on the checkout page", 303, self._pay(started["url"]))
        self._check("nothing is credited before Stripe's event arrives", 0, self._quota(user)["balance"])

        self._say("2. Stripe reports it three times: one event twice at once, then a second event")
        stripe = self._stack.stripe
        event = stripe.account.events[-1]
        reported = stripe.deliver(event, copies=2, simultaneously=True) + stripe.deliver(stripe.account.twin(event))
        self._show_rows("Deliveries to POST /webhooks/stripe", _deliveries(reported))
        self._check("each delivery is answered 200", [200, 200, 200], [delivery.status for delivery in reported])
        log = self._stack.log.read_text()
        done = f"Successfully processed session {session_id} for user {user}"
        again = f"Session {session_id} already processed, skipping"
        self._check("the log says once that the session was processed", 1, log.count(done))
        self._check("and twice that it was already processed", 2, log.count(again))
        quota = self._quota(user)
        self._check("50 credits are on the account, added once", 50, quota["balance"])
        self._check("the quota came from Redis", "cache", quota["source"])

        self._say("3. An attacker forges a webhook")
        (forged,) = stripe.deliver(stripe.account.twin(event), secret="whsec_guessed")  # noqa: S106 - a guess
        self._check("it is refused", 400, forged.status)
        self._check("and changes nothing", 50, self._quota(user)["balance"])

        self._say("4. Redis is emptied")
        cache = redis.Redis.from_url(self._stack.redis_url)
        cache.flushall()
        first, second = self._quota(user), self._quota(user)
        self._check("the quota is still right, from the ledger", (50, "ledger"), (first["balance"], first["source"]))
        self._check("and then from Redis again", (50, "cache"), (second["balance"], second["source"]))

        self._say("5. The ledger, Redis, and the consistency check")
        self._show(user, cache)

        self._take_back(user, event["data"]["object"]["payment_intent"])
        self._use(user)
        cache.close()

    def _show(self, user: str, cache: "redis.Redis") -> None:
        entries = self._stack.rows(
            "select version, kind, amount, balance_before, balance_after, stripe_session_id"
            " from public.credit_transactions order by id"
        )
        self._show_rows("public.credit_transactions", entries)
        self._check("the ledger has one entry, of 50 credits", [50], [entry["amount"] for entry in entries])
        inbox = self._stack.rows("select type, status, attempts from public.webhook_events order by received_at")
        self._show_rows("public.webhook_events", inbox)
        wrong = self._stack.rows("select * from public.validate_credits_consistency()")
        self._show_rows("public.validate_credits_consistency()", wrong, empty="no rows: consistent")
        self._check("the consistency check is empty", [], wrong)
        (ledger,) = self._stack.rows("select id from public.credit_ledgers")
        key = f"{str(ledger['id'])[:8]}:{user}"
        kept = cache.get(key) or b""
        shown = dict(zip(("balance", "held", "version", "revision"), kept.decode().split("/"), strict=False))  # type: ignore[union-attr]
        self._show_rows(f"Redis, {key}", [shown])
        self._check("Redis has the ledger's balance", "50", shown.get("balance"))
        service = self._call(f"/quota?user_id={user}", None)
        self._show_rows("GET /quota", [service])
        self._check("a backend with its key reads the same quota", 50, service["available"])

    def _take_back(self, user: str, payment: str) -> None:
        stripe = self._stack.stripe
        self._say("6. Half of it is refunded; Stripe sends three kinds of event, each twice")
        refunded = stripe.account.reversals.refund(payment, 250)
        events = stripe.deliver(*refunded, copies=2)
        self._check("each delivery is answered 200", {200}, {delivery.status for delivery in events})
        self._check("25 credits are left, in Redis too", (25, "cache"), self._left(user))
        self._say("7. The customer disputes the rest; the dispute is won")
        disputed = stripe.account.reversals.dispute(payment, 250)
        stripe.deliver(*disputed)
        self._check("nothing is left while the bank has the money", 0, self._quota(user)["balance"])
        won = stripe.account.reversals.close_dispute(disputed[0]["data"]["object"]["id"], "won")
        stripe.deliver(*won)
        self._check("25 credits are back", 25, self._quota(user)["balance"])
        entries = self._stack.rows(
            "select version, kind, amount, balance_after, stripe_event_id from public.credit_transactions order by id"
        )
        self._show_rows("public.credit_transactions", entries)
        self._check("each change is one entry", [50, -25, -25, 25], [entry["amount"] for entry in entries])
        wrong = self._stack.rows("select * from public.validate_credits_consistency()")
        self._check("the consistency check is still empty", [], wrong)

    def _use(self, user: str) -> None:
        self._say("8. The app charges Ada 10 credits, loses the answer, and retries")
        wish = {"user_id": user, "credits": 10, "description": "a portrait"}
        first, again = (self._spend("/usage", wish, key="portrait-1") for _ in range(2))
        self._check("the second answer is the first one", first, again)
        self._check("10 credits are spent, once", (15, "cache"), self._left(user))
        self._say("9. It holds 10 credits before a job of unknown cost, and captures 4")
        held = self._spend("/holds", {"user_id": user, "credits": 10}, key="film-1")
        self._check("5 are available meanwhile", 5, self._quota(user)["available"])
        captured = self._spend(f"/holds/{held['id']}/capture", {"credits": 4})
        shown = ("status", "credits", "captured", "balance", "held", "available")
        self._show_rows("The capture's answer", [{name: captured[name] for name in shown}])
        self._check("the rest is available again", 11, self._quota(user)["available"])
        draws = self._stack.rows(
            "select t.version, t.kind, t.amount, d.grant_id, d.credits as drawn, t.description"
            " from public.credit_transactions t left join public.credit_draws d using (user_id, version) order by t.id"
        )
        self._show_rows("public.credit_transactions, and what each took from which grant", draws)
        wrong = self._stack.rows("select * from public.validate_credits_consistency()")
        self._check("the consistency check is still empty at the end", [], wrong)

    def _left(self, user: str) -> tuple[int, str]:
        quota = self._quota(user)
        return quota["balance"], quota["source"]

    def _show_rows(self, title: str, rows: list[dict[str, Any]], *, empty: str = "no rows") -> None:
        self._console.print(f"\n  [cyan]{title}[/cyan]")
        if not rows:
            self._console.print(f"  ({empty})")
            return
        table = Table(box=box.SIMPLE)
        for name in rows[0]:
            numeric = all(str(row[name]).lstrip("-").isdecimal() for row in rows)
            table.add_column(name, justify="right" if numeric else "left", overflow="fold")
        for row in rows:
            table.add_row(*("" if value is None else Text(str(value)) for value in row.values()))
        self._console.print(table)

    def _say(self, title: str) -> None:
        self._console.print(f"\n[bold]{title}[/bold]")

    def _check(self, claim: str, expected: object, actual: object) -> None:
        if expected == actual:
            self._console.print(f"  [green]✓[/green] {claim}")
            return
        self.failures.append(claim)
        self._console.print(f"  ✗ {claim}: expected {expected!r}, saw {actual!r}", style="red", markup=False)

    def _quota(self, user: str) -> dict[str, Any]:
        return self._call("/quota", user)

    def _spend(self, path: str, body: dict[str, Any], *, key: str = "") -> dict[str, Any]:
        return self._call(path, None, body, {"Idempotency-Key": key} if key else {})

    def _call(
        self, path: str, user: str | None, body: dict[str, Any] | None = None, more: dict[str, str] | None = None
    ) -> dict[str, Any]:
        headers = {**(more or {}), **({"x-user-id": user} if user else {"Authorization": f"Bearer {SERVICE_KEY}"})}
        content = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(  # noqa: S310 - our own service
            f"{self._stack.url}{path}", content, {**headers, "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own service
            fields: dict[str, Any] = json.load(answer)
            return fields

    def _pay(self, page: str) -> int:
        opener = urllib.request.build_opener(_NoRedirect)
        with opener.open(page, timeout=30) as shown:
            shown.read()
        try:
            with opener.open(page, urllib.parse.urlencode({"method": "card"}).encode(), timeout=30) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as answer:
            answer.close()
            return answer.code


def _deliveries(found: list[Delivery]) -> list[dict[str, Any]]:
    return [
        {"event": delivery.event_id, "answer": delivery.status, "body": delivery.body.decode()} for delivery in found
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Set up the command, which takes no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Play it; 0 if every check held."""
    del arguments
    console = Console()
    data = Path(tempfile.mkdtemp(prefix="credence-demo-"))
    console.print("Starting Postgres, Redis, the Stripe stand-in and the service …")
    try:
        with running(data, auto_deliver=False) as stack:
            demonstration = Demonstration(stack, console)
            demonstration.play()
    except StackFailed as problem:
        console.print("The stack did not start:", style="red")
        console.print(str(problem), markup=False, highlight=False, soft_wrap=True)
        return 1
    finally:
        shutil.rmtree(data, ignore_errors=True)
    if demonstration.failures:
        console.print(f"\n[bold red]{len(demonstration.failures)} checks failed.[/bold red]")
        return 1
    good = "All checks held: paid once, reported three times, credited once; charged twice, spent once."
    console.print(f"\n[bold green]{good}[/bold green]")
    return 0
