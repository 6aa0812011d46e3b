"""The handshake under attack: altered, replayed, reflected, and with false names."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadKey,
    BadSignature,
    DecryptFailed,
    HandshakeFailed,
    RemoteError,
    SelfConnect,
)
from streembit.jose.keys import ORDER, PrivateKey, PublicKey
from streembit.link.handshake import Initiator, Responder
from streembit.link.hello import extension
from streembit.link.schedule import digest, handshake_keys
from tests.link.hostile import (
    OPTIONAL,
    AliceShown,
    Impostor,
    dial_bob,
    dial_from_alice,
    second,
    signed_as,
    swap,
)
from tests.link.party import ALICE, BOB, CAROL, MALLORY, NETWORK, Handshake, hello_of
from tests.link.second import SecondInitiator, SecondResponder

EPHEMERAL = slice(54, 87)  # of the first frame

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
BAD_POINTS = {
    "identity": bytes(33),
    "not on the curve": b"\x02" + (1).to_bytes(32),
    "x equal to p": b"\x02" + P.to_bytes(32),
    "x above p": b"\x03" + (P + 5).to_bytes(32),
    "x all ones": b"\x02" + b"\xff" * 32,
    "uncompressed mark": b"\x04" + ALICE.public.point[1:],
    "hybrid mark": b"\x06" + ALICE.public.point[1:],
}


def flips(data: bytes) -> list[bytes]:
    """Return the data with each single bit flipped."""
    whole = int.from_bytes(data)
    return [(whole ^ (1 << bit)).to_bytes(len(data)) for bit in range(8 * len(data))]


class AlteredTests(SynchronousTestCase):
    """Frames altered on the way."""

    def setUp(self) -> None:
        self.handshake = Handshake()
        self.handshake.run()
        self.first, self.second, self.last = self.handshake.frames

    def test_A4_every_flipped_bit_of_the_first_frame_is_refused(self) -> None:
        """By the responder at once, or by the initiator at the answer."""
        for n, altered in enumerate(flips(self.first)):
            with self.assertRaises(RemoteError, msg=f"bit {n}"):
                answer = Responder(BOB, hello_of(BOB), NETWORK).receive_first(altered)
                self.handshake.initiator.receive(answer)

    def test_A4_every_flipped_bit_of_the_second_frame_is_refused(self) -> None:
        """Clear part and sealed part alike."""
        for n, altered in enumerate(flips(self.second)):
            with self.assertRaises(RemoteError, msg=f"bit {n}"):
                self.handshake.initiator.receive(altered)

    def test_A4_every_flipped_bit_of_the_last_frame_is_refused(self) -> None:
        """It is sealed as a whole."""
        for n, altered in enumerate(flips(self.last)):
            with self.assertRaises(RemoteError, msg=f"bit {n}"):
                self.handshake.responder.receive_last(altered)

    def test_every_truncation_and_any_tail_is_refused(self) -> None:
        """A frame is whole or nothing."""
        takers: list[tuple[bytes, Callable[[bytes], object]]] = [
            (self.first, Responder(BOB, hello_of(BOB), NETWORK).receive_first),
            (self.second, self.handshake.initiator.receive),
            (self.last, self.handshake.responder.receive_last),
        ]
        for frame, take in takers:
            for end in range(len(frame)):
                with self.assertRaises(RemoteError, msg=f"cut at {end}"):
                    take(frame[:end])
            self.assertRaises(RemoteError, take, frame + b"\0")

    def test_B1_an_answer_that_lies_about_its_extensions_is_refused(self) -> None:
        """The size of the clear part is not followed beyond the frame."""
        for size in (len(self.second) - 69, 2**15, 2**16 - 1):
            altered = self.second[:68] + size.to_bytes(2) + bytes(len(self.second) - 70)
            self.assertRaises(HandshakeFailed, self.handshake.initiator.receive, altered)

    def test_a_tail_in_the_first_frame_that_was_not_sent_is_noticed(self) -> None:
        """An optional extension put in by a third party breaks the transcript."""
        altered = self.first + extension(OPTIONAL, b"x")
        answer = Responder(BOB, hello_of(BOB), NETWORK).receive_first(altered)
        with self.assertRaises(DecryptFailed):
            self.handshake.initiator.receive(answer)

    def test_A6_bad_ephemeral_points_are_refused(self) -> None:
        """Both sides check the point before they agree on anything."""
        for what, point in BAD_POINTS.items():
            first = self.first[: EPHEMERAL.start] + point
            with self.assertRaises(BadKey, msg=what):
                Responder(BOB, hello_of(BOB), NETWORK).receive_first(first)
            answer = self.second[:35] + point + self.second[68:]
            with self.assertRaises(BadKey, msg=what):
                self.handshake.initiator.receive(answer)

    def test_A6_bad_identity_points_are_refused(self) -> None:
        """A hostile side that proves everything about a point that is none."""
        for what, point in BAD_POINTS.items():
            twist = swap("initiator_point", point)
            with self.assertRaises(BadKey, msg=what):
                dial_bob(second(SecondInitiator, twist=twist))
            twist = swap("responder_point", point)
            with self.assertRaises(BadKey, msg=what):
                dial_from_alice(second(SecondResponder, twist=twist))


class ReplayTests(SynchronousTestCase):
    """A2: what was said in one handshake is worth nothing in another."""

    def setUp(self) -> None:
        self.handshake = Handshake()
        self.ours, self.theirs = self.handshake.run()
        self.first, self.second, self.last = self.handshake.frames

    def test_A2_replay_to_the_same_responder(self) -> None:
        """Bob, restarted, answers the first frame but opens no link for the last."""
        bob = Responder(BOB, hello_of(BOB), NETWORK)
        bob.receive_first(self.first)
        self.assertRaises(DecryptFailed, bob.receive_last, self.last)

    def test_A2_replay_to_another_responder(self) -> None:
        """Carol does not take Alice's words to Bob."""
        carol = Responder(CAROL, hello_of(CAROL), NETWORK)
        carol.receive_first(self.first)
        self.assertRaises(DecryptFailed, carol.receive_last, self.last)

    def test_A2_replay_of_the_answer_to_an_initiator(self) -> None:
        """Neither Alice, dialling again, nor Carol takes Bob's old answer."""
        for key in (ALICE, CAROL):
            dialler = Initiator(key, hello_of(key), NETWORK)
            dialler.start()
            self.assertRaises(DecryptFailed, dialler.receive, self.second)

    def test_A2_reflection_of_the_first_frame(self) -> None:
        """Alice, who also listens, is shown her own greeting: she meets herself."""
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK)
        mirror = Responder(ALICE, hello_of(ALICE), NETWORK)
        answer = mirror.receive_first(alice.start())
        self.assertRaises(SelfConnect, alice.receive, answer)

    def test_A2_reflection_of_the_own_ephemeral_key(self) -> None:
        """Whoever sends Alice's own ephemeral key back is refused."""
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK)
        first = alice.start()
        answer = self.second[:35] + first[EPHEMERAL] + self.second[68:]
        self.assertRaises(SelfConnect, alice.receive, answer)

    def test_A2_a_node_that_dials_itself_is_told_so_on_both_sides(self) -> None:
        """The responder notices it too, for an initiator that does not look."""
        with self.assertRaises(SelfConnect):
            dial_bob(second(SecondInitiator, BOB))

    def test_A2_reflection_of_the_answer_as_last_frame(self) -> None:
        """Roles have keys of their own: Bob's sealed answer is not taken as Alice's."""
        self.assertRaises(DecryptFailed, self.handshake.responder.receive_last, self.second[70:])

    def test_A2_frames_of_a_link_on_another_link_or_sent_back(self) -> None:
        """A sealed payload opens at the other end of its link and nowhere else."""
        frame = self.ours.channel.seal(b"x")
        other_ours, other_theirs = Handshake().run()
        carols, _ = Handshake(CAROL, BOB).run()
        ends = (other_ours, other_theirs, carols, self.ours)
        for end in ends:
            self.assertRaises(DecryptFailed, end.channel.open, frame)

    def test_A2_a_signature_of_one_handshake_in_another(self) -> None:
        """Mallory, whom Alice once dialled, shows Alice's proof to Bob."""
        mallory = second(SecondResponder)
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK)
        mallory.receive_last(alice.receive(mallory.receive_first(alice.start()))[0])
        body = AliceShown(mallory, alice)
        with self.assertRaises(BadSignature):
            dial_bob(second(SecondInitiator, twist=body.twist))

    def test_A8_the_responders_signature_is_none_of_the_initiator(self) -> None:
        """The role is signed: Bob's own answer, with roles swapped, proves nothing."""
        with self.assertRaises(BadSignature):
            dial_bob(second(SecondInitiator, ALICE, twist=signed_as(ALICE, b"responder")))


