"""Damaged files that were moved aside: each is told in the log, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from streembit.service.upkeep import Upkeep

LOOK_EVERY_S: Final = 60.0

_log = Logger()


class Aside:
    """Watches what the files of a home say of their damage; `moved` are lists that grow."""

    def __init__(self, *moved: Sequence[Path]) -> None:
        self._moved = moved
        self._told: set[Path] = set()

    def tell(self) -> None:
        """Log what is new."""
        for path in (path for moved in self._moved for path in moved):
            if path not in self._told:
                self._told.add(path)
                _log.error("a damaged file was moved aside: {path}", path=str(path))

    def watch(self, clock: IReactorTime, random: Callable[[], float]) -> Upkeep:
        """Return the service that looks again and again, at once to begin with."""
        return Upkeep("damage", clock, LOOK_EVERY_S, self.tell, random, first_s=0.0)
