"""One contract for synthetic users: in memory, over Postgres, and through Supabase's API."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import attrs
import pytest

from adapters.memory.ledger import MemoryLedger
from adapters.memory.synthetic_users import MemorySyntheticUsers
from adapters.postgres.synthetic_users import SqlSyntheticUsers
from adapters.system.clock import SystemClock
from domain.changes.changes import Change, PurchaseRevision
from domain.changes.inbox import EventDecision, EventStatus
from domain.changes.outbox import OutboxMessage
from domain.credits.ledger import EntryKind, Posting
from domain.payments.purchases import Link, Order, PaymentStatus, Purchase, PurchaseId
from domain.payments.reports import InboxEvent
from domain.ports.deployment import SyntheticUsers
from domain.upkeep.synthetic_users import Tag
from domain.values.accounts import UserId


@attrs.frozen
class Setting:
    """A ledger's world, and the synthetic users in it."""

    world: Any
    synthetic: SyntheticUsers


@contextlib.asynccontextmanager
async def on_stage(open_world: Any) -> AsyncIterator[Setting]:
    async with open_world() as world:
        ledger = world.ledger
        synthetic: SyntheticUsers = (
            MemorySyntheticUsers(ledger, SystemClock())
            if isinstance(ledger, MemoryLedger)
            else SqlSyntheticUsers(ledger._rpc)
        )
        yield Setting(world, synthetic)


def new_tag() -> Tag:
    return Tag(f"fire-{uuid.uuid4().hex[:12]}")


def bought(user_id: UserId, payment: str) -> Change:
    """A purchase with its event, its invoice and its messages."""
    order = Order(user_id=user_id, plan_id="starter", credits=50, amount=500, currency="usd")
    links = frozenset({Link(f"payment_intent:{payment}"), Link(f"invoice:in_{payment}")})
    return Change(
        event=waiting(user_id, EventStatus.APPLIED),
        revision=PurchaseRevision(
            id=PurchaseId(payment),
            expected_revision=0,
            purchase=Purchase(order=order, payment=PaymentStatus.PAID, links=links),
        ),
        postings=(
            Posting(
                user_id=user_id,
                amount=50,
                kind=EntryKind.PURCHASE,
                idempotency_key=f"{payment}:revision=1",
                purchase_id=PurchaseId(payment),
            ),
        ),
        outbox=(
            OutboxMessage(topic="low_balance", key=f"low_balance:{payment}", payload={"user_id": user_id}),
            OutboxMessage(topic="send_invoice", key=f"send_invoice:{payment}", payload={"invoice_id": f"in_{payment}"}),
        ),
    )


def waiting(user_id: UserId, status: EventStatus = EventStatus.PARKED) -> EventDecision:
    event = InboxEvent(
        id=f"evt_{uuid.uuid4().hex}",
        type="checkout.session.completed",
        body=f'{{"userId": "{user_id}"}}',
        livemode=False,
    )
    return EventDecision(event=event, status=status, reason="a reason" if not status.is_final else None)


async def test_they_are_made_once(open_world: Any) -> None:
    """Each has a row of its own and an address that tells the tag; asking again gives the same, and more if wanted."""
    async with on_stage(open_world) as setting:
        tag = new_tag()
        first = await setting.synthetic.add(tag, 2)
        assert [f"synthetic+{tag}-1@example.test", f"synthetic+{tag}-2@example.test"] == [user.email for user in first]
        account = await setting.world.ledger.account(first[0].user_id)
        assert (first[0].email, 0, 0) == (account.email, account.balance, account.version)
        assert first == await setting.synthetic.add(tag, 2)
        assert first == (await setting.synthetic.add(tag, 3))[:2]
        assert [(tag, 3)] == [(one.tag, one.users) for one in await setting.synthetic.groups() if one.tag == tag]


