"""Our own records: numbered before they leave, kept alive, deleted, and taken up after a crash."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import record_place
from streembit.dht.record import Record
from streembit.disk.published import MAX_SEQ, Published, PublishedRecords, Slot
from streembit.errors import NoPeers, NotFound, RecordTooLarge
from streembit.service.node import Node
from streembit.service.publishing import MAX_LEAP
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryOwnRecords
from tests.disk.dying import Trouble
from tests.disk.faultfiles import PowerCut
from tests.disk.places import a_folder
from tests.rig.refusal import QUIET
from tests.service.town import NETWORK, Town

KIND: Final = "name"
SALT: Final = "a/name"
TTL_S: Final = 24 * 3600
# Nothing happens by itself, so that days go by quickly.
RARE: Final = replace(QUIET, replicate_every_s=1e7, replicate_jitter_s=0, membership_every_s=60)


class PublishingTestCase(SynchronousTestCase):
    """A publisher whose hourly round does not come by itself, and others."""

    OTHERS: int = 5

    def setUp(self) -> None:
        self.town = Town(self)
        for number in range(self.OTHERS):
            self.town.add(f"10.0.{number}.1", settings=RARE)
        self.own: Any = MemoryOwnRecords()
        self.node = self.town.add("10.0.77.1", settings=RARE, own=self.own)
        self.town.join()
        self.town.run(60)

    def put(self, value: bytes = b"value", ttl_s: int = TTL_S) -> Record:
        """Put the record that the tests are about."""
        return self.town.result(self.node.dht.publishing.put(KIND, SALT, value, ttl_s))[0]

    def republish(self) -> None:
        """Let the hourly round come."""
        self.town.result(self.node.dht.publishing.republish())

    def held(self) -> dict[int, int]:
        """Return the number of the version that each of the others holds."""
        place = record_place(self.node.identity.public.point, KIND, SALT)
        others = self.town.nodes[: self.OTHERS]
        found = {n: node.dht.deposit.item(place) for n, node in enumerate(others)}
        return {n: item.seq for n, item in found.items() if item is not None}

    def everywhere(self, seq: int) -> dict[int, int]:
        """Return what `held` is when all hold this version."""
        return dict.fromkeys(range(self.OTHERS), seq)

    def kept(self) -> Published:
        """Return the record as the node has kept it to publish again."""
        kept = self.own.get(Slot(self.node.identity.public.point, KIND, SALT))
        assert kept is not None
        return kept  # type: ignore[no-any-return]

    def conflicts(self) -> int:
        """Return how often somebody was shown two versions of one number."""
        return sum(node.dht.deposit.conflicts for node in self.town.nodes)


class LifeTests(PublishingTestCase):
    def test_each_put_has_the_next_number(self) -> None:
        """And the last one is what everybody holds."""
        self.assertEqual([self.put(bytes([n])).seq for n in range(3)], [1, 2, 3])
        self.assertEqual(self.held(), self.everywhere(3))

    def test_what_is_well_alive_is_sent_again_as_it_is(self) -> None:
        """The same bytes: no number is used up, and who lost it has it again."""
        record = self.put()
        stranger = self.town.nodes[2]
        stranger.dht.deposit._store.shelf.delete(record.place)
        self.assertNotIn(2, self.held())
        self.town.run(3600)
        self.republish()
        self.assertEqual(self.held(), self.everywhere(1))
        self.assertEqual(self.kept().token, record.token.encode())

    def test_what_has_lived_half_of_its_life_is_signed_anew(self) -> None:
        """With a higher number, and for as long as was asked for at first."""
        self.put(ttl_s=3600)
        self.town.run(1900)
        self.republish()
        self.assertEqual(self.held(), self.everywhere(2))
        left_s = self.kept().expires_unix_s - self.town.memory.clock.seconds()
        self.assertLessEqual(abs(left_s - 3600), 30)
        self.assertEqual(self.node.dht.publishing.value(self.kept()), b"value")

    def test_a_tombstone_is_told_to_its_end_and_then_forgotten(self) -> None:
        """It is not renewed: a day later nobody has seen the old version any more."""
        self.put()
        record, outcome = self.town.result(self.node.dht.publishing.delete(KIND, SALT))
        self.assertTrue(record.tombstone)
        self.assertEqual(len(outcome.receipts), self.OTHERS)
        self.town.run(20 * 3600)
        self.republish()
        self.assertEqual(self.kept().seq, 2)
        self.town.run(5 * 3600)
        self.republish()
        self.assertEqual(self.node.dht.publishing.list(KIND), [])
        with self.assertRaises(NotFound):
            self.town.result(self.node.dht.publishing.delete(KIND, SALT))
        self.assertEqual(self.put(b"again").seq, 3)

    def test_who_does_not_store_publishes_all_the_same(self) -> None:
        """Others hold it, and it does not itself."""
        settings = NetworkSettings(network=NETWORK, client_only=True)
        client = self.town.add("10.0.78.1", settings=settings)
        self.town.join()
        record, outcome = self.town.result(client.dht.publishing.put(KIND, SALT, b"v", TTL_S))
        self.assertGreaterEqual(len(outcome.receipts), self.OTHERS)
        self.assertIsNone(client.dht.deposit.item(record.place))
        self.assertTrue(client.dht.publishing.announced)

    def test_what_cannot_be_a_record_uses_up_no_number(self) -> None:
        """It is refused before."""
        with self.assertRaises(RecordTooLarge):
            self.put(bytes(8193))
        self.assertEqual(self.put().seq, 1)

    def test_without_receipts_it_is_kept_and_sent_later(self) -> None:
        """The user hears of it, and the hourly round brings it out."""
        hosts = [self.town.host(node).address for node in self.town.nodes[: self.OTHERS]]
        self.town.memory.silence(*hosts)
        with self.assertRaises(NoPeers):
            self.put()
        self.assertEqual(self.kept().seq, 1)
        self.town.memory.heal()
        rejoined = self.town.run_until(lambda: len(self.node.network.roster) > 0, 600)
        self.assertTrue(rejoined)
        self.town.run(60)
        self.republish()
        self.assertEqual(self.held(), self.everywhere(1))


class NumberTests(PublishingTestCase):
    """D5: no number is ever used twice."""

    OTHERS = 3

    def setUp(self) -> None:
        self.path = a_folder(self) / "own.sqlite"
        super().setUp()
        self.trouble = Trouble()
        self.restart()
        self.before = self.conflicts()  # a new disk: its key records had numbers already

    def restart(self) -> None:
        """Let the node die, and come back with what is on its disk."""
        self.town.end(self.node)
        for connection in self.trouble.opened:
            connection.close()
        self.trouble = Trouble()
        seconds = self.town.memory.clock.seconds
        own = PublishedRecords(self.path, dial=self.trouble.connect(), unix_s=seconds)
        self.addCleanup(own.close)
        self.own = own
        self.town.run(1)
        self.node = self.town.again(self.node, own=own, settings=RARE)
        self.town.join(self.node)

    def shown(self) -> int:
        """Return the highest number that anybody was shown."""
        return max(self.held().values(), default=0)

    def test_D5_death_at_every_statement(self) -> None:
        """Before it or behind it: the next put is above all that anybody was shown."""
        for behind in (False, True):
            at = 0
            died = True
            while died:
                at += 1
                died = self.dies_at(at, behind)
                before = self.shown()
                self.restart()
                record = self.put(b"after %d" % at)
                self.assertGreater(record.seq, before)
                self.assertEqual(self.held(), self.everywhere(record.seq))
            self.assertGreater(at, 4)
        self.assertEqual(self.conflicts(), self.before)

    def dies_at(self, at: int, behind: bool) -> bool:
        """Put, and die at this statement of it; return whether it came to that."""
        before = self.shown()
        self.trouble.die_at = self.trouble.statements + at
        self.trouble.die_after = behind
        try:
            self.put(b"torn %d" % at)
        except PowerCut:
            self.assertEqual(self.shown(), before, "it left before it was on the disk")
            return True
        return False

    def test_D5_death_at_every_moment_of_sending(self) -> None:
        """While some have it and some do not: a millisecond apart, until all have it."""
        reached = set()
        for moment in (0, 2, 4, 5, 6, 7, 8, 9, 10, 14):
            putting = self.node.dht.publishing.put(KIND, SALT, b"torn", TTL_S)
            Deferred.fromCoroutine(putting).addErrback(lambda _: None)
            self.town.run(moment * 0.001)
            torn = self.own.counter(self.slot())
            reached.add(list(self.held().values()).count(torn))
            self.restart()
            record = self.put(b"after %d" % moment)
            self.assertGreater(record.seq, torn)
            self.assertEqual(self.held(), self.everywhere(record.seq))
        self.assertEqual(self.conflicts(), self.before)
        self.assertIn(0, reached)
        self.assertIn(self.OTHERS, reached)
        self.assertGreater(len(reached), 2)

    def test_D5_numbers_lost_with_the_disk(self) -> None:
        """A new disk: the own record is found in the network, and its number gone beyond."""
        for _ in range(7):
            self.put()
        self.own.close()
        self.town.end(self.node)
        self.path.unlink()
        self.node = self.town.again(self.node, own=MemoryOwnRecords(), settings=RARE)
        self.town.join(self.node)
        record = self.put(b"on the new disk")
        self.assertEqual(record.seq, 8)
        self.assertEqual(self.held(), self.everywhere(8))
        self.assertEqual(self.put().seq, 9)

    def test_D5_numbers_lost_and_nobody_has_the_record_any_more(self) -> None:
        """Others remember how new it was for a month; one put goes beyond that."""
        for number in (7, 800):
            self.own.reserve(self.slot(), number)
            last = self.put(ttl_s=60)
            self.town.run(200)
            self.assertEqual(self.held(), {})
            self.town.end(self.node)
            self.own = MemoryOwnRecords()
            self.node = self.town.again(self.node, own=self.own, settings=RARE)
            self.town.join(self.node)
            record = self.put(b"on the new disk")
            self.assertGreater(record.seq, last.seq)
            self.assertEqual(self.held(), self.everywhere(record.seq))
            self.assertEqual(self.put().seq, record.seq + 1)

    def test_D5_liars_cannot_use_the_numbers_up(self) -> None:
        """Whoever refuses every number as too low is believed a few times, and up to a bound."""
        for node in self.town.nodes[: self.OTHERS]:
            place = record_place(self.node.identity.public.point, KIND, SALT)
            node.dht.deposit._store.shelf.set_floor(place, MAX_SEQ, 1e12)
        for _ in range(20):
            with self.assertRaises(NoPeers):
                self.put()
        self.assertLess(self.own.counter(self.slot()), 2 * MAX_LEAP)

    def slot(self) -> Slot:
        """Return the slot of the record."""
        return Slot(self.node.identity.public.point, KIND, SALT)


class AloneTests(SynchronousTestCase):
    def test_a_node_alone_publishes_nothing(self) -> None:
        """Nothing is numbered, kept or sent."""
        town = Town(self)
        own = MemoryOwnRecords()
        node: Node = town.add("10.0.0.1", own=own)
        node.startService()
        with self.assertRaises(NoPeers):
            town.result(node.dht.publishing.put(KIND, SALT, b"", TTL_S))
        self.assertEqual(own.all(node.identity.public.point), [])
        self.assertEqual(own.reserve(Slot(node.identity.public.point, KIND, SALT)), 1)


class YoungTests(SynchronousTestCase):
    def test_D8_a_record_never_goes_missing_where_all_have_just_come(self) -> None:
        """They keep it for an hour, and say so: it is renewed before, at whatever time it came."""
        town = Town(self)
        for number in range(4):
            town.add(f"10.0.{number}.1")
        node = town.add("10.0.77.1")
        town.join()
        town.run(1500)
        record, _ = town.result(node.dht.publishing.put(KIND, SALT, b"value", TTL_S))
        town.end(*town.nodes[2:4])  # two are left, who do not hand it to each other in time
        gaps = []
        for minute in range(4 * 60):
            town.run(60)
            if not any(each.dht.deposit.item(record.place) for each in town.nodes[:2]):
                gaps.append(minute)
        self.assertEqual(gaps, [])
