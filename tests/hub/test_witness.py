"""What a member sees of a hub that keeps back, repeats, moves or misdirects envelopes."""

from __future__ import annotations

from collections import Counter
from typing import get_args

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.hub.witness import (
    AHEAD_MS,
    MAX_MAILS,
    MAX_MISSING,
    MAX_SENDERS,
    Finding,
    Kind,
    Witness,
)
from streembit.wire.hub import Envelope
from tests.hub.people import HUB, NOW_S, OTHER_HUB
from tests.hub.samples import LIVE, MAIL
from tests.jose.people import ANN, BOB

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=200)
TO_ANN = {"aud": ANN.public.text, "hub": HUB.public.text, "started_ms": NOW_S * 1000}


def live(seq: int, **claims: object) -> Envelope:
    """Return a live envelope to Ann, the sender's seq-th of its session."""
    said = {"iss": BOB.public.text, "session": "A" * 22, "n": seq + 1, "seq": seq}
    return msgspec.structs.replace(LIVE, **(TO_ANN | said | claims))


def mail(number: int, **claims: object) -> Envelope:
    """Return a mail to Ann."""
    said = {"iss": BOB.public.text, "session": "A" * 22, "n": number}
    return msgspec.structs.replace(MAIL, **(TO_ANN | said | claims))


