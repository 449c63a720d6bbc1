"""Seeds: whatever way a person writes one, it is the same world again."""

import pytest

from simulators.stories.seeds import fork, seed_of, shown


@pytest.mark.parametrize(
    ("text", "seed"),
    [
        ("0", 0),
        ("1234", 1234),
        ("0x1234", 0x1234),
        ("C0FFEE", 0xC0FFEE),
        (" 632aed7 ", 0x632AED7),
        ("632aed7f1e0b4c1d9a8e7f6a5b4c3d2e1f0a9b8c", 0x632AED7F1E0B4C1D9A8E7F6A5B4C3D2E1F0A9B8C),
        ("1234567890123456789012345678901234567890", 0x1234567890123456789012345678901234567890),
    ],
)
def test_a_seed_is_a_number_or_a_hash(text: str, seed: int) -> None:
    """Decimal, hexadecimal, and a commit's hash of any length; what is printed is read back."""
    assert seed == seed_of(text)
    assert seed == seed_of(shown(seed))


@pytest.mark.parametrize("text", ["", "-1", "1.5", "0x", "seed", "f" * 129])
def test_what_is_no_seed_is_refused(text: str) -> None:
    """The refusal says what would be one."""
    with pytest.raises(ValueError, match="is no seed: give a number"):
        seed_of(text)


def test_streams_do_not_disturb_each_other() -> None:
    """Each purpose has its own chance, the same each time; the first draw is known for good."""
    assert fork(7, "lives").random() == fork(7, "lives").random()
    assert fork(7, "lives").random() != fork(7, "faults").random()
    assert 0.3304937804 == round(fork(7, "lives").random(), 10)
