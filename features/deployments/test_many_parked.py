"""A great many parked events: who pays now does not wait for them, and they are counted and logged as a few lines."""

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from domain.usecases.retry_inbox import BATCH
from features.harness.service import Service, eventually
from features.http.signed_events import send_payment
from features.steps.story import Story

MANY = 3000
SIGNS_UP = "insert into auth.users (id, email) values ($1::uuid, $1::uuid || '@example.com')"
OLD = """
insert into public.webhook_events (id, type, livemode, status, reason, body, received_at, retry_at, decided_at)
select
    'evt_old_' || gen_random_uuid(), 'charge.refunded', false, 'parked', 'unknown_user', 'no event',
    now() - interval '9 days', now() - interval '1 hour', now() - interval '9 days'
from generate_series(1, $1::integer) n
"""
# In one statement, so that the worker meets all of it at once; the newcomer's event is due last.
OLD_AND_NEW = f"""
with old as ({OLD}), newcomer as (insert into auth.users (id, email) values ($2::uuid, $2::uuid || '@example.com'))
update public.webhook_events set retry_at = now() where id = $3
"""  # noqa: S608 - ours


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    story = Story(service, log_start=len(service.log.read_text()))
    yield story
    story.rows("delete from public.webhook_events where id like 'evt_old_%'")
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def pays(story: Story, user_id: str) -> tuple[str, str]:
    """Let a payment of somebody's come in; gives the event's id and what the service answers that became of it."""
    event_id, delivery = send_payment(story, metadata={"plan": "starter", "userId": user_id})
    return event_id, str(json.loads(delivery.body)["status"])


def state(story: Story, event_id: str) -> Any:
    (row,) = story.rows("select status, decided_at from public.webhook_events where id = $1", event_id)
    return row


def test_what_is_new_is_decided_before_what_was_parked_long_ago(story: Story) -> None:
    """The worker takes at most one batch of what is longest due before it; what comes in is decided as it comes."""
    early, late = str(uuid.uuid4()), str(uuid.uuid4())
    event_id, status = pays(story, early)
    assert "parked" == status
    story.rows(OLD_AND_NEW, MANY, early, event_id)
    assert "applied" == eventually(lambda: state(story, event_id)["status"], "applied")
    (tried_before,) = story.rows(
        "select count(*) from public.webhook_events"
        " where id like 'evt_old_%' and decided_at > now() - interval '1 day' and decided_at < $1",
        state(story, event_id)["decided_at"],
    )
    assert tried_before["count"] <= BATCH < MANY
    story.rows(SIGNS_UP, late)
    assert "applied" == pays(story, late)[1]


def test_a_batch_of_retries_is_one_line_in_the_log(story: Story) -> None:
    """With how many came to what; events that wait on are not named one by one."""
    story.rows(OLD, 120)
    left = "select count(*) from public.webhook_events where id like 'evt_old_%' and status = 'parked'"
    assert [{"count": 0}] == eventually(lambda: story.rows(left), [{"count": 0}])
    logged = lambda: story.service.log.read_text()[story.log_start :]  # noqa: E731 - read again
    retried = re.compile(r"Retried \d+ pending events: .*?(\d+) failed \(the stored body can no longer be read\)")
    assert eventually(lambda: sum(map(int, retried.findall(logged()))) >= 120, True) is True, logged()
    assert max(map(int, retried.findall(logged()))) > 30
    assert "evt_old_" not in logged()


def test_parked_events_are_counted_although_not_all_are_shown(story: Story) -> None:
    """`credence parked` says how many there are, and how many of them it shows."""
    story.rows(OLD.replace("now() - interval '1 hour'", "now() + interval '1 hour'"), 1501)
    (row,) = story.rows("select count(*) from public.webhook_events where status in ('received', 'parked', 'failed')")
    total = row["count"]
    listed = story.service.command("parked").stdout
    assert f"Parked events: showing 1000 of {total}" in listed
    found = json.loads(story.service.command("parked", "--json").stdout)
    assert (total, 1000) == (found["total"], len(found["parked"]))
