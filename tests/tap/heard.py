"""A service manager's ear."""

from __future__ import annotations

from streembit.service.notify import Notifier


class Heard(Notifier):
    """A notifier that keeps what it says."""

    def __init__(self, watchdog_s: float | None = None) -> None:
        super().__init__(watchdog_s=watchdog_s)
        self.words: list[str] = []

    def _send(self, message: str) -> None:
        self.words.append(message)

    @property
    def feeds(self) -> int:
        """How often the watchdog was fed."""
        return self.words.count("WATCHDOG=1")
