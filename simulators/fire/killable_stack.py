"""A whole stack whose parts are killed while it is fired at: the service, its Postgres, its Redis."""

import contextlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from simulators.schedules.steps import Break, Crash, Flush, Mend, Step
from simulators.stack.parts import Part, PartFailed, PostgresPart, RedisPart, ServicePart
from simulators.stack.postgrest import free_port
from simulators.stack.stack import WEBHOOK_SECRET, StackFailed, address_said, environment_of, is_ready
from simulators.stripe.stand_in import StripeStandIn

OPERATOR_KEY = "operator-key-of-the-simulated-operator"

KILLABLE = ("service", "redis", "postgres")
"""What may be killed, as a person names it."""


@attrs.define(kw_only=True)
class Parts:
    """The parts of a stack, which a schedule's steps kill, start and flush.

    A port of a schedule is a part here. A port without a part (that of payments) can't be broken.
    """

    service: Part
    cache: RedisPart
    ports: Mapping[str, Part]
    _broken: list[str] = attrs.field(factory=list)

    def fault(self, step: Step) -> None:
        """Do what a step says.

        :raises PartFailed: if a part does not end, or does not come back.
        """
        match step:
            case Crash():
                self.service.kill()
                # A service looks for its storage when it starts, so that must be there.
                self.mend_all()
                self.service.start()
            case Break(port=port) if port in self.ports and port not in self._broken:
                self._broken.append(port)
                self.ports[port].kill()
            case Mend(port=port) if port in self._broken:
                self._broken.remove(port)
                self.ports[port].start()
            case Flush() if "cache" not in self._broken:
                self.cache.flush()

    def mend_all(self) -> None:
        """Start again whatever was killed."""
        for port in tuple(self._broken):
            self.fault(Mend(port=port))


@attrs.frozen(kw_only=True)
class KillableStack:
    """A running stack; what is needed to fire at it, and to kill its parts."""

    url: str
    secret: str
    operator_key: str
    postgres_url: str
    parts: Parts
    log: Path


@contextlib.contextmanager
def killable(
    data: Path, *, settings: Mapping[str, str] | None = None, plans: Sequence[Mapping[str, Any]] = ()
) -> Iterator[KillableStack]:
    """Return the stack on the embedded storage in `data`, until the end of the block; it sells these plans, or its own.

    :raises StackFailed: if it does not start.
    """
    data.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    log = data / "service.log"
    log.touch()
    with StripeStandIn(webhook_url=None, webhook_secret=WEBHOOK_SECRET) as stripe, contextlib.ExitStack() as ends:
        wanted = {"CREDENCE_OPERATOR_KEY": OPERATOR_KEY, **(settings or {})}
        if plans:
            catalogue = data / "plans.toml"
            catalogue.write_text("\n".join(map(_table, plans)), encoding="utf-8")
            wanted["CREDENCE_PLANS"] = str(catalogue)
        environment = environment_of(data, port=port, stripe_url=stripe.url, settings=wanted)
        command = [sys.executable, "-m", "entrypoints", "serve"]
        service = ServicePart(command, environment, log, lambda: is_ready(url))
        postgres = PostgresPart(data / "postgres")
        # The service may not know a Postgres that was started again as its own.
        ends.callback(postgres.stop)
        ends.callback(service.stop)
        try:
            service.start()
        except PartFailed as problem:
            raise StackFailed(str(problem)) from problem
        said = service.said.read_text().splitlines()
        cache = RedisPart(address_said(said, "redis"))
        ends.callback(cache.stop)
        parts = Parts(service=service, cache=cache, ports={"ledger": postgres, "cache": cache})
        yield KillableStack(
            url=url,
            secret=WEBHOOK_SECRET,
            operator_key=OPERATOR_KEY,
            postgres_url=address_said(said, "postgresql"),
            parts=parts,
            log=log,
        )


def _table(plan: Mapping[str, Any]) -> str:
    """Return a plan as a table of TOML; a JSON text is a text of TOML too."""
    fields = {"name": f"Plan {plan['id']}", **{name: value for name, value in plan.items() if name != "id"}}
    lines = [f"{name} = {json.dumps(value)}" for name, value in fields.items() if value is not None]
    return "\n".join([f"[plans.{json.dumps(plan['id'])}]", *lines, ""])
