"""The command line of the simulators: `python -m simulators COMMAND`."""

import argparse

from simulators.explorer import explore, replay
from simulators.fire import command
from simulators.stack import demo, dev
from simulators.stripe import stand_in

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as in shells."""

_COMMANDS = {
    "demo": (demo, "run the main job end to end on the embedded default"),
    "dev": (dev, "leave the demo's stack running, with its pages"),
    "explore": (explore, "try every order, crash and outage of small stories, and judge every balance"),
    "fire": (command, "load-test a running service with customer histories, and verify every balance"),
    "replay": (replay, "replay a saved schedule, and draw its timeline"),
    "stripe": (stand_in, "run the Stripe stand-in alone"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators", description="Simulators: stand-ins for customers, Stripe and faults."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, given) in _COMMANDS.items():
        module.add_arguments(commands.add_parser(name, help=given, description=module.__doc__))
    parsed = parser.parse_args(arguments)
    try:
        return int(_COMMANDS[parsed.command][0].run(parsed))
    except KeyboardInterrupt:
        return INTERRUPTED
