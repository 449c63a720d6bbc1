"""Gives every command its services while it runs, and turns errors into plain messages."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

import click

from domain.ports.cache import CacheUnavailable
from domain.ports.ledger import LedgerUnavailable, LedgerUntouched
from domain.ports.payment_provider import InvalidBody, PaymentsRefused, PaymentsUnavailable
from domain.usecases.read_account import UnknownUser
from domain.usecases.record_payment import CommitRejected
from domain.usecases.retry_inbox import NoSale, NotClaimable, UnknownEvent
from domain.values.accounts import InvalidUserId, UserId, parse_user_id
from entrypoints.catalogue import InvalidCatalogue
from entrypoints.cli.loading import INTERRUPTED, loading
from entrypoints.hints import unclaimable
from entrypoints.services import Services
from entrypoints.settings.reader import InvalidSettings, read_settings

P = ParamSpec("P")
R = TypeVar("R")

_MESSAGES: Mapping[type[Exception], str] = {
    LedgerUnavailable: "Cannot reach the ledger: {0.cause}",
    CacheUnavailable: "Cannot reach Redis: {0.cause}",
    PaymentsUnavailable: "Cannot reach Stripe: {0.cause}",
    PaymentsRefused: "Stripe refused: {0.cause}",
    CommitRejected: "The ledger refused the change: {0.reason}",
    UnknownEvent: "{0.event_id} was found neither in the inbox nor at Stripe.",
    NotClaimable: "Event {0.event_id} cannot be claimed: it is {0.status}, or not a sale. See `credence parked`.",
    UnknownUser: "User {0.user_id} does not exist and never had a ledger entry.",
    InvalidBody: "{0}",
}
"""The message of each error, with the exception's own fields in it."""


def report_errors_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn errors that a person can fix into a message and exit code 1, and Ctrl-C into 130, never a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with loading():
            from entrypoints.composition import stores
        usual = signal.getsignal(signal.SIGINT)
        if usual is signal.default_int_handler:
            # asyncio's own handler cancels the task, which a library may swallow while it connects.
            signal.signal(signal.SIGINT, _interrupt)
        try:
            return command(*args, **kwargs)
        except (InvalidSettings, InvalidCatalogue, *stores.CANT_START) as error:
            raise click.ClickException(str(error)) from error
        except NoSale as error:
            why = unclaimable(error.object_id, error.reason)
            raise click.ClickException(f"{error.object_id} cannot be claimed: {why}") from error
        except tuple(_MESSAGES) as error:
            message = next(_MESSAGES[one] for one in type(error).__mro__ if one in _MESSAGES)
            raise click.ClickException(message.format(error)) from error
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        finally:
            signal.signal(signal.SIGINT, usual)

    return run


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run_with_services(work: Callable[[Services], Awaitable[R]]) -> R:
    """Run a coroutine with the services that the environment configures."""
    settings = read_settings(os.environ)
    with loading():
        from entrypoints.composition import stores, wiring

    async def run(storage: stores.Storage) -> R:
        async with wiring.services(settings, storage) as services:
            return await work(services)

    with stores.storage(settings) as storage:
        return asyncio.run(run(storage))


def run_change(work: Callable[[Services], Awaitable[R]], *, key: str | None = None) -> R:
    """Run an operation that may be repeated, with its idempotency key if it has one.

    If the ledger does not answer, say that nothing was changed, where that is certain, or else how to repeat it.
    """
    try:
        return run_with_services(work)
    except LedgerUntouched as untouched:
        raise click.ClickException(f"Nothing was changed: {untouched.cause}.") from untouched
    except LedgerUnavailable as away:
        again = f"rerun the command with --key {key}" if key else "rerun the command"
        raise click.ClickException(
            f"The ledger did not answer: {away.cause}. The change may have been written; {again}: it takes effect once."
        ) from away


class UserIdParameter(click.ParamType[UserId]):
    """A user's UUID on the command line."""

    name = "uuid"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> UserId:
        """Return the canonical form."""
        try:
            return parse_user_id(str(value))
        except InvalidUserId as error:
            self.fail(str(error), param, ctx)
