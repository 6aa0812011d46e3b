"""What every accepted connection passes: it is let in, becomes known, and leaves its place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from twisted.internet.interfaces import IReactorTime

from streembit.errors import PeerGone, RemoteError, StreembitError, TooManyConnections
from streembit.net.gate import Gate, Pass


class Entrant(Protocol):
    """A connection of whatever protocol."""

    def refuse(self, error: StreembitError) -> None:
        """Report the error and end the connection."""

    def abort(self, reason: StreembitError | None = None) -> None:
        """End the connection at once."""


E = TypeVar("E", bound=Entrant)


class Admission:
    """Lets connections in through the gate, and keeps those at hand that are not known yet.

    Args:
        refused: told of each connection that was not let in.
    """

    def __init__(
        self, gate: Gate, clock: IReactorTime, refused: Callable[[str, RemoteError], None]
    ) -> None:
        self._gate = gate
        self._clock = clock
        self._refused = refused
        self._entrants: dict[Pass, Entrant] = {}  # not known yet; bounded by the gate

    def admit(self, host: str, make: Callable[[Pass], E]) -> E | None:
        """Return what was made for the new connection's place, or None where it gets none.

        For a place too many the oldest that is not known is refused.
        """
        try:
            entry = self._gate.admit(host, self._clock.seconds())
        except RemoteError as error:
            self._refused(host, error)
            return None
        entrant = self._entrants[entry] = make(entry)
        self._drop_oldest()
        return entrant

    def known(self, entry: Pass, *, member: bool) -> None:
        """Take note of who it is.

        Raises:
            TooManyConnections: the places that are left are for members.
        """
        self._entrants.pop(entry, None)
        self._gate.known(entry, member=member)

    def leave(self, entry: Pass) -> None:
        """Give the place of a connection back that has ended; once."""
        self._entrants.pop(entry, None)
        self._gate.leave(entry)

    def stop(self) -> None:
        """Drop those who are not known yet; the others are their owner's."""
        for entrant in list(self._entrants.values()):
            entrant.abort(PeerGone("we are stopping"))

    def _drop_oldest(self) -> None:
        oldest = self._gate.crowd_out()
        if oldest is not None:
            self._entrants[oldest].refuse(TooManyConnections("newer strangers came"))
