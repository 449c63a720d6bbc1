"""Imports what a command needs once it is known to be needed, so that help and errors of usage come at once."""

import contextlib
import os
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Let Ctrl-C end the process without a traceback while a block imports: there is nothing to tidy up yet."""
    usual = signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)
