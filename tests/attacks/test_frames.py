"""Rows B1, B2, B6, B8 and B9: lengths, drips, floods of small things, other versions, defects."""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from streembit.dht.memory import MemoryShelf
from streembit.jose import base64url
from streembit.jose.envelope import Verified
from streembit.jose.keys import PrivateKey
from streembit.rpc.peer import Peer
from streembit.service.node import Node
from streembit.wire.frame import MAX_FRAME_PEER, MAX_FRAME_STRANGER
from streembit.wire.message import (
    Answer,
    Contact,
    DialBack,
    FindNode,
    FindValue,
    Nodes,
    Ping,
    Pong,
    Request,
    Rpc,
    Store,
)
from tests.attacks.watched import AttackTests, quiet
from tests.link.hostile import CRITICAL, OPTIONAL
from tests.link.second import hello_bytes
from tests.rig.evil import EvilLink, framed, signed
from tests.rig.refusal import Watch
from tests.rig.shake import twisted_by
from tests.service.town import Town

KIB = 1024
REQUESTS: tuple[Request, ...] = (
    Ping(),
    FindNode("A" * 27),
    FindValue("A" * 27),
    Store("item", "blob"),
    DialBack(8905),
)


def extension(kind: int, value: bytes = b"new") -> bytes:
    """Return one extension of a handshake frame."""
    return bytes((kind,)) + len(value).to_bytes(2) + value


class LengthTests(AttackTests):
    """B1 and B2."""

    def test_B1_lengths_of_a_stranger(self) -> None:
        """Above 16 KiB it is refused from the four bytes; an empty frame is no handshake."""
        for size in (MAX_FRAME_STRANGER + 1, 2**31, 2**32 - 1):
            link = self.watch.dial()
            self.watch.refused("frame-too-large", link.claim, size)
            self.assertTrue(link.gone)
        for payload in (b"", b"S", bytes(MAX_FRAME_STRANGER)):
            link = self.watch.dial()
            self.watch.refused("handshake-failed", link.frame, payload)
            self.assertTrue(link.gone)

    def test_B1_lengths_of_a_peer(self) -> None:
        """The same above 64 KiB; below it, what is not sealed does not open."""
        for size in (MAX_FRAME_PEER + 1, 2**31, 2**32 - 1):
            link = self.watch.link()
            self.watch.refused("frame-too-large", link.claim, size)
            self.assertTrue(link.gone)
        for payload in (b"", b"x", bytes(MAX_FRAME_PEER)):
            link = self.watch.link()
            self.watch.refused("decrypt-failed", link.frame, payload)

    def test_B1_a_claim_and_then_nothing(self) -> None:
        """It is waited for as long as any frame, and not a moment longer."""
        link = self.watch.link()
        link.claim(MAX_FRAME_PEER)
        self.town.run(29)
        self.assertFalse(link.gone)
        self.watch.refused("deadline-exceeded", quiet, settle_s=1.1)
        self.assertTrue(link.gone)

    def test_B2_a_stranger_that_drips(self) -> None:
        """Ten seconds for its first frame, whatever comes meanwhile."""
        for every_s in (0.2, 9.0):
            link = self.watch.dial()
            link.drip(framed(bytes(87)), every_s)
            self.town.run(9.8)
            self.assertFalse(link.gone)
            self.watch.refused("deadline-exceeded", quiet, settle_s=0.4)
            self.assertTrue(link.gone)

    def test_B2_a_last_frame_that_drips(self) -> None:
        """Fifteen seconds from connecting to the open link."""
        link = self.watch.dial()
        link.greet()
        self.town.run(5)
        link.drip(framed(link.last_frame(link.frames[0])), 0.1)
        self.town.run(9.8)
        self.assertFalse(link.gone)
        self.watch.refused("deadline-exceeded", quiet, settle_s=0.4)

    def test_B2_a_message_that_drips(self) -> None:
        """Thirty seconds for any frame, not reset by bytes."""
        for every_s in (0.3, 9.0):
            link = self.watch.link()
            link.drip(framed(link.seal(link.token(Ping()))), every_s)
            self.town.run(29.8)
            self.assertFalse(link.gone)
            self.watch.refused("deadline-exceeded", quiet, settle_s=0.4)

    def test_B2_five_hundred_that_drip(self) -> None:
        """All are gone in 31 s, and the friend never waits."""
        links = [link for _ in range(6) for link in self.watch.links(50)]
        for link in links:
            link.drip(framed(link.seal(link.token(Ping()))), 9.0)
        dialled = [self.watch.evil().dial("10.0.0.1", 8905) for _ in range(200)]
        for _ in range(31):
            self.watch.harmless()
            self.town.run(1)
        self.assertTrue(all(link.gone for link in links))
        self.assertTrue(all(self.successResultOf(one).gone for one in dialled))
        self.assertEqual(self.watch.node.carriers.gate.strangers, 0)
        self.assertLessEqual(len(self.watch.node.network.roster), 2)


