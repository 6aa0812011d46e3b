"""The streams through one hub: those that we open, and those that come to us."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory, IReactorTime

from streembit.errors import PeerGone, SessionUsedUp, StreembitError
from streembit.hub.stream import (
    REFUSED,
    Broken,
    Ended,
    Event,
    Opened,
    Received,
    Stream,
    Streams,
)
from streembit.jose.keys import PublicKey
from streembit.net.relayed import RelayedAddress, RelayedTransport, hub_host
from streembit.service.relay.seat import Seat

ID_BYTES: Final = 8  # of chance: the name of a stream
BUSY_S: Final = 60.0  # then a link is dead that was silent, and the hub's word as good as lost


class _Line:
    """The streams with one member."""

    __slots__ = ("address", "busy_until_s", "key", "session", "streams", "transports")

    def __init__(self, key: PublicKey, address: RelayedAddress) -> None:
        self.key, self.address = key, address
        self.busy_until_s = 0.0  # they read slowly, the hub says: what is for them waits here
        self.session = ""  # theirs, as soon as they have said something
        self.streams = Streams()
        self.transports: dict[Stream, RelayedTransport] = {}  # at most MAX_STREAMS

    def forget_those_that_are_over(self) -> None:
        for stream in [each for each in self.transports if each.is_over]:
            del self.transports[stream]


class Lines:
    """All streams through one hub, by the member at the other end.

    There is a line for each member with whom a stream is open; the gate behind `factory` bounds
    those that came to us.

    Args:
        own, hub: what hosts are made of, see `net.relayed.hub_host`.
        factory: makes the protocols of streams that come to us, as of accepted connections.
    """

    def __init__(
        self,
        own: PublicKey,
        hub: str,
        factory: Callable[[], IProtocolFactory],
        clock: IReactorTime,
    ) -> None:
        self._here = RelayedAddress(hub_host(own, hub))
        self._hub = hub
        self._factory = factory
        self._clock = clock
        self._lines: dict[str, _Line] = {}
        self._ready: dict[str, None] = {}  # members for whom something may be to send, in turn
        self._pumping: IDelayedCall | None = None
        self._seat: Seat | None = None

    def __len__(self) -> int:
        """Count the streams."""
        return sum(len(line.transports) for line in self._lines.values())

    # --- the session with the hub
    def begin(self, seat: Seat) -> None:
        """Go through this session from now on."""
        self._seat = seat
        seat.carrier.when_free(self._pump)

    def end(self, error: StreembitError) -> None:
        """Break off all streams: the session with the hub is over."""
        self._seat = None
        self._ready.clear()
        if self._pumping is not None and self._pumping.active():
            self._pumping.cancel()
        self._pumping = None
        lines, self._lines = self._lines, {}
        for line in lines.values():
            _break(line, error)

    # --- streams of ours
    def connect(self, key: PublicKey, factory: IProtocolFactory) -> IProtocol:
        """Open a stream to a member; return its protocol, which has begun.

        Raises:
            PeerGone: we are not joined, or the factory wants no protocol any more.
            TooManyStreams
        """
        if self._seat is None:
            raise PeerGone("not joined to the hub")
        line = self._line(key)
        stream = line.streams.open(int.from_bytes(os.urandom(ID_BYTES)))
        protocol = self._begin(line, stream, factory)
        if protocol is None:
            raise PeerGone("given up")
        return protocol

    # --- what comes
    def heard(self, sender: PublicKey, session: str, cargo: bytes) -> None:
        """Take cargo of streams; raise BadCargo for what is none."""
        line = self._line(sender)
        if line.session not in ("", session):
            _break(line, PeerGone("the other side joined the hub anew"))
            line.streams = Streams()
        line.session = session
        try:
            event = line.streams.receive(cargo)
            if event is not None:
                self._happened(line, event)
        finally:
            self._wake(line)

    def gone(self, key: str) -> None:
        """Break off all streams with a member who is not at the hub."""
        line = self._lines.pop(key, None)
        self._ready.pop(key, None)
        if line is not None:
            _break(line, PeerGone("not at the hub"))

    def busy(self, key: str) -> None:
        """Send a member nothing until it is ready; what it is to hear waits in its streams."""
        line = self._lines.get(key)
        if line is not None:
            line.busy_until_s = self._clock.seconds() + BUSY_S
            self._ready.pop(key, None)

    def ready(self, key: str) -> None:
        """Go on with a member that was busy."""
        line = self._lines.get(key)
        if line is not None:
            line.busy_until_s = 0.0
            self._wake(line)

    # --- how
    def _line(self, key: PublicKey) -> _Line:
        line = self._lines.get(key.text)
        if line is None:
            line = _Line(key, RelayedAddress(hub_host(key, self._hub)))
            self._lines[key.text] = line
        return line

    def _begin(self, line: _Line, stream: Stream, factory: IProtocolFactory) -> IProtocol | None:
        """Return the protocol of a stream that begins; None, and no stream, if there is none."""
        protocol = factory.buildProtocol(line.address)
        if protocol is None:
            line.streams.reset(stream, REFUSED)
            self._wake(line)
            return None
        transport = RelayedTransport(
            stream,
            self._here,
            line.address,
            self._clock,
            lambda: self._wake(line),
            line.streams.reset,
        )
        transport.protocol = protocol
        line.transports[stream] = transport
        protocol.makeConnection(transport)
        self._wake(line)
        return protocol

    def _happened(self, line: _Line, event: Event) -> None:
        match event:
            case Opened(stream):
                self._begin(line, stream, self._factory())
            case Received(stream, data):
                line.transports[stream].received(data)
            case Ended(stream):
                line.transports[stream].ended()
            case Broken(stream, error):
                line.transports.pop(stream).broken(error)

    def _wake(self, line: _Line) -> None:
        """Send in the next turn: what is written in one turn shares an envelope."""
        is_busy = self._clock.seconds() < line.busy_until_s
        if is_busy or self._lines.get(line.key.text) is not line:
            return
        self._ready[line.key.text] = None
        if self._pumping is None and self._seat is not None:
            self._pumping = self._clock.callLater(0, self._pump)

    def _pump(self) -> None:
        """Send what there is, a piece of each member's in turn, until the hub takes no more."""
        if self._pumping is not None and self._pumping.active():
            self._pumping.cancel()
        self._pumping = None
        seat = self._seat
        while seat is not None and self._ready and not seat.is_full and seat is self._seat:
            name = next(iter(self._ready))
            del self._ready[name]
            if self._send(seat, self._lines[name]):
                self._ready[name] = None

    def _send(self, seat: Seat, line: _Line) -> bool:
        """Send one piece; return whether there was one."""
        cargo = line.streams.next_cargo()
        if cargo is None:
            self._tidy(line)
            return False
        try:
            seat.live(line.key, cargo)
        except SessionUsedUp as error:
            seat.carrier.close(error)
            return False
        except PeerGone:
            return False
        for transport in list(line.transports.values()):
            transport.moved()
        return True

    def _tidy(self, line: _Line) -> None:
        """Forget what is over, and a line that has no streams any more."""
        line.forget_those_that_are_over()
        if not line.streams and not line.transports:
            self._lines.pop(line.key.text, None)


def _break(line: _Line, error: StreembitError) -> None:
    """Tell the protocols of all streams with a member that they are over."""
    line.streams.end_all()
    transports, line.transports = line.transports, {}
    for transport in transports.values():
        transport.broken(error)
