"""Mail is kept for its days by a clock that no step of the machine's moves."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.hub.mail import Mail
from streembit.service.hub.hub import EXPIRE_EVERY_S
from tests.hubs.house import House, identity

DAY_S = 86_400
ANN, BOB = identity(1).public.text, identity(2).public.text


class MailClockTests(SynchronousTestCase):
    def kept(self, house: House) -> int:
        """Keep a mail that is 15 days old by the house's date; return what a round leaves of it."""
        kept_s = int(house.clock.seconds()) - 15 * DAY_S
        self.successResultOf(house.hub.backplane.keep(Mail(BOB, ANN, "m" * 22, b"token", kept_s)))
        house.clock.advance(EXPIRE_EVERY_S * 2)
        left = self.successResultOf(house.hub.backplane.count(BOB))
        house.stop()
        return left

    def test_D6_a_date_that_steps_ahead_takes_no_mail_away(self) -> None:
        """Mail is past its days when so much time has passed, whatever the date says."""
        self.assertEqual(self.kept(House(self, mail_s=lambda: -15 * DAY_S + 3600.0)), 1)

    def test_mail_is_dropped_when_its_days_have_passed(self) -> None:
        """By the clock that counts."""
        self.assertEqual(self.kept(House(self)), 0)
