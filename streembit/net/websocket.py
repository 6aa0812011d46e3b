"""One WebSocket as a carrier of text frames, on autobahn; it only carries, within limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from autobahn.twisted.websocket import WebSocketAdapterProtocol
from autobahn.websocket.protocol import WebSocketProtocol
from OpenSSL.SSL import Error as SSLError
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, IReactorTime, ITransport
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.errors import (
    BadFrame,
    DeadlineExceeded,
    FrameTooLarge,
    PeerGone,
    RateLimited,
    RemoteError,
    StreembitError,
    TlsRefused,
    TooLarge,
    UpgradeRefused,
)
from streembit.net.backlog import Backlog
from streembit.net.boundary import guarded
from streembit.net.budget import TokenBucket
from streembit.net.carrier import CLOSE_NORMAL, LIMITS, CarrierEvents, CarrierLimits
from streembit.net.deadline import Deadline
from streembit.net.events import Traffic
from streembit.net.frames import whole_text
from streembit.net.outlet import outlet
from streembit.net.queue import Queue
from streembit.net.tuning import tell, tune
from streembit.net.wssettings import Settings

EXPORTER_LABEL: Final = b"EXPORTER-Channel-Binding"  # RFC 9266, with an empty context
EXPORTER_BYTES: Final = 32

_OPEN: Final = WebSocketProtocol.STATE_OPEN
_CLOSING: Final = WebSocketProtocol.STATE_CLOSING
_CLOSED: Final = WebSocketProtocol.STATE_CLOSED


@implementer(IPushProducer)
class WebSocketCarrier(Settings, WebSocketAdapterProtocol, WebSocketProtocol):  # type: ignore[misc]
    """See `Carrier`; a subclass is a server's or a client's.

    It holds one timer at most, and none while it is open with no message
    half received.

    Args:
        left: called once when the connection is gone, open or not.
    """

    transport: ITransport
    tls_faults: tuple[type[Exception], ...] = (SSLError,)  # for which a connection ends
    peer_masks = False  # its frames, as a client has to
    host = ""
    port = 0
    last_received_s = 0.0

    _put_out: Callable[[bytes], None]
    _reason: StreembitError | None = None
    _announced = False  # `opened` was called, so `lost` is owed
    _started_s = 0.0
    _limit_bytes = 0
    _known = False  # `welcomed` was called
    _message_bytes = 0  # of the message that comes in, as its frames announce them
    _fragments = 0
    _controls: TokenBucket | None = None
    _produces = False
    _paused = False
    _busy = False
    _whole = False  # a message was, since bytes came last
    _free: Callable[[], object] | None = None

    def __init__(
        self,
        events: CarrierEvents,
        clock: IReactorTime,
        *,
        limits: CarrierLimits = LIMITS,
        traffic: Traffic | None = None,
        backlog: Backlog | None = None,
        left: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self.events = events
        self._clock = clock
        self._limits = limits
        self._limit_bytes = limits.stranger_bytes
        if limits.utf8:
            self.utf8validateIncoming = True
        self._traffic = Traffic() if traffic is None else traffic
        self._left = left
        self._deadline = Deadline(clock)
        self._queue = Queue(self, limits.queue_bytes, Backlog() if backlog is None else backlog)

    # --- what the owner does
    @property
    def can_send(self) -> bool:
        """See `Carrier`."""
        return self._reason is None and self.state == _OPEN

    @property
    def is_full(self) -> bool:
        """See `Carrier`."""
        return self._queue.is_full

    @property
    def queued_bytes(self) -> int:
        """See `Carrier`."""
        return max(0, self._queue.size_bytes)

    @property
    def exporter(self) -> bytes:
        """See `Carrier`."""
        handle = getattr(self.transport, "getHandle", lambda: None)()
        export = getattr(handle, "export_keying_material", None)
        return b"" if export is None else bytes(export(EXPORTER_LABEL, EXPORTER_BYTES, b""))

    def send(self, token: bytes) -> None:
        """See `Carrier`."""
        if not self.can_send:
            raise PeerGone("the WebSocket is not open")
        if len(token) > self._limits.member_bytes:
            limit_bytes = self._limits.member_bytes
            raise TooLarge("frame", size_bytes=len(token), limit_bytes=limit_bytes)
        self._write_text(token)

    def welcomed(self) -> None:
        """See `Carrier`."""
        self._known = True
        self._limit_bytes = self._limits.member_bytes
        self._deadline.clear()

    def ping(self) -> None:
        """See `Carrier`."""
        if self.can_send:
            self.sendPing()

    def pause(self) -> None:
        """See `Carrier`."""
        if self.can_send and not self._paused:
            self._paused = True
            tell(self.transport, "pauseProducing")

    def resume(self) -> None:
        """See `Carrier`."""
        if self._paused:
            self._paused = False
            tell(self.transport, "resumeProducing")
            self._take(b"")

    def when_free(self, call: Callable[[], object] | None) -> None:
        """See `Carrier`."""
        self._free = call

    def close(self, reason: StreembitError | None = None, code: int = CLOSE_NORMAL) -> None:
        """See `Carrier`."""
        was_open = self.can_send
        if not self._stop(reason or PeerGone("closed by us")):
            return
        self._paused = False
        self._deadline.set(self._limits.close_s, self._drop)
        tell(self.transport, "resumeProducing")  # the peer's answer has to come in
        if was_open:
            self.sendCloseFrame(code=code)
        else:
            self.dropConnection()

    def abort(self, reason: StreembitError | None = None) -> None:
        """See `Carrier`."""
        self._stop(reason or PeerGone("aborted by us"))
        self._drop()

    def refuse(self, error: StreembitError) -> None:
        """See `Carrier`."""
        if self._stop(error):
            self.events.refused(self.host, error)
        self._drop()

    def guard(self, call: Callable[..., object], *args: object) -> object:
        """See `Carrier`; the one boundary where an error of a callback ends the connection only."""
        return guarded(self, call, *args)

    # --- what the transport does
    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name, as all to the next section
        """Begin the upgrade."""
        peer = self.transport.getPeer()
        self.host, self.port = getattr(peer, "host", ""), getattr(peer, "port", 0)
        self._started_s = self.last_received_s = self._clock.seconds()
        tune(self.transport)
        self._put_out = outlet(self.transport)
        tell(self.transport, "registerProducer", self, True)
        self._produces = True
        self._deadline.set(self._limits.upgrade_s, self._late, "upgrade")
        self.guard(super().connectionMade)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        """Take bytes, cut anywhere."""
        self.last_received_s = self._clock.seconds()
        self._traffic.received_bytes += len(data)
        self._take(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        """Tell the owner, once; `clean` says that the peer closed in order."""
        clean = self.wasClean or reason.check(ConnectionDone) is not None
        if reason.check(*self.tls_faults) and self._stop(error := TlsRefused()):
            self.events.refused(self.host, error)
        self._stop(PeerGone(reason.getErrorMessage(), clean=clean))
        self._deadline.clear()
        self._queue.forget()
        super().connectionLost(reason)
        self.guard(self._left)
        self._free, self._left = None, lambda: None
        if self._announced:
            self._announced = False
            self.guard(self.events.lost, self, self._reason)

    def pauseProducing(self) -> None:  # noqa: N802
        """Count what is written from now on: the transport is full."""
        self._queue.begin()

    def resumeProducing(self) -> None:  # noqa: N802
        """Stop counting: the transport has sent everything."""
        self._queue.end()
        if self._free is not None and self.can_send:
            self.guard(self._free)

    def stopProducing(self) -> None:  # noqa: N802
        """The transport is gone; `connectionLost` follows."""

    def unregisterProducer(self) -> None:  # noqa: N802
        """Leave the transport alone from now on: autobahn says so before each end, also twice."""
        if self._produces:
            self._produces = False
            tell(self.transport, "unregisterProducer")

    # --- what autobahn does
    def sendData(  # noqa: N802 - autobahn's name, as all to the next section
        self, data: bytes, sync: bool = False, chopsize: int | None = None
    ) -> None:
        """Write, within the bounds of the queue."""
        if self._queue.is_full and not self._queue.add(len(data)):
            return
        self._traffic.sent_bytes += len(data)
        self._put_out(data)

    def consumeData(self) -> None:  # noqa: N802
        """Read what has come, as long as we are not held."""
        if self.state not in (_OPEN, _CLOSING):
            super().consumeData()
        else:
            self.guard(self._consume)  # autobahn calls this within a Deferred, too

    def _consume(self) -> None:
        self._take_whole()
        while not self._paused and self.processData() and self.state != _CLOSED:
            self._take_whole()

    def onOpen(self) -> None:  # noqa: N802
        """Tell the owner, and give the peer what is left of its time to join."""
        if self._reason is not None:  # refused for what it agreed to: autobahn goes on all the same
            self._drop()
            return
        left_s = self._started_s + self._limits.join_s - self._clock.seconds()
        self._deadline.set(left_s, self._late, "join")
        self._announced = True
        self.guard(self.events.opened, self)

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N802
        """Refuse what is no text."""
        self._message_bytes = self._fragments = 0
        self.message_data: list[bytes] = []
        self.message_is_binary = isBinary
        if isBinary and not self._limits.binary:
            raise BadFrame("a binary message")

    def onMessageFrameBegin(self, length: int) -> None:  # noqa: N802
        """Refuse a frame for what its header says, before it is buffered."""
        self._message_bytes += length
        self._fragments += 1
        if self._message_bytes > self._limit_bytes:
            raise FrameTooLarge(size_bytes=self._message_bytes, limit_bytes=self._limit_bytes)
        if self._fragments > self._limits.fragments:
            raise BadFrame("too many fragments")

    def onMessageFrameData(self, payload: bytes) -> None:  # noqa: N802
        """Keep a part of the message."""
        self.message_data.append(payload)

    def onMessageFrameEnd(self) -> None:  # noqa: N802
        """Wait for the next frame, or the end of the message."""

    def onMessageEnd(self) -> None:  # noqa: N802
        """Hand the message on."""
        parts, self.message_data = self.message_data, []
        self._whole = True
        if self._reason is None:
            self.events.received(self, parts[0] if len(parts) == 1 else b"".join(parts))

    def onPing(self, payload: bytes) -> None:  # noqa: N802
        """Answer."""
        self._control()
        super().onPing(payload)

    def onPong(self, payload: bytes) -> None:  # noqa: N802
        """Take the sign of life: that bytes came has been noted."""
        self._control()

    def onCloseFrame(self, code: int | None, reasonRaw: bytes | None) -> bool | None:  # noqa: N802
        """End in order; what we have queued for the peer has its time to leave."""
        self._stop(PeerGone("closed by the peer", clean=True, close_code=code))
        self._deadline.set(self._limits.close_s, self._drop)
        return super().onCloseFrame(code, reasonRaw)  # type: ignore[arg-type]

    # --- bytes
    def _take(self, data: bytes) -> None:
        self.data += data
        if self._busy or self._paused:
            return  # within a callback: the loop below goes on when it returns
        self._busy, self._whole = True, False
        self.guard(self._read)
        self._busy = False
        self._watch_message(anew=self._whole)

    def _read(self) -> None:
        if self.state == WebSocketProtocol.STATE_CONNECTING:
            self._check_head()
        self.consumeData()
        self._blame()

    def _take_whole(self) -> None:
        """Hand on the messages of one frame that have come whole: the common case, in less time.

        Whatever else is there is left to autobahn, which goes on behind them.
        """
        if self.inside_message or self.current_frame is not None or self.utf8validateIncoming:
            return
        self.message_is_binary = False
        data, at = self.data, 0
        self.data = b""  # what comes meanwhile goes behind what is left
        try:
            while (
                self.can_send
                and not self._paused
                and (found := whole_text(data, at, self._limit_bytes, masked=self.peer_masks))
            ):
                text, at = found
                self._whole = True
                self.events.received(self, text)
        finally:
            if self.state != _CLOSED:
                self.data = data[at:] + self.data

    def _check_head(self) -> None:
        """Refuse a head of HTTP that does not end, or that autobahn could not decode."""
        if len(self.data) > self._limits.head_bytes:
            raise FrameTooLarge(
                "HTTP head", size_bytes=len(self.data), limit_bytes=self._limits.head_bytes
            )
        if not self.data.partition(b"\r\n\r\n")[0].isascii():
            raise UpgradeRefused("a head that is not ASCII")

    def _write_text(self, text: bytes) -> None:
        self.sendFrame(opcode=self.MESSAGE_TYPE_TEXT, payload=text)

    def _control(self) -> None:
        if self._controls is None:
            self._controls = TokenBucket(self._limits.controls)
        if not self._controls.take(self._clock.seconds()):
            raise RateLimited("control frames")

    def _watch_message(self, *, anew: bool) -> None:
        """Give a half received message its time, counted from its first bytes.

        `anew` says that a message was whole since, so that this is another one.
        """
        if not self.can_send or not self._known:
            return  # a stranger's time to join is shorter
        partial = bool(self.data) or self.inside_message or self.current_frame is not None
        if not partial or self._paused:
            self._deadline.clear()
        elif anew or not self._deadline.is_set:
            self._deadline.set(self._limits.frame_s, self._late, "frame")

    # --- ends
    def _blame(self) -> None:
        """Say to the owner what autobahn found to be wrong, and ends the connection for."""
        error: RemoteError
        if self.failedByMe:
            error = BadFrame("not a WebSocket's frame")
        elif self.state == _CLOSED and self.wasNotCleanReason and not self._announced:
            error = UpgradeRefused("not a request that is served")
        else:
            return
        if self._stop(error):
            self.events.refused(self.host, error)

    def _stop(self, reason: StreembitError) -> bool:
        """Take no more frames and send none; return whether this was the first time."""
        if self._reason is not None:
            return False
        self._reason = reason
        return True

    def _drop(self) -> None:
        self._deadline.clear()
        self._queue.forget()
        self.data = b""
        if self.state != _CLOSED:
            self.dropConnection(abort=True)
        elif not tell(self.transport, "abortConnection"):  # autobahn let it end by itself
            self.transport.loseConnection()

    def _late(self, what: str) -> None:
        self.refuse(DeadlineExceeded(what))
