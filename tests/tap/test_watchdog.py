"""The watchdog is fed while a restart would better nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.service.facade import NodeFacade, Readiness
from streembit.tap.watchdog import STATUS_EVERY_S, Find, Watchdog, watchdog
from tests.tap.heard import Heard


@dataclass
class Links:
    """As much of a status as the watchdog reads."""

    links: int


@dataclass
class Ill:
    """A node whose health the test sets."""

    is_ready: bool = True
    links: int = 5
    asked: int = 0

    async def ready(self) -> Readiness:
        """Return the canary's word."""
        self.asked += 1
        return Readiness(self.is_ready, 1.0, "as the test says")

    async def status(self) -> Links:
        """Return the number of links."""
        return Links(self.links)


def found(node: Ill) -> Find:
    """Return what finds a node."""
    return lambda: cast(NodeFacade, node)


class WatchdogTests(SynchronousTestCase):
    """One look, and the service that looks again and again."""

    def fed(self, *, ready: bool, links: int) -> bool:
        """Say whether one look feeds."""
        heard = Heard()
        dog = Watchdog(heard, [found(Ill(ready, links))])
        self.successResultOf(dog.round())
        return heard.feeds == 1

    def test_who_is_fed(self) -> None:
        """All but the one that has peers and can do nothing with them."""
        self.assertTrue(self.fed(ready=True, links=5))
        self.assertTrue(self.fed(ready=True, links=0))
        self.assertTrue(self.fed(ready=False, links=0))
        self.assertFalse(self.fed(ready=False, links=5))

    def test_of_several_each_has_to_be_well(self) -> None:
        """One that is ill is not hidden by another; the status tells of both."""
        for ready, feeds in ((False, 0), (True, 1)):
            heard = Heard()
            nodes = [found(Ill()), found(Ill(ready, 5))]
            self.successResultOf(Watchdog(heard, nodes).round())
            self.assertEqual(heard.feeds, feeds)
            (status,) = (word for word in heard.words if word.startswith("STATUS="))
            self.assertEqual(status.count("5 links"), 2)

    def test_an_account_that_takes_another_key_is_not_ill(self) -> None:
        """The manager must not kill it half-way; the others are looked at all the same."""
        for ready, feeds in ((True, 1), (False, 0)):
            heard = Heard()
            self.successResultOf(Watchdog(heard, [lambda: None, found(Ill(ready))]).round())
            self.assertEqual(heard.feeds, feeds)
            self.assertTrue(heard.words[0].startswith("STATUS=takes another key / "))

    def test_the_status_is_one_line_about_both(self) -> None:
        """What `systemctl status` shows."""
        heard = Heard()
        self.successResultOf(Watchdog(heard, [found(Ill(False, 5))]).round())
        self.assertEqual(heard.words, ["STATUS=not ready, 5 links; as the test says"])

    def test_it_is_fed_more_than_twice_a_period(self) -> None:
        """Whatever the jitter, and from the start on; it stops when the service does."""
        heard, clock = Heard(watchdog_s=30), Clock()
        service = watchdog(heard, [found(Ill())], clock, lambda: 0.999)
        service.startService()
        clock.pump([0.0] + [1.0] * 60)
        self.assertGreaterEqual(heard.feeds, 6)
        service.stopService()
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_without_a_watchdog_the_status_is_told_all_the_same(self) -> None:
        """Now and then."""
        node, clock = Ill(), Clock()
        service = watchdog(Heard(), [found(node)], clock, lambda: 0.5)
        service.startService()
        clock.pump([0.0] + [1.0] * int(2 * STATUS_EVERY_S + 1))
        self.assertEqual(node.asked, 3)
        service.stopService()

    def test_it_recovers(self) -> None:
        """A node that is well again is fed again."""
        heard, clock, node = Heard(watchdog_s=30), Clock(), Ill(is_ready=False)
        service = watchdog(heard, [found(node)], clock, lambda: 0.5)
        service.startService()
        clock.pump([0.0] + [1.0] * 60)
        self.assertEqual(heard.feeds, 0)
        node.is_ready = True
        clock.pump([1.0] * 11)
        self.assertGreaterEqual(heard.feeds, 1)
        service.stopService()
