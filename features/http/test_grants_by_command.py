"""`credence grant` and `adjust`: what an operator gives and corrects at the terminal, and what is refused."""

from collections.abc import Iterator

import pytest

from features.harness.service import Service
from features.steps.story import Story

GRANT = ("--kind", "goodwill", "--reason", "an outage", "--operator", "Grace")
CORRECTION = ("--reason", "a wrong import", "--operator", "Grace")


@pytest.fixture
def story(service: Service) -> Iterator[Story]:
    story = Story(service)
    story.sign_up("Ada")
    yield story
    assert [] == story.rows("select * from public.validate_credits_consistency()")


def entries(story: Story) -> list[tuple[str, int, str, dict[str, str]]]:
    answer = story.get("/transactions", story.customers["Ada"]).json()["transactions"]
    return [(entry["kind"], entry["amount"], entry["description"], entry["metadata"]) for entry in answer]


def run(story: Story, command: str, credits: str, *options: str) -> tuple[int, str]:  # noqa: A002 - the word for it
    done = story.service.command(command, story.customers["Ada"].user_id, credits, *options)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def test_credits_are_given_and_corrected(story: Story) -> None:
    """Each act is an entry with its reason and the operator's name, and can be spent at once."""
    code, said = run(story, "grant", "30", *GRANT, "--expires-at", "2099-01-31T00:00:00+01:00")
    assert (0, True) == (code, "goodwill of +30 credits, until 2099-01-30T23:00:00+00:00, done" in said), said
    code, said = run(story, "adjust", "-12", *CORRECTION)
    assert (0, True) == (code, "adjustment of -12 credits, done. Balance 18, held 0, available 18" in said), said
    assert 0 == run(story, "adjust", "+2", *CORRECTION)[0]
    assert [
        ("adjustment", 2, "a wrong import", {"operator": "Grace"}),
        ("adjustment", -12, "a wrong import", {"operator": "Grace"}),
        ("goodwill", 30, "an outage", {"operator": "Grace"}),
    ] == entries(story)
    assert 20 == story.get("/quota", story.customers["Ada"]).json()["available"]


def test_the_same_key_gives_once(story: Story) -> None:
    """A repetition says the first answer; another content under the key is refused, naming what differs."""
    key = ("--key", f"gift-for-{story.customers['Ada'].user_id}")
    first, again = (run(story, "grant", "30", *GRANT, *key) for _ in range(2))
    assert ((0, True), (0, True)) == (
        (first[0], "done. Balance 30" in first[1]),
        (again[0], "done earlier" in again[1]),
    )
    code, said = run(story, "grant", "31", *GRANT, *key)
    assert (1, True) == (code, "different: credits" in said), said
    assert 1 == len(entries(story))


def test_no_more_is_taken_than_is_there(story: Story) -> None:
    """A correction never makes a debt, and says what is available."""
    assert 0 == run(story, "grant", "5", *GRANT)[0]
    code, said = run(story, "adjust", "-6", *CORRECTION)
    assert (1, True) == (code, "Only 5 credits are available." in said), said
    assert 1 == len(entries(story))


def test_a_lost_answer_can_be_asked_for_again(story: Story) -> None:
    """Where the ledger is away, the command says under which key it may be repeated safely."""
    story.service.supabase.gateway.down()
    try:
        code, said = run(story, "grant", "5", *GRANT, "--key", "the-same-again")
    finally:
        story.service.supabase.gateway.up()
    assert (1, True) == (code, "rerun the command with --key the-same-again" in " ".join(said.split())), said
    assert [] == entries(story)


@pytest.mark.parametrize(
    ("command", "credits", "options"),
    [
        ("grant", "0", GRANT),
        ("grant", "-5", GRANT),
        ("grant", "1.5", GRANT),
        ("grant", "9" * 30, GRANT),
        ("grant", "5", ("--kind", "purchase", "--reason", "x", "--operator", "Grace")),
        ("grant", "5", ("--kind", "goodwill", "--reason", " ", "--operator", "Grace")),
        ("grant", "5", ("--kind", "goodwill", "--operator", "Grace")),
        ("grant", "5", (*GRANT, "--expires-at", "2020-01-01T00:00:00Z")),
        ("grant", "5", (*GRANT, "--expires-at", "2099-01-01T00:00:00")),
        ("grant", "5", (*GRANT, "--expires-at", "9999-12-31T23:59:59-12:00")),
        ("grant", "5", (*GRANT, "--key", "two words")),
        ("adjust", "0", CORRECTION),
        ("adjust", "many", CORRECTION),
        ("adjust", "5", ("--reason", "x" * 501, "--operator", "Grace")),
        ("adjust", "5", ("--reason", "x", "--operator", "\udcff")),
    ],
)
def test_bad_wishes_are_refused(story: Story, command: str, credits: str, options: tuple[str, ...]) -> None:  # noqa: A002
    """What can't be meant is refused as wrong usage, and nothing is written."""
    code, said = run(story, command, credits, *options)
    assert 2 == code, said
    assert [] == entries(story)
