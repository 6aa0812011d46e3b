"""Mutated handshake frames, hellos and sealed frames: none is taken for what it is not."""

from __future__ import annotations

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import HandshakeFailed, RemoteError
from streembit.link.channel import Channel
from streembit.link.handshake import Responder
from streembit.link.hello import pack, unpack
from tests.fuzz.mutate import CASES, run
from tests.link.party import ALICE, BOB, NETWORK, Handshake, hello_of
from tests.link.second import hello_bytes

FORTH, BACK = b"\x01" * 32, b"\x02" * 32


class FuzzTests(SynchronousTestCase):
    """20,000 cases for each reader of bytes."""

    def setUp(self) -> None:
        self.handshake = Handshake()
        self.handshake.run()

    def assert_none_accepted(self, original: bytes, take: Callable[[bytes], object]) -> None:
        """Every mutation that differs from the original is refused as the peer's fault."""

        def differing(case: bytes) -> None:
            if case == original:
                raise HandshakeFailed("unchanged")
            take(case)

        outcome = run(differing, [original], CASES, 1, RemoteError)
        self.assertEqual((outcome.accepted, outcome.refused), (0, CASES))

    def test_A4_first_frames(self) -> None:
        """What the responder still answers, the initiator does not take."""

        def take(case: bytes) -> None:
            answer = Responder(BOB, hello_of(BOB), NETWORK).receive_first(case)
            self.handshake.initiator.receive(answer)

        self.assert_none_accepted(self.handshake.frames[0], take)

    def test_A4_second_frames(self) -> None:
        """The initiator takes the one that was sent."""
        self.assert_none_accepted(self.handshake.frames[1], self.handshake.initiator.receive)

    def test_A4_last_frames(self) -> None:
        """The responder takes the one that was sent."""
        self.assert_none_accepted(self.handshake.frames[2], self.handshake.responder.receive_last)

    def test_A4_sealed_frames(self) -> None:
        """The channel opens the one that was sent."""
        frame = Channel(FORTH, BACK).seal(b"a message of some length" * 20)
        self.assert_none_accepted(frame, lambda case: Channel(BACK, FORTH).open(case))

    def test_B8_hellos(self) -> None:
        """A hello is read as what it would be packed from, or refused; both happen."""
        corpus = [pack(hello_of(ALICE)), hello_bytes(name="n", agent="a", observed="h:1", flags=9)]

        def take(case: bytes) -> None:
            hello = unpack(case, ALICE.public)
            self.assertEqual(unpack(pack(hello), ALICE.public), hello)

        outcome = run(take, corpus, CASES, 2, HandshakeFailed)
        self.assertGreater(outcome.accepted, CASES // 100)
        self.assertGreater(outcome.refused, CASES // 100)
