"""Leaves the demo's stack running, to try the pricing, checkout and return pages in a browser."""

import argparse
import contextlib
import errno
import os
import signal
import socket
from pathlib import Path

from rich.console import Console

from simulators.stack.stack import OPERATOR_KEY, SERVICE_KEY, WEBHOOK_SECRET, Stack, StackFailed, running


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Set up where the stack listens, and keeps its data."""
    parser.add_argument("--port", type=int, default=8000, help="the service's port (default: 8000)")
    parser.add_argument("--stripe-port", type=int, default=12111, help="the stand-in's port (default: 12111)")
    data = os.environ.get("CREDENCE_DATA") or ".credence/dev"
    parser.add_argument("--data", type=Path, default=Path(data), help="where the data is kept (default: %(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; ends everything that it started."""
    console = Console(highlight=False)
    busy = [option for option, port in _wanted(arguments).items() if port and _is_in_use(port)]
    for option in busy:
        text = f"Port {_wanted(arguments)[option]} is already in use. Choose another with {option}."
        console.print(text, style="red", markup=False, soft_wrap=True)
    if busy:
        return 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    console.print("Starting Postgres, Redis, the Stripe stand-in and the service …")
    try:
        with running(
            arguments.data, auto_deliver=True, port=arguments.port, stripe_port=arguments.stripe_port
        ) as stack:
            _show(stack, console)
            with contextlib.suppress(KeyboardInterrupt):
                signal.pause()
        console.print("\nStopped.")
    except StackFailed as problem:
        console.print("The service did not start:", str(problem), style="red", markup=False)
        return 1
    except OSError as problem:
        text = f"Cannot listen: {problem}. Choose other ports with --port and --stripe-port."
        console.print(text, style="red", markup=False)
        return 1
    return 0


def _wanted(arguments: argparse.Namespace) -> dict[str, int]:
    return {"--port": arguments.port, "--stripe-port": arguments.stripe_port}


def _is_in_use(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError as problem:
        return problem.errno == errno.EADDRINUSE
    return False


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _show(stack: Stack, console: Console) -> None:
    user = stack.sign_up("ada@example.com")
    (ledger,) = stack.rows("select id from public.credit_ledgers")
    ada, json = f"-H 'x-user-id: {user}'", "-H 'content-type: application/json'"
    lines = [
        "",
        "Pages",
        f"  buy credits, as Ada   {stack.url}/?user={user}&email=ada@example.com",
        f"  Stripe stand-in       {stack.stripe.url}/",
        f"  API reference         {stack.url}/schema",
        "",
        "Try",
        f"  curl {stack.url}/plans",
        f"  curl {ada} {stack.url}/quota",
        f'  curl {ada} {json} -d \'{{"plan": "starter"}}\' {stack.url}/checkout/sessions',
        f"  curl {ada} {stack.url}/transactions",
        f"  curl -H 'Authorization: Bearer {SERVICE_KEY}' '{stack.url}/quota?user_id={user}'",
        "",
        "To spend, as docs/spending.md shows",
        f"  export URL={stack.url} ADA={user}",
        f"  export S='Authorization: Bearer {SERVICE_KEY}' O='Authorization: Bearer {OPERATOR_KEY}'",
        "",
        "Storage",
        f"  psql '{stack.postgres_url}' -c 'table public.credit_transactions'",
        f"  redis-cli -u {stack.redis_url} get {str(ledger['id'])[:8]}:{user}",
        "",
        f"The webhook secret is {WEBHOOK_SECRET}; the service logs to {stack.log}.",
        "Ctrl-C ends all of it.",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
