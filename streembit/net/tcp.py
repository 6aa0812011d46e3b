"""One TCP connection as a link: frames, handshake, channel, deadlines; it only carries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer, IReactorTime, ITransport
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.errors import (
    DeadlineExceeded,
    PeerGone,
    StreembitError,
    TooLarge,
)
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.link.channel import OVERHEAD_BYTES, Channel
from streembit.link.handshake import Initiator, Link, ParsePoint, Responder
from streembit.link.hello import Hello
from streembit.net.backlog import Backlog
from streembit.net.boundary import guarded
from streembit.net.deadline import Deadline
from streembit.net.events import (
    LIMITS,
    LinkEvents,
    LinkLimits,
    LinkWatch,
    Traffic,
)
from streembit.net.outlet import outlet
from streembit.net.queue import Queue
from streembit.net.tuning import tell, tune
from streembit.wire.frame import HEADER_BYTES, MAX_FRAME_PEER, MAX_FRAME_STRANGER, FrameReader, pack

MUCH_BYTES: Final = 256 * 1024  # read at once of a link that carries files; else it is 64 KiB
MAX_PAYLOAD_BYTES: Final = MAX_FRAME_PEER - OVERHEAD_BYTES


@implementer(IPushProducer)
class LinkProtocol(ByteProtocol):
    """A connection that becomes a link.

    It stands on any stream transport and uses what only TCP has where
    it finds it. It holds one timer at most, and none while it is open
    with no frame half received.

    Attributes:
        link: None until the handshake is done.
        host, port: the other end's address, as the transport says.
        initiator: whether this side dialled.
        last_received_s: when bytes came last, by the clock given.
    """

    transport: ITransport
    link: Link | None = None
    host = ""
    port = 0
    last_received_s = 0.0

    _reader: FrameReader
    _put_out: Callable[[bytes], None]
    _channel: Channel | None = None
    _step: Callable[[bytes], None] | None = None  # what the next frame is for; None once closed
    _reason: StreembitError | None = None
    _announced = False  # link_open was called, so link_lost is owed
    _started_s = 0.0
    _paused = False  # by the owner
    _choked = False  # because the peer does not take what it asked for
    _chokes = 0  # how many times in a row
    _busy = False
    _free: Callable[[], object] | None = None  # called when the transport has sent everything

    def __init__(
        self,
        identity: PrivateKey,
        make_hello: Callable[[str, int], Hello],
        network: str,
        clock: IReactorTime,
        events: LinkEvents,
        *,
        initiator: bool,
        expect: PublicKey | None = None,
        parse: ParsePoint = PublicKey.parse,
        watch: LinkWatch | None = None,
        limits: LinkLimits = LIMITS,
        traffic: Traffic | None = None,
        backlog: Backlog | None = None,
    ) -> None:
        self.initiator = initiator
        self._identity = identity
        self._make_hello = make_hello
        self._network = network
        self._clock = clock
        self._events = events
        self._expect = expect
        self._parse = parse
        self._watch = watch
        self._limits = limits
        self._traffic = Traffic() if traffic is None else traffic
        self._deadline = Deadline(clock)
        self._queue = Queue(self, limits.queue_bytes, Backlog() if backlog is None else backlog)

    # --- what the owner does

    @property
    def is_open(self) -> bool:
        """Whether `send` works."""
        return self._channel is not None

    def send(self, payload: bytes) -> None:
        """Seal a payload and write it as one frame.

        Raises:
            PeerGone: the link is not open, or not any more.
            TooLarge: longer than 64 KiB less the seal.
        """
        channel = self._channel
        if channel is None:
            raise PeerGone("the link is not open")
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise TooLarge("message", size_bytes=len(payload), limit_bytes=MAX_PAYLOAD_BYTES)
        now_s = self._clock.seconds()
        if channel.due(now_s):
            self._write(channel.rekey(now_s))
        self._write(channel.seal(payload))

    @property
    def is_full(self) -> bool:
        """Whether the transport holds back what it was given: what can wait should not be sent."""
        return self._queue.is_full

    def when_free(self, call: Callable[[], object] | None) -> None:
        """Have this called each time the link stops to be full, in the place of what was before.

        What it raises ends the link, as with a message. None for nothing.
        """
        self._free = call

    def expect_much(self) -> None:
        """Take more from the transport at a time from now on: files are coming."""
        if isinstance(self.transport, FileDescriptor):
            self.transport.bufferSize = MUCH_BYTES

    def close(self, reason: StreembitError | None = None) -> None:
        """End the link once what is queued has left, or after `close_s`."""
        if self._stop(reason or PeerGone("closed by us")):
            self._deadline.set(self._limits.close_s, self._drop)
            tell(self.transport, "unregisterProducer")
            self.transport.loseConnection()

    def abort(self, reason: StreembitError | None = None) -> None:
        """End the link at once; what is queued is thrown away."""
        self._stop(reason or PeerGone("aborted by us"))
        self._drop()

    def refuse(self, error: StreembitError) -> None:
        """Report the error to `refused`, once a connection, and abort."""
        if self._stop(error):
            self._events.refused(self.host, error)
        self._drop()

    def pause(self) -> None:
        """Deliver nothing, buffered frames included, and read nothing, until `resume`.

        Has no effect before the link is open and after it ended.
        """
        if self.is_open and not self._paused:
            self._paused = True
            self._hold()

    def resume(self) -> None:
        """Deliver again, beginning with what is buffered."""
        self._paused = False
        self._go_on()

    # --- what the transport does

    def connectionMade(self) -> None:
        """Begin the handshake."""
        peer = self.transport.getPeer()
        self.host, self.port = getattr(peer, "host", ""), getattr(peer, "port", 0)
        self._reader = FrameReader(MAX_FRAME_STRANGER)
        self._started_s = self.last_received_s = self._clock.seconds()
        tune(self.transport)
        self._put_out = outlet(self.transport)
        tell(self.transport, "registerProducer", self, True)
        self._deadline.set(self._limits.hello_s, self._late, "hello")
        self.guard(self._begin)

    def dataReceived(self, data: bytes) -> None:
        """Take bytes, cut anywhere."""
        if self._step is None:
            return
        self.last_received_s = self._clock.seconds()
        self._traffic.received_bytes += len(data)
        self._reader.receive(data)
        if not self._busy:
            self._drain()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell the watch and the owner, once; `clean` says that the peer closed in order."""
        clean = reason.check(ConnectionDone) is not None
        self._stop(PeerGone(reason.getErrorMessage(), clean=clean))
        self._deadline.clear()
        why = self._reason or PeerGone()
        self._queue.forget()
        watch, self._watch = self._watch, None
        if watch is not None:
            self.guard(watch.closed, self, why)
        if self._announced:
            self.guard(self._events.link_lost, self, why)

    def pauseProducing(self) -> None:
        """Count what is written from now on: the transport is full.

        Twisted calls this at every write while it is.
        """
        self._queue.begin()

    def resumeProducing(self) -> None:
        """Stop counting: the transport has sent everything."""
        self._queue.end()
        self._chokes = 0
        self._unchoke()
        if self._free is not None and self.is_open:
            self.guard(self._free)

    def stopProducing(self) -> None:
        """The transport is gone; `connectionLost` follows."""

    # --- frames

    def _drain(self) -> None:
        if self._busy:
            return  # within a callback: the loop below goes on when it returns
        self._busy = True
        moved = bool(self.guard(self._deliver))
        self._busy = False
        if self._channel is not None:
            self._watch_frame(moved)

    def _deliver(self) -> bool:
        """Hand on whole frames; return whether there was one."""
        moved = False
        while not self._is_held and (step := self._step) is not None:
            frame = self._reader.next_frame()
            if frame is None:
                break
            moved = True
            step(frame)
        return moved

    def _receive(self, frame: bytes) -> None:
        if (channel := self._channel) is not None:
            payload = channel.open(frame)
            if payload is not None:
                self._events.message(self, payload)

    def _write(self, frame: bytes) -> None:
        if self._queue.is_full and not self._wait(len(frame)):
            return
        self._traffic.sent_bytes += HEADER_BYTES + len(frame)
        self._put_out(pack(frame))

    # --- a peer that reads slowly, an owner that pauses

    @property
    def is_crowded(self) -> bool:
        """Whether half of the queue is taken: what can wait should not be sent now."""
        return self._queue.is_crowded

    @property
    def _is_held(self) -> bool:
        return self._paused or self._choked

    def _wait(self, size_bytes: int) -> bool:
        """Count a frame that will wait; return whether there is room for it."""
        if not self._queue.add(size_bytes) or self._reason is not None:
            return False
        if self.is_crowded and self.is_open and not self._choked:
            self._choked = True  # no more requests from one that does not read the answers
            self._hold()
            self._deadline.set(self._limits.choke_s, self._waited)
        return True

    def _waited(self) -> None:
        """Read again: two sides that both wait for the other to read would wait for ever."""
        self._chokes += 1
        if self._chokes < self._limits.chokes:
            self._unchoke()
        else:
            self._queue.refuse()

    def _unchoke(self) -> None:
        if self._choked:
            self._choked = False
            self._deadline.clear()
            self._go_on()

    def _hold(self) -> None:
        if not self._choked:
            self._deadline.clear()  # a half received frame waits with us
        tell(self.transport, "pauseProducing")

    def _go_on(self) -> None:
        if self.is_open and not self._is_held:
            tell(self.transport, "resumeProducing")
            self._drain()

    # --- handshake

    def _begin(self) -> None:
        hello = self._make_hello(self.host, self.port)
        if not self.initiator:
            responder = Responder(self._identity, hello, self._network, parse=self._parse)
            self._step = lambda frame: self._answer(responder, frame)
            return
        initiator = Initiator(
            self._identity, hello, self._network, expect=self._expect, parse=self._parse
        )
        self._step = lambda frame: self._finish(initiator, frame)
        self._write(initiator.start())

    def _answer(self, responder: Responder, frame: bytes) -> None:
        self._write(responder.receive_first(frame))
        left_s = self._started_s + self._limits.handshake_s - self._clock.seconds()
        self._deadline.set(left_s, self._late, "handshake")
        self._step = lambda last: self._open(responder.receive_last(last))

    def _finish(self, initiator: Initiator, frame: bytes) -> None:
        last, link = initiator.receive(frame)
        self._write(last)
        self._open(link)

    def _open(self, link: Link) -> None:
        self.link = link
        if self._watch is not None:
            self._watch.check(self)
        self._channel = link.channel
        self._reader.limit_bytes = MAX_FRAME_PEER
        self._step = self._receive
        self._deadline.clear()
        self._announced = True
        self._events.link_open(self)
        if self._watch is not None and self.is_open:
            self._watch.opened(self)

    # --- ends

    def guard(self, call: Callable[..., object], *args: object) -> object:
        """Call; the one boundary where an error of a callback ends the connection only.

        What the owner does later for a message of this link belongs in here as well.
        """
        return guarded(self, call, *args)

    def _stop(self, reason: StreembitError) -> bool:
        """Take no more frames and send none; return whether this was the first time."""
        if self._reason is not None:
            return False
        self._reason = reason
        self._step = self._channel = None
        return True

    def _drop(self) -> None:
        self._deadline.clear()
        self._queue.forget()
        if not tell(self.transport, "abortConnection"):
            self.transport.loseConnection()

    def _late(self, what: str) -> None:
        self.refuse(DeadlineExceeded(what))

    def _watch_frame(self, moved: bool) -> None:
        """Give a half received frame its time, counted from its first bytes."""
        if self._choked:
            return  # the timer is busy, and we do not read
        partial = self._reader.buffered_bytes > 0 and not self._paused
        if partial and not self._deadline.is_set:
            self._deadline.set(self._limits.frame_s, self._late, "frame")
        elif partial and moved:
            self._deadline.put_off(self._limits.frame_s)
        elif not partial:
            self._deadline.clear()