class ContentTests(AttackTests):
    """B6 and B8."""

    def test_B6_one_more_than_the_caps(self) -> None:
        """Lists and texts that are one longer than allowed are refused before they are built."""
        contact = Contact("A" * 44, "192.0.2.1", 1)
        for name, body, claims in (
            ("contacts", Nodes([contact] * 21), {"re": "1"}),
            ("radius", Store("item", "blob", ["A" * 27] * 41), {}),
            ("item", Store("i" * 16_385, "blob"), {}),
            ("audience", Ping(), {"aud": ["A" * 22] * 41}),
            ("jti", Ping(), {"jti": "j" * 33}),
            ("re", Pong(""), {"re": "r" * 33}),
            ("network", Ping(), {"net": "n" * 65}),
            ("observed", Pong("o" * 264), {"re": "1"}),
        ):
            link = self.watch.link()
            token = link.token(body, **claims)
            self.watch.refused("bad-json", link.say, token)
            self.assertTrue(link.gone, name)

    def test_B6_a_store_whose_radius_is_nonsense(self) -> None:
        """Refused before anything is stored."""
        link = self.watch.link()
        record = self.record(PrivateKey.generate())
        for radius in (["!" * 27] * 20, ["A" * 26 + "B"] * 40, ["A" * 27] * 19 + ["\0" * 27]):
            store = Store(record, "record", radius)
            self.watch.refused("bad-token", link.ask, store, verified=1)

    def test_B6_a_frame_full_of_small_things(self) -> None:
        """Thousands of little objects where a message should be; the depth is bounded too."""
        empty = b"{}," * (15 * KIB)
        for payload in (
            b"[" + empty[:-1] + b"]",
            b'{"x":[' + empty[:-1] + b"]}",
            b"[" * 17 + b"]" * 17,
            b"[" * 20_000,
            b'{"a":' * 9_000,
        ):
            link = self.watch.link()
            self.watch.refused("bad-json", link.say, self.signed(link, payload))

    def test_B8_members_that_we_do_not_know(self) -> None:
        """They are ignored, in the claims and in the body; a type that we do not know is not."""
        link = self.watch.link()
        link.say(self.with_body(link, b'{"t":"ping","also":null}', b',"later":{"x":[1]}'))
        self.town.run(0.1)
        self.assertIsInstance(link.heard[-1].body, Pong)
        for body in (b'{"t":"ping2"}', b'{"t":1}', b"{}", b"null", b"[]", b'"ping"'):
            link = self.watch.link()
            self.watch.refused("bad-json", link.say, self.with_body(link, body))
        for extra in (b',"later":1e999', b',"later":{"a":1,"a":2}', b',"jti":"2"'):
            link = self.watch.link()
            token = self.with_body(link, b'{"t":"ping"}', extra)
            self.watch.refused("bad-json", link.say, token)

    def test_B8_versions(self) -> None:
        """The highest common one is spoken; without one there is no link."""
        for versions in ((1, 1), (1, 9), (0, 1), (0, 255)):
            link = self.watch.link(shake=twisted_by(versions=versions))
            self.assertIsInstance(self.town.result(link.ask(Ping())).body, Pong)
        for versions in ((2, 9), (0, 0), (9, 1), (255, 255)):
            link = self.watch.dial(shake=twisted_by(versions=versions))
            self.watch.refused("version-mismatch", link.attempt)

    def test_B8_extensions(self) -> None:
        """Optional ones are skipped, critical ones refused: in the first frame and the hello."""
        for extra in (extension(OPTIONAL), extension(OPTIONAL) * 9):
            for shake in (
                twisted_by(extensions=extra),
                twisted_by(hello=hello_bytes() + extra),
            ):
                link = self.watch.link(shake=shake)
                self.assertIsInstance(self.town.result(link.ask(Ping())).body, Pong)
        for extra in (extension(CRITICAL), extension(OPTIONAL)[:-1]):
            for shake in (
                twisted_by(extensions=extra),
                twisted_by(hello=hello_bytes() + extra),
            ):
                link = self.watch.dial(shake=shake)
                self.watch.refused("handshake-failed", link.attempt)

    def with_body(self, link: EvilLink, body: bytes, extra: bytes = b"") -> bytes:
        """Return a well-signed message with this body, and more members behind it."""
        claims = base64url.decode(link.token(Ping()).split(b".")[1])
        assert claims.endswith(b'"re":""}')
        text = claims.replace(b'{"t":"ping"}', body)[:-1] + extra + b"}"
        return self.signed(link, text)

    def signed(self, link: EvilLink, payload: bytes) -> bytes:
        """Return any payload as a well-signed message."""
        return signed(b'{"alg":"ES256","typ":"rpc+jwt"}', payload, link.peer.key)


