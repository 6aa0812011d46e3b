"""What a link tells its owner, and what one link may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from streembit.errors import StreembitError
from streembit.net.backlog import MAX_QUEUED_BYTES

if TYPE_CHECKING:
    from streembit.net.tcp import LinkProtocol


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What one link may take. Times count from their start; no byte resets them.

    Attributes:
        hello_s: from connecting to the peer's first frame.
        handshake_s: from connecting to the open link.
        frame_s: from a frame's first byte to its last.
        close_s: from `close` until what is queued is thrown away.
        queue_bytes: what waits for a peer that does not read.
        queue_bytes_total: the same for all links of a node together.
        choke_s: how long nothing more is read from a peer for which
            half of that waits.
        chokes: how many times in a row it may come to that before the
            peer has read everything; it is deaf then, not slow.
    """

    hello_s: float = 10.0
    handshake_s: float = 15.0
    frame_s: float = 30.0
    close_s: float = 5.0
    queue_bytes: int = 1024 * 1024
    queue_bytes_total: int = MAX_QUEUED_BYTES
    choke_s: float = 1.0
    chokes: int = 10


LIMITS: Final = LinkLimits()


@dataclass(slots=True)
class Traffic:
    """The bytes of all links that share it, handshakes included, as they lie in the streams."""

    received_bytes: int = 0
    sent_bytes: int = 0


class LinkEvents(Protocol):
    """What the owner of links is told.

    Raising a RemoteError from `link_open` or `message` refuses the
    link; any other exception is logged and ends it too.
    """

    def link_open(self, link: LinkProtocol) -> None:
        """The handshake is done: `link.link.peer` is who it is."""

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        """A payload arrived on an open link: each once, in order."""

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        """A link that was told to be open is gone; called once."""

    def refused(self, peer_host: str, error: StreembitError) -> None:
        """A connection is being dropped for this error; called once a connection.

        A RemoteError is the peer's fault; CallbackFailed is ours.
        """


class LinkWatch(Protocol):
    """Who counts connections (the gate) or waits for one (the dialler)."""

    def check(self, link: LinkProtocol) -> None:
        """The handshake is done; a RemoteError raised here refuses the link."""

    def opened(self, link: LinkProtocol) -> None:
        """The owner was told by `link_open`, and did not end the link."""

    def closed(self, link: LinkProtocol, reason: StreembitError) -> None:
        """The connection is gone, whether it became a link or not; called once."""
