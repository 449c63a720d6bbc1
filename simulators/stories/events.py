"""Events of Stripe's, as customers' stories bring them about."""

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import attrs


@attrs.frozen(kw_only=True, slots=False)
class Event:
    """An event of Stripe's, by the exact text of its body."""

    body: str

    @cached_property
    def _reported(self) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = json.loads(self.body)
        return answer

    @property
    def id(self) -> str:
        """Return its id."""
        return str(self._reported["id"])

    @property
    def type(self) -> str:
        """Return its type."""
        return str(self._reported["type"])

    @property
    def is_switched(self) -> bool:
        """Return whether it shows a subscription at the price of another plan than its metadata names."""
        subject = self._reported["data"]["object"]
        prices = [item.get("price") or {} for item in (subject.get("items") or {}).get("data", [])]
        plans = {plan for price in prices if (plan := price.get("metadata", {}).get("credence_plan"))}
        return bool(plans) and subject["metadata"].get("plan") not in plans

    @property
    def api_version(self) -> str:
        """Return the version of Stripe's API whose shapes it has."""
        return str(self._reported.get("api_version"))

    @property
    def created(self) -> int:
        """Return when it was made, in seconds since 1970."""
        return int(self._reported["created"])
