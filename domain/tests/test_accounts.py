"""A user id is a uuid in its hyphenated form, and nothing that merely resembles one."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.values.accounts import Account, InvalidUserId, UserId, parse_user_id

ADA = "6f1e0a52-3f0e-4d7c-9a55-0d5f6a1b2c3d"

HOSTILE = {
    "nothing": "",
    "a name": "ada",
    "braces": f"{{{ADA}}}",
    "a urn": f"urn:uuid:{ADA}",
    "no hyphens": ADA.replace("-", ""),
    "hyphens elsewhere": "6f1e-0a523f0e-4d7c-9a55-0d5f6a1b2c3d",
    "too many hyphens": ADA.replace("-", "--"),
    "one digit short": ADA[:-1],
    "one digit more": ADA + "0",
    "no hexadecimal digit": ADA.replace("6f", "6g"),
    "a blank before": f" {ADA}",
    "a line break after": f"{ADA}\n",
    "a NUL after": f"{ADA}\x00",
    "a sign": f"+{ADA[1:]}",
    "an underscore among digits": ADA.replace("0a52", "0_52"),
    "Arabic digits": ADA.translate({ord("0") + digit: 0x0660 + digit for digit in range(10)}),
    "full-width digits": ADA.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)}),
    "full-width letters": ADA.replace("a", "\uff41"),
    "a dash that is no hyphen": ADA.replace("-", "\u2010"),
    "two ids": f"{ADA},{ADA}",
    "a lone surrogate": f"{ADA[:-1]}\ud800",
    "very long": "a" * 100_000,
}


@pytest.mark.parametrize("form", HOSTILE)
def test_what_is_no_uuid_is_refused(form: str) -> None:
    """Other spellings are refused, so that one user never has two accounts; the refusal keeps 64 characters."""
    with pytest.raises(InvalidUserId) as raised:
        parse_user_id(HOSTILE[form])
    assert HOSTILE[form][:64] == raised.value.given


def test_a_refusal_does_not_repeat_what_was_given() -> None:
    """What a stranger sent is not echoed in the message."""
    with pytest.raises(InvalidUserId) as raised:
        parse_user_id("<script>")
    assert "script" not in str(raised.value)


def test_upper_case_is_the_same_user() -> None:
    """Upper and lower case are one id, in lower case."""
    assert UserId(ADA) == parse_user_id(ADA.upper()) == parse_user_id(ADA)


@given(st.uuids())
def test_every_uuid_is_a_user_id(any_uuid: uuid.UUID) -> None:
    """Any version and variant is taken, and what is taken is its own canonical form."""
    assert str(any_uuid) == parse_user_id(str(any_uuid)) == parse_user_id(str(any_uuid).upper())


@given(st.text(max_size=40))
def test_what_is_taken_is_canonical(text: str) -> None:
    """Whatever text comes, it is refused or its canonical form differs in nothing but case."""
    try:
        taken = parse_user_id(text)
    except InvalidUserId:
        return
    assert text.lower() == taken == str(uuid.UUID(text))


def test_held_credits_are_not_available() -> None:
    """What is set aside can't be spent, and debt is shown as it is."""
    assert 30 == Account(user_id=UserId(ADA), balance=50, held=20).available
    assert -5 == Account(user_id=UserId(ADA), balance=-5).available