class Breaking(Node):
    """A node with a defect: it breaks at the requests of one peer, at once or later."""

    victim: ClassVar[bytes] = b""
    later: ClassVar[bool] = False

    def serve(self, peer: Peer, request: Verified[Rpc]) -> Answer | Deferred[Answer]:
        """Break."""
        if peer.key.point != self.victim:
            return super().serve(peer, request)
        if self.later:
            return fail(ZeroDivisionError("a defect"))
        raise ZeroDivisionError("a defect")


class BrokenShelf(MemoryShelf):
    """A shelf with a defect that comes to light when it is used."""

    broken: ClassVar[bool] = False

    def get(self, place: int) -> Any:
        """Break."""
        if self.broken:
            raise ZeroDivisionError("a defect")
        return super().get(place)


class DefectTests(AttackTests):
    """B9: whatever breaks in the code that answers, one connection pays for it."""

    def make_watch(self, town: Town, **more: Any) -> Watch:
        self.addCleanup(setattr, Breaking, "victim", b"")
        self.addCleanup(setattr, Breaking, "later", False)
        self.addCleanup(setattr, BrokenShelf, "broken", False)
        return Watch(self, town, kind=Breaking, shelf=BrokenShelf())

    def breaking_link(self) -> EvilLink:
        """Return the link at whose requests the node breaks."""
        link = self.watch.link()
        Breaking.victim = link.peer.key.public.point
        return link

    def broken(self) -> list[Failure]:
        """Return the defects that were logged, and take note that they were expected."""
        return list(self.flushLoggedErrors(ZeroDivisionError))

    def test_B9_a_defect_at_each_type_of_request(self) -> None:
        """The link ends, it is counted and logged with its trace, and the friend is served."""
        for request in REQUESTS:
            link = self.breaking_link()
            token = link.token(request)
            self.watch.refused("internal-error", link.say, token, verified=1, defects=1)
            self.assertTrue(link.gone)
            self.assertEqual(len(self.broken()), 1)

    def test_B9_a_defect_that_comes_later(self) -> None:
        """A Deferred that fails: the peer is told so, and the link lives."""
        Breaking.later = True
        for request in REQUESTS:
            link = self.breaking_link()
            token = link.token(request)
            self.watch.refused("internal", link.say, token, verified=1, defects=1)
            self.assertEqual(len(self.broken()), 1)
            self.assertFalse(link.gone)

    def test_B9_a_defect_after_a_stall(self) -> None:
        """The request had to wait for its budget, and breaks then."""
        link = self.watch.link()
        for _ in range(220):
            link.say(link.token(Ping()))
        counts = self.watch.node.refusals.counts
        self.assertTrue(self.town.run_until(lambda: "rate-limited" in counts(), 1))
        Breaking.victim = link.peer.key.public.point
        self.town.run(2)
        self.assertTrue(link.gone)
        self.assertEqual(len(self.broken()), 1)
        self.assertEqual(counts()["internal-error"], 1)
        self.watch.defects.clear()
        self.watch.harmless()

    def test_B9_a_defect_of_the_store(self) -> None:
        """Deep below the handler; the node goes on."""
        for request in (FindValue("A" * 27), Store("AAAA", "blob")):
            link = self.watch.link()
            BrokenShelf.broken = True
            token = link.token(request)
            link.say(token)
            self.town.run(0.1)
            BrokenShelf.broken = False
            self.assertTrue(link.gone)
            self.assertEqual(len(self.broken()), 1)
            self.watch.defects.clear()
            self.watch.harmless()
        self.assertEqual(self.watch.node.refusals.counts(), {"internal-error": 2})
