"""What services and users read of accounts, over HTTP on the real stack: many at once, then, and some of it."""

import csv
import io
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx
import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY, Service
from features.steps.story import Customer, Story


@pytest.fixture
def story(service: Service) -> Story:
    """Ada, who was given 100 credits as a promotion, spent 30, and has 20 set aside; and Bob, who has nothing."""
    reported = Story(service)
    ada = reported.sign_up("Ada")
    reported.sign_up("Bob")
    gift = {"kind": "promotion", "credits": 100, "reason": "=1+1", "operator": "Grace"}
    post(reported, f"/ops/accounts/{ada.user_id}/grants", gift, OPERATOR_KEY)
    post(reported, "/usage", {"user_id": ada.user_id, "credits": 30, "metadata": {"job": "7"}})
    post(reported, "/holds", {"user_id": ada.user_id, "credits": 20})
    return reported


def post(story: Story, path: str, body: dict[str, Any], key: str = SERVICE_KEY) -> None:
    headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": uuid.uuid4().hex}
    answer = story.service.http.post(path, json=body, headers=headers)
    assert answer.is_success, answer.text


def ask(story: Story, path: str, **headers: str) -> httpx.Response:
    answer: httpx.Response = story.service.http.get(path, headers={"Authorization": f"Bearer {SERVICE_KEY}", **headers})
    return answer


def transactions(story: Story, query: str = "") -> list[dict[str, Any]]:
    answer = ask(story, f"/transactions?user_id={story.customers['Ada'].user_id}{query}")
    assert 200 == answer.status_code, answer.text
    found: list[dict[str, Any]] = answer.json()["transactions"]
    return found


def in_offset(moment: str, *, hours: float) -> str:
    """The same moment, as a clock with that offset from UTC tells it."""
    return datetime.fromisoformat(moment).astimezone(timezone(timedelta(hours=hours))).isoformat()


def test_many_quotas_come_in_one_answer(story: Story) -> None:
    """In the order in which they were asked for, each once; whom nobody knows is said."""
    ada, bob, nobody = story.customers["Ada"].user_id, story.customers["Bob"].user_id, str(uuid.uuid4())
    answer = ask(story, f"/quota?user_id={bob}&user_id={ada}&user_id={nobody}&user_id={ada}").json()
    assert [(bob, 0, 0), (ada, 70, 50)] == [
        (quota["user_id"], quota["balance"], quota["available"]) for quota in answer["quotas"]
    ]
    assert [nobody] == answer["unknown"]


def test_an_emptied_cache_makes_no_difference(story: Story) -> None:
    """What is not in Redis is asked of the ledger, and is there again."""
    ada, bob = story.customers["Ada"].user_id, story.customers["Bob"].user_id
    story.service.suspend_cache()
    try:
        away = ask(story, f"/quota?user_id={bob}&user_id={ada}").json()
    finally:
        story.service.resume_cache()
    assert ["ledger", "ledger"] == [quota["source"] for quota in away["quotas"]]
    ask(story, f"/quota?user_id={bob}&user_id={ada}")
    there = ask(story, f"/quota?user_id={bob}&user_id={ada}").json()
    assert ["cache", "cache"] == [quota["source"] for quota in there["quotas"]]
    assert [70, 20] == [there["quotas"][1][field] for field in ("balance", "held")]


def test_a_user_sees_no_other_among_many(story: Story) -> None:
    """Naming oneself beside another is refused."""
    ada, bob = story.customers["Ada"], story.customers["Bob"]
    answer = story.get(f"/quota?user_id={ada.user_id}&user_id={bob.user_id}", ada)
    assert 403 == answer.status_code


def test_no_more_than_a_hundred_are_asked_for(story: Story) -> None:
    """A longer list is refused, and told why."""
    many = "&".join(f"user_id={uuid.uuid4()}" for _ in range(101))
    answer = ask(story, f"/quota?{many}")
    assert (400, "urn:credence:too-many-users") == (answer.status_code, answer.json()["type"])


def test_a_balance_of_a_moment_is_what_it_was(story: Story) -> None:
    """By the entries and the holds of then; nothing before the first."""
    ada = story.customers["Ada"]
    spent, given = transactions(story)

    def then(moment: str) -> tuple[int, int, int]:
        answer = story.get(f"/quota?at={moment}", ada)
        assert 200 == answer.status_code, answer.text
        body = answer.json()
        return body["balance"], body["held"], body["available"]

    assert (100, 0, 100) == then(given["created_at"])
    assert (70, 0, 70) == then(spent["created_at"])
    assert (0, 0, 0) == then("2020-01-31T00:00:00Z")
    assert (70, 0, 70) == then(in_offset(spent["created_at"], hours=23.75).replace("+", "%2B"))
    assert (70, 0, 70) == then(in_offset(spent["created_at"], hours=-16))
    body = story.get(f"/quota?at={in_offset(spent['created_at'], hours=-16)}", ada).json()["at"]
    assert datetime.fromisoformat(spent["created_at"]) == datetime.fromisoformat(body)
    (held,) = story.rows("select created_at from public.credit_holds where user_id = $1::uuid", ada.user_id)
    assert (70, 20, 50) == then(held["created_at"].isoformat().replace("+00:00", "Z"))


