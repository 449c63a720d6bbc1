"""Debian's libfaketime, by which a process's clock is wrong as a whole: ours, and that of every library in it."""

from pathlib import Path

LIBRARIES = Path("/usr/lib")


class FaketimeMissing(Exception):
    """The library is not on this machine; `.ci/run` installs it."""


def skewed(seconds: int) -> dict[str, str]:
    """The environment of a process whose clock is so many seconds ahead, or behind; how long it waits is not skewed.

    :raises FaketimeMissing: if it is not installed.
    """
    found = sorted(LIBRARIES.glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise FaketimeMissing("install Debian's package faketime, as .ci/run does")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
