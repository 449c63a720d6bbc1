"""`credence grant`, `adjust`: credits that an operator grants, takes or corrects, with a reason and a name."""

import re
import uuid
from datetime import datetime

import click

from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done, NotCommitted
from domain.decisions.operations import (
    GRANTABLE,
    MAX_OPERATOR_NAME,
    MAX_REASON,
    AdjustCredits,
    EntryAnswer,
    GrantCredits,
)
from domain.decisions.spending import ExpiryInPast
from domain.values.accounts import UserId
from domain.values.plans import MAX_CREDITS
from entrypoints.cli.loading import loading
from entrypoints.cli.running import UserIdParameter, report_errors_plainly, run_change
from entrypoints.services import Services
from entrypoints.times import EXAMPLE, InvalidTime, time_of


class TextParameter(click.ParamType[str]):
    """A non-empty text of limited length."""

    name = "text"

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as the ledger stores it."""
        text = str(value)
        if not text.strip() or len(text) > self.longest or not _is_unicode(text):
            self.fail(f"it must be 1 to {self.longest} characters of valid UTF-8.", param, ctx)
        return text


class CreditsParameter(click.ParamType[int]):
    """A number of credits to grant; the error for a negative one names `credence adjust`."""

    name = "integer range"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value)
        if text.startswith("-") and text[1:].isdecimal():
            self.fail(
                f"a grant must be 1 credit or more; to take credits, run: credence adjust USER {text}", param, ctx
            )
        if text.startswith("-"):
            raise click.NoSuchOption(text, ctx=ctx)
        if not re.fullmatch(r"\+?[0-9]{1,13}", text, re.ASCII) or not 1 <= int(text) <= MAX_CREDITS:
            self.fail(f"{text!r} is not a whole number from 1 to {MAX_CREDITS}.", param, ctx)
        return int(text)


class KeyParameter(click.ParamType[str]):
    """An idempotency key."""

    name = "key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the key."""
        with loading():
            from entrypoints.http.operation_answers import KEY_PATTERN
        if not re.match(KEY_PATTERN, str(value)):
            self.fail("a key must be 1 to 255 visible ASCII characters without spaces.", param, ctx)
        return str(value)


class MomentParameter(click.ParamType[datetime]):
    """A time with its offset from UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the time in UTC."""
        try:
            return time_of(str(value))
        except InvalidTime:
            self.fail(f"write the time with its offset from UTC, such as {EXAMPLE}.", param, ctx)


_reason = click.option(
    "--reason", required=True, type=TextParameter(MAX_REASON), help="The reason, shown on the statement."
)
_operator = click.option(
    "--operator", required=True, type=TextParameter(MAX_OPERATOR_NAME), help="Your name, for the audit trail."
)
_key = click.option(
    "--key", type=KeyParameter(), help="Idempotency key: rerunning with the same key has no further effect."
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("user", type=UserIdParameter())
@click.argument("credits", metavar="CREDITS", type=CreditsParameter())
@click.option(
    "--kind",
    required=True,
    type=click.Choice([kind.value for kind in GRANTABLE]),
    help="Promotions are spent first, then goodwill.",
)
@_reason
@_operator
@click.option("--expires-at", type=MomentParameter(), help=f"When unspent credits expire, such as {EXAMPLE}.")
@_key
@report_errors_plainly
def grant(
    user: UserId,
    credits: int,  # noqa: A002 - the word for it
    kind: str,
    reason: str,
    operator: str,
    expires_at: datetime | None,
    key: str | None,
) -> None:
    """Grant CREDITS to USER without a payment."""
    operation = GrantCredits(
        user_id=user,
        credits=credits,
        kind=EntryKind(kind),
        key=key or str(uuid.uuid4()),
        reason=reason,
        operator=operator,
        expires_at=expires_at,
    )
    _do(operation)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("user", type=UserIdParameter())
@click.argument("credits", metavar="±CREDITS", type=click.IntRange(-MAX_CREDITS, MAX_CREDITS))
@_reason
@_operator
@_key
@report_errors_plainly
def adjust(user: UserId, credits: int, reason: str, operator: str, key: str | None) -> None:  # noqa: A002 - the word
    """Add credits to USER, or take some if CREDITS is negative. An adjustment never takes more than is available."""
    if credits == 0:
        raise click.UsageError("An adjustment of 0 credits changes nothing.")
    _do(AdjustCredits(user_id=user, credits=credits, key=key or str(uuid.uuid4()), reason=reason, operator=operator))


def _do(operation: GrantCredits | AdjustCredits) -> None:
    async def work(services: Services) -> Done:
        outcome = await services.credits.execute(operation)
        if isinstance(outcome, ExpiryInPast):
            raise click.UsageError("--expires-at must be in the future.")
        if isinstance(outcome, NotCommitted) and not outcome.is_contended:
            raise click.ClickException(f"Nothing was changed: {outcome.cause}.")
        if not isinstance(outcome, Done):
            from entrypoints.http.operation_answers import refusal_of

            raise click.ClickException(str(refusal_of(outcome).detail))
        return outcome

    done = run_change(work, key=operation.key)
    assert isinstance(done.answer, EntryAnswer)  # noqa: S101 - for the type checker: these operations make entries
    answer, before = done.answer, " earlier; this is the original answer" if done.repeated else ""
    ends = f", until {answer.expires_at}" if answer.expires_at else ""
    click.echo(
        f"{answer.user_id}: {answer.kind} of {answer.credits:+} credits{ends}, done{before}. "
        f"Balance {answer.balance}, held {answer.held}, available {answer.available}."
    )


def _is_unicode(text: str) -> bool:
    """Return whether the text is valid Unicode; input from a terminal with another encoding may not be."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
