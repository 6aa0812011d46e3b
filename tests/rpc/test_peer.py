"""The signed conversation over one link."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadMessage,
    PeerGone,
    RecordTooLarge,
    RemoteRefusal,
    RequestTimeout,
    TooManyRequests,
)
from streembit.jose.envelope import seal_rpc
from streembit.rpc.peer import MAX_SERVING
from streembit.rpc.pending import MAX_PENDING
from streembit.rpc.scrutiny import MAX_BAD_SIGNATURES
from streembit.wire.life import ASKS, SHOWS
from streembit.wire.message import Answer, FindNode, Nodes, Ping, Pong, Rpc
from tests.rpc.pair import NETWORK, Pair
from tests.service.town import WrongClock


def forge(pair: Pair, **changes: object) -> bytes:
    """Return a well-formed signed request from the left side, changed as told."""
    assert pair.left.peer is not None
    claims: dict[str, object] = {
        "iss": pair.left.identity.public.text,
        "aud": [pair.left.peer.link_id],
        "jti": "f",
        "iat": 1,
        "net": NETWORK,
        "body": Ping(),
    }
    claims.update(changes)
    return seal_rpc(pair.left.identity.signing, Rpc(**claims))  # type: ignore[arg-type]


def break_signature(token: bytes) -> bytes:
    """Return the token with another, well-formed signature."""
    other = seal_rpc(Pair().left.identity.signing, _any())
    return token.rpartition(b".")[0] + b"." + other.rpartition(b".")[2]


def _any() -> Rpc:
    return Rpc("A" * 44, ["A" * 22], "1", 1, NETWORK, Ping())


class Asking(SynchronousTestCase):
    def test_a_request_gets_its_verified_answer(self) -> None:
        """The answer is signed by the peer and belongs to the request."""
        pair = Pair()
        done = pair.ask()
        pair.clock.advance(1)
        verified = self.successResultOf(done)
        self.assertEqual(verified.key, pair.right.identity.public)
        self.assertIsInstance(verified.claims.body, Pong)
        self.assertEqual((pair.left.checks.good, pair.right.checks.good), (1, 1))

    def test_the_round_trip_time_is_measured(self) -> None:
        """It is the simulated one: twice the latency."""
        pair = Pair()
        pair.ask()
        pair.clock.advance(1)
        assert pair.left.peer is not None
        self.assertAlmostEqual(pair.left.peer.rtt_s or 0, 0.02, places=5)

    def test_silence_is_a_timeout(self) -> None:
        """A request owns its deadline, and nothing waits after it."""
        pair = Pair(serve=lambda _p, _r: Deferred())
        done = pair.ask()
        assert pair.left.peer is not None
        pair.left.peer.expire(pair.clock.seconds() + 3.9)
        self.assertNoResult(done)
        pair.left.peer.expire(pair.clock.seconds() + 4.1)
        self.failureResultOf(done, RequestTimeout)
        self.assertEqual(pair.left.peer.waiting, 0)

    def test_a_refusal_carries_its_code(self) -> None:
        """What the server raises, the asker gets."""

        def refuse(_peer: object, _request: object) -> Answer:
            raise RecordTooLarge(size_bytes=9)

        pair = Pair(serve=refuse)
        done = pair.ask()
        pair.clock.advance(1)
        self.assertEqual(self.failureResultOf(done, RemoteRefusal).value.code, "record-too-large")
        self.assertEqual(pair.right.refusals, ["record-too-large"])

    def test_an_answer_of_another_type_is_refused(self) -> None:
        """A Ping is not answered by Nodes."""
        pair = Pair(serve=lambda _p, _r: Nodes([]))
        done = pair.ask()
        pair.clock.advance(1)
        self.failureResultOf(done, BadMessage)

    def test_a_lost_link_fails_what_waits(self) -> None:
        """The asker hears of it at once."""
        pair = Pair(serve=lambda _p, _r: Deferred())
        done = pair.ask()
        pair.clock.advance(0.1)
        pair.net.kill("10.0.0.2")
        self.failureResultOf(done, PeerGone)
        self.failureResultOf(pair.ask(), PeerGone)

    def test_C6_one_request_too_many_fails_alone(self) -> None:
        """What waits for one peer is bounded; those before it still get their answers."""
        pair = Pair()
        asked = [pair.ask() for _ in range(MAX_PENDING)]
        self.failureResultOf(pair.ask(), TooManyRequests)
        pair.clock.advance(1)
        for done in asked:
            self.successResultOf(done)
        assert pair.right.peer is not None
        self.assertEqual(pair.right.peer.waiting, 0)

    def test_a_sign_of_life_is_no_use_of_the_link(self) -> None:
        """Else the links used least could not be told from the others."""
        pair = Pair()
        left, right = pair.left.peer, pair.right.peer
        assert left is not None and right is not None
        for body, used in ((Ping(), False), (FindNode("A" * 27), True)):
            before = left.used_s, right.used_s
            pair.clock.advance(1)
            pair.ask(body).addErrback(lambda _: None)
            pair.clock.advance(1)
            self.assertEqual((left.used_s > before[0], right.used_s > before[1]), (used, used))


class Refusing(SynchronousTestCase):
    def drop(self, pair: Pair, token: bytes, code: str) -> None:
        assert pair.left.link is not None
        pair.left.link.send(token)
        pair.clock.advance(1)
        self.assertEqual(pair.right.refusals, [code])
        self.assertEqual(len(pair.right.lost), 1)
        self.assertEqual(pair.right.checks.good, 0)

    def test_A2_a_message_for_another_link_is_refused(self) -> None:
        """A message is valid on the links that it names, and there alone."""
        pair = Pair()
        self.drop(pair, forge(pair, aud=["A" * 22]), "wrong-audience")

    def test_A2_our_own_message_sent_back_is_refused(self) -> None:
        """Reflection: the peer is not its own issuer."""
        pair = Pair()
        assert pair.right.peer is not None
        iss = pair.right.identity.public.text
        self.drop(pair, forge(pair, iss=iss), "wrong-issuer")

    def test_A2_a_message_of_another_network_is_refused(self) -> None:
        """The network is part of every message."""
        pair = Pair()
        self.drop(pair, forge(pair, net="other"), "wrong-network")

    def test_an_answer_without_request_is_refused(self) -> None:
        """Nobody may push answers."""
        pair = Pair()
        self.drop(pair, forge(pair, body=Pong("")), "bad-message")

    def test_a_late_answer_costs_no_verification(self) -> None:
        """It is counted, and the link lives."""
        pair = Pair()
        assert pair.left.link is not None
        pair.left.link.send(forge(pair, body=Pong(""), re="77"))
        pair.clock.advance(1)
        self.assertEqual(pair.right.refusals, ["unknown-answer"])
        self.assertEqual((pair.right.checks.good, pair.right.checks.bad), (0, 0))
        self.assertEqual(pair.right.lost, [])

    def test_C3_each_bad_signature_costs_one_check_and_the_third_ends_the_link(self) -> None:
        """And nothing after it is looked at."""
        pair = Pair()
        assert pair.left.link is not None
        for number in range(MAX_BAD_SIGNATURES + 2):
            pair.left.link.send(break_signature(forge(pair, jti=str(number))))
        pair.clock.advance(1)
        self.assertEqual(pair.right.checks.bad, MAX_BAD_SIGNATURES)
        self.assertEqual(pair.right.refusals, ["bad-signature"] * MAX_BAD_SIGNATURES)
        self.assertEqual(len(pair.right.lost), 1)

    def test_C3_over_budget_nothing_is_verified(self) -> None:
        """The peer is read more slowly, and loses nothing."""
        waits = [0.0, 0.5, 0.0, 0.0]
        pair = Pair(wait_s=lambda _peer: waits.pop(0))
        done = [pair.ask(), pair.ask(), pair.ask()]
        pair.clock.advance(0.4)
        self.assertEqual(pair.right.checks.good, 1)
        self.assertEqual(pair.right.refusals, ["rate-limited"])
        pair.clock.advance(0.4)
        for answer in done:
            self.successResultOf(answer)

    def test_B9_an_unforeseen_error_drops_that_link_alone(self) -> None:
        """It is logged, counted, and the process lives."""

        def boom(_peer: object, _request: object) -> Answer:
            raise ZeroDivisionError("a defect")

        pair = Pair(serve=boom)
        done = pair.ask()
        pair.clock.advance(1)
        self.failureResultOf(done, PeerGone)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(pair.right.refusals, ["internal-error"])

    def test_answers_in_the_making_are_bounded(self) -> None:
        """More than MAX_SERVING slow requests are refused at once."""
        pair = Pair(serve=lambda _p, _r: Deferred())
        assert pair.left.link is not None
        for number in range(MAX_SERVING + 1):
            pair.left.link.send(forge(pair, body=FindNode("A" * 27), jti=f"{number:x}"))
        pair.clock.advance(1)
        self.assertEqual(pair.right.checks.good, MAX_SERVING + 1)
        self.assertEqual(pair.right.refusals, ["rate-limited"])


class Living(SynchronousTestCase):
    """Signs of life: the only payloads that nobody signs."""

    def say(self, pair: Pair, payload: bytes, times: int = 1) -> None:
        """Let the left side say this to the right one, whatever it is."""
        assert pair.left.link is not None
        for _ in range(times):
            pair.left.link.send(payload)
        pair.clock.advance(0.1)

    def test_who_is_asked_shows_that_it_is_there(self) -> None:
        """Nothing is signed for it, nor checked."""
        pair = Pair()
        left, right = pair.left.peer, pair.right.peer
        assert left is not None and right is not None
        pair.clock.advance(30)
        left.ask_life()
        pair.clock.advance(1)
        self.assertGreater(left.heard_s, left.opened_s + 30)
        self.assertGreater(right.heard_s, right.opened_s + 30)
        self.assertEqual((pair.right.checks.good, pair.left.checks.good), (0, 0))
        self.assertEqual((pair.left.refusals, pair.right.refusals), ([], []))

    def test_of_a_link_that_is_gone_nothing_is_asked(self) -> None:
        """And it is no error."""
        pair = Pair()
        assert pair.left.peer is not None
        pair.left.peer.abort(PeerGone("enough"))
        pair.left.peer.ask_life()

    def test_one_byte_that_is_neither_ends_the_link(self) -> None:
        """It is no message."""
        for payload in (b"\0", b"\x03", b"{"):
            pair = Pair()
            self.say(pair, payload)
            self.assertEqual((pair.right.refusals, len(pair.right.lost)), (["bad-frame"], 1))

    def test_C3_more_signs_than_anybody_needs_are_paid_for(self) -> None:
        """The first is answered; what comes within the same second costs like a request."""
        for sign, first in ((ASKS, 1), (SHOWS, 0)):
            paid: list[object] = []
            pair = Pair(wait_s=lambda peer, paid=paid: float(paid.append(peer) or 0))
            self.say(pair, sign, 10)
            self.assertEqual(len(paid), 10 - first)
            self.assertEqual((pair.right.refusals, pair.right.lost), ([], []))

    def test_C3_over_budget_no_more_signs_are_read(self) -> None:
        """Until the budget has them; none is lost, and the link stays."""
        waits = [0.5, 0.0, 0.5, 0.0]
        pair = Pair(wait_s=lambda _peer: waits.pop(0) if waits else 0.0)
        self.say(pair, ASKS, 3)
        done = pair.ask()
        pair.clock.advance(0.8)
        self.assertNoResult(done)
        pair.clock.advance(0.5)
        self.successResultOf(done)
        self.assertEqual(pair.right.refusals, ["rate-limited"] * 2)

    def test_D6_a_clock_set_back_leaves_nobody_unanswered(self) -> None:
        """Else every peer would take us for gone until our clock has come round."""
        pair = Pair(right_clock=WrongClock)
        left, clock = pair.left.peer, pair.right.clock
        assert left is not None and isinstance(clock, WrongClock)
        self.say(pair, ASKS)
        clock.ahead_s = -3600.0
        heard_s = left.heard_s
        pair.clock.advance(1)
        self.say(pair, ASKS)
        self.assertGreater(left.heard_s, heard_s)
