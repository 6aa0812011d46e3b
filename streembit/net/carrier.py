"""What carries text frames between a hub and a member: its limits, and what its owner is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from streembit.errors import DeadlineExceeded, StreembitError
from streembit.net.backlog import MAX_QUEUED_BYTES
from streembit.net.budget import Rate
from streembit.wire.hub import MAX_FRAME_MEMBER, MAX_FRAME_STRANGER, SUBPROTOCOL

SILENCE_S: Final = 30.0  # after which a sign of life is asked for
DEAD_S: Final = 60.0  # and after which the connection is given up
CLOSE_NORMAL: Final = 1000  # RFC 6455, section 7.4.1, as the next two
CLOSE_AWAY: Final = 1001
CLOSE_POLICY: Final = 1008
CONTROLS: Final = Rate(per_s=10.0, burst=64.0)


@dataclass(frozen=True, slots=True)
class CarrierLimits:
    """What one WebSocket may take. Times count from their start; no byte resets them.

    Attributes:
        upgrade_s: from connecting to the open WebSocket, TLS included.
        join_s: from connecting to `welcomed`.
        frame_s: from a message's first byte to its last.
        close_s: from `close` until what is queued is thrown away.
        head_bytes: of the HTTP request or answer; a browser's has some 600.
        stranger_bytes, member_bytes: of a message, before and after
            `welcomed`.
        fragments: frames of one message: 64 KiB in pieces of 1 KiB.
        controls: pings and pongs of the peer; each costs as much work as
            a small message.
        queue_bytes: what waits for a peer that does not read.
        queue_bytes_total: the same for all carriers that share a backlog.
        utf8: whether text is checked to be UTF-8 before its owner gets it.
            It costs a fifth of a frame's work, and the owner of hub frames
            refuses all that is not ASCII anyway.
        binary: whether binary messages are taken as well.
        subprotocol: that must be asked for; "" for none.
    """

    upgrade_s: float = 10.0
    join_s: float = 15.0
    frame_s: float = 30.0
    close_s: float = 5.0
    head_bytes: int = 8 * 1024
    stranger_bytes: int = MAX_FRAME_STRANGER
    member_bytes: int = MAX_FRAME_MEMBER
    fragments: int = 64
    controls: Rate = CONTROLS
    queue_bytes: int = 1024 * 1024
    queue_bytes_total: int = MAX_QUEUED_BYTES
    utf8: bool = False
    binary: bool = False
    subprotocol: str = SUBPROTOCOL


LIMITS: Final = CarrierLimits()


class CarrierEvents(Protocol):
    """What the owner of a carrier is told.

    Raising a RemoteError refuses the connection; any other exception is
    logged and ends it too.
    """

    def opened(self, carrier: Carrier) -> None:
        """Frames can be sent now."""

    def received(self, carrier: Carrier, token: bytes) -> None:
        """A frame arrived: each once, in order."""

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """A carrier that was told to be open is gone; called once."""

    def refused(self, host: str, error: StreembitError) -> None:
        """A connection is being dropped for this error; called once a connection."""


class Carrier(Protocol):
    """One connection that carries frames, whichever side dialled it.

    Attributes:
        events: who is told; may be set to another owner at any time.
        host, port: the other end's address, as the transport says.
        last_received_s: when bytes came last, by the carrier's clock.
    """

    events: CarrierEvents
    host: str
    port: int
    last_received_s: float

    @property
    def can_send(self) -> bool:
        """Whether `send` works."""

    @property
    def is_full(self) -> bool:
        """Whether the transport holds back what it was given: what can wait should not be sent."""

    @property
    def queued_bytes(self) -> int:
        """How many bytes wait for the peer to read, beyond what the transport takes."""

    @property
    def exporter(self) -> bytes:
        """32 bytes that only the two ends of this TLS connection know (RFC 9266); b"" without."""

    def send(self, token: bytes) -> None:
        """Send a frame; raise PeerGone unless the carrier is open."""

    def welcomed(self) -> None:
        """Take note that the two know each other: frames may be longer, and take their time."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def pause(self) -> None:
        """Deliver nothing, frames that came already included, until `resume`."""

    def resume(self) -> None:
        """Deliver again, beginning with what has come."""

    def when_free(self, call: Callable[[], object] | None) -> None:
        """Have this called each time the carrier stops to be full, in the place of the one before.

        What it raises ends the connection, as with a frame. None for nothing.
        """

    def close(self, reason: StreembitError | None = None, code: int = CLOSE_NORMAL) -> None:
        """End in order, once what is queued has left, or after `close_s`; deliver no more.

        `code` tells the peer why.
        """

    def abort(self, reason: StreembitError | None = None) -> None:
        """End at once; what is queued is thrown away."""

    def refuse(self, error: StreembitError) -> None:
        """Report the error to `refused`, once a connection, and abort."""

    def guard(self, call: Callable[..., object], *args: object) -> object:
        """Call; whatever it raises ends this connection only."""


def beat(carriers: Iterable[Carrier], now_s: float) -> None:
    """Ask the silent for a sign of life, and give up who has not given one; call often."""
    for carrier in carriers:
        silent_s = now_s - carrier.last_received_s
        if silent_s >= DEAD_S:
            carrier.refuse(DeadlineExceeded("silence"))
        elif silent_s >= SILENCE_S:
            carrier.ping()
