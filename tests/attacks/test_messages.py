"""Rows A1 to A9: frames, messages and records replayed, altered, forged or out of place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred

from streembit.dht.keyspace import record_place
from streembit.dht.memory import MemoryShelf
from streembit.dht.put import Outcome
from streembit.dht.record import make
from streembit.errors import BadMessage, RemoteRefusal
from streembit.jose import base64url
from streembit.jose.keys import PrivateKey
from streembit.service.finder import Search
from streembit.service.node import Node
from streembit.testing import MemoryOwnRecords
from streembit.wire.message import (
    Body,
    DialBack,
    Dialled,
    FindNode,
    FindValue,
    Nodes,
    Ping,
    Pong,
    Refused,
    Request,
    Rpc,
    Store,
    Stored,
    Value,
)
from tests.attacks.watched import BITS, AttackTests, quiet
from tests.rig.evil import EvilLink, flipped, framed
from tests.rig.refusal import HOST, QUIET
from tests.rig.shake import twisted_by
from tests.rig.tokens import of_every_kind, with_other_headers
from tests.service.town import NETWORK, PORT
from tests.wire.samples import BODIES

EXPECTED: Final[tuple[tuple[Request, tuple[type, ...]], ...]] = (
    (Ping(), (Pong,)),
    (FindNode("A" * 27), (Nodes,)),
    (FindValue("A" * 27), (Nodes, Value)),
    (Store("item", "blob"), (Stored,)),
    (DialBack(8905), (Dialled,)),
)


class ReplayTests(AttackTests):
    """A1 and A2."""

    def test_A1_frames_sent_again(self) -> None:
        """The last frame, the one before and the 33rd before: not served again, the link ends."""
        for back in (1, 2, 34):
            link = self.watch.link()
            for _ in range(40):
                self.town.result(link.ask(Ping()))
            self.watch.refused("decrypt-failed", link.again, -back)
            self.assertTrue(link.gone)

    def test_A1_frames_in_another_order(self) -> None:
        """Two swapped frames: neither is served."""
        link = self.watch.link()
        one, two = (framed(link.seal(link.token(Ping()))) for _ in range(2))
        self.watch.refused("decrypt-failed", link.raw, two + one)

    def test_A2_a_transcript_played_again(self) -> None:
        """To the same node, to another, and to one that restarted: no link, nothing served."""
        link = self.watch.link()
        self.town.result(link.ask(Ping()))
        transcript = b"".join(link.sent)
        dialled = self.watch.dial()
        self.watch.refused("decrypt-failed", dialled.raw, transcript)
        self.assertTrue(dialled.gone)
        for node in (self.watch.friend, self.restarted()):
            host, _, port = node.reach.listening[0].rpartition(":")
            dialled = self.town.result(self.watch.evil().dial(host, int(port)))
            good = node.network.checks.good
            dialled.raw(transcript)
            self.town.run(1)
            self.assertTrue(dialled.gone)
            self.assertEqual(node.refusals.counts(), {"decrypt-failed": 1})
            self.assertEqual(node.network.checks.good, good)

    def restarted(self) -> Node:
        """Return a node of the same identity that knows nothing of what the first one did."""
        clock, host = self.town.memory.clock, self.town.memory.host("10.0.0.2")
        node = Node(
            self.watch.node.identity,
            QUIET,
            MemoryShelf(),
            MemoryOwnRecords(),
            host.connect,
            clock,
            Random(99),
        )
        host.listen(PORT, node.carriers.factory)
        node.reach.listening_on(PORT, [f"10.0.0.2:{PORT}"])
        self.town.nodes.append(node)
        node.startService()
        return node

    def test_A2_what_it_said_is_sent_back(self) -> None:
        """Reflection of its frames, sealed as they are, and of its message, sealed anew."""
        link = self.watch.link()
        self.town.result(link.ask(Ping()))
        self.watch.refused("decrypt-failed", link.raw, framed(link.frames[-1]))
        link = self.watch.link()
        self.town.result(link.ask(Ping()))
        self.watch.refused("wrong-issuer", link.say, link.payloads[-1])

    def test_A2_reflection_of_the_handshake(self) -> None:
        """Its own second frame as the last one of the same handshake."""
        link = self.watch.dial()
        link.greet()
        self.town.run(1)
        self.watch.refused("decrypt-failed", link.frame, link.frames[0])

    def test_A2_a_message_of_another_link(self) -> None:
        """The same peer's own good message, on another of its links, or to another node."""
        evil = self.watch.evil()
        one, two = (self.town.result(evil.open(HOST, PORT)) for _ in range(2))
        self.watch.refused("wrong-audience", two.say, one.token(Ping()))
        other = self.town.result(evil.open("10.0.1.1", PORT))
        token = other.token(Ping())
        three = self.town.result(evil.open(HOST, PORT))
        self.watch.refused("wrong-audience", three.say, token)

    def test_A2_claims_that_name_something_else(self) -> None:
        """Another link, issuer or network."""
        stranger = PrivateKey.generate().public.text
        for claims, reason in (
            ({"aud": ["A" * 22]}, "wrong-audience"),
            ({"iss": stranger}, "wrong-issuer"),
            ({"iss": self.watch.friend.identity.public.text}, "wrong-issuer"),
            ({"net": "streembit"}, "wrong-network"),
        ):
            link = self.watch.link()
            self.watch.refused(reason, link.say, link.token(Ping(), **claims))
            self.assertTrue(link.gone)

    def test_A3_a_record_sent_again_lives_no_longer(self) -> None:
        """By anybody, up to its signed end and no further; after it, no more."""
        link, key = self.watch.link(), PrivateKey.generate()
        old, new = self.record(key, seq=1), self.record(key, seq=2)
        self.assertIsInstance(self.town.result(link.ask(Store(new, "record"))).body, Stored)
        answer = self.town.result(link.ask(Store(new, "record"))).body
        assert isinstance(answer, Stored)
        self.assertLessEqual(answer.exp, self.town.memory.clock.seconds() + 3600)
        self.watch.refused("seq-too-low", link.ask, Store(old, "record"), verified=1)
        self.town.run(3600)
        link = self.watch.link()
        self.watch.refused("record-expired", link.ask, Store(new, "record"), verified=1)


