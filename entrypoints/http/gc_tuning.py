"""What the garbage collector looks at, and how often: it is for cycles, and requests leave hardly any."""

import gc

YOUNG_OBJECTS = 50_000
"""More objects than some hundred requests at work have: by Python's own limit, 700, their coming and going alone began
a collection every few requests, which found nothing.
"""


def freeze_startup_objects() -> None:
    """Leave all that is there now out of later collections, and collect less often.

    Modules, routes and compiled expressions are some hundred thousand objects. To go through them took a tenth of a
    second each time, in which every request waited. For a process that serves one application until it ends.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
