"""Gossip: what strangers say of others is a hint, never an entry."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.candidates import MAX_CANDIDATES, MAX_TOLD, MAX_UNREACHED, Candidates
from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.refresh import gap_targets, target_in, wide_targets
from streembit.dht.table import Table
from streembit.wire.message import Contact
from tests.dht.made import OPEN, contact, node, own_id, table

TELLER = "10.0.0.1"


class CandidateTests(SynchronousTestCase):
    """The waiting room in front of the table."""

    def test_D1_a_thousand_fake_contacts_leave_the_table_alone(self) -> None:
        """Gossip never enters the table, and of one answer 20 are taken at most."""
        made = table(30)
        before = {held.id for held in made}
        waiting = Candidates(made)
        fakes = [contact(number) for number in range(1_000, 2_000)]
        self.assertLessEqual(waiting.suggest(fakes, 1.0, TELLER), MAX_TOLD)
        self.assertLessEqual(len(waiting), MAX_TOLD)
        self.assertEqual({held.id for held in made}, before)

    def test_D1_who_fails_the_handshake_is_not_tried_again_soon(self) -> None:
        """However often others go on naming it; after ten minutes it may be."""
        waiting = Candidates(table(0))
        fake = contact(7)
        self.assertEqual(waiting.suggest([fake], 1.0, TELLER), 1)
        waiting.unreached(node(7), 2.0)
        self.assertEqual(len(waiting), 0)
        self.assertEqual(waiting.suggest([fake], 600.0, TELLER), 0)
        self.assertEqual(waiting.suggest([fake], 603.0, TELLER), 1)

    def test_D1_a_false_address_does_not_hide_the_true_one(self) -> None:
        """A node that was not reached where a liar saw it is tried where others see it."""
        waiting = Candidates(table(0))
        false, true = contact(7, "203.0.113.66"), contact(7)
        waiting.suggest([false], 1.0, TELLER)
        (tried,) = waiting.take(1)
        self.assertEqual(waiting.suggest([true], 2.0, TELLER), 1)
        waiting.unreached(tried, 3.0)
        self.assertEqual([held.contact for held in waiting.take(1)], [true])
        self.assertEqual(waiting.suggest([false], 4.0, TELLER), 0)

    def test_D1_a_public_peer_does_not_send_us_into_private_networks(self) -> None:
        """Nor do contacts that cannot be get a place."""
        waiting = Candidates(Table(own_id(), grouping=Grouping()))
        inside = [contact(1, "192.168.1.1"), contact(2, "127.0.0.1"), contact(3, "localhost")]
        self.assertEqual(waiting.suggest(inside, 1.0, "198.41.0.4"), 0)
        broken = Contact(contact(4).key, "198.41.0.9", 1, "composite", "Not A Name")
        self.assertEqual(waiting.suggest([broken], 1.0, "198.41.0.4"), 0)
        self.assertEqual(waiting.suggest([contact(5, "198.41.0.5")], 1.0, "198.41.0.4"), 1)

    def test_known_and_unwanted_nodes_do_not_wait(self) -> None:
        """Nor does anybody twice."""
        made = table(40)
        waiting = Candidates(made)
        known = next(iter(made)).contact
        self.assertEqual(waiting.suggest([known, contact(500), contact(500)], 1.0, TELLER), 1)

    def test_C6_the_waiting_room_is_bounded(self) -> None:
        """As is the memory of those that failed."""
        waiting = Candidates(Table(own_id(), k=10_000, grouping=OPEN))
        for number in range(0, MAX_CANDIDATES + 200, MAX_TOLD):
            waiting.suggest([contact(n) for n in range(number, number + MAX_TOLD)], 1.0, TELLER)
        self.assertEqual(len(waiting), MAX_CANDIDATES)
        for number in range(MAX_UNREACHED + 200):
            waiting.unreached(node(number), 1.0)
        self.assertEqual(len(waiting._unreached_s), MAX_UNREACHED)

    def test_all_are_taken_where_there_is_room(self) -> None:
        """In portions."""
        waiting = Candidates(table(0))
        waiting.suggest([contact(number) for number in range(9)], 1.0, TELLER)
        self.assertEqual(len(waiting.take(5)), 5)
        self.assertEqual(len(waiting.take(50)), 4)
        self.assertEqual(waiting.take(1), [])

    def test_an_overfull_bucket_is_filled_evenly_first(self) -> None:
        """Two of each sixteenth; the rest only when nobody else is left."""
        made = Table(own_id(), grouping=OPEN)
        waiting = Candidates(made)
        told = [contact(number) for number in range(400)]
        for first in range(0, 400, MAX_TOLD):
            waiting.suggest(told[first : first + MAX_TOLD], 1.0, TELLER)
        even = [n for n in waiting.take(400) if n.id >> ID_BITS - 1 != own_id() >> ID_BITS - 1]
        slots = [n.id >> ID_BITS - 5 for n in even]
        self.assertEqual(max(slots.count(slot) for slot in slots), 2)
        self.assertGreater(len(waiting.take(400, spread=False)), 20)


class RefreshTests(SynchronousTestCase):
    """Where upkeep looks."""

    def test_a_target_shares_exactly_the_bits_asked_for(self) -> None:
        """For each bucket, whatever chance says."""
        for shared in range(ID_BITS):
            for chance in (0, -1):
                target = target_in(own_id(), shared, lambda n, c=chance: c & (1 << n) - 1)  # type: ignore[misc]
                self.assertEqual((target ^ own_id()).bit_length(), ID_BITS - shared)

    def test_each_due_bucket_and_each_gap_is_looked_at(self) -> None:
        """Buckets that hold everybody there is have no gaps to fill."""
        made = table(400)
        waiting = Candidates(made)
        due = wide_targets(made, 1.0, lambda n: 0)
        self.assertEqual(len(due), max(made.sizes()) + 1)
        full = [shared for shared, size in made.sizes().items() if size >= K]
        expected = sum(len(made.gaps(shared)) for shared in full)
        self.assertEqual(len(gap_targets(made, waiting, lambda n: 0)), expected)
