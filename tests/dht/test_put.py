"""Puts: straight to the nearest, few requests, and the true nearest in the end."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.lookup import Wait
from streembit.dht.peer import HEDGE_UNKNOWN_S, Node
from streembit.dht.put import (
    FIRST_WAVE,
    Ended,
    Outcome,
    Put,
    Receipt,
    Send,
    nearer,
)
from streembit.dht.shortlist import MAX_REGION
from streembit.dht.values import FindLatest
from streembit.errors import BadToken
from streembit.wire.message import MAX_CONTACTS, MAX_RADIUS
from tests.dht.made import OPEN, at, contact, table
from tests.dht.made import node as made_node
from tests.dht.network import Network, Thing, grown, settled

PLACE = 1 << ID_BITS - 1


class NetworkTests(SynchronousTestCase):
    """The bars of a put."""

    def test_the_replicas_are_the_true_nearest_and_cost_twenty_requests(self) -> None:
        """Of 50 and 200 nodes: at least 99% exact, in the mean no more than 23 requests."""
        for size in (50, 200):
            network = settled(size)
            exact, requests = 0, 0
            with network.frozen():
                for _ in range(200):
                    host, place = network.anyone(), network.target()
                    outcome = network.put(host, Thing.at(place), radius=host.table.radius())
                    holders = [receipt.node.id for receipt in outcome.receipts[:K]]
                    exact += holders == network.truth(place, without=host)
                    requests += outcome.requests
            self.assertGreaterEqual(exact / 200, 0.99)
            self.assertLessEqual(requests / 200, 23.0)

    def test_D7_after_a_third_fell_silent_the_living_nearest_hold_it(self) -> None:
        """Receipts name those that the dead had hidden."""
        network = settled(200)
        exact = 0
        with network.frozen():
            network.kill(0.3)
            for _ in range(40):
                host, place = network.anyone(), network.target()
                outcome = network.put(host, Thing.at(place))
                holders = {receipt.node.id for receipt in outcome.receipts}
                exact += set(network.truth(place, without=host)) <= holders
                self.assertGreater(outcome.failed, 0)
        self.assertGreaterEqual(exact, 36)


class StepTests(SynchronousTestCase):
    """What a put says, step by step."""

    def test_who_knows_everybody_asks_everybody_at_once(self) -> None:
        """One request to sign for twenty nodes."""
        put = started(near(40), sure=True)
        send = sent(put)
        self.assertEqual([n.id for n in send.nodes], [n.id for n in near(K)])
        self.assertEqual(send.radius, tuple(n.id_text for n in near(K)))

    def test_who_may_miss_some_asks_a_few_first(self) -> None:
        """And the others when two of these have said who else is there."""
        put = started(near(30))
        first = sent(put)
        self.assertEqual(len(first.nodes), FIRST_WAVE)
        self.assertEqual(len(first.radius), K)
        closer = [contact(n) for n in range(5)]
        for node in first.nodes[:2]:
            self.assertIsInstance(put.next(0.0), Wait)
            put.stored(node.id, receipt(node), closer, 0.0)
        rest = sent(put)
        self.assertEqual(len(rest.nodes), K - FIRST_WAVE)

    def test_it_ends_when_all_of_the_nearest_have_answered(self) -> None:
        """With their receipts, nearest first, and the refusals by code."""
        put = started(near(K), sure=True)
        nodes = sent(put).nodes
        for node in reversed(nodes[1:]):
            put.stored(node.id, receipt(node), [], 0.0)
        self.assertIsInstance(put.next(0.0), Wait)
        put.refused(nodes[0].id, "store-full", 0.0)
        outcome = ended(put)
        self.assertEqual([r.node.id for r in outcome.receipts], [n.id for n in nodes[1:]])
        self.assertEqual(outcome.refusals, {"store-full": 1})
        self.assertEqual((outcome.failed, outcome.requests, outcome.rounds), (0, K, 1))
        self.assertTrue(outcome.complete)

    def test_those_with_a_link_are_chosen_before_others_of_the_k_nearest(self) -> None:
        """But the four nearest get it in any case, and the order stays that of distance."""
        linked = {node.id for node in near(2 * K)[10:]}
        put = Put(
            PLACE, near(2 * K), now_s=0.0, sure=True, grouping=OPEN, linked=lambda n: n.id in linked
        )
        send = sent(put)
        chosen = (*range(4), *range(10, 18))
        self.assertEqual([n.id for n in send.nodes], [near(K)[n].id for n in chosen])
        self.assertEqual(send.radius, tuple(n.id_text for n in near(18)))

    def test_a_link_that_closes_meanwhile_changes_no_choice(self) -> None:
        """Who was asked stays chosen when another one fails."""
        linked = {node.id for node in near(K)[8:]}
        put = Put(
            PLACE, near(2 * K), now_s=0.0, sure=True, grouping=OPEN, linked=lambda n: n.id in linked
        )
        first = sent(put).nodes
        linked.clear()
        put.failed(first[0], 0.0)
        self.assertEqual([n.id for n in sent(put).nodes], [near(K)[4].id])
        for node in first[1:]:
            put.stored(node.id, receipt(node), [], 0.0)
        put.stored(near(K)[4].id, receipt(near(K)[4]), [], 0.0)
        self.assertEqual(len(ended(put).receipts), len(first))

    def test_nobody_beyond_the_k_nearest_is_chosen_for_a_link(self) -> None:
        """A reader asks no farther."""
        linked = {node.id for node in near(2 * K)[K:]}
        put = Put(
            PLACE, near(2 * K), now_s=0.0, sure=True, grouping=OPEN, linked=lambda n: n.id in linked
        )
        self.assertEqual([n.id for n in sent(put).nodes], [n.id for n in near(12)])

    def test_a_failure_is_replaced_by_the_next_nearest(self) -> None:
        """And so is one that does not answer soon; its late receipt counts all the same."""
        put = started(near(K + 2), sure=True)
        nodes = sent(put).nodes
        put.failed(nodes[4], 0.1)
        self.assertEqual([n.id for n in sent(put, 0.1).nodes], [near(K + 1)[K].id])
        for node in nodes[:4] + nodes[5:-1]:
            put.stored(node.id, receipt(node), [], 0.1)
        late = sent(put, HEDGE_UNKNOWN_S)
        self.assertEqual([n.id for n in late.nodes], [near(K + 2)[K + 1].id])
        self.assertIn(nodes[4].id_text, late.radius)
        for node in (nodes[-1], *near(K + 2)[K:]):
            put.stored(node.id, receipt(node), [], 0.5)
        outcome = ended(put, 0.5)
        self.assertEqual((len(outcome.receipts), outcome.failed), (K + 1, 1))
        self.assertTrue(outcome.complete)

    def test_its_time_is_over_also_where_a_node_is_known_to_be_slow(self) -> None:
        """Patience with it goes no farther than the put's own time."""
        for sure in (True, False):
            nodes = near(3)
            for node in nodes:
                node.rtt_s = 5.0
            put = Put(PLACE, nodes, now_s=0.0, sure=sure, grouping=OPEN, limit_s=2.0)
            one, two, _ = sent(put).nodes
            put.stored(one.id, receipt(one), [], 0.1)
            put.failed(two, 0.1)
            self.assertEqual(put.next(0.1), Wait(2.0))
            outcome = ended(put, 2.0)
            self.assertEqual((len(outcome.receipts), outcome.complete), (1, False))

    def test_nobody_is_counted_twice(self) -> None:
        """Repeated and unasked receipts change nothing."""
        put = started(near(3), sure=True)
        nodes = sent(put).nodes
        for _ in range(3):
            put.stored(nodes[0].id, receipt(nodes[0]), [], 0.0)
            put.stored(near(9)[8].id, receipt(near(9)[8]), [], 0.0)
        put.refused(nodes[0].id, "not-near", 0.0)
        put.failed(nodes[1], 0.0)
        put.failed(nodes[2], 0.0)
        self.assertEqual(len(ended(put).receipts), 1)

    def test_with_nobody_there_it_ends_at_once(self) -> None:
        """And was not complete."""
        outcome = ended(started([]))
        self.assertEqual((outcome.receipts, outcome.complete), ((), False))

    def test_it_ends_at_its_deadline(self) -> None:
        """With the receipts so far."""
        put = Put(PLACE, near(3), now_s=0.0, sure=True, grouping=OPEN, limit_s=0.1)
        nodes = sent(put).nodes
        put.stored(nodes[0].id, receipt(nodes[0]), [], 0.05)
        self.assertEqual(put.next(0.05), Wait(0.1))
        outcome = ended(put, 0.1)
        self.assertEqual((len(outcome.receipts), outcome.complete), (1, False))


