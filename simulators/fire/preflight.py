"""Checks before firing: no live keys, a safe address, and a target that is the one meant."""

import ipaddress
import json
import re
import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from simulators.fire.answers import TargetUnfit, problem_type
from simulators.fire.sender import DeliveryAttempt, Sender
from simulators.schedules.steps import Schedule
from simulators.stories.customers import Plan
from simulators.stripe.objects import API_VERSION, event

_LIVE = re.compile(r"\b[spr]k_live_")
PROBE = "credence.fire_probe"
"""A type of event that Stripe does not have: a service that verifies signatures stores and ignores it."""


def refuse_live_keys(given: Mapping[str, str | None]) -> None:
    """See that no live key is at hand, neither meant for us nor lying about; `given` is each value by its name.

    :raises TargetUnfit: if there is one; it is named by where it was found.
    """
    for name, value in given.items():
        if value and _LIVE.search(value):
            raise TargetUnfit(f"{name} is a live Stripe key. Unset it and run against a deployment in test mode.")


def safe_address(target: str) -> str:
    """Return the target's address, without a trailing slash.

    :raises TargetUnfit: if it is none, or secrets would cross a network unprotected.
    """
    try:
        parts = urlsplit(target)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https"):
        raise TargetUnfit(f"--target must be a URL such as https://staging.example.com, not {target!r}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise TargetUnfit("--target must be a plain URL without user, password or query.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise TargetUnfit(f"--target {target} is not encrypted: use https (http is allowed on this machine only).")
    return target.rstrip("/")


def check_plans(schedule: Schedule, plans: Iterable[Plan], *, url: str) -> None:
    """See that the target sells what the schedule's customers buy.

    :raises TargetUnfit: if it does not: their payments would wait there, for a person.
    """
    on_sale = {plan.id: plan for plan in plans}
    for sold in schedule.plans:
        plan = on_sale.get(str(sold["id"]))
        wanted = (sold["credits"], sold["price"], sold["currency"], sold["mode"])
        if plan is None or (plan.credits, plan.price, plan.currency, plan.mode) != wanted:
            raise TargetUnfit(
                f"The schedule sells {sold['id']} ({sold['credits']} credits for {sold['price']} {sold['currency']}), "
                f"and {url} does not. Replay it on a deployment with the same catalogue."
            )


async def check_secret(sender: Sender) -> None:
    """See that the target accepts what we sign, and nothing else.

    :raises TargetUnfit: if it does not.
    """
    url = sender.target.url
    good, forged = _probe("good"), _probe("forged")
    answer = await sender.once(good)
    if answer is None:
        raise TargetUnfit(f"{url} does not answer a webhook. Is it up?")
    if answer.status_code == 400 and problem_type(answer) == "invalid-signature":
        raise TargetUnfit(
            f"{url} rejects our signature: {answer.json().get('detail')} Set its STRIPE_WEBHOOK_SECRET by --secret or "
            "in the environment; if the secret is right, compare the clocks."
        )
    if not answer.is_success:
        raise TargetUnfit(
            f"{url} answers a correctly signed webhook with {answer.status_code}. Is it ready (GET /readyz)?"
        )
    answer = await sender.once(forged)
    if answer is None or answer.status_code != 400:
        text = "nothing" if answer is None else str(answer.status_code)
        raise TargetUnfit(f"{url} answers a forged webhook with {text} instead of 400: it does not check signatures!")


def _probe(signature: str) -> DeliveryAttempt:
    now = time.time_ns()
    subject = {"id": "probe", "object": "credence.fire_probe"}
    given = event(f"evt_probe{now}", PROBE, subject, created=now // 1_000_000_000, api_version=API_VERSION)
    return DeliveryAttempt(event=given["id"], body=json.dumps(given).encode(), signature=signature)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
