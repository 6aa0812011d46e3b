"""PCP and NAT-PMP, byte by byte: what is asked, and what is taken for an answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.router import natpmp, pcp
from streembit.router.terms import (
    MAX_DATAGRAM_BYTES,
    NONCE_BYTES,
    Question,
    Refused,
    Said,
    Want,
    is_outside,
)
from tests.router.box import HOST, Box

OWN = "192.168.1.2"
WANT = Want(OWN, b"twelve bytes", 8905, 8906, 3600)
BACK = replace(WANT, lease_s=0)
NOT_AUTHORISED = 2

# Everything that is asked, as RFC 6887 (figures 2 and 9) and RFC 6886 (3.2 and 3.3) draw it.
REQUESTS: list[tuple[Question, str]] = [
    (
        pcp.Port(WANT),
        (
            "0201 0000 00000e10  00000000000000000000ffff c0a80102"
            "7477656c7665206279746573 06 000000 22c9 22ca 00000000000000000000ffff 00000000"
        ),
    ),
    (
        pcp.Port(BACK),
        (
            "0201 0000 00000000  00000000000000000000ffff c0a80102"
            "7477656c7665206279746573 06 000000 22c9 22ca 00000000000000000000ffff 00000000"
        ),
    ),
    (pcp.Clock(OWN), "0200 0000 00000000  00000000000000000000ffff c0a80102"),
    (natpmp.Port(WANT), "0002 0000 22c9 22ca 00000e10"),
    (natpmp.Port(BACK), "0002 0000 22c9 0000 00000000"),
    (natpmp.Address(), "0000"),
]
# What a router says to each of them that opens another port than the wanted one, for half an hour.
ANSWERS: list[tuple[str, Said]] = [
    (
        (
            "0281 0000 00000708 0000002a 000000000000000000000000"
            "7477656c7665206279746573 06 000000 22c9 22cb 00000000000000000000ffff cb007101"
        ),
        Said(42, HOST, 8907, 1800),
    ),
    (
        (
            "0281 0000 00000000 0000002a 000000000000000000000000"
            "7477656c7665206279746573 06 000000 22c9 0000 00000000000000000000ffff 00000000"
        ),
        Said(42),
    ),
    ("0280 0000 00000000 0000002a 000000000000000000000000", Said(42)),
    ("0082 0000 0000002a 22c9 22cb 00000708", Said(42, "", 8907, 1800)),
    ("0082 0000 0000002a 22c9 0000 00000000", Said(42)),
    ("0080 0000 0000002a cb007101", Said(42, HOST)),
]
PAIRS = [
    (question, bytes.fromhex(answer), said)
    for (question, _), (answer, said) in zip(REQUESTS, ANSWERS, strict=True)
]


def changed(datagram: bytes, at: int, value: bytes) -> bytes:
    """Return a datagram with other bytes at a place."""
    return datagram[:at] + value + datagram[at + len(value) :]


class MessageTests(SynchronousTestCase):
    def test_what_is_asked(self) -> None:
        """Each request, as the RFC draws it."""
        for question, expected in REQUESTS:
            self.assertEqual(question.request.hex(), bytes.fromhex(expected).hex(), question)

    def test_what_is_answered(self) -> None:
        """Each answer is taken by its own question, and by no other one."""
        for question, answer, said in PAIRS:
            for other, _, _ in PAIRS:
                if other == question:
                    self.assertEqual(other.read(answer), said)
                elif answer[:2] != PAIRS[[o for o, _, _ in PAIRS].index(other)][1][:2]:
                    self.assertIsNone(other.read(answer), f"{other} {answer.hex()}")

    def test_other_nonces_and_ports_are_somebody_elses(self) -> None:
        """Whoever guesses at our port has no answer for us; nor has an answer about another one."""
        question, answer, _ = PAIRS[0]
        for at, value in ((24, b"x"), (35, b"x"), (36, b"\x11"), (40, b"\0"), (41, b"\0")):
            self.assertIsNone(question.read(changed(answer, at, value)), at)
        question, answer, _ = PAIRS[3]
        self.assertIsNone(question.read(changed(answer, 9, b"\0")))

    def test_a_refusal_has_its_code(self) -> None:
        """Those that are known are told in words; for others the code has to do."""
        for index, at in ((0, 3), (3, 3), (5, 3)):
            question, answer, _ = PAIRS[index]
            known = question.read(changed(answer, at, bytes([NOT_AUTHORISED])))
            self.assertEqual(known, Refused(NOT_AUTHORISED, "it is told not to"))
            other = question.read(changed(answer, at, b"\xee"))
            self.assertEqual(str(other), "for a reason that is not known (code 238)")

    def test_a_refusal_needs_the_nonce(self) -> None:
        """Nobody else in the network can have us give up."""
        question, answer, _ = PAIRS[0]
        refusal = changed(answer, 3, bytes([NOT_AUTHORISED]))
        self.assertIsNone(question.read(changed(refusal, 24, b"x")))
        self.assertIsNone(question.read(refusal[:24]))

    def test_who_does_not_know_the_protocol(self) -> None:
        """A router of the other protocol says so in that one."""
        for question, _, _ in PAIRS:
            speaks = {"NAT-PMP"} if question.request[0] == pcp.VERSION else {"PCP"}
            answer = Box(Clock(), speaks).answer(question.request, OWN)
            assert answer is not None
            found = question.read(answer)
            assert isinstance(found, Refused)
            self.assertFalse(found.speaks)
            question_of_theirs = changed(answer, 1, bytes([answer[1] & 0x7F]))
            self.assertIsNone(question.read(question_of_theirs))

    def test_answers_without_sense(self) -> None:
        """No port, no time, no address that anything can be reached at."""
        question, answer, _ = PAIRS[0]
        for at, value in (
            (42, bytes(2)),
            (4, bytes(4)),
            (56, bytes(4)),
            (56, IPv4Address("127.0.0.1").packed),
            (56, IPv4Address("224.0.0.1").packed),
            (44, b"\x20\x01"),  # an IPv6 address
        ):
            found = question.read(changed(answer, at, value))
            self.assertEqual(found, Refused(0, "its answer makes no sense"), f"{at} {value!r}")
        question, answer, _ = PAIRS[3]
        for at, value in ((10, bytes(2)), (12, bytes(4))):
            self.assertIsInstance(question.read(changed(answer, at, value)), Refused)
        question, answer, _ = PAIRS[5]
        found = question.read(changed(answer, 8, bytes(4)))
        self.assertIn("not connected", str(found))

    def test_every_cut_is_passed_over(self) -> None:
        """So is what is too long."""
        for question, answer, _ in PAIRS:
            for length in range(len(answer)):
                self.assertIsNone(question.read(answer[:length]), f"{question} {length}")
            self.assertIsNone(question.read(answer + bytes(MAX_DATAGRAM_BYTES)))
            if answer[0] == natpmp.VERSION:
                self.assertIsNone(question.read(answer + bytes(4)))

    def test_options_behind_an_answer_are_passed_over(self) -> None:
        """PCP may have some; we ask for none."""
        question, answer, said = PAIRS[0]
        self.assertEqual(question.read(answer + b"\x02\0\0\x04abcd"), said)
        self.assertIsNone(question.read(answer + b"abc"))

    def test_addresses_outside(self) -> None:
        """A private one may lie between two routers; these cannot."""
        told = ["203.0.113.1", "192.168.0.1", "0.0.0.0", "127.0.0.1", "169.254.1.1", "240.0.0.1"]
        found = [host for host in [*told, "224.0.0.1", "::1", "a.b", ""] if is_outside(host)]
        self.assertEqual(found, told[:2])

    @given(
        st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES),
        *[st.integers(1, 65535)] * 2,
        st.ip_addresses(v=4),
        st.integers(1, 2**32 - 1),
    )
    def test_another_reader_understands_us(
        self, nonce: bytes, inner: int, outer: int, own: IPv4Address, lease_s: int
    ) -> None:
        """What a router makes of a request, and we of its answer, is what was meant."""
        makes: list[Callable[[Want], Question]] = [pcp.Port, natpmp.Port]
        for make in makes:
            box = Box(Clock())
            question = make(Want(str(own), nonce, inner, outer, lease_s))
            answer = box.answer(question.request, str(own))
            assert answer is not None
            said = question.read(answer)
            assert isinstance(said, Said)
            self.assertEqual((said.port, said.lease_s), (outer, min(lease_s, box.lease_s)))
            ((place, (port, _)),) = box.open.items()
            self.assertEqual((place, port), ((str(own), inner), outer))
