"""Mutated answers of routers: passed over, or what was asked for, with sense."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import MappingRefused, NoRouter
from streembit.router.lease import Lease, Place
from streembit.router.talk import Send, Told
from streembit.router.terms import Question, Refused, Said, is_outside
from tests.fuzz.mutate import CASES, run
from tests.router.box import Box
from tests.router.test_messages import PAIRS, WANT

PLACE = Place("192.168.1.1", "192.168.1.2")
PORT = 8905
FEW = CASES // 4


class RouterTests(SynchronousTestCase):
    def test_B1_mutated_answers(self) -> None:
        """Whatever is taken for an answer has our nonce and port, and says what can be."""
        for number, (question, answer, _) in enumerate(PAIRS):

            def read(
                datagram: bytes, question: Question = question, size: int = len(answer)
            ) -> None:
                found = question.read(datagram)
                if found is None:
                    raise NoRouter
                assert isinstance(found, Refused | Said)
                if isinstance(found, Refused):
                    raise MappingRefused(str(found))
                assert not found.host or is_outside(found.host)
                assert 0 <= found.port < 2**16 and 0 <= found.lease_s < 2**32
                if size == 60:
                    assert datagram[24:37] == WANT.nonce + b"\x06"

            outcome = run(read, [answer], CASES, 120 + number, (NoRouter, MappingRefused))
            self.assertGreater(outcome.accepted, 0)
            self.assertGreater(outcome.refused, 0)

    def test_B1_a_router_of_the_worst_kind(self) -> None:
        """An errand ends with a port that makes sense, with a refusal, or with silence."""
        clock = Clock()
        corpus = []
        for speaks in ("PCP", "NAT-PMP"):
            talk = Lease(PLACE, b"secret").take(PORT, PORT)
            box = Box(clock, {speaks})
            while isinstance(step := talk.next(0.0), Send):
                answer = box.answer(step.datagram, PLACE.own) or b""
                talk.receive(answer)
                corpus.append(answer)

        def read(datagram: bytes) -> None:
            lease, now_s = Lease(PLACE, b"secret"), 0.0
            talk = lease.take(PORT, PORT)
            while not isinstance(step := talk.next(now_s), Told):
                if isinstance(step, Send):
                    talk.receive(datagram)
                else:
                    now_s = step.until_s
            mapped = lease.took(step, now_s)
            assert mapped.port and mapped.lease_s and is_outside(mapped.host)

        outcome = run(read, corpus, FEW, 130, (NoRouter, MappingRefused))
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)
