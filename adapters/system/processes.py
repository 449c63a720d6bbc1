"""Checks whether a recorded process is still alive."""

import os


def is_alive(process: int) -> bool:
    """Return whether there is a process with that id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
