"""A hostile peer: the real client library put together without one of its checks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorTime
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.protocol import Protocol as ByteProtocol
from twisted.python.failure import Failure

from streembit.errors import PeerGone
from streembit.jose import base64url
from streembit.jose.envelope import parse_rpc, seal_rpc
from streembit.jose.keys import PrivateKey
from streembit.link.hello import Hello
from streembit.net.dial import Connect
from streembit.wire.frame import HEADER_BYTES, FrameReader
from streembit.wire.life import ASKS, SHOWS, is_sign
from streembit.wire.message import Answer, Body, Contact, Nodes, Ping, Pong, Rpc
from tests.rig.shake import Answering, MakeShake, Opened, RealShake, Shake

ANY_LENGTH: Final = 1 << 31
FLOOD_FRAMES: Final = 64  # written in one turn, so that the rest of the process gets its own

Respond = Callable[["EvilLink", Rpc], Body | bytes | None]  # bytes are said as they are


def flipped(data: bytes, bit: int) -> bytes:
    """Return the bytes with one bit turned."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def framed(payload: bytes, claim: int | None = None) -> bytes:
    """Return a frame of any length, or one that claims another."""
    return (len(payload) if claim is None else claim).to_bytes(HEADER_BYTES) + payload


def signed(header: bytes, payload: bytes, key: PrivateKey) -> bytes:
    """Return a JWS with any header over any payload, properly signed."""
    signing_input = base64url.encode_bytes(header) + b"." + base64url.encode_bytes(payload)
    return signing_input + b"." + base64url.encode_bytes(key.sign(signing_input))


def silent(_link: EvilLink, _request: Rpc) -> None:
    """Answer nothing."""


def lying_with(contacts: list[Contact]) -> Respond:
    """Return what answers each look-up with these contacts, and a Ping honestly."""

    def respond(_link: EvilLink, request: Rpc) -> Answer:
        return Pong("") if type(request.body).__name__ == "Ping" else Nodes(contacts)

    return respond


class EvilPeer:
    """One identity that dials and is dialled over any streams, in memory and over TCP alike.

    Args:
        connect: opens streams, as for a node.
        port: where it says that it listens, 0 for nowhere.
        respond: makes the answer to what others ask; its claims are those of an honest answer.
        shake: makes the handshake of each link that is dialled.
        alive: shows signs of life when it is asked for them.
    """

    def __init__(
        self,
        connect: Connect,
        clock: IReactorTime,
        network: str,
        *,
        key: PrivateKey | None = None,
        port: int = 0,
        respond: Respond = silent,
        shake: MakeShake = RealShake,
        alive: bool = False,
    ) -> None:
        self.key = key or PrivateKey.generate()
        self.port_is(port)
        self.clock, self.network = clock, network
        self.respond, self.shake, self.alive = respond, shake, alive
        self.host = ""  # where it listens, for others to tell of
        self.links: list[EvilLink] = []
        self.factory = _Links(self)
        self._connect = connect

    def dial(self, host: str, port: int) -> Deferred[EvilLink]:
        """Connect, and say nothing."""
        link = EvilLink(self, self.shake(self.key, self.network, self.hello))
        connected = self._connect(host, port, Factory.forProtocol(lambda: link))
        return connected.addCallback(lambda _: link)

    def open(self, host: str, port: int) -> Deferred[EvilLink]:
        """Connect and shake hands; fire with the open link."""
        return self.dial(host, port).addCallback(lambda link: link.shake_hands())

    def port_is(self, port: int) -> None:
        """Say from now on that it listens at this port."""
        self.hello = Hello(self.key.public, port=port)

    def leave(self) -> None:
        """End every connection at once."""
        for link in list(self.links):
            link.leave()


class _Links(Factory):
    """Takes everybody who dials the hostile peer."""

    noisy = False

    def __init__(self, peer: EvilPeer) -> None:
        self._peer = peer

    def buildProtocol(self, addr: IAddress | None) -> EvilLink:
        """Return an honest responder, as far as the handshake goes."""
        peer = self._peer
        return EvilLink(peer, Answering(peer.key, peer.network, peer.hello))