@pytest.mark.parametrize(
    "moment",
    [
        "2999-01-01T00:00:00Z",
        "yesterday",
        "2020-01-31T00:00:00",
        "2020-01-31T00:00:00+01:00",
        "2020-13-01T00:00:00Z",
        "2020-01-31T00:00:00%2B24:00",
        "0001-01-01T00:00:00%2B01:00",
        "9999-12-31T23:59:59-01:00",
        "2020-01-31",
        "20200131",
        "2026",
        "-1",
        "253402300800",
        "2020-01-31T00:00:00Z%0A",
        "٢٠٢٠-01-31T00:00:00Z",
        "",
    ],
)
def test_a_moment_that_is_none_or_not_over_is_refused(story: Story, moment: str) -> None:
    """Clearly, and by nobody's fault but the caller's."""
    ada: Customer = story.customers["Ada"]
    answer = story.get(f"/quota?at={moment}", ada)
    assert 400 == answer.status_code
    assert "application/problem+json" == answer.headers["content-type"]
    assert "urn:credence:invalid-time" == answer.json()["type"]


def test_entries_are_filtered(story: Story) -> None:
    """By kind, by when they were written, and by purchase; the cursor goes on among those that match."""
    spent, given = transactions(story)
    assert [spent] == transactions(story, "&kind=spend&kind=purchase")
    assert [spent] == transactions(story, f"&since={spent['created_at']}")
    assert [given] == transactions(story, f"&until={spent['created_at']}")
    assert [] == transactions(story, f"&since={given['created_at']}&until={given['created_at']}")
    far_east = in_offset(spent["created_at"], hours=23.75).replace("+", "%2B")
    assert [[spent], [given]] == [transactions(story, f"&{name}={far_east}") for name in ("since", "until")]
    assert [] == transactions(story, "&purchase_id=pi_of_nobody")
    assert ({"job": "7"}, {"operator": "Grace"}) == (spent["metadata"], given["metadata"])


def test_pages_keep_their_filters(story: Story) -> None:
    """Each page's link leads to the next one of the same question."""
    ada = story.customers["Ada"].user_id
    for number in range(3):
        post(story, "/usage", {"user_id": ada, "credits": 1, "description": f"number {number}"})
    path, seen = f"/transactions?user_id={ada}&kind=spend&limit=2", []
    while path:
        answer = ask(story, path, Accept="text/csv")
        seen += [row["description"] for row in csv.DictReader(io.StringIO(answer.text))]
        link = answer.headers.get("link", "")
        path = f"/transactions{link[1 : link.index('>')]}" if link else ""
    assert ["number 2", "number 1", "number 0", ""] == seen


def test_a_description_is_no_formula_in_a_spreadsheet(story: Story) -> None:
    """What begins like one is reported as text."""
    ada = story.customers["Ada"].user_id
    answer = ask(story, f"/transactions?user_id={ada}&kind=promotion", Accept="text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert ("'=1+1", '{"operator": "Grace"}', "100") == (row["description"], row["metadata"], row["amount"])


@pytest.mark.parametrize("text", ["\n=1", " =1", "＝1", "\t1", "\u00a0@1", "-1"])  # noqa: RUF001 - as wide as letters
def test_nor_is_one_behind_blanks_or_in_wide_letters(story: Story, text: str) -> None:
    """Some spreadsheets run those too."""
    ada = story.customers["Ada"].user_id
    post(story, "/usage", {"user_id": ada, "credits": 1, "description": text})
    answer = ask(story, f"/transactions?user_id={ada}&kind=spend&limit=1", Accept="text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert f"'{text}" == row["description"]


@pytest.mark.parametrize(
    "query",
    [
        "kind=gift",
        "since=now",
        "since=2026",
        "until=2020-01-01T00:00:00",
        "until=253402300800",
        "purchase_id=%00",
        "purchase_id=pi_1%0A%00",
        "limit=0",
        "cursor=",
        "cursor=5%0A",
        "cursor=1234567890123456789",
    ],
)
def test_a_filter_that_is_none_is_refused(story: Story, query: str) -> None:
    """With a 400 that says which."""
    answer = ask(story, f"/transactions?user_id={story.customers['Ada'].user_id}&{query}")
    assert 400 == answer.status_code
