"""What commands print for people is what was written."""

import pytest

from entrypoints.cli.tables import print_table


def test_what_others_wrote_is_shown_to_the_letter(capsys: pytest.CaptureFixture[str]) -> None:
    """A reason in brackets, or with a word between colons, is no markup."""
    print_table("Reasons", ("why",), [("[red]promised[/red] by :cat: [ticket 7]",)])
    assert "[red]promised[/red] by :cat: [ticket 7]" in capsys.readouterr().out