class AlteredTests(AttackTests):
    """A4: no flipped bit is accepted."""

    def test_A4_every_flipped_bit_of_a_frame(self) -> None:
        """Each ends its link, and nothing else."""
        size = len(self.watch.link().token(Ping())) + 16
        cases = [number.to_bytes(2) for number in range(size * BITS)]

        def send(link: EvilLink, case: bytes) -> None:
            sealed = link.seal(link.token(Ping()))
            bit = int.from_bytes(case) % (len(sealed) * BITS)
            link.frame(flipped(sealed, bit))

        self.assertEqual(self.for_each(cases, send), {"decrypt-failed": len(cases)})
        self.assertGreaterEqual(len(cases), 2400)

    def test_A4_every_flipped_bit_of_a_length(self) -> None:
        """Too long, never complete, or cut in the wrong place."""
        cases = [bytes((bit,)) for bit in range(32)]

        def send(link: EvilLink, case: bytes) -> None:
            link.raw(flipped(framed(link.seal(link.token(Ping()))), case[0]))
            link.peer.clock.callLater(0.05, link.raw, bytes(70_000))

        reasons = self.for_each(cases, send)
        self.assertEqual(set(reasons), {"decrypt-failed", "frame-too-large"})

    def test_A4_flipped_bits_of_the_last_frame_of_a_handshake(self) -> None:
        """One bit of every byte; no link opens."""
        for byte in range(275):
            link = self.watch.dial()
            link.greet()
            self.town.run(0.05)
            last = link.last_frame(link.frames[0])
            bit = (byte * BITS + byte % BITS) % (len(last) * BITS)
            self.watch.refused("decrypt-failed", link.frame, flipped(last, bit))
            self.assertTrue(link.gone)

    def test_A4_every_flipped_bit_of_a_message(self) -> None:
        """Well sealed, by the right peer, and not what it signed."""
        size = len(self.watch.link().token(Ping()))
        cases = [number.to_bytes(2) for number in range(size * BITS)]

        def send(link: EvilLink, case: bytes) -> None:
            token = link.token(Ping())
            link.say(flipped(token, int.from_bytes(case) % (len(token) * BITS)))

        reasons = self.for_each(cases, send)
        self.assertGreaterEqual(len(cases), 2400)
        self.assertGreater(reasons["bad-signature"], 400)
        self.assertEqual(reasons["internal-error"], 0)

    def test_A4_every_flipped_bit_of_a_record(self) -> None:
        """In a message that is good."""
        token = self.record(PrivateKey.generate()).encode()
        cases = [flipped(token, bit) for bit in range(len(token) * BITS)]
        self.assertGreaterEqual(len(cases), 2400)
        reasons: Counter[str] = Counter()
        for start in range(0, len(cases), 2 * BITS):
            some = cases[start : start + 2 * BITS]
            links = self.watch.links(BITS)  # of each two cases: the third bad signature ends it

            def attack(links: list[EvilLink] = links, some: list[bytes] = some) -> None:
                for number, case in enumerate(some):
                    links[number % BITS].ask(Store(case.decode("latin-1"), "record"))

            reasons += self.watch.refusals_of(len(some), attack, verified=len(some))
            self.assertFalse(any(link.gone for link in links))
            for link in links:
                link.leave()
        self.assertGreater(reasons["bad-signature"], 500)

    def test_A4_signed_by_another_key(self) -> None:
        """A message and a record that name one key and were signed with another."""
        mine = PrivateKey.generate()
        link = self.watch.link()
        self.watch.refused("bad-signature", link.say, link.token(Ping(), signer=mine))
        record = self.record(mine)
        claims = base64url.decode(record.split(".")[1])
        theirs = next(t for name, t in of_every_kind(claims, link.peer.key) if name == "record+jwt")
        self.watch.refused("bad-signature", link.ask, Store(theirs.decode(), "record"), verified=1)

    def key_nearest_to_the_liar(self) -> PrivateKey:
        """Return a key whose record `a/name` lies nearer to the liar than to the friend."""
        friend = self.watch.friend.network.id
        (liar,) = [node.id for node in self.watch.node.network.table if node.id != friend]
        while True:
            key = PrivateKey.generate()
            place = record_place(key.public.point, "name", "a/name")
            if liar ^ place < friend ^ place:
                return key

    def test_A4_lies_of_those_who_are_asked(self) -> None:
        """Values that are altered, expired, or belong elsewhere; receipts for something else."""
        told: list[Body] = []

        def respond(_link: EvilLink, request: Rpc) -> Body:
            return told[0] if isinstance(request.body, FindValue | Store) else Nodes([])

        self.watch.neighbour(respond)
        key, other = self.key_nearest_to_the_liar(), PrivateKey.generate()
        wanted = make(key, "name", "a/name", b"v", 1, self.now() + 3600, NETWORK)
        finder = self.watch.node.dht.finder
        found: list[object] = []

        def start(work: Callable[[], Coroutine[Any, Any, Search | Outcome]]) -> None:
            Deferred.fromCoroutine(work()).addCallback(taken)

        def taken(result: Search | Outcome) -> None:
            if isinstance(result, Search):
                found.append(result.item)
            else:
                found.extend(
                    r for r in result.receipts if r.node.id != self.watch.friend.network.id
                )

        for answer, reason in (
            (Value(flipped(wanted.token.encode(), -9).decode("latin-1"), "record"), "bad-token"),
            (Value(self.record(other), "record"), "wrong-place"),
            (
                Value(make(key, "name", "a/name", b"v", 2, 1, NETWORK).token, "record"),
                "record-expired",
            ),
            (Value("AAAA", "blob"), "wrong-place"),
        ):
            told[:] = [answer]
            self.watch.refused(reason, start, lambda: finder.first(wanted.place), verified=None)
        told[:] = [Stored("A" * 27, "A" * 43, 1, 1)]
        self.watch.refused("bad-message", start, lambda: finder.put(wanted), verified=None)
        self.assertEqual([item for item in found if item is not None], [])


