"""`python -m entrypoints` is `credence`."""

from entrypoints.cli import main

main(prog_name="credence")