class ImpostorTests(SynchronousTestCase):
    """Somebody claims another's name."""

    def test_A9_the_thief_of_bobs_key_cannot_pose_as_alice_to_bob(self) -> None:
        """Key compromise impersonation: Bob's own secret proves nothing about Alice."""
        for stolen in (BOB, MALLORY):
            thief = cast("PrivateKey", Impostor(ALICE, stolen))
            initiator = Initiator(thief, hello_of(ALICE), NETWORK)
            bob = Responder(BOB, hello_of(BOB), NETWORK)
            last, _ = initiator.receive(bob.receive_first(initiator.start()))
            self.assertRaises(BadSignature, bob.receive_last, last)

    def test_A9_the_thief_of_alices_key_cannot_pose_as_bob_to_alice(self) -> None:
        """The other direction."""
        thief = cast("PrivateKey", Impostor(BOB, ALICE))
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK, expect=BOB.public)
        answer = Responder(thief, hello_of(BOB), NETWORK).receive_first(alice.start())
        self.assertRaises(BadSignature, alice.receive, answer)

    def test_A9_stolen_identity_keys_do_not_open_a_recorded_handshake(self) -> None:
        """Forward secrecy: no agreement that the thief can compute gives the keys."""
        handshake = Handshake()
        handshake.run()
        first, answer, _ = handshake.frames
        greeted = digest(b"greeting", NETWORK.encode(), first, answer[:70])
        seen = (first[EPHEMERAL], answer[35:68], ALICE.public.point, BOB.public.point)
        for stolen, point in itertools.product((ALICE, BOB), seen):
            secret = stolen.exchange(PublicKey.parse(point))
            keys, _ = handshake_keys(secret, greeted)
            self.assertRaises(DecryptFailed, keys.open, answer[70:], greeted)
        keys, _ = handshake_keys(handshake.responder._secret, greeted)
        self.assertIn(BOB.public.point, keys.open(answer[70:], greeted))

    def test_identity_misbinding_is_refused(self) -> None:
        """A name that is not tied to the secret by the MAC opens nothing."""
        twist = swap("initiator_proof", bytes(32))
        with self.assertRaises(HandshakeFailed):
            dial_bob(second(SecondInitiator, twist=twist))
        twist = swap("responder_proof", bytes(32))
        with self.assertRaises(HandshakeFailed):
            dial_from_alice(second(SecondResponder, twist=twist))

    def test_the_initiator_shows_nothing_before_the_responder_proved_itself(self) -> None:
        """Its name is in no frame until then, and in none that a third party can read."""
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK)
        first = alice.start()
        self.assertNotIn(ALICE.public.point, first)
        thief = cast("PrivateKey", Impostor(BOB, MALLORY))
        answer = Responder(thief, hello_of(BOB), NETWORK).receive_first(first)
        self.assertRaises(BadSignature, alice.receive, answer)
        handshake = Handshake()
        handshake.run()
        for frame in handshake.frames:
            self.assertNotIn(ALICE.public.point, frame)
            self.assertNotIn(BOB.public.point, frame)
            self.assertNotIn(b"a.name", frame)

    def test_A6_signatures_of_zero_or_the_order_are_refused(self) -> None:
        """An r or s of 0 and n are no signature of anything."""
        for r, s in itertools.product((0, 1, ORDER), (0, 1, ORDER)):
            twist = swap("initiator_signature", r.to_bytes(32) + s.to_bytes(32))
            with self.assertRaises(BadSignature, msg=f"{r} {s}"):
                dial_bob(second(SecondInitiator, twist=twist))
