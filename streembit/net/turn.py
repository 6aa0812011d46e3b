"""What many connections send while one of them is read leaves together when that ends."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Protocol

TOGETHER_BYTES: Final = 16 * 1024  # of one connection; no frame waits for more than some ten others


class Leaving(Protocol):
    """A connection that has gathered what it sends."""

    def leave(self) -> None:
        """Write it."""


class Turn:
    """Lasts while a connection is read (`with turn:`), and those that are read within that."""

    __slots__ = ("_depth", "_waiting")

    def __init__(self) -> None:
        self._depth = 0
        self._waiting: list[Leaving] = []

    @property
    def lasts(self) -> bool:
        """Whether a connection is being read, so that what is sent can wait for its end."""
        return self._depth > 0

    def add(self, connection: Leaving) -> None:
        """Have this connection write when the turn ends."""
        self._waiting.append(connection)

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._depth -= 1
        if self._depth == 0 and self._waiting:
            waiting, self._waiting = self._waiting, []
            for connection in waiting:
                connection.leave()
