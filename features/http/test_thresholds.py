"""Thresholds over HTTP: who may set them, and what is refused with what is wrong."""

import uuid

import pytest

from features.harness.service import OPERATOR_KEY, SERVICE_KEY
from features.steps.story import Story


def put(story: Story, user_id: str, body: object, key: str) -> tuple[int, object]:
    headers = {"Authorization": f"Bearer {key}"}
    answer = story.service.http.put(f"/accounts/{user_id}/low-balance", json=body, headers=headers)
    return answer.status_code, answer.json()


def test_services_and_operators_set_thresholds_and_take_them_away(story: Story) -> None:
    """The deployment's own is in force where there is none."""
    ada = story.sign_up("Ada").user_id
    for key, threshold, in_force in ((SERVICE_KEY, 5, 5), (OPERATOR_KEY, 0, 0), (OPERATOR_KEY, None, 20)):
        expected = {"user_id": ada, "threshold": threshold, "in_force": in_force}
        assert (200, expected) == put(story, ada, {"threshold": threshold}, key)


def test_a_user_sets_no_threshold(story: Story) -> None:
    """Not even of the own account: the product is reported, not the user."""
    ada = story.sign_up("Ada")
    assert 403 == put(story, ada.user_id, {"threshold": 5}, ada.token)[0]
    path = f"/accounts/{ada.user_id}/low-balance"
    assert 401 == story.service.http.put(path, json={"threshold": 5}).status_code


@pytest.mark.parametrize(
    "body", [{}, *({"threshold": value} for value in (-1, 1.5, 5.0, True, "five", "5", 10**13))], ids=repr
)
def test_what_is_no_threshold_is_refused(story: Story, body: object) -> None:
    """As a problem, and nothing is set."""
    ada = story.sign_up("Ada").user_id
    assert 400 == put(story, ada, body, SERVICE_KEY)[0]
    assert [{"below": None}] == story.rows(
        "select credits_notify_below as below from public.users where id = $1::uuid", ada
    )


def test_nobody_has_no_threshold(story: Story) -> None:
    """A user who is not there is not found; a name that is no uuid is none."""
    assert 404 == put(story, str(uuid.uuid4()), {"threshold": 5}, SERVICE_KEY)[0]
    assert 400 == put(story, "ada", {"threshold": 5}, SERVICE_KEY)[0]