class ReceiptTests(SynchronousTestCase):
    """What a storing node tells the publisher."""

    def test_only_those_it_missed_are_named(self) -> None:
        """Nearer than the farthest asked, not asked, not the publisher."""
        made = table(60)
        place = 99
        known = made.nearest(place, 60)
        asked = [node.id_text for node in known[4:24]]
        told = nearer(made, place, asked, asker_id=known[1].id)
        self.assertEqual(told, [known[n].contact for n in (0, 2, 3)])
        self.assertEqual(nearer(made, place, []), [])
        with self.assertRaises(BadToken):
            nearer(made, place, ["?"] * K)

    def test_a_publisher_that_found_few_is_told_of_all(self) -> None:
        """It is new, or was cut off."""
        made = table(60)
        told = nearer(made, 99, [made.nearest(99, 1)[0].id_text])
        self.assertEqual(told, [node.contact for node in made.nearest(99, 21)[1:]])

    def test_C7_a_receipt_names_twenty_at_most(self) -> None:
        """However far the radius reaches."""
        made = table(200)
        far = made.nearest(99, 200)[-1]
        self.assertEqual(len(nearer(made, 99, [far.id_text])), MAX_CONTACTS)


class SybilTests(SynchronousTestCase):
    """Ids made up around a key."""

    def test_D3_a_record_survives_sixty_liars_around_its_key(self) -> None:
        """Written to the whole radius and read with it, it is found by at least 95%."""
        network = grown(120, 5)
        place = network.target()
        for liar in network.liars(60, place, 10):
            network.join(liar, [network.anyone()])
        found, trusting = 0, 0
        with network.frozen():
            for _ in range(40):
                trusting += self.survives(network, place, wide=False)
                found += self.survives(network, place, wide=True)
        self.assertGreaterEqual(found, 38)
        self.assertLess(trusting, 36)

    def survives(self, network: Network, place: int, *, wide: bool) -> bool:
        for host in network.hosts.values():
            host.items.clear()
        writer, reader = network.anyone(), network.anyone()
        item = Thing.at(place)
        outcome = network.put(writer, item, radius=writer.table.radius() if wide else None)
        self.assertLessEqual(outcome.requests, 80)
        radius = reader.table.radius() if wide else None
        return network.find(reader, place, FindLatest(), radius=radius).item is not None

    def test_D3_in_a_quiet_network_the_radius_costs_nothing(self) -> None:
        """The crowd is only suspected where there is one."""
        network = settled(200)
        requests = 0
        with network.frozen():
            for _ in range(100):
                host, place = network.anyone(), network.target()
                requests += network.put(host, Thing.at(place), radius=host.table.radius()).requests
        self.assertLessEqual(requests / 100, 21.5)

    def test_D3_a_put_asks_forty_at_most(self) -> None:
        """Which is what one signature may go to."""
        crowd = [at(PLACE ^ n, n) for n in range(1, 61)]
        honest = [at(PLACE ^ n << ID_BITS - 12, 100 + n) for n in range(1, 61)]
        put = Put(
            PLACE,
            crowd + honest,
            now_s=0.0,
            k=K,
            sure=True,
            grouping=OPEN,
            radius=60 << ID_BITS - 12,
        )
        send = sent(put)
        self.assertEqual(len(send.nodes), MAX_REGION)
        self.assertLessEqual(len(send.radius), MAX_RADIUS)
        reached = {node.id for node in send.nodes}
        self.assertGreaterEqual(len(reached & {node.id for node in honest}), 15)