class ForeignTests(AttackTests):
    """A5 and A8: other headers, other kinds, other types."""

    def test_A5_headers_of_messages(self) -> None:
        """Not one of the tricks is even verified."""
        link = self.watch.link()
        count = len(list(with_other_headers(b"{}", "rpc+jwt", link.peer.key)))
        for number in range(count):
            link = self.watch.link()
            payload = base64url.decode(link.token(Ping()).split(b".")[1])
            name, token = list(with_other_headers(payload, "rpc+jwt", link.peer.key))[number]
            bad = self.watch.node.network.checks.bad
            reasons = self.watch.refusals_of(1, link.say, token)
            self.assertLessEqual(set(reasons), {"bad-header", "bad-token"}, name)
            self.assertEqual(self.watch.node.network.checks.bad, bad, name)
            self.assertTrue(link.gone)

    def test_A5_headers_of_records(self) -> None:
        """The same for what is to be stored."""
        link, key = self.watch.link(), PrivateKey.generate()
        claims = base64url.decode(self.record(key).split(".")[1])
        for name, token in with_other_headers(claims, "record+jwt", key):
            reasons = self.watch.refusals_of(
                1, link.ask, Store(token.decode(), "record"), verified=1
            )
            self.assertLessEqual(set(reasons), {"bad-header", "bad-token"}, name)

    def test_A8_every_kind_in_every_place(self) -> None:
        """Claims of a message and of a record, signed as each kind, sent as each kind."""
        link, key = self.watch.link(), PrivateKey.generate()
        record = base64url.decode(self.record(key).split(".")[1])
        payload = base64url.decode(link.token(Ping()).split(b".")[1])
        for claims in (record, payload):
            for kind, token in of_every_kind(claims, key):
                if (kind, claims) == ("record+jwt", record):
                    continue
                store = Store(token.decode(), "record")
                self.watch.refusals_of(1, link.ask, store, verified=1)
        count = len(list(of_every_kind(b"", key)))
        for number in range(count * 2):
            link = self.watch.link()
            message = base64url.decode(link.token(Ping()).split(b".")[1])
            claims = message if number % 2 else record
            kind, token = list(of_every_kind(claims, link.peer.key))[number // 2]
            if (kind, claims) == ("rpc+jwt", message):
                continue
            self.watch.refusals_of(1, link.say, token)
            first = self.watch.dial()
            self.watch.refused("handshake-failed", first.frame, token)

    def test_A8_every_type_in_the_place_of_every_answer(self) -> None:
        """Of all types of messages only the one that belongs to the request is an answer."""
        asked: list[Body] = []
        evil = self.watch.evil(respond=lambda _link, _request: asked[0])
        self.town.result(evil.open(HOST, PORT))
        self.town.run(0.1)
        peer = self.watch.node.network.roster.get(evil.key.public)
        assert peer is not None
        for request, fitting in EXPECTED:
            for body in BODIES:
                asked[:] = [body]
                done = peer.request(request)
                if isinstance(body, fitting):
                    self.assertEqual(self.town.result(done).claims.body, body)
                elif isinstance(body, Refused):
                    self.assertRaises(RemoteRefusal, self.town.result, done)
                else:
                    self.watch.refused("bad-message", quiet, verified=1)
                    self.failureResultOf(done, BadMessage)

    def test_A8_every_type_in_the_place_of_a_request(self) -> None:
        """An answer that names no request ends the link."""
        for body in BODIES:
            if isinstance(body, Request):
                continue
            link = self.watch.link()
            self.watch.refused("bad-message", link.say, link.token(body))
            self.assertTrue(link.gone)

    def test_A9_the_thief_of_the_nodes_key_is_nobody_else_to_it(self) -> None:
        """Whoever holds the node's own key still cannot pose as its friend to it."""
        friend = self.watch.friend.identity.public.point
        stolen = self.watch.node.identity.signing

        def pose(name: str, value: bytes) -> bytes:
            return friend if name == "initiator_point" else value

        link = self.watch.dial(key=stolen, shake=twisted_by(pose))
        self.watch.refused("bad-signature", link.attempt)

    def test_A9_the_thief_is_the_node_itself_to_it(self) -> None:
        """With its own key in hand one is told that it dialled itself."""
        link = self.watch.dial(
            key=self.watch.node.identity.signing,
            shake=twisted_by(),
        )
        self.watch.refused("self-connect", link.attempt)
