"""The quota cache in Redis: one string a user, `{ledger id}:{user_id}`, that only moves to newer revisions.

It has the fields of `_LINE`, as `balance/held/version/revision`: half a hash of the same. A line of at most 63
characters, key and value together, takes 88 bytes of Valkey 9; one more makes it 104.

An account whose line could not be written is not read from Redis before it is.
"""

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

from redis.exceptions import NoScriptError

from adapters.redis.client import Ask, SharedRedis
from adapters.redis.errors import CACHE_ERRORS, LinesMissed, cache_errors, cache_unavailable, is_of_another_type
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.usability import make_sure_of, make_sure_of_all_keys
from domain.values.accounts import Account, InvalidUserId, UserId, parse_user_id

SCANNED_KEYS = 500

MAX_UNWRITTEN = 10_000
"""Lines that are known not to be written; where there are more, none is read before all are removed."""

Command = tuple[str, str, *tuple[str | int, ...]]
"""A command's name, its key and its other arguments."""

_ANY_USER = "-".join("?" * length for length in (8, 4, 4, 4, 12))
"""A user's id as a pattern of Redis': no other kind of key has this form."""

_FORGOTTEN = 2**63
"""The revision of an account that could not be forgotten: newer than any."""

# Lua counts in doubles, so a revision is compared only up to 15 digits. What `find` would not read is
# overwritten, whatever its type: both must know the same lines as readable. A full Redis refuses the write.
_STORE = """
local kept = redis.pcall('get', KEYS[1])
if type(kept) == 'string' then
  local line = {string.match(kept, '^(%-?%d+)/(%d+)/(%d+)/(%d+)$')}
  local is_read = line[1] and #line[1] <= 19 and #line[2] <= 19 and #line[3] <= 15 and #line[4] <= 15
  local missed = string.match(kept, '^///(%d+)$')
  if is_read and tonumber(line[4]) >= tonumber(ARGV[2])
      or missed and #missed <= 15 and tonumber(missed) > tonumber(ARGV[2]) then
    return 0
  end
end
return redis.pcall('set', KEYS[1], ARGV[1])
"""
_STORE_SHA = hashlib.sha1(_STORE.encode(), usedforsecurity=False).hexdigest()
_LINE = re.compile(r"(-[0-9]{1,18}|[0-9]{1,19})/([0-9]{1,19})/([0-9]{1,15})/([0-9]{1,15})")
"""Balance, held, version and revision."""
_MISSED = "///{}"
"""A revision without a balance says what was missed: nothing is read of it, and nothing older is stored over it."""


