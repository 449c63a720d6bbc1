"""Session markers in Redis: `processed:`, `processing:` and `checkout:`, each of which expires by itself.

Each key begins with the ledger's id.
"""

import json
from collections.abc import Sequence

from redis.exceptions import ResponseError

from adapters.redis.client import SharedRedis
from adapters.redis.errors import cache_errors, is_of_another_type
from adapters.redis.ledger_keys import LedgerKeys
from adapters.redis.quota_cache import Command, RedisQuotaCache
from domain.ports.cache import CheckoutNote
from domain.values.accounts import Account, InvalidUserId, parse_user_id

PROCESSED_SECONDS = 24 * 60 * 60
PROCESSING_SECONDS = 60 * 60
CHECKOUT_SECONDS = 60 * 60
SCANNED_KEYS = 500


class RedisSessionMarkers:
    """Implements the port SessionMarkers on a client that decodes its answers, as `connect` makes it.

    Every method raises :class:`CacheUnavailable` if Redis did not answer.
    """

    def __init__(self, redis: SharedRedis, keys: LedgerKeys, quotas: RedisQuotaCache) -> None:
        self._redis = redis
        self._keys = keys
        self._quotas = quotas

    async def remember_checkout(self, session_id: str, note: CheckoutNote) -> None:
        """Keep who started the session, for an hour."""
        kept = json.dumps({"user_id": note.user_id, "plan_id": note.plan_id})
        with cache_errors():
            await self._redis.set(await self._key("checkout", session_id), kept, ex=CHECKOUT_SECONDS)

    async def recall_checkout(self, session_id: str) -> CheckoutNote | None:
        """Return who started the session, or None where that is not known or can't be read."""
        kept = await self._find(await self._key("checkout", session_id))
        return _note(kept) if kept is not None else None

    async def begin(self, session_id: str) -> str | None:
        """Mark, for an hour at most, that a delivery of the session is being handled. One round trip.

        Return the event last known to be committed for the session, or None where that is not known or can't be read.
        """
        begun = ("SET", await self._key("processing", session_id), "1", "EX", PROCESSING_SECONDS)
        with cache_errors():
            marked, kept = await self._redis.together([begun, ("GET", await self._key("processed", session_id))])
            for answer in (marked, kept):
                if isinstance(answer, Exception) and not is_of_another_type(answer):
                    raise answer
        return kept if isinstance(kept, str) else None

    async def finish(self, session_id: str, event_id: str | None, accounts: Sequence[Account] = ()) -> None:
        """End that mark and store the accounts; with an event, keep for a day that its effect is committed.

        One round trip.
        """
        # No transaction: in a cluster the keys are on different nodes, and none needs the others.
        commands: list[Command] = [("DEL", f"processing:{session_id}")]
        if event_id is not None:
            commands.append(("SET", f"processed:{session_id}", event_id, "EX", PROCESSED_SECONDS))
        await self._quotas.store_beside(accounts, commands)

    async def forget_processed(self) -> None:
        """Keep no mark of any event that was committed."""
        pattern, cursor = await self._key("processed", "*"), -1
        while cursor != 0:
            with cache_errors():
                cursor, keys = await self._redis.scan(max(cursor, 0), match=pattern, count=SCANNED_KEYS)
                for answer in await self._redis.together([("DEL", key) for key in keys]):
                    if isinstance(answer, Exception):
                        raise answer

    async def _key(self, kind: str, session_id: str) -> str:
        return f"{await self._keys.prefix()}{kind}:{session_id}"

    async def _find(self, key: str) -> str | None:
        with cache_errors():
            try:
                found = await self._redis.execute_command("GET", key)
            except ResponseError as error:
                if is_of_another_type(error):
                    return None
                raise
            return None if found is None else str(found)


def _note(kept: str) -> CheckoutNote | None:
    try:
        note = json.loads(kept)
    except (ValueError, RecursionError):
        return None
    if not isinstance(note, dict):
        return None
    user_id, plan_id = note.get("user_id"), note.get("plan_id")
    if not isinstance(user_id, str) or not isinstance(plan_id, str):
        return None
    try:
        return CheckoutNote(user_id=parse_user_id(user_id), plan_id=plan_id)
    except InvalidUserId:
        return None
