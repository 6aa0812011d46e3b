"""Clocks that differ: nothing but the life of records hangs on them, and the user hears of it."""

from __future__ import annotations

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import NoPeers
from streembit.service.node import Node
from streembit.service.storeclock import StoreClock
from streembit.testing import START_S
from tests.service.town import Town, WrongClock

HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
IN_1970_S = 86_400.0 - START_S
IN_2038_S = 2.0**31 + 10 - START_S


class WrongClockTests(SynchronousTestCase):
    def town_with(self, ahead_s: float) -> tuple[Town, Node]:
        """Return four nodes whose clocks are right, joined by one whose clock is not."""
        town = Town(self)
        town.grow(4)
        town.join()
        wrong = town.add("10.9.0.1", clock=WrongClock(town.memory.clock, ahead_s))
        town.join()
        return town, wrong

    def test_D6_links_and_lookups_need_no_clock(self) -> None:
        """Whatever its clock says, a node joins; it and nobody else is told how wrong it is."""
        for ahead_s in (HOUR_S, -HOUR_S, DAY_S, -DAY_S, IN_1970_S, IN_2038_S):
            town, wrong = self.town_with(ahead_s)
            self.assertEqual(len(wrong.network.table), 4, ahead_s)
            status = town.result(town.desk(wrong).status())
            assert status.clock_skew_s is not None
            self.assertApproximates(status.clock_skew_s, ahead_s, 2)
            for node in town.nodes[:4]:
                self.assertIsNotNone(node.network.table.get(wrong.network.id))
                self.assertApproximates(node.reach.reachability.clock_skew_s or 0.0, 0, 2)

    def test_D6_two_peers_are_too_few_to_tell(self) -> None:
        """Two may be wrong together; with fewer than three nothing is said."""
        town = Town(self)
        town.grow(2)
        wrong = town.add("10.9.0.1", clock=WrongClock(town.memory.clock, DAY_S))
        town.join()
        self.assertIsNone(wrong.reach.reachability.clock_skew_s)

    def test_D6_three_in_one_network_are_one(self) -> None:
        """Peers of one /24 count once, however many they are."""
        town = Town(self)
        for number in range(1, 5):
            town.add(f"10.0.0.{number}")
        wrong = town.add("10.9.0.1", clock=WrongClock(town.memory.clock, DAY_S))
        town.join()
        self.assertIsNone(wrong.reach.reachability.clock_skew_s)

    def test_D6_a_wrong_clock_is_logged_once(self) -> None:
        """One line, and one finding of the doctor that says what to do."""
        with capturedLogs() as events:
            town, wrong = self.town_with(HOUR_S)
            town.run(HOUR_S)
        lines = [e for e in events if "clock is" in str(e.get("log_format"))]
        self.assertEqual([line["ahead_s"] for line in lines], [HOUR_S])
        (check,) = (c for c in town.result(town.desk(wrong).doctor()) if c.name == "clock")
        self.assertEqual((check.ok, check.detail), (False, "3,600 s ahead of the peers"))
        self.assertIn("timedatectl", check.advice)

    def test_D6_a_clock_that_is_a_little_off_is_not_logged(self) -> None:
        """Minutes do no harm."""
        with capturedLogs() as events:
            town, wrong = self.town_with(300)
        self.assertFalse([e for e in events if "clock is" in str(e.get("log_format"))])
        (check,) = (c for c in town.result(town.desk(wrong).doctor()) if c.name == "clock")
        self.assertTrue(check.ok)

    def test_D6_records_of_an_hour_off_are_taken(self) -> None:
        """A publisher may be 60 minutes ahead, and behind by less than its records live."""
        for ahead_s in (HOUR_S - 60, 60 - HOUR_S):
            town, wrong = self.town_with(ahead_s)
            put = town.result(town.desk(wrong).put_record("name", b"v", int(DAY_S)))
            self.assertEqual(len(put.replicas), 4)
            reader = town.desk(town.nodes[0])
            found = town.result(reader.get_record(wrong.identity.public.hex, "name"))
            assert found is not None
            self.assertEqual(found.value, b"v")

    def test_D6_records_of_a_day_off_are_refused(self) -> None:
        """They would live too long, or are over; the code says which, and nothing is stored."""
        for ahead_s, code in (
            (DAY_S, "record-lives-too-long"),
            (-DAY_S, "record-expired"),
            (IN_1970_S, "record-expired"),
            (IN_2038_S, "record-lives-too-long"),
        ):
            town, wrong = self.town_with(ahead_s)
            town.run(60)
            before = [node.dht.deposit.usage() for node in town.nodes[:4]]
            with self.assertRaises(NoPeers):
                town.result(town.desk(wrong).put_record("name", b"v", int(DAY_S)))
            self.assertEqual([node.dht.deposit.usage() for node in town.nodes[:4]], before)
            self.assertTrue(all(n.refusals.counts().get(code) for n in town.nodes[:4]), code)


