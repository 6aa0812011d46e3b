"""A ratchet opens each message once, in whatever order, and a refusal leaves it as it was."""

from __future__ import annotations

import warnings
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.chat.ratchet import ENDED_CHAINS, Ratchet
from streembit.chat.steps import MAX_SKIPPED, MAX_STEP, Aead
from streembit.errors import BadKey, BadParcel, ParcelRefused, ParcelRepeated, ParcelTooFarAhead
from streembit.jose.keys import PrivateKey
from streembit.wire.parcel import Message

SHARED = bytes(range(32))
AD = b"who speaks to whom"


def pair() -> tuple[Ratchet, Ratchet]:
    """Return two sides that have exchanged one message."""
    prekey = PrivateKey.generate()
    ann, first = Ratchet.begin(SHARED, prekey.public.point, b"first", AD)
    bob, said = Ratchet.answer(SHARED, prekey, first, AD)
    assert said == b"first"
    return ann, bob


class SpeakingTests(SynchronousTestCase):
    """What is sealed is opened."""

    def test_back_and_forth(self) -> None:
        """Each side hears the other, and the keys in the headers change with each turn."""
        sides = pair()
        points = set()
        for turn in range(20):
            speaker, listener = sides[turn % 2], sides[1 - turn % 2]
            for number in range(turn % 3 + 1):
                message = speaker.seal(b"%d.%d" % (turn, number), AD)
                self.assertEqual(message.number, number if turn else number + 1)
                self.assertEqual(listener.open(message, AD), b"%d.%d" % (turn, number))
                points.add(message.point)
        self.assertEqual(len(points), 20)

    @settings(max_examples=60, deadline=None)
    @given(st.randoms(use_true_random=False), st.lists(st.booleans(), max_size=60))
    def test_any_order_with_losses_and_restarts(self, chance: Random, turns: list[bool]) -> None:
        """Lost, late, swapped: what arrives is opened once, also when a side was reloaded."""
        sides = list(pair())
        waiting: list[tuple[int, bytes, Message]] = []
        for number, speaker in enumerate(turns):
            plain = b"message %d" % number
            waiting.append((1 - speaker, plain, sides[speaker].seal(plain, AD)))
            while waiting and chance.random() < 0.6:
                to, said, message = waiting.pop(chance.randrange(len(waiting)))
                if chance.random() < 0.1:
                    continue
                self.assertEqual(sides[to].open(message, AD), said)
                state = sides[to].state()
                sides[to] = Ratchet.load(state)
                self.assertRaises(ParcelRefused, sides[to].open, message, AD)
                self.assertEqual(sides[to].state(), state)

    def test_any_message_of_the_first_chain_can_come_first(self) -> None:
        """The beginning may arrive late."""
        prekey = PrivateKey.generate()
        ann, first = Ratchet.begin(SHARED, prekey.public.point, b"0", AD)
        later = [ann.seal(b"%d" % number, AD) for number in range(1, 4)]
        bob, said = Ratchet.answer(SHARED, prekey, later[2], AD)
        self.assertEqual(said, b"3")
        self.assertEqual([bob.open(m, AD) for m in (first, *later[:2])], [b"0", b"1", b"2"])

    def test_length_is_all_that_shows(self) -> None:
        """What is sealed is 28 bytes longer than what is said."""
        ann, _ = pair()
        self.assertEqual(len(ann.seal(bytes(100), AD).sealed), 128)


