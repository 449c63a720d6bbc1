"""Synthetic users: the customers of a rehearsal, known by its tag. Who was not made by one is never touched."""

import re
from datetime import datetime
from typing import NewType

import attrs

from domain.values.accounts import UserId

Tag = NewType("Tag", str)
"""The name of a rehearsal, as :func:`parse_tag` returns it."""

MAX_USERS = 500
"""The most users that one rehearsal may have."""

_TAG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@attrs.frozen
class InvalidTag(ValueError):
    """A tag that can't be part of an address."""

    given: str


@attrs.frozen
class WrongNumberOfUsers(ValueError):
    """More users than a rehearsal may have, or none."""

    wanted: int


def parse_tag(text: str) -> Tag:
    """The tag; lower-case letters, digits and hyphens, 40 at most.

    :raises InvalidTag: if the text is anything else.
    """
    if not _TAG.fullmatch(text):
        raise InvalidTag(text[:64])
    return Tag(text)


def check_number(wanted: int) -> int:
    """The number of users.

    :raises WrongNumberOfUsers: unless it is between 1 and :data:`MAX_USERS`.
    """
    if not 1 <= wanted <= MAX_USERS:
        raise WrongNumberOfUsers(wanted)
    return wanted


@attrs.frozen(kw_only=True)
class SyntheticUser:
    """One customer of a rehearsal; mail to the address reaches nobody."""

    user_id: UserId
    email: str


@attrs.frozen(kw_only=True)
class SyntheticUserGroup:
    """A rehearsal that has users now."""

    tag: Tag
    users: int
    since: datetime


@attrs.frozen(kw_only=True)
class NotRemoved:
    """A synthetic user who could not be removed, and why."""

    user_id: UserId
    problem: str


@attrs.frozen(kw_only=True)
class Removal:
    """Who is removed, by this call or an earlier one, and who could not be."""

    removed: tuple[UserId, ...]
    kept: tuple[NotRemoved, ...]
