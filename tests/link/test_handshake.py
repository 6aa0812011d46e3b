"""The handshake opens links between those it should and refuses everything else."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    DecryptFailed,
    HandshakeFailed,
    RemoteError,
    VersionMismatch,
    WrongIdentity,
    WrongNetwork,
)
from streembit.jose.keys import ParsedKeys, PublicKey
from streembit.link.handshake import Initiator, Responder
from streembit.link.hello import extension
from tests.link.hostile import CRITICAL, OPTIONAL, dial_bob, dial_from_alice, second
from tests.link.party import ALICE, BOB, CAROL, MALLORY, NETWORK, Handshake, hello_of
from tests.link.second import SecondInitiator, SecondResponder, hello_bytes


class OpenTests(SynchronousTestCase):
    """Honest sides open a link."""

    def test_both_sides_hold_the_same_link(self) -> None:
        """Same id and version, opposite roles, channels that read each other."""
        ours, theirs = Handshake().run()
        self.assertEqual(ours.id, theirs.id)
        self.assertEqual(ours.id_text, theirs.id_text)
        self.assertEqual((len(ours.id), len(ours.id_text)), (16, 22))
        self.assertEqual((ours.initiator, theirs.initiator), (True, False))
        self.assertEqual((ours.version, theirs.version), (1, 1))
        self.assertEqual(theirs.channel.open(ours.channel.seal(b"forth")), b"forth")
        self.assertEqual(ours.channel.open(theirs.channel.seal(b"back")), b"back")

    def test_each_side_learns_the_others_hello(self) -> None:
        """All members arrive as they were given."""
        ours, theirs = Handshake().run()
        self.assertEqual(ours.peer, hello_of(BOB))
        self.assertEqual(theirs.peer, hello_of(ALICE))

    def test_two_links_of_the_same_keys_differ(self) -> None:
        """Nothing is the same twice: id, or keys."""
        one, _ = Handshake().run()
        two, other = Handshake().run()
        self.assertNotEqual(one.id, two.id)
        with self.assertRaises(DecryptFailed):
            other.channel.open(one.channel.seal(b"x"))

    def test_the_expected_key_is_accepted_and_another_refused(self) -> None:
        """Known keys are pinned."""
        for expect, error in ((BOB, None), (CAROL, WrongIdentity)):
            alice = Initiator(ALICE, hello_of(ALICE), NETWORK, expect=expect.public)
            answer = Responder(BOB, hello_of(BOB), NETWORK).receive_first(alice.start())
            if error is None:
                self.assertEqual(alice.receive(answer)[1].peer.public, BOB.public)
            else:
                self.assertRaises(error, alice.receive, answer)

    def test_a_key_that_is_known_is_not_parsed_again(self) -> None:
        """The dialler goes on with the key it expects, the other with what its cache says."""
        expected, known = PublicKey.parse(BOB.public.point), ParsedKeys()
        remembered = known.get(ALICE.public.text)
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK, expect=expected, parse=known.parse)
        bob = Responder(BOB, hello_of(BOB), NETWORK, parse=known.parse)
        last, ours = alice.receive(bob.receive_first(alice.start()))
        self.assertIs(ours.peer.public, expected)
        self.assertIs(bob.receive_last(last).peer.public, remembered)
        self.assertEqual(len(known), 1)

    def test_a_stranger_without_a_proof_fills_no_cache(self) -> None:
        """The name of one who is not tied to the secret is not looked at."""
        known = ParsedKeys()
        bob = Responder(BOB, hello_of(BOB), NETWORK, parse=known.parse)
        mallory = Handshake(MALLORY)
        mallory.initiator.receive(bob.receive_first(mallory.initiator.start()))
        other = Handshake(MALLORY)
        frame, _ = other.initiator.receive(other.responder.receive_first(other.initiator.start()))
        self.assertRaises(RemoteError, bob.receive_last, frame)
        self.assertEqual(len(known), 0)

    def test_another_network_is_refused_at_the_first_frame(self) -> None:
        """Before any answer shows who is here."""
        alice = Initiator(ALICE, hello_of(ALICE), "one")
        with self.assertRaises(WrongNetwork):
            Responder(BOB, hello_of(BOB), "two").receive_first(alice.start())

    def test_the_last_frame_first_is_refused(self) -> None:
        """A responder that was not greeted opens nothing."""
        with self.assertRaises(HandshakeFailed):
            Responder(BOB, hello_of(BOB), NETWORK).receive_last(b"x" * 300)

    def test_the_second_implementation_opens_links_both_ways(self) -> None:
        """The document suffices: code that shares nothing agrees."""
        initiator = second(SecondInitiator)
        self.assertEqual(dial_bob(initiator).id, initiator.values["link_id"])
        responder = second(SecondResponder)
        link = dial_from_alice(responder)
        self.assertEqual(link.id, responder.values["link_id"])
        self.assertEqual(link.peer.agent, "second/1")

    def test_frame_lengths_do_not_tell_the_name(self) -> None:
        """Sealed frames are as long for a short name as for a long one."""
        sizes = set()
        for name in ("", "a" * 64):
            handshake = Handshake(hello=hello_of(ALICE, name=name, agent=""))
            handshake.run()
            sizes.add(len(handshake.frames[2]))
        self.assertEqual(len(sizes), 1)


class VersionTests(SynchronousTestCase):
    """B8: versions and extensions."""

    RANGES = [(low, high) for low in range(1, 5) for high in range(low, 5)]

    def test_B8_every_pair_of_version_ranges(self) -> None:
        """The highest common version is spoken; without one there is no link."""
        for mine, yours in itertools.product(self.RANGES, self.RANGES):
            common = set(range(mine[0], mine[1] + 1)) & set(range(yours[0], yours[1] + 1))
            if common:
                self.assertEqual(self._speak(mine, yours), max(common))
            else:
                self.assertRaises(VersionMismatch, self._speak, mine, yours)

    def _speak(self, mine: tuple[int, int], yours: tuple[int, int]) -> int:
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK, versions=mine)
        bob = Responder(BOB, hello_of(BOB), NETWORK, versions=yours)
        last, ours = alice.receive(bob.receive_first(alice.start()))
        theirs = bob.receive_last(last)
        self.assertEqual(ours.version, theirs.version)
        return ours.version

    def test_B8_a_responder_that_chooses_a_lower_version_is_refused(self) -> None:
        """Even one that signs its choice."""
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK, versions=(1, 3))
        answer = Responder(BOB, hello_of(BOB), NETWORK, versions=(1, 3)).receive_first(
            alice.start()
        )
        self.assertEqual(answer[0], 3)
        for version in (0, 1, 2, 4, 255):
            altered = bytes((version,)) + answer[1:]
            self.assertRaises(VersionMismatch, alice.receive, altered)

    def test_B8_a_range_lowered_on_the_way_is_noticed(self) -> None:
        """Whoever lowers both sides' ranges in passing breaks the transcript."""
        alice = Initiator(ALICE, hello_of(ALICE), NETWORK, versions=(1, 2))
        first = alice.start()
        lowered = first[:5] + b"\x01" + first[6:]
        answer = Responder(BOB, hello_of(BOB), NETWORK, versions=(1, 2)).receive_first(lowered)
        self.assertRaises(VersionMismatch, alice.receive, answer)
        hidden = bytes((1, 1, 1)) + answer[3:]
        self.assertRaises(DecryptFailed, alice.receive, hidden)

    def test_B8_optional_extensions_are_skipped_and_critical_ones_refused(self) -> None:
        """In the first frame, in the answer's clear part, and in both hellos."""
        optional = extension(OPTIONAL, b"later") + extension(OPTIONAL + 1, b"")
        critical = optional + extension(CRITICAL, b"must")
        dial_bob(second(SecondInitiator, extensions=optional))
        dial_from_alice(second(SecondResponder, extensions=optional))
        said = hello_bytes(agent="later/2")
        self.assertEqual(
            dial_bob(second(SecondInitiator, hello=said + optional)).peer.agent, "later/2"
        )
        dial_from_alice(second(SecondResponder, hello=said + optional))
        with self.assertRaises(HandshakeFailed):
            dial_bob(second(SecondInitiator, extensions=critical))
        with self.assertRaises(HandshakeFailed):
            dial_from_alice(second(SecondResponder, extensions=critical))
        with self.assertRaises(HandshakeFailed):
            dial_bob(second(SecondInitiator, hello=said + critical))
        with self.assertRaises(HandshakeFailed):
            dial_from_alice(second(SecondResponder, hello=said + critical))

    def test_B8_extensions_that_lie_about_their_length_are_refused(self) -> None:
        """A length beyond the frame is not followed."""
        lying = bytes((OPTIONAL, 0xFF, 0xFF)) + b"x"
        for extensions in (lying, bytes((OPTIONAL,)), bytes((OPTIONAL, 0))):
            with self.assertRaises(HandshakeFailed):
                dial_bob(second(SecondInitiator, extensions=extensions))


class AnyBytesTests(SynchronousTestCase):
    """Frames that nobody made."""

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=600))
    def test_any_bytes_are_refused_as_the_peers_fault(self, data: bytes) -> None:
        """No exception but ours, at each of the three steps."""
        handshake = Handshake()
        handshake.run()
        for take in (
            Responder(BOB, hello_of(BOB), NETWORK).receive_first,
            handshake.initiator.receive,
            handshake.responder.receive_last,
        ):
            self.assertRaises(RemoteError, cast("Callable[[bytes], object]", take), data)
