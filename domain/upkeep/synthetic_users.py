"""Synthetic users: the customers of a load test, grouped by tag. Other users are never touched."""

import re
from datetime import datetime
from typing import NewType

import attrs

from domain.values.accounts import UserId

Tag = NewType("Tag", str)
"""The name of a group, as :func:`parse_tag` returns it."""

MAX_USERS = 500
"""The maximum number of users per group."""

_TAG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@attrs.frozen
class InvalidTag(ValueError):
    """A tag that cannot be part of an email address."""

    given: str


@attrs.frozen
class WrongNumberOfUsers(ValueError):
    """A number of users below 1 or above :data:`MAX_USERS`."""

    wanted: int


def parse_tag(text: str) -> Tag:
    """Return the tag: at most 40 lower-case letters, digits and hyphens.

    :raises InvalidTag: if the text is anything else.
    """
    if not _TAG.fullmatch(text):
        raise InvalidTag(text[:64])
    return Tag(text)


def check_number(wanted: int) -> int:
    """Return the number of users.

    :raises WrongNumberOfUsers: unless it is between 1 and :data:`MAX_USERS`.
    """
    if not 1 <= wanted <= MAX_USERS:
        raise WrongNumberOfUsers(wanted)
    return wanted


@attrs.frozen(kw_only=True)
class SyntheticUser:
    """One synthetic customer; mail to the address reaches nobody."""

    user_id: UserId
    email: str


@attrs.frozen(kw_only=True)
class SyntheticUserGroup:
    """A group that has users now."""

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
    """The users removed, by this call or an earlier one, and those who could not be."""

    removed: tuple[UserId, ...]
    kept: tuple[NotRemoved, ...]
