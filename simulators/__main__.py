"""`python -m simulators`: the simulators' command line, which Ctrl-C ends without a traceback from its first moment."""

import os
import signal
import sys


def main() -> int:
    """Run one command; returns its exit code. While its modules are imported there is nothing to clean up yet."""
    usual = signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
    from simulators import command_line  # noqa: PLC0415 - importing it takes a second

    signal.signal(signal.SIGINT, usual)
    return command_line.main()


if __name__ == "__main__":
    sys.exit(main())
