"""The command line: which commands there are. A command's module is imported when the command is named."""

import importlib
from collections.abc import Mapping

import click

from entrypoints.cli.loading import loading

COMMANDS: Mapping[str, Mapping[str, str]] = {
    "serving": {
        "serve": "Serve the HTTP API.",
        "worker": "Run only the worker.",
        "migrate": "Apply pending migrations.",
    },
    "inbox": {
        "parked": "List the parked events with their reasons, newest first.",
        "claim": "Assign the payment of a parked EVENT to a user.",
        "replay": "Process EVENT again.",
        "outbox": "List the messages whose delivery failed, and why.",
    },
    "reconcile": {"reconcile": "Find and apply missed events."},
    "audit": {
        "check": "Check the ledger and its copy in Redis.",
        "sync": "Repair the balance of USER.",
        "doctor": "Examine the deployment.",
    },
    "customers": {"customers": "Manage the accounts' customers at Stripe."},
    "explain": {"explain": "Show where every credit of USER came from."},
    "grants": {
        "grant": "Grant CREDITS to USER without a payment.",
        "adjust": "Add credits to USER, or take some if CREDITS is negative.",
    },
}
"""The commands of each module, with the first sentence of each one's help."""


class _Commands(click.Group):
    """Lists the commands above, and imports the one that is named."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            (module,) = [module for module, commands in COMMANDS.items() if name in commands]
            with loading():
                command = getattr(importlib.import_module(f"entrypoints.cli.{module}"), name)
        return name, command, rest


@click.group(
    cls=_Commands,
    commands=[click.Command(name, help=text) for commands in COMMANDS.values() for name, text in commands.items()],
)
@click.version_option(package_name="credence")
def main() -> None:
    """Stripe payments into spendable credits, exactly once."""
