"""`credence`, and `python -m entrypoints`: the command line, which Ctrl-C ends without a traceback from the start."""

from entrypoints.cli.loading import loading


def main() -> None:
    """Run one command."""
    with loading():
        from entrypoints.cli.main import main as command_line  # noqa: PLC0415 - Ctrl-C is caught before
    command_line(prog_name="credence")


if __name__ == "__main__":
    main()
