"""Look-ups of nodes: exact against brute force, short, and not to be led astray."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, K
from streembit.dht.lookup import MAX_REQUESTS, Ask, Done, Found, Lookup, Wait
from streembit.dht.nodes import ALL_AT_ONCE, FindNodes
from streembit.dht.peer import HEDGE_UNKNOWN_S, Node
from streembit.dht.shortlist import GIVE_UP_S, MAX_ADDRESSES, MAX_HEARD, Shortlist, State
from streembit.wire.message import MAX_CONTACTS
from tests.dht.made import OPEN, at, contact, node
from tests.dht.network import settled

TARGET = 1 << ID_BITS - 1


class ExactTests(SynchronousTestCase):
    """The bar: the 20 nearest of 500 nodes, with few requests in few rounds."""

    def test_the_twenty_nearest_of_500_equal_brute_force(self) -> None:
        """In at least 99.5% of 400 look-ups; the rest misses one at most."""
        network = settled(500)
        exact, requests, rounds = 0, 0, 0
        with network.frozen():
            for _ in range(400):
                host, target = network.anyone(), network.target()
                found = network.find(host, target)
                missed = set(network.truth(target, without=host)) - ids(found)
                self.assertLessEqual(len(missed), 1)
                exact += not missed
                requests += found.requests
                rounds += found.rounds
                self.assertTrue(found.complete)
        self.assertGreaterEqual(exact / 400, 0.995)
        self.assertLessEqual(rounds / 400, 3.0)
        self.assertLess(requests / 400, 6.0)

    def test_D7_the_living_nearest_are_found_behind_the_dead(self) -> None:
        """After 30% fell silent, each of the nearest has answered itself."""
        network = settled(500)
        exact = 0
        with network.frozen():
            network.kill(0.3)
            for _ in range(60):
                host, target = network.anyone(), network.target()
                found = network.find(host, target, FindNodes(confirm=True))
                self.assertLessEqual(ids(found), found.answered)
                exact += ids(found) == set(network.truth(target, without=host))
        self.assertGreaterEqual(exact, 57)

    def test_the_result_is_sorted_and_never_names_the_asker(self) -> None:
        """Nearest first."""
        network = settled(500)
        with network.frozen():
            host = network.anyone()
            found = network.find(host, host.id)
        apart = [one.id ^ host.id for one in found.nodes]
        self.assertEqual(apart, sorted(apart))
        self.assertNotIn(0, apart)
        self.assertEqual(len(apart), K)


class StepTests(SynchronousTestCase):
    """What a look-up says, step by step."""

    def test_without_anybody_to_ask_it_is_over(self) -> None:
        """With nothing found."""
        found = ended(Lookup(TARGET, [], FindNodes(), now_s=0.0))
        self.assertEqual((found.nodes, found.requests, found.item), ((), 0, None))

    def test_the_window_slides(self) -> None:
        """At most alpha are on their way; each answer lets the next one go, without rounds."""
        lookup = Lookup(TARGET, near(9), FindNodes(near=9), now_s=0.0)
        asked = asks(lookup, 0.0)
        self.assertEqual(len(asked), 3)
        lookup.answered(asked[1].id, [], 0.01)
        self.assertEqual(len(asks(lookup, 0.01)), 1)

    def test_a_late_answer_no_longer_holds_up_the_others(self) -> None:
        """After its peer's usual time another is asked, and the late one may still come."""
        lookup = Lookup(TARGET, near(9), FindNodes(near=9), now_s=0.0)
        first = asks(lookup, 0.0)
        step = lookup.next(0.0)
        self.assertEqual(step, Wait(HEDGE_UNKNOWN_S))
        self.assertEqual(len(asks(lookup, HEDGE_UNKNOWN_S)), 3)
        lookup.answered(first[0].id, [contact(99)], 0.2)
        self.assertIsNotNone(lookup.shortlist.get(node(99).id))

    def test_a_peer_with_a_history_is_given_four_of_its_round_trips(self) -> None:
        """But never less than 50 ms."""
        one, two = near(2)
        one.rtt_s, two.rtt_s = 0.001, 0.1
        self.assertEqual((one.patience_s, two.patience_s), (0.05, 0.4))

    def test_who_does_not_answer_at_all_is_given_up(self) -> None:
        """Then the look-up ends without it, long before any request times out."""
        lookup = Lookup(TARGET, near(2), FindNodes(), now_s=0.0)
        one, _silent = asks(lookup, 0.0)
        lookup.answered(one.id, [], 0.1)
        self.assertIsInstance(lookup.next(0.5), Wait)
        found = ended(lookup, GIVE_UP_S)
        self.assertEqual([one.id], [n.id for n in found.nodes])
        self.assertTrue(found.complete)

    def test_it_ends_at_its_deadline_with_what_it_has(self) -> None:
        """And says that it is not complete."""
        lookup = Lookup(TARGET, near(2), FindNodes(), now_s=0.0, limit_s=0.3)
        asks(lookup, 0.0)
        self.assertEqual(lookup.next(0.2), Wait(0.3))
        self.assertFalse(ended(lookup, 0.3).complete)

    def test_an_answer_counts_once_and_only_from_whom_was_asked(self) -> None:
        """Strangers and repetitions change nothing."""
        lookup = Lookup(TARGET, near(5), FindNodes(), now_s=0.0)
        one, *_ = asks(lookup, 0.0)
        self.assertEqual(lookup.answered(near(5)[4].id, [contact(77)], 0.1), [])
        self.assertEqual(lookup.answered(12345, [contact(77)], 0.1), [])
        self.assertEqual(len(lookup.answered(one.id, [contact(78)], 0.1)), 1)
        self.assertEqual(lookup.answered(one.id, [contact(79)], 0.1), [])
        lookup.failed(one, 0.2)
        entry = lookup.shortlist.get(one.id)
        assert entry is not None
        self.assertIs(entry.state, State.ANSWERED)

    def test_rounds_count_the_chain_of_requests(self) -> None:
        """Two at once are one round; who was told of in an answer is in the next."""
        lookup = Lookup(TARGET, near(2), FindNodes(confirm=True), now_s=0.0)
        one, two = asks(lookup, 0.0)
        lookup.answered(one.id, [contact(50)], 0.1)
        lookup.answered(two.id, [contact(50)], 0.1)
        (told,) = asks(lookup, 0.1)
        lookup.answered(told.id, [], 0.2)
        found = ended(lookup, 0.2)
        self.assertEqual((found.requests, found.rounds), (3, 2))
        self.assertEqual([hop.depth for hop in lookup.hops], [1, 1, 2])
        self.assertEqual([hop.gave for hop in lookup.hops], [1, 1, 0])

    def test_confirming_asks_many_at_once(self) -> None:
        """Where all have to answer anyway, no request is saved by waiting."""
        lookup = Lookup(TARGET, near(30), FindNodes(confirm=True), now_s=0.0)
        for one in asks(lookup, 0.0):
            lookup.answered(one.id, [], 0.01)
        self.assertEqual(len(asks(lookup, 0.01)), ALL_AT_ONCE)

    def test_a_failure_ends_the_trust_in_what_others_say(self) -> None:
        """From then on each of the nearest has to answer itself."""
        calm = Lookup(TARGET, near(20), FindNodes(), now_s=0.0)
        shaken = Lookup(TARGET, near(20), FindNodes(), now_s=0.0)
        self.assertLess(answer_all(calm, set()).requests, 10)
        found = answer_all(shaken, {near(20)[0].id})
        self.assertEqual(found.answered, {one.id for one in found.nodes})
        self.assertEqual(len(found.nodes), 19)


