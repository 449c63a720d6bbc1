"""Explore what could go wrong: the real use cases, stepped one await at a time, on worlds in memory.

Small stories are explored exhaustively: every order of their deliveries, each event repeated, two workers that
interleave at every await, and at every await a crash, an outage or a lost response. The checkers compare ledger and
cache with what the customers really did.

With `--seeds`, `--seed` or `--minutes` random worlds are explored instead: many customers, lives of months, duplicates,
delays of days, several processes, every kind of fault. A seed reproduces a world exactly.

A failure is saved as a schedule, minimised for random worlds; `replay` runs it. Exits 0 if every check
held, 1 if one failed, 2 if nothing could be explored.

    python -m simulators explore --list
    python -m simulators explore --story "dispute won"
    python -m simulators explore --bug "the last refund wins"
    python -m simulators explore --seeds 200 --table
    python -m simulators explore --seed $(git rev-parse HEAD)
"""

import argparse
from pathlib import Path

from simulators.explorer import explore_seeds, explore_stories
from simulators.system.system import DEFAULT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="print one JSON object, for machines")
    parser.add_argument("--system", default=DEFAULT, metavar="MODULE", help="what is under test (default: %(default)s)")
    parser.add_argument(
        "--bug", metavar="NAME", help="plant a known bug, to see that it is found; `--bug list` lists them"
    )
    parser.add_argument(
        "--save", type=Path, default=Path("failures"), metavar="DIR", help="the directory where failures are saved"
    )
    explore_stories.add_arguments(parser)
    explore_seeds.add_arguments(parser)


def run(parsed: argparse.Namespace) -> int:
    """Explore; returns the exit code."""
    is_random = any(asked is not None for asked in (parsed.seeds, parsed.seed, parsed.minutes))
    return explore_seeds.run(parsed) if is_random else explore_stories.run(parsed)