class RedisQuotaCache:
    """Implements the port QuotaCache on a client that decodes its answers, as `connect` makes it."""

    def __init__(self, redis: SharedRedis, keys: LedgerKeys) -> None:
        self._redis = redis
        self._keys = keys
        self._unwritten: dict[UserId, int] = {}
        """The revision that Redis should have of each account whose line could not be written."""
        redis.before_return.append(self._remove_unwritten)

    async def find(self, user_id: UserId) -> Account | None:
        """Return the copy, or None where there is none that can be read.

        :raises CacheUnavailable: if Redis did not answer.
        """
        try:
            kept = await self._redis.execute_command("GET", await self._key(user_id))
        except CACHE_ERRORS as error:
            if is_of_another_type(error):
                return None
            raise cache_unavailable(error) from error
        return None if self._is_unwritten(user_id) else _account(user_id, kept)

    async def find_many(self, user_ids: Sequence[UserId]) -> tuple[Account | None, ...]:
        """Return the copy of each, or None where there is none that can be read.

        :raises CacheUnavailable: if Redis did not answer.
        """
        with cache_errors():
            found = await self._kept(user_ids)
        return tuple(None if self._is_unwritten(user_id) else one for user_id, one in zip(user_ids, found, strict=True))

    async def store(self, account: Account) -> None:
        """Keep the account unless the revision that is kept is as new.

        :raises CacheUnavailable: if Redis did not answer.
        """
        await self.store_many((account,))

    async def store_many(self, accounts: Sequence[Account]) -> None:
        """Keep each account unless the revision that is kept is as new.

        :raises CacheUnavailable: if Redis did not answer for one of them.
        """
        await self.store_beside(accounts, ())

    async def store_beside(self, accounts: Sequence[Account], commands: Sequence[Command]) -> None:
        """Keep each account likewise, and carry out other commands in the same round trip.

        A command is its name, its key without the ledger's id, and its other arguments.

        :raises CacheUnavailable: if Redis did not answer for one of them.
        """
        revisions = {account.user_id: account.revision for account in accounts}
        with self._written(revisions), cache_errors():
            await self._write(accounts, commands)

    async def forget(self, user_id: UserId) -> None:
        """Keep nothing of the user.

        :raises CacheUnavailable: if Redis did not answer.
        """
        with self._written({user_id: _FORGOTTEN}), cache_errors():
            await self._redis.execute_command("DEL", await self._key(user_id))

    async def check(self) -> None:
        """Make sure that Redis is of use.

        :raises CacheUnavailable: that says why it is not.
        """
        with cache_errors():
            await make_sure_of(self._redis.together)

    async def lines(self) -> AsyncIterator[tuple[Account, ...]]:
        """Yield every copy that can be read, a batch of keys at a time.

        :raises CacheUnavailable: if Redis did not answer, or has only part of a cluster's keys.
        """
        with cache_errors():
            await make_sure_of_all_keys(self._redis.together)
        cursor = 0
        prefix = await self._keys.prefix()
        while True:
            with cache_errors():
                cursor, keys = await self._redis.scan(cursor, match=f"{prefix}{_ANY_USER}", count=SCANNED_KEYS)
                found = await self._kept([*_users(keys, prefix)])
            yield tuple(account for account in found if account is not None)
            if cursor == 0:
                return

    async def _kept(self, user_ids: Sequence[UserId]) -> list[Account | None]:
        kept = await self._redis.together([("GET", await self._key(user_id)) for user_id in user_ids])
        for answer in kept:
            if isinstance(answer, Exception) and not is_of_another_type(answer):
                raise answer
        return [_account(user_id, line) for user_id, line in zip(user_ids, kept, strict=True)]

    async def _write(self, accounts: Sequence[Account], commands: Sequence[Command]) -> None:
        prefix = await self._keys.prefix()
        beside = [(name, f"{prefix}{key}", *arguments) for name, key, *arguments in commands]
        lines = [
            (1, await self._key(one.user_id), f"{one.balance}/{one.held}/{one.version}/{one.revision}", one.revision)
            for one in accounts
        ]
        answers = await self._redis.together([*(("EVALSHA", _STORE_SHA, *line) for line in lines), *beside])
        if any(isinstance(answer, NoScriptError) for answer in answers):
            answers = await self._redis.together([*(("EVAL", _STORE, *line) for line in lines), *beside])
        _raise_first(answers)

    @contextlib.contextmanager
    def _written(self, revisions: Mapping[UserId, int]) -> Iterator[None]:
        """Return a block that writes; where it fails, the accounts are not read from Redis before they are written."""
        try:
            yield
        except BaseException:
            if len(self._unwritten) <= MAX_UNWRITTEN:
                for user_id, revision in revisions.items():
                    self._unwritten[user_id] = max(revision, self._unwritten.get(user_id, revision))
                if len(self._unwritten) > MAX_UNWRITTEN:
                    self._redis.leave(LinesMissed(f"{MAX_UNWRITTEN} accounts"))
            raise
        if self._unwritten and len(self._unwritten) <= MAX_UNWRITTEN:
            for user_id, revision in revisions.items():
                if self._unwritten.get(user_id, revision + 1) <= revision:
                    del self._unwritten[user_id]

    def _is_unwritten(self, user_id: UserId) -> bool:
        return user_id in self._unwritten or len(self._unwritten) > MAX_UNWRITTEN

    async def _remove_unwritten(self, ask: Ask) -> None:
        """Remove what could not be written: all processes then read it from the ledger, and store nothing older."""
        if len(self._unwritten) > MAX_UNWRITTEN:
            lines, cursor = await self._key(_ANY_USER), -1
            while cursor != 0:
                ((cursor, keys),) = await ask([("SCAN", max(cursor, 0), "MATCH", lines, "COUNT", SCANNED_KEYS)])
                _raise_first(await ask([("DEL", key) for key in keys]) if keys else ())
            self._unwritten.clear()
        missed = dict(self._unwritten)
        # SET replaces what is there, whatever its type, and a full Redis refuses it.
        commands: list[tuple[str | int, ...]] = [
            ("DEL", await self._key(user_id))
            if revision == _FORGOTTEN
            else ("SET", await self._key(user_id), _MISSED.format(revision))
            for user_id, revision in missed.items()
        ]
        for start in range(0, len(commands), SCANNED_KEYS):
            _raise_first(await ask(commands[start : start + SCANNED_KEYS]))
        for user_id, revision in missed.items():
            if self._unwritten.get(user_id) == revision:
                del self._unwritten[user_id]

    async def _key(self, user_id: str) -> str:
        return f"{await self._keys.prefix()}{user_id}"


def _account(user_id: UserId, kept: object) -> Account | None:
    line = _LINE.fullmatch(kept) if isinstance(kept, str) else None
    if line is None:
        return None
    balance, held, version, revision = map(int, line.groups())
    return Account(user_id=user_id, balance=balance, held=held, version=version, revision=revision)


def _users(keys: Iterable[str | bytes], prefix: str) -> Iterator[UserId]:
    for key in keys:
        try:
            yield parse_user_id(str(key).removeprefix(prefix))
        except InvalidUserId:
            continue  # not a key of ours


def _raise_first(answers: Sequence[object]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