class StoreTimeTests(SynchronousTestCase):
    """What lies in a store ends by the storer's own seconds, not by its wall clock."""

    def town_of(self, jump_s: float) -> tuple[Town, Node, str]:
        """Return a town in which all wall clocks jump once a record of 30 min is stored."""
        town = Town(self)
        ticks = town.memory.clock
        clocks = [WrongClock(ticks) for _ in range(5)]
        for number, clock in enumerate(clocks):
            store_clock = StoreClock(ticks.seconds, ticks.seconds())
            town.add(f"10.0.{number}.1", clock=clock, store_clock=store_clock)
        town.join()
        town.run(30)  # nobody is a newcomer any more, to be given what is stored
        owner = town.nodes[0]
        town.result(town.desk(owner).put_record("name", b"v", int(HOUR_S / 2)))
        holder = next(node for node in town.nodes[1:] if node.dht.deposit.usage().items)
        place = town.result(town.desk(owner).list_records())[0].place
        owner.stopService()
        for clock in clocks:
            clock.ahead_s = jump_s
        return town, holder, place

    def test_D6_uptime_is_what_has_passed(self) -> None:
        """Whichever way the wall clock is set."""
        for jump_s in (DAY_S, -DAY_S):
            town, holder, _ = self.town_of(jump_s)
            before_s = town.result(town.desk(holder).status()).uptime_s
            self.assertLess(before_s, HOUR_S)
            town.run(90)
            after_s = town.result(town.desk(holder).status()).uptime_s
            self.assertApproximates(after_s - before_s, 90, 1)

    def test_D6_a_clock_set_forward_drops_nothing(self) -> None:
        """A day forward: what lives half an hour is given out for half an hour."""
        town, holder, place = self.town_of(DAY_S)
        town.run(HOUR_S / 4)
        self.assertIsNotNone(holder.dht.deposit.answer(int(place, 16)))
        town.run(HOUR_S / 4 + 60)
        self.assertIsNone(holder.dht.deposit.answer(int(place, 16)))

    def test_D6_a_clock_set_back_keeps_nothing(self) -> None:
        """A day back: what lives half an hour is gone after half an hour."""
        town, holder, place = self.town_of(-DAY_S)
        town.run(HOUR_S / 2 + 60)
        self.assertIsNone(holder.dht.deposit.answer(int(place, 16)))

    def test_D6_the_stores_clock_never_goes_back(self) -> None:
        """It starts at the wall clock or the newest item, and counts monotonic seconds."""
        ticks = iter([50.0, 51.5, 70.0, 45.0])
        clock = StoreClock(lambda: next(ticks), unix_s=1000.0, newest_s=4000.0)
        self.assertEqual([clock.now_s() for _ in range(3)], [4001.5, 4020.0, 4000.0])
        self.assertEqual(StoreClock(lambda: 7.0, unix_s=1000.0).now_s(), 1000.0)
