"""`credence`, and `python -m entrypoints`: the command line, which Ctrl-C ends without a traceback from the start."""

import os
import signal


def main() -> None:
    """Run one command. While its modules are imported there is nothing to tidy up yet."""
    usual = signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(130))
    from entrypoints.cli.main import main as command_line  # noqa: PLC0415 - importing it takes a second

    signal.signal(signal.SIGINT, usual)
    command_line(prog_name="credence")


if __name__ == "__main__":
    main()