class HostileTests(SynchronousTestCase):
    """Answers that were made to mislead."""

    def test_D1_of_a_thousand_contacts_twenty_are_read(self) -> None:
        """A liar does not decide how large an answer is."""
        lookup = Lookup(TARGET, near(1), FindNodes(), now_s=0.0)
        (liar,) = asks(lookup, 0.0)
        news = lookup.answered(liar.id, [contact(n) for n in range(100, 1_100)], 0.1)
        self.assertEqual(len(news), MAX_CONTACTS)

    def test_D1_one_liar_among_the_first_does_not_hide_the_others(self) -> None:
        """Its invented contacts do not answer, and then nobody's word is taken."""
        network = settled(500)
        exact = 0
        with network.frozen():
            for _ in range(20):
                host, target = network.anyone(), network.target()
                nearest = network.hosts[network.truth(target, 1, without=host)[0]]
                lookup = Lookup(
                    target,
                    [nearest.node, *host.table.nearest(target)],
                    FindNodes(),
                    now_s=network.now_s,
                    own_id=host.id,
                    grouping=OPEN,
                )
                first = lookup.next(network.now_s)
                assert isinstance(first, Ask)
                invented = [contact(network.chance.getrandbits(200)) for _ in range(1_000)]
                lookup.answered(first.node.id, invented, network.now_s)
                found = network.drive(host, lookup)
                assert isinstance(found, Found)
                exact += ids(found) == set(network.truth(target, without=host))
        self.assertEqual(exact, 20)

    def test_D1_the_target_named_twenty_times_is_one_contact(self) -> None:
        """No full answer, nor one that ended at the target: the look-up goes on and ends."""
        target = node(7).id
        start = [at(target ^ 1 << number + 1, 100 + number) for number in range(5)]
        lookup = Lookup(target, start, FindNodes(confirm=True), now_s=0.0)
        while isinstance(step := lookup.next(0.0), Ask):
            lookup.answered(step.node.id, [contact(7)] * MAX_CONTACTS, 0.0)
        self.assertEqual(len(ended(lookup).nodes), 6)

    def test_D1_an_endless_trail_of_lies_ends(self) -> None:
        """Each answer names somebody nearer; the look-up stops at its bound of requests."""
        lookup = Lookup(TARGET, near(3), FindNodes(), now_s=0.0, grouping=OPEN)
        asked = 0
        while isinstance(step := lookup.next(0.0), Ask):
            asked += 1
            apart = step.node.id ^ TARGET
            lookup.answered(step.node.id, [], 0.0)
            lookup.shortlist.add(at(TARGET ^ apart >> 1, asked))
        self.assertLessEqual(asked, MAX_REQUESTS)
        self.assertIsInstance(step, Done)

    def test_D2_of_each_network_one_node_is_used(self) -> None:
        """256 ids in one /24 around the target leave room for everybody else."""
        rule = Grouping()
        crowd = [node(n, f"198.51.100.{n}", rule) for n in range(256)]
        honest = [node(1_000 + n, f"203.0.{n}.1", rule) for n in range(30)]
        crowd.sort(key=lambda one: one.id ^ TARGET)
        lookup = Lookup(TARGET, [*crowd, *honest], FindNodes(), now_s=0.0, grouping=rule)
        found = answer_all(lookup, set())
        groups = [one.group for one in found.nodes]
        self.assertEqual(len(groups), len(set(groups)))
        self.assertEqual(len(groups), K)

    def test_D2_when_the_one_of_a_group_fails_the_next_of_it_may_serve(self) -> None:
        """A silent neighbour does not shut out a whole network."""
        rule = Grouping()
        crowd = [node(n, f"198.51.100.{n}", rule) for n in range(9)]
        first = min(crowd, key=lambda one: one.id ^ TARGET)
        found = answer_all(Lookup(TARGET, crowd, FindNodes(), now_s=0.0, grouping=rule), {first.id})
        self.assertEqual(len(found.nodes), 1)
        self.assertNotEqual(found.nodes[0].id, first.id)

    def test_C6_what_a_look_up_remembers_is_bounded(self) -> None:
        """The farthest that was never asked is forgotten for a nearer one."""
        heard = Shortlist(0, None, OPEN)
        for number in range(10 * MAX_HEARD):
            heard.hear([contact(number)])
        everybody = sorted(node(number).id for number in range(10 * MAX_HEARD))
        self.assertEqual([entry.node.id for entry in heard], everybody[:MAX_HEARD])
        heard.start([at(number + 1) for number in range(2 * MAX_HEARD)])
        self.assertEqual(len(heard), MAX_HEARD)


