"""Seeds: one number from which a whole world follows. A git hash is one too, so that a commit can be its own seed."""

import random
import re

DIGITS = 18
"""Numbers of more digits are read as hexadecimal: a hash may happen to have no letter."""


def seed_of(text: str) -> int:
    """The seed that a person names: decimal, or hexadecimal of any length, such as a commit's hash.

    :raises ValueError: if it is neither; the message says what is.
    """
    given = text.strip().lower()
    if re.fullmatch(rf"[0-9]{{1,{DIGITS}}}", given):
        return int(given)
    if re.fullmatch(r"(0x)?[0-9a-f]{1,128}", given):
        return int(given, 16)
    raise ValueError(f"{text!r} is no seed: give a number, or a hexadecimal one such as 0xc0ffee or a commit's hash")


def shown(seed: int) -> str:
    """A seed as it is printed, and read back as the same."""
    return f"{seed:#x}"


def fork(seed: int, purpose: str) -> random.Random:
    """A stream of chance of its own for a purpose: what one draws does not shift what another draws."""
    # A text is hashed with SHA-512 by `random`, so neither PYTHONHASHSEED nor the machine changes what follows.
    return random.Random(f"{seed}/{purpose}")
