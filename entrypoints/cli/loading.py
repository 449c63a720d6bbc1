"""Imports what a command needs only when the command runs, so that help and usage errors are fast."""

import contextlib
import os
import signal
from collections.abc import Iterator

INTERRUPTED = 130
"""The exit code of a command that Ctrl-C ended, as in shells."""


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process without a traceback while a block imports: there is nothing to tidy up yet."""
    usual = signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(INTERRUPTED))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