class WitnessTests(SynchronousTestCase):
    """One case each."""

    def setUp(self) -> None:
        self.witness = Witness(ANN.public.text, HUB.public.text)
        self.witness.begin()

    def see(self, claims: Envelope) -> str:
        """Return what is found, and take the envelope where it may be taken."""
        finding = self.witness.judge(claims, NOW_S)
        if finding is None or finding.takes:
            self.witness.take(claims)
        if finding is None:
            return ""
        self.assertEqual(finding.sender, claims.iss)
        return f"{finding.kind} {finding.count}" if finding.count > 1 else finding.kind

    def test_what_an_honest_hub_passes_on_is_taken_in_silence(self) -> None:
        """Of several senders, sessions one after the other, and mail in any order."""
        for seq in (1, 2, 3):
            self.assertEqual(self.see(live(seq)), "")
            self.assertEqual(self.see(live(seq, iss=OTHER_HUB.public.text)), "")
        later = {"session": "B" * 22, "started_ms": NOW_S * 1000 + 1}
        for seq in (1, 2):
            self.assertEqual(self.see(live(seq, **later)), "")
        for number in (9, 3, 7):
            self.assertEqual(self.see(mail(number)), "")

    def test_an_envelope_again(self) -> None:
        """At once or later, it is taken once."""
        for seq in (1, 2, 3):
            self.see(live(seq))
        self.assertEqual([self.see(live(seq)) for seq in (3, 1, 2)], ["repeated"] * 3)
        self.assertEqual(self.see(live(4)), "")

    def test_envelopes_that_do_not_come(self) -> None:
        """The one after them is taken, and says how many are missing."""
        self.see(live(1))
        self.assertEqual(self.see(live(3)), "lost")
        self.assertEqual(self.see(live(7)), "lost 3")
        self.assertEqual(self.see(live(8)), "")

    def test_envelopes_in_another_order(self) -> None:
        """The earlier one comes too late: it is not taken, and was not a second one."""
        self.see(live(1))
        self.assertEqual([self.see(live(seq)) for seq in (4, 2, 3)], ["lost 2", "moved", "moved"])

    def test_what_went_past_us_is_not_lost(self) -> None:
        """While we were away the hub told its sender so."""
        self.see(live(1))
        self.witness.begin()
        self.assertEqual(self.see(live(5)), "")
        self.assertEqual(self.see(live(7)), "lost")
        self.assertEqual(self.see(live(5)), "repeated")
        self.assertEqual(self.see(live(6)), "moved")

    def test_a_sender_is_heard_for_the_first_time_in_the_middle(self) -> None:
        """What it said before may have been for who was not here."""
        self.assertEqual(self.see(live(12)), "")

    def test_a_session_that_began_while_we_listened_is_heard_from_its_begin(self) -> None:
        """Its first envelope is number 1, or one is missing."""
        self.see(live(1))
        later = {"session": "B" * 22, "started_ms": NOW_S * 1000 + 1}
        self.assertEqual(self.see(live(3, **later)), "lost 2")
        self.assertEqual(self.see(live(2, **later)), "moved")

    def test_an_old_session(self) -> None:
        """Begun before the newest one known, or at the same time under another name."""
        self.see(live(1))
        for started_ms in (NOW_S * 1000, NOW_S * 1000 - 1, 0):
            old = live(2, session="C" * 22, started_ms=started_ms)
            self.assertEqual(self.see(old), "old-session")
        self.assertEqual(self.see(live(2)), "")

    def test_a_session_of_the_future(self) -> None:
        """It would shut out all sessions until then."""
        at_most = NOW_S * 1000 + AHEAD_MS
        self.assertEqual(self.see(live(1, started_ms=at_most + 1)), "future")
        self.assertEqual(self.see(live(1, started_ms=at_most)), "")
        self.assertEqual(self.see(mail(1, started_ms=at_most + 1)), "")

    def test_an_envelope_for_somebody_else_or_for_another_hub(self) -> None:
        """Live ones and mail."""
        for make in (live, mail):
            self.assertEqual(self.see(make(1, aud=BOB.public.text)), "misdirected")
            self.assertEqual(self.see(make(1, hub=OTHER_HUB.public.text)), "elsewhere")
        self.assertEqual(self.see(live(1)), "")

    def test_a_forged_envelope_leaves_no_trace(self) -> None:
        """Judged, found to be forged, and never taken."""
        self.assertIsNone(self.witness.judge(live(1), NOW_S))
        finding = self.witness.forged(live(1))
        self.assertEqual(finding, Finding("forged", BOB.public.text))
        self.assertEqual(self.see(live(1)), "")

    def test_a_mail_that_comes_again(self) -> None:
        """As long as it is not acknowledged it must; after that it is the hub that repeats it."""
        self.assertEqual([self.see(mail(4)), self.see(mail(4))], ["", ""])
        self.witness.acknowledged(mail(4))
        self.assertEqual(self.see(mail(4)), "repeated")
        self.witness.begin()
        self.assertEqual(self.see(mail(4)), "repeated")
        self.assertEqual(self.see(mail(5)), "")  # its sender's own second try, signed anew

    def test_each_finding_is_a_refusal_with_a_code_of_its_own(self) -> None:
        """And only one of them lets the envelope pass."""
        kinds = get_args(Kind)
        self.assertEqual([kind for kind in kinds if Finding(kind, "").takes], ["lost"])
        for kind in kinds:
            error = Finding(kind, BOB.public.text, 3).error
            self.assertEqual((error.code, error.count), (f"envelope-{kind}", 3))

    def test_what_is_remembered_is_bounded(self) -> None:
        """Senders, numbers that are missing, and mails."""
        for number in range(MAX_SENDERS + 10):
            self.see(live(1, iss=f"{number:044d}"))
        self.assertEqual(self.see(live(1, iss=f"{0:044d}")), "")  # forgotten
        self.assertEqual(self.see(live(1, iss=f"{MAX_SENDERS:044d}")), "repeated")
        self.see(live(1))
        self.assertEqual(self.see(live(2**53 - 1)), f"lost {2**53 - 3}")
        self.assertEqual(self.see(live(2**53 - 2)), "moved")
        self.assertEqual(self.see(live(2**53 - 2 - MAX_MISSING)), "repeated")
        for number in range(MAX_MAILS + 1):
            self.witness.acknowledged(mail(number))
        self.assertEqual([self.see(mail(0)), self.see(mail(MAX_MAILS))], ["", "repeated"])

    def test_C6_gaps_one_after_the_other_are_forgotten(self) -> None:
        """However many numbers a hub keeps back, of one sender so many are remembered."""
        self.see(live(1))
        for seq in range(3, 3 + 4 * MAX_MISSING, 2):
            self.assertEqual(self.see(live(seq)), "lost")
        last = 1 + 4 * MAX_MISSING
        self.assertEqual(self.see(live(2)), "repeated")
        self.assertEqual(self.see(live(last - 1)), "moved")


class AnyOrderTests(SynchronousTestCase):
    """Whatever a hub makes of what one sender said."""

    @QUICK
    @given(st.lists(st.integers(1, 20), max_size=40))
    def test_no_envelope_is_taken_twice_or_after_a_later_one(self, order: list[int]) -> None:
        """And all that was taken or found adds up."""
        witness = Witness(ANN.public.text, HUB.public.text)
        witness.begin()
        witness.take(live(1))
        taken, found = [1], Counter[str]()
        for seq in order:
            finding = witness.judge(live(seq), NOW_S)
            if finding is None or finding.takes:
                witness.take(live(seq))
                taken.append(seq)
            if finding is not None:
                found[finding.kind] += finding.count
        self.assertEqual(taken, sorted(set(taken)))
        self.assertEqual(found["lost"], taken[-1] - len(taken))
        self.assertEqual(found["moved"] + found["repeated"], len(order) + 1 - len(taken))
        self.assertLessEqual(set(found), {"lost", "moved", "repeated"})