class AddressTests(SynchronousTestCase):
    """D1: a node that is not where one peer said, but where another says."""

    HOSTS = ("10.66.0.1", "10.66.0.2", "10.66.0.3", "10.66.0.4")

    def told(self, *hosts: str) -> Lookup:
        """Return a look-up in which peers, one after the other, told where a node is."""
        tellers = near(len(hosts))
        lookup = Lookup(TARGET, tellers, FindNodes(near=9), now_s=0.0)
        asks(lookup, 0.0)
        for teller, host in zip(tellers, hosts, strict=True):
            lookup.answered(teller.id, [contact(99, host)], 0.0)
        return lookup

    def where(self, lookup: Lookup, now_s: float = 0.0) -> list[str]:
        """Return where the node is asked for now."""
        return [each.contact.host for each in asks(lookup, now_s) if each.id == node(99).id]

    def test_D1_it_is_tried_where_the_next_peer_says(self) -> None:
        """At once after a refusal, and no address twice."""
        lookup = self.told(self.HOSTS[0], self.HOSTS[1], self.HOSTS[0])
        self.assertEqual(self.where(lookup), [self.HOSTS[0]])
        lookup.failed(node(99, self.HOSTS[0]), 0.0)
        self.assertEqual(self.where(lookup), [self.HOSTS[1]])
        lookup.failed(node(99, self.HOSTS[1]), 0.0)
        self.assertEqual(self.where(lookup), [])

    def test_D1_who_is_silent_there_is_tried_elsewhere(self) -> None:
        """When it would be given up otherwise; an answer from either counts."""
        lookup = self.told(self.HOSTS[0], self.HOSTS[1])
        self.assertEqual(self.where(lookup), [self.HOSTS[0]])
        self.assertEqual(self.where(lookup, GIVE_UP_S), [self.HOSTS[1]])
        lookup.answered(node(99).id, [contact(7)], GIVE_UP_S)
        self.assertIsNotNone(lookup.shortlist.get(node(7).id))

    def test_D1_a_late_failure_there_is_not_one_elsewhere(self) -> None:
        """The answer from where it is counts, though the false address is refused meanwhile."""
        lookup = self.told(self.HOSTS[0], self.HOSTS[1])
        self.assertEqual(self.where(lookup), [self.HOSTS[0]])
        self.assertEqual(self.where(lookup, GIVE_UP_S), [self.HOSTS[1]])
        lookup.failed(node(99, self.HOSTS[0]), GIVE_UP_S + 0.1)
        lookup.answered(node(99).id, [contact(7)], GIVE_UP_S + 0.2)
        self.assertIsNotNone(lookup.shortlist.get(node(7).id))

    def test_D1_an_address_heard_of_later_is_news(self) -> None:
        """Also after the node was given up."""
        tellers = near(2)
        lookup = Lookup(TARGET, tellers, FindNodes(near=9), now_s=0.0)
        asks(lookup, 0.0)
        lookup.answered(tellers[0].id, [contact(99, self.HOSTS[0])], 0.0)
        self.assertEqual(self.where(lookup), [self.HOSTS[0]])
        lookup.failed(node(99, self.HOSTS[0]), 0.0)
        news = lookup.answered(tellers[1].id, [contact(99, self.HOSTS[1])], 0.0)
        self.assertEqual([each.contact.host for each in news], [self.HOSTS[1]])
        self.assertEqual(self.where(lookup), [self.HOSTS[1]])

    def test_D1_three_addresses_are_tried_at_most(self) -> None:
        """Whatever liars say."""
        shortlist = Shortlist(TARGET, None, OPEN)
        news = [shortlist.add(node(99, host)) for host in self.HOSTS]
        self.assertEqual(news, [True, False, False, False])
        entry = shortlist.get(node(99).id)
        assert entry is not None
        self.assertEqual(len(entry.others), MAX_ADDRESSES - 1)

    def test_D1_the_address_that_the_table_proved_is_the_only_one(self) -> None:
        """Others' words change nothing."""
        known = node(99)
        shortlist = Shortlist(TARGET, None, OPEN, known=lambda node_id: known)
        shortlist.start([known])
        shortlist.hear([contact(99, host) for host in self.HOSTS])
        entry = shortlist.get(known.id)
        assert entry is not None
        self.assertEqual((entry.node, entry.others), (known, ()))


def ids(found: Found) -> set[int]:
    return {one.id for one in found.nodes}


def near(count: int) -> list[Node]:
    """Return nodes nearest to the target, each twice as far as the one before."""
    return [at(TARGET ^ 1 << number + 1, number) for number in range(count)]


def asks(lookup: Lookup, now_s: float) -> list[Node]:
    """Return all that is to be asked at this moment."""
    nodes: list[Node] = []
    while isinstance(step := lookup.next(now_s), Ask):
        nodes.append(step.node)
    return nodes


def answer_all(lookup: Lookup, failing: set[int]) -> Found:
    """Let everybody answer with nothing but those in `failing`; return the end."""
    while isinstance(step := lookup.next(0.0), Ask):
        if step.node.id in failing:
            lookup.failed(step.node, 0.0)
        else:
            lookup.answered(step.node.id, [], 0.0)
    assert isinstance(step, Done)
    return step.found


def ended(lookup: Lookup, now_s: float = 0.0) -> Found:
    step = lookup.next(now_s)
    assert isinstance(step, Done), step
    return step.found