class EvilLink(ByteProtocol):
    """One connection: any bytes go out at any moment, and what comes in is kept unchecked.

    Attributes:
        sent: every frame written since the connection was made, with its length.
        frames: the payload of every frame that came, sealed or not.
        heard: every message that came, opened and read but not verified.
        life_asked: how often it was asked for a sign of life.
        opened: the link once it is open.
    """

    transport: Any

    def __init__(self, peer: EvilPeer, side: Shake | Answering) -> None:
        self.peer, self.side = peer, side
        self.sent: list[bytes] = []
        self.frames: list[bytes] = []
        self.payloads: list[bytes] = []
        self.heard: list[Rpc] = []
        self.life_asked = 0
        self.opened: Opened | None = None
        self.gone = False
        self._reader = FrameReader(ANY_LENGTH)
        self._numbers = itertools.count(1)
        self._dripping: IDelayedCall | None = None
        self._step: Callable[[bytes], None] | None = None
        self._waiting: dict[str, Deferred[Rpc]] = {}
        self._when_open: Deferred[EvilLink] | None = None
        self._when_gone: list[Deferred[EvilLink]] = []

    # --- bytes and frames
    def raw(self, data: bytes) -> None:
        """Write any bytes."""
        self.transport.write(data)

    def frame(self, payload: bytes) -> None:
        """Write a frame of any length."""
        self.sent.append(framed(payload))
        self.raw(self.sent[-1])

    def again(self, number: int) -> None:
        """Write a frame of `sent` once more, as it was."""
        self.raw(self.sent[number])

    def claim(self, size_bytes: int, some: bytes = b"") -> None:
        """Announce a frame of a size, and send only the beginning of it."""
        self.raw(framed(some, size_bytes))

    def drip(self, data: bytes, every_s: float) -> None:
        """Write one byte now and then, until all are out or the connection is gone."""
        self._dripping = None
        if data and not self.gone:
            self.raw(data[:1])
            self._dripping = self.peer.clock.callLater(every_s, self.drip, data[1:], every_s)

    def deaf(self) -> None:
        """Read nothing any more."""
        self.transport.pauseProducing()

    def leave(self) -> None:
        """End the connection at once."""
        if not self.gone:
            self.transport.abortConnection()

    # --- the handshake
    def shake_hands(self) -> Deferred[EvilLink]:
        """Do the dialling side's part; fire with the open link."""
        self._step = self._finish
        done: Deferred[EvilLink] = Deferred()
        self._when_open = done
        self.greet()
        return done

    def attempt(self) -> None:
        """Shake hands, and do not mind being refused."""
        self.shake_hands().addErrback(lambda _: None)

    def greet(self) -> None:
        """Send the first frame; what comes back is left to the test."""
        self.frame(self.first_frame())

    def first_frame(self) -> bytes:
        """Return the first frame, not sent yet."""
        assert not isinstance(self.side, Answering)
        return self.side.start()

    def last_frame(self, second: bytes) -> bytes:
        """Return the last frame, not sent yet; from now on messages can be sealed."""
        assert not isinstance(self.side, Answering)
        last, self.opened = self.side.finish(second)
        return last

    def _finish(self, second: bytes) -> None:
        self.frame(self.last_frame(second))
        self._open(self.link)

    def _answer_first(self, first: bytes) -> None:
        assert isinstance(self.side, Answering)
        self.frame(self.side.second(first))
        self._step = self._answer_last

    def _answer_last(self, last: bytes) -> None:
        assert isinstance(self.side, Answering)
        self._open(self.side.finish(last))

    def _open(self, opened: Opened) -> None:
        self.opened, self._step = opened, self._hear
        done, self._when_open = self._when_open, None
        if done is not None:
            done.callback(self)

    # --- messages
    @property
    def link(self) -> Opened:
        """The open link."""
        assert self.opened is not None, "the handshake is not done"
        return self.opened

    def token(self, body: Body, *, signer: PrivateKey | None = None, **claims: Any) -> bytes:
        """Return a signed message; `claims` are said instead of what an honest peer would say."""
        said = {
            "iss": self.peer.key.public.text,
            "aud": [self.link.link_id],
            "jti": f"{next(self._numbers):x}",
            "iat": int(self.peer.clock.seconds()),
            "net": self.peer.network,
            **claims,
        }
        return seal_rpc(signer or self.peer.key, Rpc(body=body, **said))

    def seal(self, payload: bytes) -> bytes:
        """Return the next frame's payload."""
        return self.link.channel.seal(payload)

    def say(self, token: bytes) -> None:
        """Send anything as a message: sealed for this link, whatever it is."""
        self.frame(self.seal(token))

    def ask(self, body: Body, **claims: Any) -> Deferred[Rpc]:
        """Send a request; fire with whatever names it as the question."""
        jti = claims.setdefault("jti", f"{next(self._numbers):x}")
        token = self.token(body, **claims)
        answer: Deferred[Rpc] = Deferred()
        self._waiting[jti] = answer
        self.say(token)
        return answer

    def pings(self, count: int, **claims: Any) -> Iterator[bytes]:
        """Yield so many signed requests for this link."""
        return (self.token(Ping(), **claims) for _ in range(count))

    def flood(self, payloads: Iterator[bytes]) -> Deferred[int]:
        """Seal and send these as fast as the other side takes them; fire with how many went."""
        flood = _Flood(self, payloads)
        self.when_gone().addCallback(lambda _: flood.stopProducing())
        return flood.start()

    def _hear(self, frame: bytes) -> None:
        payload = self.link.channel.open(frame)
        if payload is None:
            return
        self.payloads.append(payload)
        if is_sign(payload):
            self.life_asked += payload == ASKS
            if self.peer.alive:
                self.say(SHOWS)
            return
        rpc = parse_rpc(payload).rpc
        self.heard.append(rpc)
        waiting = self._waiting.pop(rpc.re, None)
        if waiting is not None:
            waiting.callback(rpc)
        elif not rpc.re and (answer := self.peer.respond(self, rpc)) is not None:
            self.say(answer if isinstance(answer, bytes) else self.token(answer, re=rpc.jti))

    # --- the connection
    def when_gone(self) -> Deferred[EvilLink]:
        """Fire when the connection has ended."""
        done: Deferred[EvilLink] = Deferred()
        if self.gone:
            done.callback(self)
        else:
            self._when_gone.append(done)
        return done

    def connectionMade(self) -> None:
        """Wait for the test's word, or for the first frame where we were dialled."""
        self.peer.links.append(self)
        if isinstance(self.side, Answering):
            self._step = self._answer_first

    def dataReceived(self, data: bytes) -> None:
        """Keep each frame; what cannot be read is not complained about."""
        self._reader.receive(data)
        while (frame := self._reader.next_frame()) is not None:
            self.frames.append(frame)
            if self._step is not None:
                self._step(frame)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Tell everybody who waits."""
        self.gone = True
        if self._dripping is not None:
            self._dripping.cancel()
        self.peer.links.remove(self)
        gone = PeerGone(reason.getErrorMessage())
        if self._when_open is not None:
            self._when_open.errback(gone)
        while self._waiting:
            self._waiting.popitem()[1].errback(gone)
        for done in self._when_gone:
            done.callback(self)


class _Flood:
    """Sends frames as long as there are any, heeding nothing but a full connection."""

    def __init__(self, link: EvilLink, payloads: Iterator[bytes]) -> None:
        self._link, self._payloads = link, payloads
        self._full = False
        self._sent = 0
        self._done: Deferred[int] = Deferred()

    def start(self) -> Deferred[int]:
        """Begin."""
        self._link.transport.registerProducer(self, True)
        self._go()
        return self._done

    def _go(self) -> None:
        if self._link.gone:
            self._end()
            return
        if self._full:
            return
        some = list(itertools.islice(self._payloads, FLOOD_FRAMES))
        self._sent += len(some)
        self._link.raw(b"".join(framed(self._link.seal(payload)) for payload in some))
        if len(some) < FLOOD_FRAMES:
            self._link.transport.unregisterProducer()
            self._end()
        else:
            self._link.peer.clock.callLater(0, self._go)

    def _end(self) -> None:
        if not self._done.called:
            self._done.callback(self._sent)

    def pauseProducing(self) -> None:
        """Wait: the other side does not keep up."""
        self._full = True

    def resumeProducing(self) -> None:
        """Go on."""
        if self._full:
            self._full = False
            self._go()

    def stopProducing(self) -> None:
        """The connection is gone."""
        self._end()
