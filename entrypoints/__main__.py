"""`python -m entrypoints` is `credence`."""

from entrypoints.cli.main import main

main(prog_name="credence")
