"""An operator's system in memory, which accepts or refuses notices as the test wants."""

from collections.abc import Sequence

from domain.decisions.low_balance import Notice, Undelivered


class MemoryNotifications:
    """Implements the port Notifications in memory; `refusal` is what it answers for now."""

    def __init__(self) -> None:
        self.refusal: Undelivered | None = None
        self.tried: list[Notice] = []
        """Every notice that was sent, as often as it was."""
        self.taken: list[Notice] = []

    async def send(self, notices: Sequence[Notice]) -> tuple[Undelivered | None, ...]:
        """Take all of them, or none."""
        self.tried += notices
        if self.refusal is None:
            self.taken += notices
        return tuple(self.refusal for _ in notices)
