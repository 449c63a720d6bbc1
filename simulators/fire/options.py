"""Reads the options of `fire`: its arguments, what the environment adds, and the limits that nobody can lift."""

import argparse
import difflib
from collections.abc import Mapping
from pathlib import Path

import attrs

from simulators.fire.answers import TargetUnfit
from simulators.fire.killable_stack import KILLABLE
from simulators.fire.sender import PAUSES
from simulators.stories.catalogue import STORIES, Story
from simulators.stories.seeds import seed_of

MAX_RATE = 500
MAX_CUSTOMERS = 500
MAX_SECONDS = 3600
MAX_CONCURRENCY = 64
MAX_PATIENCE = 600
MAX_ATTEMPTS = len(PAUSES) + 1

EXAMPLES = """\
examples:
  at staging, with the secrets in the environment, where process lists do not show them:
    export STRIPE_WEBHOOK_SECRET=whsec_… CREDENCE_OPERATOR_KEY=…
    python -m simulators fire --target https://staging.example.com --seed 7 --customers 20 --rate 50
  keep going for ten minutes, and tell a machine:
    python -m simulators fire --target https://staging.example.com --duration 600 --json > verdict.json
  on this machine, with a stack of its own whose parts are killed meanwhile:
    python -m simulators fire --stack --kill service,redis,postgres
  the same once more, from a file:
    python -m simulators fire --stack --kill service --save schedule.json
    python -m simulators fire --stack --replay schedule.json
"""


@attrs.frozen(kw_only=True)
class Options:
    """The options of a run: what to fire, at which target, and how fast."""

    target: str | None
    secret: str = attrs.field(repr=False)
    operator_key: str = attrs.field(repr=False)
    service_key: str | None = attrs.field(repr=False)
    stories: tuple[Story, ...]
    names_stories: bool
    """Whether somebody asked for these and no others."""
    seed: int
    customers: int
    rate: float
    concurrency: int
    attempts: int
    duration: float
    patience: float
    kills: tuple[str, ...]
    replay: Path | None
    save: Path | None
    clean_up: str | None
    json: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Set up the arguments, and how they are used."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EXAMPLES
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--target", metavar="URL", help="a deployment in test mode; https, or http on this machine")
    where.add_argument(
        "--stack", action="store_true", help="a local stack of its own: Postgres, Redis, Stripe stand-in and service"
    )
    keys = parser.add_argument_group("keys of the target (better in the environment than here)")
    keys.add_argument("--secret", metavar="whsec_…", help="the webhook secret (STRIPE_WEBHOOK_SECRET)")
    keys.add_argument("--operator-key", metavar="KEY", help="the operator's key (CREDENCE_OPERATOR_KEY)")
    keys.add_argument("--service-key", metavar="KEY", help="the backend's, to read accounts (CREDENCE_SERVICE_KEY)")
    what = parser.add_argument_group("what is fired")
    what.add_argument(
        "--story",
        action="append",
        metavar="NAME",
        help=f"a story, once or several times; all (the default) are: {', '.join(STORIES)}",
    )
    what.add_argument(
        "--seed", default="7", help="a number or a commit's hash; it determines the whole run (default: 7)"
    )
    what.add_argument("--customers", type=int, default=20, help=f"how many, {MAX_CUSTOMERS} at most (default: 20)")
    what.add_argument("--rate", type=float, default=50.0, help=f"deliveries a second, {MAX_RATE} at most (default: 50)")
    what.add_argument(
        "--concurrency",
        type=int,
        default=16,
        help=f"how many at once, {MAX_CONCURRENCY} at most (default: 16)",
    )
    what.add_argument(
        "--attempts",
        type=int,
        default=MAX_ATTEMPTS,
        help=f"the maximum attempts per delivery, at most {MAX_ATTEMPTS}, within half a minute",
    )
    what.add_argument(
        "--duration",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help=f"continue with new customers for this long, at most {MAX_SECONDS} (default: one round)",
    )
    what.add_argument(
        "--kill",
        default="",
        metavar="PARTS",
        help=f"with --stack: kill these in mid-load and start them again, of {', '.join(KILLABLE)}",
    )
    what.add_argument("--replay", type=Path, metavar="FILE", help="a saved schedule, instead of stories and seed")
    what.add_argument("--save", type=Path, metavar="FILE", help="write the schedule that is fired (the last one's)")
    parser.add_argument(
        "--patience",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help=f"how long balances may take to become correct, at most {MAX_PATIENCE} (default: 60)",
    )
    parser.add_argument("--clean-up", metavar="TAG", help="only remove the users that an earlier run left behind")
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")


