"""Steps: what operators see, and what happens to the parts that they run."""

import redis
from pytest_bdd import given, parsers, then, when

from features.harness.service import eventually
from features.steps.story import Story

_TABLES = {
    "the inbox": "public.webhook_events",
    "the purchase": "public.purchases",
    "its links": "public.purchase_links",
    "the entry": "public.credit_transactions",
    "the grant": "public.credit_grants",
    "the balance": "public.users",
}


@given("the cache has been emptied")
@when("the cache is emptied")
def cache_is_emptied(story: Story) -> None:
    with redis.Redis.from_url(story.service.redis_url) as cache:
        cache.flushall()


@given("the cache is down")
@given("the cache went down with 50 credits for Ada")
def cache_is_away(story: Story) -> None:
    story.service.suspend_cache()


@when("the cache comes back")
def cache_comes_back(story: Story) -> None:
    story.service.resume_cache()


@then("in the end Ada has 100 credits, by the cache")
def in_the_end(story: Story) -> None:
    def seen() -> object:
        quota = story.get("/quota", story.customers["Ada"]).json()
        return quota["balance"], quota["source"]

    assert (100, "cache") == eventually(seen, (100, "cache"))


@given("the ledger is down")
def ledger_is_away(story: Story) -> None:
    story.service.supabase.gateway.down()


@given("the ledger was down when Stripe reported the payment")
def ledger_was_away(story: Story) -> None:
    story.service.supabase.gateway.down()
    story.deliver(*story.events)
    assert [503] == [delivery.status for delivery in story.deliveries]
    assert "Failed to handle checkout.session.completed" in story.service.log.read_text()[story.log_start :]
    story.service.supabase.gateway.up()


@given("the ledger's next answer to a write is lost")
def next_answer_is_lost(story: Story) -> None:
    story.service.supabase.gateway.lose_answers()


@given(parsers.parse("the ledger breaks when it writes {part}"))
def ledger_breaks(story: Story, part: str) -> None:
    story.rows(
        "create or replace function public.break_down() returns trigger language plpgsql as"
        " $$ begin raise exception 'disk full' using errcode = 'disk_full'; end $$"
    )
    timing = "before insert or update"
    story.rows(f"create trigger break_down {timing} on {_TABLES[part]} execute function public.break_down()")


@given("Stripe was asked to deliver again, and nothing of the payment was stored")
def nothing_was_left(story: Story) -> None:
    story.deliver(*story.events)
    assert [503] == [delivery.status for delivery in story.deliveries]
    event = story.events[0]
    session = event["data"]["object"]
    left = [
        story.rows("select * from public.webhook_events where id = $1", event["id"]),
        story.rows("select * from public.purchases where id = $1", session["payment_intent"]),
        story.rows(
            "select * from public.purchase_links where link_digest = public.credence_key_digest($1)",
            f"session:{session['id']}",
        ),
        story.rows("select * from public.credit_transactions where stripe_session_id = $1", session["id"]),
        story.rows("select * from public.outbox where key like '%' || $1 || '%'", session["payment_intent"]),
    ]
    assert [[], [], [], [], []] == left
    assert 50 == story.get("/quota", story.customers["Ada"]).json()["balance"]


@when("the ledger is repaired and Stripe reports the payment")
def ledger_is_mended(story: Story) -> None:
    story.rows("drop function public.break_down() cascade")
    story.deliver(*story.events)
    assert [200] == [delivery.status for delivery in story.deliveries]


@then(parsers.parse("the log says once that the session was processed, and {times:d} times that it already was"))
def log_says(story: Story, times: int) -> None:
    ada = story.customers["Ada"]
    session_id = ada.sessions[-1]
    log = story.service.log.read_text()[story.log_start :]
    assert 1 == log.count(f"Successfully processed session {session_id} for user {ada.user_id}")
    assert times == log.count(f"Session {session_id} already processed, skipping")


@then(parsers.parse('the payment is parked for an operator because "{reason}"'))
def waits_because(story: Story, reason: str) -> None:
    waiting = story.rows("select status, reason from public.webhook_events where id = $1", story.events[0]["id"])
    assert [{"status": "parked", "reason": reason}] == waiting


@then("every event is recorded")
def is_on_record(story: Story) -> None:
    fields = {delivery.event_id for delivery in story.deliveries}
    query = "select id from public.webhook_events where id = any($1) and status in ('applied', 'nothing_new')"
    assert fields == {row["id"] for row in story.rows(query, sorted(fields))}
