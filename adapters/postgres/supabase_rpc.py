"""Calls the ledger's SQL functions through Supabase's API (PostgREST), with the `supabase` package."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec
import postgrest
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from adapters.postgres.answers import refuse_other_answers
from adapters.postgres.errors import key_error_from, ledger_error_from, no_text
from domain.ports.ledger import LedgerUnavailable, LedgerUntouched
from domain.upkeep.diagnosis import ConnectionKind

ANSWER_SECONDS = 10
MAX_CONNECTIONS = 20


class SupabaseRpc:
    """A Supabase client that acts as `service_role`, created at the first call."""

    def __init__(self, url: str, service_key: str) -> None:
        self._url = url
        self._service_key = service_key
        self._client: AsyncClient | None = None
        self._http: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def value(self, function: str, arguments: Mapping[str, object]) -> Any:
        """Return the one JSON value that the function returns."""
        try:
            client = await self._open()
            call = client.rpc(function, msgspec.to_builtins(dict(arguments)))
            if arguments:
                # Given the names, PostgREST passes the body to Postgres unchanged; otherwise it parses all of it.
                call.request.params = call.request.params.set("columns", ",".join(arguments))
            answer = await call.execute()
        except UnicodeEncodeError as error:
            raise no_text() from error
        except postgrest.APIError as error:
            cause = f"Supabase: {error.code or f'no code, but {error.message!r}'}"
            refused = key_error_from(error.code, error.message or "", self._service_key)
            raise refused or ledger_error_from(cause, error.code) from error
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise LedgerUntouched(f"Supabase: {type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise LedgerUnavailable(f"Supabase: {type(error).__name__}") from error
        return answer.data

    async def rows(self, function: str, arguments: Mapping[str, object]) -> list[dict[str, Any]]:
        """Return the rows that the function returns."""
        rows: list[dict[str, Any]] = await self.value(function, arguments)
        return rows

    async def connection_kind(self) -> ConnectionKind:
        """Return that it is an API, which has connections of its own."""
        return ConnectionKind.API

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _open(self) -> AsyncClient:
        async with self._opening:
            if self._client is None:
                self._http = httpx.AsyncClient(
                    timeout=ANSWER_SECONDS,
                    limits=httpx.Limits(max_connections=MAX_CONNECTIONS),
                    event_hooks={"response": [refuse_other_answers]},
                )
                options = AsyncClientOptions(httpx_client=self._http, auto_refresh_token=False, persist_session=False)
                self._client = await acreate_client(self._url, self._service_key, options=options)
            return self._client
