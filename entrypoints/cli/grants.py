"""`credence grant`, `adjust`: credits that an operator gives, takes or corrects, with a reason and a name."""

import re
import uuid
from datetime import UTC, datetime

import click

from domain.credits.ledger import EntryKind
from domain.decisions.batches import Done, NotCommitted
from domain.decisions.operations import MAX_OPERATOR_NAME, MAX_REASON, AdjustCredits, EntryAnswer, GrantCredits
from domain.decisions.spending import ExpiryInPast
from domain.ports import LedgerUnavailable
from domain.values.accounts import UserId
from domain.values.plans import MAX_CREDITS
from entrypoints.cli.running import UserIdParameter, report_errors_plainly, run_with_services
from entrypoints.http.operation_answers import KEY_PATTERN, refusal_of
from entrypoints.http.routes.ops_grants import GrantKind
from entrypoints.services import Services


class TextParameter(click.ParamType[str]):
    """A text of a person's, neither empty nor endless."""

    name = "text"

    def __init__(self, longest: int) -> None:
        self.longest = longest

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text, as it is written to the ledger."""
        text = str(value)
        if not text.strip() or len(text) > self.longest or not _is_unicode(text):
            self.fail(f"it must have 1 to {self.longest} characters, in UTF-8.", param, ctx)
        return text


class KeyParameter(click.ParamType[str]):
    """An idempotency key."""

    name = "key"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The key."""
        if not re.match(KEY_PATTERN, str(value)):
            self.fail("a key has 1 to 255 visible ASCII characters, no blanks.", param, ctx)
        return str(value)


class MomentParameter(click.ParamType[datetime]):
    """A moment with its offset from UTC."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, in UTC."""
        wanted = "write the time with its offset from UTC, such as 2030-01-31T00:00:00Z."
        try:
            moment = datetime.fromisoformat(str(value))
            if moment.tzinfo is None:
                self.fail(wanted, param, ctx)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            self.fail(wanted, param, ctx)


_reason = click.option(
    "--reason", required=True, type=TextParameter(MAX_REASON), help="Why, as the statement shows it."
)
_operator = click.option("--operator", required=True, type=TextParameter(MAX_OPERATOR_NAME), help="Who you are.")
_key = click.option("--key", type=KeyParameter(), help="Your name for this one act: repeated, it is done once.")


@click.command()
@click.argument("user", type=UserIdParameter())
@click.argument("credits", metavar="CREDITS", type=click.IntRange(1, MAX_CREDITS))
@click.option(
    "--kind",
    required=True,
    type=click.Choice([kind.value for kind in GrantKind]),
    help="A promotion burns first, then goodwill.",
)
@_reason
@_operator
@click.option("--expires-at", type=MomentParameter(), help="When what is left ends, such as 2030-01-31T00:00:00Z.")
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
    """Give a USER so many CREDITS that nobody paid for."""
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
    """Correct a USER's account by ±CREDITS; it takes no more than is available."""
    if credits == 0:
        raise click.UsageError("An adjustment of 0 credits changes nothing.")
    _do(AdjustCredits(user_id=user, credits=credits, key=key or str(uuid.uuid4()), reason=reason, operator=operator))


def _do(operation: GrantCredits | AdjustCredits) -> None:
    async def work(services: Services) -> Done:
        try:
            outcome = await services.credits.execute(operation)
        except LedgerUnavailable as away:
            raise click.ClickException(
                f"The ledger gave no answer: {away.cause}. Whether it is done is unknown; "
                f"repeat the command with --key {operation.key}, and it is done once."
            ) from away
        if isinstance(outcome, ExpiryInPast):
            raise click.UsageError("What expires in the past is not given: name a time to come.")
        if isinstance(outcome, NotCommitted) and not outcome.is_contended:
            raise click.ClickException(f"Nothing is done: {outcome.cause}.")
        if not isinstance(outcome, Done):
            raise click.ClickException(str(refusal_of(outcome).detail))
        return outcome

    done = run_with_services(work)
    assert isinstance(done.answer, EntryAnswer)  # noqa: S101 - for the type checker: these operations make entries
    answer, before = done.answer, " before; this is the first answer" if done.repeated else ""
    ends = f", until {answer.expires_at}" if answer.expires_at else ""
    click.echo(
        f"{answer.user_id}: {answer.kind} of {answer.credits:+} credits{ends}, done{before}. "
        f"Balance {answer.balance}, held {answer.held}, available {answer.available}."
    )


def _is_unicode(text: str) -> bool:
    """Whether it can be written; what a terminal sent in another encoding can't."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
