"""Reports the result of firing: one value, as tables for people and as JSON for machines."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
from rich import box
from rich.console import Console
from rich.table import Table

from simulators.fire.runs import FireRun
from simulators.fire.sender import NO_ANSWER, Tally

SHOWN = 20
"""The most accounts and complaints that are printed; JSON has all."""


@attrs.frozen(kw_only=True)
class Report:
    """The report of a command: what was fired at which target, its answers, and the state of its accounts."""

    target: str
    seed: str | None
    schedule: str | None
    stories: tuple[str, ...]
    tally: Tally
    fire_runs: tuple[FireRun, ...]
    interrupted: bool
    left_out: int
    """Steps of a replayed schedule that can't be done to a target from outside."""

    @property
    def verdict(self) -> str:
        """Return `good`, `bad`, or `interrupted`."""
        if (
            any(fire_run.verdict is not None and not fire_run.is_good for fire_run in self.fire_runs)
            or self.left_behind
        ):
            return "bad"
        if any(fire_run.seen_wrong for fire_run in self.fire_runs):
            return "bad"
        return "interrupted" if self.interrupted else "good"

    @property
    def complaints(self) -> list[str]:
        """Return all that is wrong, but for accounts at the end."""
        verdicts = [fire_run.verdict for fire_run in self.fire_runs if fire_run.verdict is not None]
        seen = [f"meanwhile: {given}" for fire_run in self.fire_runs for given in fire_run.seen_wrong]
        return [*seen, *dict.fromkeys(given for verdict in verdicts for given in verdict.complaints)]

    @property
    def left_behind(self) -> list[str]:
        """Return what could not be cleaned up."""
        return [given for fire_run in self.fire_runs for given in fire_run.left_behind]

    def as_json(self) -> dict[str, Any]:
        """Return the report as one JSON object; docs/staging.md says what is in it."""
        tally, findings = self.tally, self._findings()
        return {
            "verdict": self.verdict,
            "target": self.target,
            "seed": self.seed,
            "schedule": self.schedule,
            "stories": list(self.stories),
            "tags": [fire_run.tag for fire_run in self.fire_runs],
            "seconds": round(tally.seconds, 3),
            "deliveries": {
                "planned": tally.planned,
                "finished": tally.finished,
                "requests": tally.requests,
                "repeated": tally.repeated,
                "per_second": round(tally.requests / tally.seconds, 1) if tally.seconds else None,
            },
            "answers": {
                "well_signed": _by_status(tally, is_good=True),
                "badly_signed": _by_status(tally, is_good=False),
            },
            "outcomes": dict(sorted(tally.outcomes.items())),
            "latency_ms": percentiles(tally.latencies),
            "accounts": {
                "checked": len(findings),
                "looked_at_meanwhile": sum(fire_run.looks for fire_run in self.fire_runs),
                "wrong": [attrs.asdict(finding) for finding in findings if finding.complaints],
            },
            "complaints": self.complaints,
            "left_out": self.left_out,
            "left_behind": self.left_behind,
        }

    def show(self, console: Console) -> None:
        """Print the report for people."""
        tally, findings = self.tally, self._findings()
        table = Table(box=box.SIMPLE, title="Answers", title_justify="left")
        for name in ("signature", "status", "answers"):
            table.add_column(name, justify="left" if name == "signature" else "right")
        for is_good, name in ((True, "good"), (False, "bad")):
            for status, count in _by_status(tally, is_good=is_good).items():
                table.add_row(name, status, str(count))
        console.print(table)
        quick = percentiles(tally.latencies)
        text = ", ".join(f"{name} {value}" for name, value in quick.items()) if quick else "no answers"
        rate = f" at {tally.requests / tally.seconds:.0f}/s" if tally.seconds else ""
        console.print(f"  {tally.requests} requests in {tally.seconds:.1f} s{rate}, {tally.repeated} of them repeated")
        console.print(f"  latency in ms: {text}")
        looks = sum(fire_run.looks for fire_run in self.fire_runs)
        console.print(f"  {len(findings)} accounts read back at the end, {looks} reads of them meanwhile")
        if self.left_out:
            console.print(f"  {self.left_out} steps of the schedule cannot be done from outside and were skipped")
        wrong = [finding for finding in findings if finding.complaints]
        for finding in wrong[:SHOWN]:
            console.print(
                f"  ✗ {finding.customer}: {finding.balance} instead of {finding.expected}, {finding.entries} entries",
                style="red",
            )
            for text in finding.complaints:
                console.print(f"      {text}", style="red", markup=False)
        problems = [*self.left_behind, *self.complaints]
        for problem in problems[:SHOWN]:
            console.print(f"  ✗ {problem}", style="red", markup=False)
        rest = max(len(wrong) - SHOWN, 0) + max(len(problems) - SHOWN, 0)
        if rest:
            console.print(f"  … and {rest} more; see --json", style="red")
        console.print(self._conclusion(len(findings), len(wrong)), markup=True)

    def _conclusion(self, accounts: int, wrong: int) -> str:
        match self.verdict:
            case "good":
                text = f"OK: all {accounts} balances match their customers' purchases, refunds and disputes."
                return f"[bold green]{text}[/bold green]"
            case "interrupted":
                return "[bold yellow]Interrupted: no verdict.[/bold yellow]"
            case _:
                problems = len(self.complaints) + len(self.left_behind)
                return f"[bold red]Bad: {wrong} of {accounts} balances are wrong, {problems} other problems.[/bold red]"

    def _findings(self) -> list[Any]:
        verdicts = [fire_run.verdict for fire_run in self.fire_runs if fire_run.verdict is not None]
        return [finding for verdict in verdicts for finding in verdict.findings]


def dumped(fields: dict[str, Any]) -> str:
    """Return the one document that machines get."""
    return json.dumps(fields, indent=2)


def percentiles(latencies: Sequence[float]) -> dict[str, float] | None:
    """Return the usual points of a distribution of seconds, in milliseconds; None where there is none."""
    if not latencies:
        return None
    ordered = sorted(latencies)
    points = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[min(int(part * len(ordered)), len(ordered) - 1)] * 1000, 1) for name, part in points.items()
    }


def _by_status(tally: Tally, *, is_good: bool) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for (good, status), count in sorted(tally.statuses.items()):
        if good is is_good:
            counts["none" if status == NO_ANSWER else str(status)] += count
    return dict(counts)