class RefusalTests(SynchronousTestCase):
    """A refused message changes nothing."""

    def assert_refused(self, kind: type[Exception], ratchet: Ratchet, *message: object) -> None:
        before = ratchet.state()
        self.assertRaises(kind, ratchet.open, *message)
        self.assertEqual(ratchet.state(), before)

    def test_A4_every_altered_bit(self) -> None:
        """Header and text are authenticated; so is the data beside them."""
        ann, bob = pair()
        message = ann.seal(b"text", AD)
        whole = message.header() + message.sealed
        for bit in range(len(whole) * 8):
            bad = bytearray(whole)
            bad[bit // 8] ^= 1 << bit % 8
            altered = Message(
                bytes(bad[:33]),
                int.from_bytes(bad[33:37]),
                int.from_bytes(bad[37:41]),
                bytes(bad[41:]),
            )
            self.assert_refused(ParcelRefused, bob, altered, AD)
        self.assert_refused(BadParcel, bob, message, AD + b".")
        self.assertEqual(bob.open(message, AD), b"text")

    def test_A6_points_off_the_curve(self) -> None:
        """A header's point must lie on P-256, whatever it begins with."""
        ann, bob = pair()
        message = ann.seal(b"text", AD)
        for point in (bytes(33), b"\x04" + bytes(32), b"\x02" + b"\xff" * 32, b"\x03" + bytes(32)):
            self.assert_refused(BadParcel, bob, message._replace(point=point), AD)
        self.assertRaises(BadKey, Ratchet.begin, SHARED, b"\x02" + b"\xff" * 32, b"", AD)

    def test_A2_a_repeated_message(self) -> None:
        """Each opens once, late ones too."""
        ann, bob = pair()
        early, late = ann.seal(b"1", AD), ann.seal(b"2", AD)
        for message in (late, early):
            bob.open(message, AD)
            self.assert_refused(ParcelRepeated, bob, message, AD)

    def test_A2_a_message_of_a_chain_that_is_over(self) -> None:
        """It is a repeat, also after a restart; one that was missing there opens, once."""
        ann, bob = pair()
        heard, missing = ann.seal(b"1", AD), ann.seal(b"2", AD)
        bob.open(heard, AD)
        for _ in range(ENDED_CHAINS):
            ann.open(bob.seal(b"turn", AD), AD)
            bob.open(ann.seal(b"turn", AD), AD)
        bob = Ratchet.load(bob.state())
        self.assert_refused(ParcelRepeated, bob, heard, AD)
        self.assertEqual(bob.open(missing, AD), b"2")
        self.assert_refused(ParcelRepeated, bob, missing, AD)
        ann.open(bob.seal(b"turn", AD), AD)
        bob.open(ann.seal(b"turn", AD), AD)
        self.assert_refused(BadParcel, bob, heard, AD)  # too long ago to be known

    def test_a_state_without_chains_that_are_over(self) -> None:
        """As the first version kept it: it goes on, and knows none."""
        ann, bob = pair()
        first = b"\x01" + bob.state()[1:]
        again = Ratchet.load(first)
        self.assertEqual(again.open(ann.seal(b"text", AD), AD), b"text")
        for wrong in (first + b"\0", b"\x03" + first[1:], first + bytes(33), bob.state() + b"\0"):
            self.assertRaises(ValueError, Ratchet.load, wrong)

    def test_C6_a_gap_costs_at_most_256_keys(self) -> None:
        """One more missing message and it is refused, in the chain and in the one before."""
        ann, bob = pair()
        lost = [ann.seal(b"lost", AD) for _ in range(MAX_STEP + 1)]
        self.assert_refused(ParcelTooFarAhead, bob, ann.seal(b"after", AD), AD)
        self.assertEqual(bob.open(lost[-1], AD), b"lost")
        for _ in range(MAX_STEP + 1):
            ann.seal(b"lost", AD)
        ann.open(bob.seal(b"turn", AD), AD)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.assert_refused(ParcelTooFarAhead, bob, ann.seal(b"after the turn", AD), AD)

    def test_C6_counts_beyond_reason(self) -> None:
        """A header that claims billions is refused before anything is derived."""
        ann, bob = pair()
        message = ann.seal(b"text", AD)
        self.assert_refused(BadParcel, bob, message._replace(number=2**32 - 1), AD)
        self.assert_refused(BadParcel, bob, message._replace(previous=2**32 - 1), AD)

    def test_C6_keys_of_missing_messages_are_bounded(self) -> None:
        """The oldest keys go first; the state does not grow beyond 70 KB."""
        ann, bob = pair()
        missing = ann.seal(b"missing", AD)
        for _ in range(MAX_SKIPPED // 200 + 1):
            for _ in range(200):
                ann.seal(b"lost", AD)
            bob.open(ann.seal(b"heard", AD), AD)
        self.assertEqual(len(bob.state()), 180 + 69 * MAX_SKIPPED)
        self.assert_refused(ParcelRepeated, bob, missing, AD)

    def test_a_first_message_that_is_altered(self) -> None:
        """It makes no ratchet."""
        prekey = PrivateKey.generate()
        _, first = Ratchet.begin(SHARED, prekey.public.point, b"first", AD)
        bad = first._replace(sealed=first.sealed[:-1])
        self.assertRaises(BadParcel, Ratchet.answer, SHARED, prekey, bad, AD)
        self.assertRaises(BadParcel, Ratchet.answer, bytes(32), prekey, first, AD)
        far = first._replace(number=MAX_STEP + 1)
        self.assertRaises(ParcelTooFarAhead, Ratchet.answer, SHARED, prekey, far, AD)


class StateTests(SynchronousTestCase):
    """The state is all there is."""

    def test_a_state_comes_back(self) -> None:
        """Loaded, it says the same state, with missing keys in their order."""
        ann, bob = pair()
        for _ in range(3):
            ann.seal(b"lost", AD)
        bob.open(ann.seal(b"heard", AD), AD)
        for side in (ann, bob):
            self.assertEqual(Ratchet.load(side.state()).state(), side.state())

    def test_anything_else_is_refused(self) -> None:
        """A state that is cut, longer, or of another version."""
        state = pair()[0].state()
        many = state + bytes(33 * (ENDED_CHAINS + 1))
        for bad in (b"", state[:-1], state + b"x", b"\x03" + state[1:], b"\0" + state[1:], many):
            self.assertRaises(ValueError, Ratchet.load, bad)

    def test_a_key_used_twice_does_not_repeat_its_nonce(self) -> None:
        """A side that was set back in time seals two texts under one key, with two nonces."""
        ann, _ = pair()
        again = Ratchet.load(ann.state())
        one, two = ann.seal(b"one", AD), again.seal(b"two", AD)
        self.assertEqual(one.header(), two.header())
        self.assertNotEqual(one.sealed[:12], two.sealed[:12])

    def test_the_nonce_depends_on_all_that_is_authenticated(self) -> None:
        """Moving a byte from the data beside into the text makes another nonce."""
        made = [Aead.encrypt(b"bc", SHARED, b"a"), Aead.encrypt(b"c", SHARED, b"ab")]
        nonces = set()
        for each in made:
            done = self.assertRaises(StopIteration, each.send, None)
            nonces.add(done.value[:12])
        self.assertEqual(len(nonces), 2)