class AddressTests(SynchronousTestCase):
    """D1: a holder that is not where one peer said, but where another says."""

    def test_D1_it_gets_the_item_where_the_next_peer_says(self) -> None:
        """It is asked again, and counted once."""
        one, two = near(2)
        put = started([one, two])
        sent(put)
        put.stored(one.id, receipt(one), [contact(99, "10.66.0.1")], 0.0)
        self.assertEqual([each.contact.host for each in sent(put).nodes], ["10.66.0.1"])
        put.failed(made_node(99, "10.66.0.1"), 0.0)
        put.stored(two.id, receipt(two), [contact(99, "10.66.0.2")], 0.0)
        (again,) = sent(put).nodes
        self.assertEqual(again.contact.host, "10.66.0.2")
        put.stored(again.id, receipt(again), [], 0.0)
        outcome = ended(put)
        self.assertEqual((len(outcome.receipts), outcome.failed), (3, 0))

    def test_D1_the_late_failure_of_a_false_address_is_not_that_of_the_next(self) -> None:
        """Its receipt is waited for all the same."""
        one, two = near(2)
        put = started([one, two])
        sent(put)
        put.stored(one.id, receipt(one), [contact(99, "10.66.0.1")], 0.0)
        (false,) = sent(put).nodes
        put.stored(two.id, receipt(two), [contact(99, "10.66.0.2")], 0.0)
        (true,) = sent(put, HEDGE_UNKNOWN_S).nodes
        self.assertNotEqual(false.contact, true.contact)
        put.failed(false, 0.5)
        self.assertIsInstance(put.next(0.5), Wait)
        put.stored(true.id, receipt(true), [], 0.6)
        outcome = ended(put, 0.6)
        self.assertEqual((len(outcome.receipts), outcome.failed), (3, 0))


def near(count: int) -> list[Node]:
    """Return nodes whose distances from the place grow evenly."""
    return [at(PLACE ^ number + 1 << ID_BITS - 8, number) for number in range(count)]


def started(nodes: list[Node], *, sure: bool = False) -> Put:
    return Put(PLACE, nodes, now_s=0.0, k=K, sure=sure, grouping=OPEN)


def sent(put: Put, now_s: float = 0.0) -> Send:
    step = put.next(now_s)
    assert isinstance(step, Send), step
    return step


def ended(put: Put, now_s: float = 0.0) -> Outcome:
    step = put.next(now_s)
    assert isinstance(step, Ended), step
    return step.outcome


def receipt(node: Node) -> Receipt:
    return Receipt(node, b"", 1, 1)