async def test_they_are_removed_with_what_waits_for_them(open_world: Any) -> None:
    """Their rows, messages and waiting events go; their entries stay, and the ledger agrees with itself."""
    async with on_stage(open_world) as setting:
        ledger, tag = setting.world.ledger, new_tag()
        (ada,) = await setting.synthetic.add(tag, 1)
        stranger = await setting.world.sign_up(f"{uuid.uuid4().hex}@example.com")
        theirs, others = waiting(ada.user_id), waiting(stranger)
        await ledger.commit(
            (
                bought(ada.user_id, f"pi_{tag}"),
                bought(stranger, f"pi_{tag}_b"),
                Change(event=theirs),
                Change(event=others),
            )
        )
        before = await setting.world.backlogs.backlog()

        removal = await setting.synthetic.remove(tag)

        assert ((ada.user_id,), ()) == (removal.removed, removal.kept)
        assert await ledger.account(ada.user_id) is None
        assert [50] == [
            entry.posting.amount for entry in await ledger.entries(ada.user_id, before_version=None, limit=9)
        ]
        after = await setting.world.backlogs.backlog()
        assert 2 == before.messages_due - after.messages_due
        assert EventStatus.IGNORED == (await setting.world.inbox.find(theirs.event.id)).status
        assert EventStatus.PARKED == (await setting.world.inbox.find(others.event.id)).status
        assert () == await setting.world.audit.inconsistencies()
        assert 50 == (await ledger.account(stranger)).balance
        assert tag not in [one.tag for one in await setting.synthetic.groups()]


async def test_removing_again_reports_the_same(open_world: Any) -> None:
    """So that a cache which was away the first time can be told the second time."""
    async with on_stage(open_world) as setting:
        tag = new_tag()
        users = {user.user_id for user in await setting.synthetic.add(tag, 3)}
        assert users == set((await setting.synthetic.remove(tag)).removed)
        assert users == set((await setting.synthetic.remove(tag)).removed)
        assert () == (await setting.synthetic.remove(new_tag())).removed


async def test_a_tag_may_be_used_again(open_world: Any) -> None:
    """Its users are new ones: nobody comes back with a history."""
    async with on_stage(open_world) as setting:
        tag = new_tag()
        (first,) = await setting.synthetic.add(tag, 1)
        await setting.synthetic.remove(tag)
        (second,) = await setting.synthetic.add(tag, 1)
        assert (first.email, True) == (second.email, first.user_id != second.user_id)


async def test_who_only_looks_synthetic_stays(open_world: Any) -> None:
    """A real user may have such an address; there is no note of them, so nothing removes them."""
    async with on_stage(open_world) as setting:
        tag = new_tag()
        lookalike = await setting.world.sign_up(f"synthetic+{tag}-7@example.test")
        await setting.synthetic.add(tag, 1)
        await setting.synthetic.remove(tag)
        assert await setting.world.ledger.account(lookalike) is not None


async def test_one_that_a_project_holds_on_to_is_reported(database_url: str) -> None:
    """A table of the project's refers to one of them: the others go, and this one's reason is reported."""
    from adapters.postgres.direct_rpc import PostgresRpc
    from features.real_parts import execute

    rpc = PostgresRpc(database_url)
    synthetic = SqlSyntheticUsers(rpc)
    held, gone = await synthetic.add(Tag("fire-1"), 2)
    await execute(
        database_url,
        "create table public.notes (owner uuid references public.users (id))",
        f"insert into public.notes values ('{held.user_id}')",
    )
    removal = await synthetic.remove(Tag("fire-1"))
    assert (gone.user_id,) == removal.removed
    assert [held.user_id] == [one.user_id for one in removal.kept]
    assert "notes" in removal.kept[0].problem
    await rpc.aclose()


async def test_a_project_that_refuses_them_says_so(database_url: str) -> None:
    """A constraint of the project's keeps them out: none is made, and the reason is reported."""
    from adapters.postgres.direct_rpc import PostgresRpc
    from domain.ports.deployment import SyntheticUsersRefused
    from features.real_parts import execute

    rpc = PostgresRpc(database_url)
    synthetic = SqlSyntheticUsers(rpc)
    await execute(database_url, "alter table public.users add constraint ours check (email not like 'synthetic%-2@%')")
    with pytest.raises(SyntheticUsersRefused, match="ours"):
        await synthetic.add(Tag("fire-1"), 3)
    assert () == await synthetic.groups()
    await rpc.aclose()
