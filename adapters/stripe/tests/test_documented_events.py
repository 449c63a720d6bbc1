"""The document that operators set their endpoint up by."""

import re
from pathlib import Path

from adapters.stripe.events import CONCERNING

EVENTS = Path(__file__).resolve().parents[3] / "docs" / "events.md"


def test_the_command_for_the_endpoint_names_every_event() -> None:
    """The command that is ready to be pasted asks for what is read, and for nothing else."""
    named = re.findall(r'"enabled_events\[\]=([a-z_.]+)"', EVENTS.read_text(encoding="utf-8"))
    assert sorted(CONCERNING) == sorted(named)