def options_of(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Options:
    """Return the options that the arguments make, with what the environment adds.

    :raises TargetUnfit: with what is missing or out of bounds.
    """
    kills = tuple(part.strip() for part in arguments.kill.split(",") if part.strip())
    _expect(not kills or arguments.stack, "--kill kills parts of a stack of its own: use it with --stack.")
    unknown = [part for part in kills if part not in KILLABLE]
    _expect(not unknown, f"--kill knows {', '.join(KILLABLE)}, not {', '.join(unknown)}.")
    _expect(not (arguments.replay and arguments.duration), "--replay fires one schedule once: leave --duration out.")
    _expect(not (arguments.replay and kills), "--replay has its kills in the schedule: leave --kill out.")
    for name, most in (("rate", MAX_RATE), ("patience", MAX_PATIENCE)):
        _expect(0 < getattr(arguments, name) <= most, f"--{name} must be above 0, and {most} at most.")
    for name, most in (("customers", MAX_CUSTOMERS), ("concurrency", MAX_CONCURRENCY), ("attempts", MAX_ATTEMPTS)):
        _expect(1 <= getattr(arguments, name) <= most, f"--{name} must be between 1 and {most}.")
    _expect(0 <= arguments.duration <= MAX_SECONDS, f"--duration must be between 0 and {MAX_SECONDS} seconds.")
    try:
        seed = seed_of(arguments.seed)
    except ValueError as error:
        raise TargetUnfit(f"--seed: {error}.") from None
    secret = arguments.secret or _first(environ, "STRIPE_WEBHOOK_SECRET")
    operator_key = arguments.operator_key or _first(environ, "CREDENCE_OPERATOR_KEY")
    if arguments.target is not None:
        _expect(bool(secret) or bool(arguments.clean_up), "Missing --secret (or STRIPE_WEBHOOK_SECRET).")
        _expect(bool(operator_key), "Missing --operator-key (or CREDENCE_OPERATOR_KEY).")
    return Options(
        target=arguments.target,
        secret=secret,
        operator_key=operator_key,
        service_key=(arguments.service_key or _first(environ, "CREDENCE_SERVICE_KEY") or None)
        if arguments.target is not None
        else None,
        stories=_stories(arguments.story or ["all"]),
        names_stories="all" not in (arguments.story or ["all"]),
        seed=seed,
        customers=arguments.customers,
        rate=arguments.rate,
        concurrency=arguments.concurrency,
        attempts=arguments.attempts,
        duration=arguments.duration,
        patience=arguments.patience,
        kills=kills,
        replay=arguments.replay,
        save=arguments.save,
        clean_up=arguments.clean_up,
        json=arguments.json,
    )


def _stories(names: list[str]) -> tuple[Story, ...]:
    if "all" in names:
        return tuple(STORIES.values())
    for name in names:
        if name not in STORIES:
            close = difflib.get_close_matches(name, STORIES, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(STORIES)}."
            raise TargetUnfit(f"--story: there is no story {name!r}; {hint}")
    return tuple(STORIES[name] for name in names)


def _first(environ: Mapping[str, str], name: str) -> str:
    """Return the first of those that stand between commas while they are rotated; empty if there is none."""
    return environ.get(name, "").partition(",")[0].strip()


def _expect(holds: bool, problem: str) -> None:
    if not holds:
        raise TargetUnfit(problem)
