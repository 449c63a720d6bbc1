"""The quota cache in Redis: one hash a user, `credits:{user_id}`, that only ever moves to newer revisions."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

from adapters.redis.client import CACHE_ERRORS, SharedRedis, cache_errors, cache_unavailable, is_of_another_type
from domain.values.accounts import Account, InvalidUserId, UserId, parse_user_id

SCANNED_KEYS = 500

_PREFIX = "credits:"
_FIELDS = ["balance", "held", "version", "revision"]

# Lua counts in doubles, so a revision is compared only up to 15 digits. What `find` would not read is
# overwritten: both must know the same fields as readable.
_STORE = """
local function is_number(text, signed, digits)
  return type(text) == 'string' and #text <= digits and string.match(text, signed) ~= nil
end
local kept = redis.pcall('hmget', KEYS[1], 'balance', 'held', 'version', 'revision')
if is_number(kept[1], '^%-?%d+$', 19) and is_number(kept[2], '^%d+$', 19) and is_number(kept[3], '^%d+$', 15)
    and is_number(kept[4], '^%d+$', 15) and tonumber(kept[4]) >= tonumber(ARGV[4]) then
  return 0
end
redis.call('del', KEYS[1])
redis.call('hset', KEYS[1], 'balance', ARGV[1], 'held', ARGV[2], 'version', ARGV[3], 'revision', ARGV[4])
return 1
"""
_LINE = re.compile(r"(-[0-9]{1,18}|[0-9]{1,19})/([0-9]{1,19})/([0-9]{1,15})/([0-9]{1,15})")
"""The fields, one after the other."""


class RedisQuotaCache:
    """Implements the port QuotaCache on a client that decodes its answers, as `connect` makes it."""

    def __init__(self, redis: SharedRedis) -> None:
        self._redis = redis
        self._store = redis.register_script(_STORE)

    async def find(self, user_id: UserId) -> Account | None:
        """Return the copy, or None where there is none that can be read.

        :raises CacheUnavailable: if Redis did not answer.
        """
        try:
            kept = await self._redis.execute_command("HMGET", _key(user_id), *_FIELDS)
        except CACHE_ERRORS as error:
            if is_of_another_type(error):
                return None
            raise cache_unavailable(error) from error
        return _account(user_id, kept)

    async def find_many(self, user_ids: Sequence[UserId]) -> tuple[Account | None, ...]:
        """Return the copy of each, or None where there is none that can be read.

        :raises CacheUnavailable: if Redis did not answer.
        """
        with cache_errors():
            return tuple(await self._kept(user_ids))

    async def store(self, account: Account) -> None:
        """Keep the account unless the revision that is kept is as new.

        :raises CacheUnavailable: if Redis did not answer.
        """
        with cache_errors():
            numbers = [account.balance, account.held, account.version, account.revision]
            await self._store(keys=[_key(account.user_id)], args=numbers)

    async def store_many(self, accounts: Sequence[Account]) -> None:
        """Keep each account unless the revision that is kept is as new.

        :raises CacheUnavailable: if Redis did not answer for one of them.
        """
        await asyncio.gather(*map(self.store, accounts))  # the client sends them together

    async def forget(self, user_id: UserId) -> None:
        """Keep nothing of the user.

        :raises CacheUnavailable: if Redis did not answer.
        """
        with cache_errors():
            await self._redis.delete(_key(user_id))

    async def lines(self) -> AsyncIterator[tuple[Account, ...]]:
        """Yield every copy that can be read, a batch of keys at a time.

        :raises CacheUnavailable: if Redis did not answer.
        """
        cursor = 0
        while True:
            with cache_errors():
                cursor, keys = await self._redis.scan(cursor, match=f"{_PREFIX}*", count=SCANNED_KEYS)
                found = await self._kept([*_users(keys)])
            yield tuple(account for account in found if account is not None)
            if cursor == 0:
                return

    async def _kept(self, user_ids: Sequence[UserId]) -> list[Account | None]:
        kept = await self._redis.together([("HMGET", _key(user_id), *_FIELDS) for user_id in user_ids])
        for answer in kept:
            if isinstance(answer, Exception) and not is_of_another_type(answer):
                raise answer
        return [_account(user_id, fields) for user_id, fields in zip(user_ids, kept, strict=True)]


def _account(user_id: UserId, kept: object) -> Account | None:
    if not isinstance(kept, list):
        return None
    line = _LINE.fullmatch("/".join([str(field) for field in kept]))
    if line is None:
        return None
    balance, held, version, revision = map(int, line.groups())
    return Account(user_id=user_id, balance=balance, held=held, version=version, revision=revision)


def _users(keys: Iterable[str | bytes]) -> Iterator[UserId]:
    for key in keys:
        try:
            yield parse_user_id(str(key).removeprefix(_PREFIX))
        except InvalidUserId:
            continue  # not a key of ours


def _key(user_id: UserId) -> str:
    return f"{_PREFIX}{user_id}"
