"""What the garbage collector looks at: not what the process has had since it started, and will have until it ends."""

import gc


def settle_memory() -> None:
    """Leave all that is there now out of later collections.

    Modules, routes and compiled expressions are some hundred thousand objects. To go through them took a tenth of a
    second each time, in which every request waited. For a process that serves one application until it ends.
    """
    gc.collect()
    gc.freeze()
