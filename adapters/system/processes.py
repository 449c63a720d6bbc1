"""Whether a process that was noted down still lives."""

import os


def is_alive(process: int) -> bool:
    """Return whether there is a process of that id."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
