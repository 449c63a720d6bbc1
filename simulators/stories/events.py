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
        """Its id."""
        return str(self._reported["id"])

    @property
    def type(self) -> str:
        """Its type."""
        return str(self._reported["type"])

    @property
    def api_version(self) -> str:
        """The version of Stripe's API whose shapes it has."""
        return str(self._reported.get("api_version"))

    @property
    def created(self) -> int:
        """When it was made, in seconds since 1970."""
        return int(self._reported["created"])
