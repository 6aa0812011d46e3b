"""A mutator at a running process: every layer of what a peer says, over a real socket.

`python -m tests.fuzz.live SECONDS [SEED]` does it by itself and tells what it found.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from demo.members import Member
from streembit.dht.record import make
from streembit.errors import StreembitError
from streembit.jose import base64url, jws
from streembit.jose.jws import Kind
from streembit.net.dial import over_tcp
from streembit.wire import codec
from streembit.wire.message import Body, FindNode, FindValue, Ping, Pong, Rpc, Store, Value
from tests.fuzz.mutate import mutate
from tests.link.second import hello_bytes
from tests.rig.evil import EvilLink, EvilPeer, framed
from tests.rig.procnet import NETWORK, Net, memory_bytes, pause, reactor
from tests.rig.shake import twisted_by
from tests.wire.samples import BODIES

LANES: Final = 2  # links of each layer that are fuzzed at the same time
MAX_PEERS: Final = 64  # hostile peers remembered, so that all are gone at the end
CASES: Final = 24  # on one link at most: most links end at the first
PATIENCE_S: Final = 0.02  # for the answers of one link
MAX_GROWTH_BYTES: Final = 32 * 1024 * 1024

Lane = Callable[[], Awaitable[object]]


class Live:
    """One run against one member.

    Attributes:
        cases: how many cases were sent, by what they were.
        slowest_s: how long an honest request took at most.
    """

    def __init__(self, net: Net, target: Member, seed: int) -> None:
        self.cases: Counter[str] = Counter()
        self.slowest_s = 0.0
        self._net, self._target = net, target
        self._chance = Random(seed)
        self._peers: list[EvilPeer] = []
        self._liar = EvilPeer(over_tcp(reactor), reactor, NETWORK, respond=self._lie)
        self._port = reactor.listenTCP(0, self._liar.factory, interface="127.0.0.1")
        self._liar.port_is(self._port.getHost().port)

    async def run(self, seconds: float) -> None:
        """Fuzz for so long, on all layers at once; raise AssertionError when the member dies."""
        until_s = time.monotonic() + seconds
        honest = await self._open(self._peer())
        grown = memory_bytes(self._target)
        work: list[Lane] = [self._first, self._last, self._sealed, self._altered, self._signed]
        work += [self._stored, self._asked, self._raw]
        lanes = [Deferred.fromCoroutine(self._lane(one, until_s)) for one in work * LANES]
        lanes.append(Deferred.fromCoroutine(self._check(honest, until_s)))
        await gatherResults(lanes, consumeErrors=True)
        assert memory_bytes(self._target) - grown < MAX_GROWTH_BYTES, "it grows"
        assert self._target.runs, "it has ended"

    async def end(self) -> None:
        """Leave."""
        await self._port.stopListening()
        for peer in [*self._peers, self._liar]:
            peer.leave()
        await pause(PATIENCE_S)

    # --- what goes on meanwhile
    async def _lane(self, once: Lane, until_s: float) -> None:
        while time.monotonic() < until_s and self._target.runs:
            try:
                await once()
            except StreembitError:
                self.cases["ended early"] += 1

    async def _check(self, honest: EvilLink, until_s: float) -> None:
        """Be honest meanwhile."""
        while time.monotonic() < until_s:
            began_s = time.monotonic()
            answer = await honest.ask(Ping())
            assert isinstance(answer.body, Pong), answer
            self.slowest_s = max(self.slowest_s, time.monotonic() - began_s)
            await pause(0.25)

    def _peer(self, **more: Any) -> EvilPeer:
        peer = EvilPeer(over_tcp(reactor), reactor, NETWORK, **more)
        self._peers = [one for one in self._peers if one.links][-MAX_PEERS:] + [peer]
        return peer

    async def _open(self, peer: EvilPeer) -> EvilLink:
        return await peer.open(*self._net.place(self._target))

    async def _dial(self, peer: EvilPeer) -> EvilLink:
        return await peer.dial(*self._net.place(self._target))

    def _mutated(self, data: bytes, what: str) -> bytes:
        self.cases[what] += 1
        return mutate(data, self._chance)[:65_000]

    # --- the layers
    async def _first(self) -> None:
        """Mutate the first frame, with its length, and what follows it."""
        link = await self._dial(self._peer())
        link.raw(self._mutated(framed(link.first_frame()) + bytes(40), "first frame"))
        await self._leave(link)

    async def _raw(self) -> None:
        """Mutate a stream of frames that says nothing."""
        link = await self._dial(self._peer())
        link.raw(self._mutated(framed(b"STRB") + framed(b"") + framed(bytes(300)), "stream"))
        await self._leave(link)

    async def _last(self) -> None:
        """Mutate the hello under a good seal, or the sealed frame itself."""
        hello = self._mutated(hello_bytes(name="a.name", agent="fuzz/1"), "hello")
        link = await self._dial(self._peer(shake=twisted_by(hello=hello)))
        link.greet()
        await pause(PATIENCE_S)
        if link.frames and not link.gone:
            last = link.last_frame(link.frames[0])
            link.frame(last if self._chance.random() < 0.7 else self._mutated(last, "last frame"))
        await self._leave(link)

    async def _sealed(self) -> None:
        """Mutate sealed frames."""
        link = await self._open(self._peer())
        sealed = link.seal(link.token(self._body()))
        link.raw(self._mutated(framed(sealed), "sealed frame"))
        await self._leave(link)

    async def _altered(self) -> None:
        """Mutate signed messages under a good seal."""
        await self._say(lambda link: self._mutated(link.token(self._body()), "message"))

    async def _signed(self) -> None:
        """Mutate claims, and sign what comes out."""

        def make_one(link: EvilLink) -> bytes:
            claims = base64url.decode(link.token(self._body()).split(b".")[1])
            return jws.sign(Kind.RPC, self._mutated(claims, "claims"), link.peer.key)

        await self._say(make_one)

    async def _stored(self) -> None:
        """Mutate records, and the claims of records that are signed afterwards."""

        def make_one(link: EvilLink) -> bytes:
            exp = int(time.time()) + 3600
            record = make(link.peer.key, "name", "a/name", b"value", 1, exp, NETWORK).token.encode()
            if self._chance.random() < 0.5:
                item = self._mutated(record, "record")
            else:
                claims = self._mutated(
                    base64url.decode(record.split(b".")[1]), "claims of a record"
                )
                item = jws.sign(Kind.RECORD, claims, link.peer.key)
            return link.token(Store(item.decode("latin-1")[:16_384], "record"))

        await self._say(make_one)

    async def _asked(self) -> None:
        """Have the member ask us, and mutate the answers."""
        if not self._liar.links:
            await self._open(self._liar)
        name = f"a/{self._chance.randrange(1000)}"
        try:
            await self._target.api.record.get(self._target.public_key, name)
        except Exception:  # noqa: BLE001 - that nothing is found is what we want
            self.cases["not found"] += 1

    def _lie(self, link: EvilLink, request: Rpc) -> Body | bytes:
        if isinstance(request.body, Ping):
            return Pong("")
        key = link.peer.key
        exp = int(time.time()) + 3600
        good: list[Body] = [
            Value(make(key, "name", "a/name", b"v", 1, exp, NETWORK).token, "record"),
            *(body for body in BODIES if not isinstance(body, FindNode | FindValue)),
        ]
        rpc = self._claims(link, self._chance.choice(good), request.jti)
        claims = self._mutated(codec.encode(rpc), "answer")
        return jws.sign(Kind.RPC, claims, key)

    # --- how
    def _body(self) -> Body:
        return self._chance.choice(BODIES)

    def _claims(self, link: EvilLink, body: Body, re: str) -> Rpc:
        key = link.peer.key.public.text
        return Rpc(key, [link.link.link_id], "1", int(time.time()), NETWORK, body, re)

    async def _say(self, make_one: Callable[[EvilLink], bytes]) -> None:
        link = await self._open(self._peer())
        for _ in range(CASES):
            if link.gone:
                break
            link.say(make_one(link) or b"x")
            await pause(0)
        await self._leave(link)

    async def _leave(self, link: EvilLink) -> None:
        await pause(PATIENCE_S)
        link.leave()


async def run(seconds: float, seed: int = 1) -> Live:
    """Start a member, fuzz it, end it; return what was done.

    Raises:
        AssertionError: it ended, it grew, or its log tells of a defect.
    """
    net = Net()
    try:
        peer = await net.start("peer")
        target = await net.start("target", seeds=[net.places["peer"]])
        live = Live(net, target, seed)
        try:
            await live.run(seconds)
        finally:
            await live.end()
        assert not net.defects(), net.defects()[:3]
        assert peer.runs, "its peer has ended"
    finally:
        await net.end()
    return live


async def main(_reactor: object, *arguments: str) -> None:
    """Run as a program."""
    live = await run(float(arguments[0]), int(arguments[1]) if len(arguments) > 1 else 1)
    for what, count in sorted(live.cases.items()):
        sys.stdout.write(f"{count:8} {what}\n")
    sys.stdout.write(f"slowest honest answer: {live.slowest_s * 1000:.0f} ms\n")


if __name__ == "__main__":
    react(lambda *words: Deferred.fromCoroutine(main(*words)), sys.argv[1:])
