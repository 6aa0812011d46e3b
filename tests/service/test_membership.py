"""Who gets into the table and who leaves it, which links stay, and how a node comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import ID_BITS, K, node_id, shared_bits
from streembit.dht.peer import Node as Known
from streembit.dht.slots import slot_size_bits
from streembit.errors import PeerGone, RequestTimeout, Superseded
from streembit.jose.keys import Identity, PublicKey
from streembit.link.hello import Hello
from streembit.net.dial import Connect
from streembit.rpc.pending import MAX_PENDING
from streembit.service.membership import SPARE_LINKS, TEST_AFTER_S, Address
from streembit.service.network import Reply
from streembit.service.node import Node
from streembit.service.roster import DUPLICATE_GRACE_S
from streembit.service.settings import NetworkSettings
from streembit.wire.message import Contact, FindNode, Ping, Pong
from tests.service.town import NETWORK, PORT, Town


def known_as(other: Node, at: Node) -> Known | None:
    """Return what `at` knows of another node, None where it is not in its table."""
    return at.network.table.get(other.network.id)


def contact_of(node: Node) -> Contact:
    """Return how a node is reached."""
    host = node.reach.listening[0].rpartition(":")[0]
    return Contact(node.identity.public.text, host, PORT, "key", "")


def key_of(number: int) -> PublicKey:
    """Return the key of the town's node of this number."""
    return Identity.from_seed(bytes([number + 1]) * 32).public


class MembershipCase(SynchronousTestCase):
    """A town, and words for who is linked with whom."""

    def setUp(self) -> None:
        self.town = Town(self)

    def quiet(self, **settings: float) -> NetworkSettings:
        """Return settings of a node that does nothing by itself for hours once it has joined."""
        still: dict[str, Any] = {"membership_every_s": 36_000, "canary_every_s": 36_000}
        return NetworkSettings(network=NETWORK, **(still | settings))

    def couple(self) -> tuple[Node, Node]:
        """Return two nodes that know each other, with one link between them."""
        first, second = self.town.grow(2)
        self.town.join()
        self.town.run(DUPLICATE_GRACE_S)
        self.assertIsNotNone(known_as(second, first))
        return first, second

    def linked(self, one: Node, other: Node) -> bool:
        """Return whether one node has an open link to another."""
        return other.identity.public.text in one.network.roster


class ComingTests(MembershipCase):
    """Who comes to us is dialled back before it is in the table."""

    def meet(self, seed: Node, newcomer: Node) -> None:
        """Let a newcomer join through a seed that nobody else has joined."""
        seed.startService()
        self.town.join(newcomer)

    def test_who_comes_is_in_the_table_after_it_was_dialled_back(self) -> None:
        """Before it has no place there: that it came from an address is no proof of its port."""
        seed, newcomer = self.town.grow(2)
        seed.startService()
        newcomer.startService()
        came = self.town.run_until(lambda: self.linked(seed, newcomer))
        self.assertTrue(came)
        self.assertIsNone(known_as(newcomer, seed))
        self.town.run(1)
        entry = known_as(newcomer, seed)
        assert entry is not None
        self.assertEqual(entry.contact.port, PORT)

    def test_the_link_of_a_dial_back_is_not_kept(self) -> None:
        """One link stays, whoever dialled it; both sides have met."""
        seed, newcomer = self.town.grow(2)
        self.town.join()
        self.town.run(10)
        self.assertEqual([len(seed.network.roster), len(newcomer.network.roster)], [1, 1])
        self.assertIsNotNone(known_as(seed, newcomer))
        self.assertIsNotNone(known_as(newcomer, seed))

    def test_a_dial_back_that_is_not_kept_ends_at_once(self) -> None:
        """Where the newcomer's key is the smaller one, both sides keep the newcomer's link."""
        small, large = sorted(range(2), key=lambda number: key_of(number).point)
        seed = self.town.add("10.0.0.1", number=large)
        newcomer = self.town.add("10.0.1.1", number=small)
        seed.startService()
        newcomer.startService()
        self.assertTrue(self.town.run_until(lambda: known_as(newcomer, seed) is not None))
        self.town.run(0.1)
        self.assertEqual([p.initiator for p in seed.network.roster.conversations()], [False])

    def test_D10_who_cannot_be_dialled_back_is_served_and_not_known(self) -> None:
        """It says that it listens, and nothing listens there."""
        seed = self.town.add("10.0.0.1")
        hidden = self.town.add("10.0.1.1", listen=False)
        self.meet(seed, hidden)
        self.assertTrue(self.linked(seed, hidden))
        self.assertIsNone(known_as(hidden, seed))
        known = known_as(seed, hidden)
        assert known is not None
        answer = self.town.result(hidden.network.ask_one(known, Ping()))
        self.assertIsInstance(answer.claims.body, Pong)

    def test_a_client_is_not_dialled_at_all(self) -> None:
        """It wants to be served and to store nothing; another proves only that its port is open."""
        seed = self.town.add("10.0.0.1")
        client = self.town.add("10.0.1.1", settings=NetworkSettings(NETWORK, client_only=True))
        self.meet(seed, client)
        self.assertTrue(self.linked(seed, client))
        self.assertIsNone(known_as(client, seed))
        self.assertEqual([peer.initiator for peer in seed.network.roster.conversations()], [False])

    def test_who_is_known_and_comes_again_is_not_dialled_back(self) -> None:
        """Its address was proven; that it came is a sign of life."""
        seed, other = self.couple()
        entry = known_as(other, seed)
        assert entry is not None
        entry.seen_s = 0.0
        self.town.memory.trace.clear()
        self.town.result(other.network.dialler.dial("10.0.0.1", PORT, seed.identity.public))
        self.town.run(1)
        dials = [(s, t) for _, s, t, size in self.town.memory.trace if size < 0]
        self.assertEqual(dials, [("10.0.1.1", f"10.0.0.1:{PORT}")])
        self.assertGreater(entry.seen_s, 0.0)

    def test_who_moved_is_known_at_its_new_address(self) -> None:
        """After a dial back to there, and not before."""
        seed, other = self.couple()
        self.town.end(other)
        self.town.run(1)
        moved = self.town.add("10.0.77.1", number=1, settings=self.quiet())
        self.town.join(moved)
        entry = known_as(moved, seed)
        assert entry is not None
        self.assertEqual(entry.contact.host, "10.0.77.1")


class MemberTests(MembershipCase):
    """Reserved places are for those in the table."""

    def test_C1_who_is_in_the_table_is_a_member_from_whatever_host(self) -> None:
        """It proved its key; a stranger did as well, and is no member."""
        seed, other = self.couple()
        hello = other.network.hello("10.0.0.1", 1)
        self.assertTrue(seed.dht.membership.knows(hello, "10.0.1.1"))
        self.assertTrue(seed.dht.membership.knows(hello, "192.0.2.9"))
        stranger = self.town.add("10.0.9.1")
        self.assertFalse(seed.dht.membership.knows(stranger.network.hello("", 1), "10.0.9.1"))

    def test_C1_a_composite_id_is_a_member_by_key_and_name(self) -> None:
        """Another name is another place, and another key none at all."""
        seed = self.town.add("10.0.0.1")
        settings = NetworkSettings(NETWORK, scheme="composite")
        other = self.town.add("10.0.1.1", settings=settings)
        self.town.join()
        hello = other.network.hello("10.0.0.1", 1)
        self.assertTrue(seed.dht.membership.knows(hello, "10.0.1.1"))
        self.assertFalse(seed.dht.membership.knows(replace(hello, name="other"), "10.0.1.1"))
        stolen = replace(hello, public=seed.identity.public)
        self.assertFalse(seed.dht.membership.knows(stolen, "10.0.1.1"))

    def test_C1_an_id_of_an_address_is_a_member_with_its_key_only(self) -> None:
        """Who comes from a member's address with another key is a stranger."""
        seed = self.town.add("10.0.0.1")
        settings = NetworkSettings(NETWORK, scheme="address", advertise=f"10.0.1.1:{PORT}")
        other = self.town.add("10.0.1.1", settings=settings)
        self.town.join()
        hello = other.network.hello("10.0.0.1", 1)
        self.assertTrue(seed.dht.membership.knows(hello, "10.0.1.1"))
        self.assertFalse(seed.dht.membership.knows(hello, "10.0.2.1"))
        stolen = replace(hello, public=seed.identity.public)
        self.assertFalse(seed.dht.membership.knows(stolen, "10.0.1.1"))

    def test_C1_what_cannot_be_a_node_is_no_member(self) -> None:
        """An id of a composite without a name is refused, not an error."""
        (seed,) = self.town.grow(1)
        hello = Hello(seed.identity.public, scheme="composite", port=PORT)
        self.assertFalse(seed.dht.membership.knows(hello, "10.0.1.1"))


class FullBucketTests(MembershipCase):
    """A full bucket keeps its old nodes as long as they live."""

    def setUp(self) -> None:
        """Fill a node's widest bucket, spread; the oldest and the newcomer are real."""
        super().setUp()
        self.oldest = self.town.add("10.0.0.1")
        here = [n for n in range(1, 30) if self.beside(n)]
        there = [n for n in range(1, 30) if not self.beside(n)]
        self.node = self.town.add("10.0.1.1", number=there[0], settings=self.quiet())
        self.newcomer = self.town.add("10.0.2.1", number=here[0], settings=self.quiet())
        self.oldest.startService()
        self.town.join(self.node)
        self.fill()

    def beside(self, number: int) -> bool:
        """Return whether a node of this number shares the first bit of its id with the oldest."""
        return shared_bits(node_id(key_of(number).point), self.oldest.network.id) > 0

    def fill(self) -> None:
        """Put made-up nodes in the table until the newcomer finds no free place."""
        table, own_id = self.node.network.table, self.node.network.id
        far, size_bits = own_id ^ 1 << ID_BITS - 1, slot_size_bits(0)
        first = far >> size_bits + 4 << size_bits + 4
        slots = [first | slot << size_bits for slot in range(16)]
        near = [own_id ^ 1 << bit for bit in range(100, 100 + K)]
        wide = [slot | extra << 90 for extra in (1, 2) for slot in slots]
        for made_up in [*near, *wide]:
            if len(table.gaps(0)) == 0 and table.sizes().get(0, 0) >= K and made_up in wide:
                break
            self.add(made_up)

    def add(self, place: int) -> None:
        """Put a made-up node in the table."""
        number = len(self.node.network.table)
        key = Identity.from_seed(bytes([number]) * 32).public.text
        contact = Contact(key, f"10.200.{number}.1", PORT, "key", "")
        made_up = Known(place, contact, f"group {place}")
        self.node.network.table.add(made_up, self.town.memory.clock.seconds())

    def age(self, idle_s: float) -> None:
        """Let the oldest be the one heard longest ago; nobody else has been silent."""
        now_s = self.town.memory.clock.seconds()
        for entry in self.node.network.table:
            entry.seen_s = now_s
        oldest = known_as(self.oldest, self.node)
        assert oldest is not None
        oldest.seen_s = now_s - idle_s

    def meet(self) -> None:
        """Let the node shake hands with the newcomer."""
        self.newcomer.startService()
        contact = contact_of(self.newcomer)
        self.town.result(self.node.network.reach(Known.of(contact, self.node.settings.grouping)))
        self.town.run(self.node.settings.request_timeout_s + 1)

    def in_table(self) -> tuple[bool, bool]:
        """Return whether the oldest and the newcomer are in the table."""
        table = self.node.network.table
        return self.oldest.network.id in table, self.newcomer.network.id in table

    def test_D4_an_oldest_that_lives_stays(self) -> None:
        """It is asked for a sign of life, gives it, and is fresh."""
        self.age(TEST_AFTER_S + 1)
        self.meet()
        self.assertEqual(self.in_table(), (True, False))
        entry = known_as(self.oldest, self.node)
        assert entry is not None
        self.assertLess(self.town.memory.clock.seconds() - entry.seen_s, 10)

    def test_D4_an_oldest_that_is_silent_gives_way(self) -> None:
        """Once it has left the question unanswered."""
        self.age(TEST_AFTER_S + 1)
        self.town.memory.silence(self.town.host(self.oldest).address)
        self.meet()
        self.assertEqual(self.in_table(), (False, True))

    def test_D4_an_oldest_that_we_cannot_ask_stays(self) -> None:
        """That too much waits for it already is our own matter."""
        peer = self.node.network.roster.get(self.oldest.identity.public)
        assert peer is not None
        self.age(TEST_AFTER_S + 1)
        self.town.memory.silence(self.town.host(self.oldest).address)
        for _ in range(MAX_PENDING):
            peer.request(Ping()).addErrback(lambda _: None)
        self.meet()
        self.assertEqual(self.in_table(), (True, False))

    def test_D4_one_heard_lately_is_not_asked(self) -> None:
        """Newcomers cannot make us ask all the time; it keeps its place unasked."""
        self.age(TEST_AFTER_S - 10)
        self.town.memory.silence(self.town.host(self.oldest).address)
        self.meet()
        self.assertEqual(self.in_table(), (True, False))


class LostLinkTests(MembershipCase):
    """What the end of a link says of the node behind it."""

    def test_an_end_in_order_says_nothing(self) -> None:
        """The node stays in the table as it was, and is not dialled."""
        seed, other = self.couple()
        (peer,) = other.network.roster.conversations()
        self.town.memory.trace.clear()
        peer.close(Superseded("not needed now"))
        self.town.run(2)
        self.assertFalse(self.linked(seed, other))
        entry = known_as(other, seed)
        assert entry is not None
        self.assertEqual(entry.failures, 0)
        self.assertEqual([t for _, _, t, size in self.town.memory.trace if size < 0], [])

    def test_after_a_reset_the_node_is_asked_whether_it_lives(self) -> None:
        """If it does, it keeps its place."""
        seed, other = self.couple()
        peer = seed.network.roster.get(other.identity.public)
        assert peer is not None
        peer.abort(PeerGone("broken"))
        self.town.run(2)
        entry = known_as(other, seed)
        assert entry is not None
        self.assertEqual(entry.failures, 0)
        self.assertTrue(self.linked(seed, other))

    def test_after_a_reset_who_does_not_answer_leaves_the_table(self) -> None:
        """It was killed: nobody is told of it any more."""
        seed, other = self.couple()
        self.town.end(other)
        self.town.run(2)
        self.assertIsNone(known_as(other, seed))

    def test_who_falls_silent_is_given_up_after_a_minute(self) -> None:
        """It was asked for a sign of life meanwhile, and its link has ended."""
        seed, other = self.couple()
        self.town.memory.silence(self.town.host(other).address)
        self.town.run(seed.settings.dead_after_s - 10)
        self.assertTrue(self.linked(seed, other))
        self.town.run(30)
        self.assertFalse(self.linked(seed, other))
        self.assertIsNone(known_as(other, seed))

    def test_a_link_that_is_idle_lives(self) -> None:
        """Signs of life go to and fro, and no link is opened for them."""
        seed, other = self.couple()
        self.town.run(20)
        before = [peer.link_id for node in (seed, other) for peer in node.network.roster]
        self.town.run(1200)
        after = [peer.link_id for node in (seed, other) for peer in node.network.roster]
        self.assertEqual((len(before), after), (2, before))


class Dials:
    """Connects for a node, and notes when it did."""

    def __init__(self, town: Town, address: str) -> None:
        self.at_s: list[float] = []
        self._clock = town.memory.clock
        self._connect: Connect = town.memory.host(address).connect

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self.at_s.append(self._clock.seconds())
        return self._connect(host, port, factory)


class RejoinTests(MembershipCase):
    """A node that lost everybody comes back by itself."""

    def test_D8_after_an_outage_a_node_is_back(self) -> None:
        """Alone for ten minutes it tries ever more rarely; then it finds everybody again."""
        self.town.grow(5)
        dials = Dials(self.town, "10.0.50.1")
        node = self.town.add("10.0.50.1", connect=dials.connect, settings=self.quiet())
        self.town.join()
        self.assertEqual(len(node.network.table), 5)
        self.town.memory.partition([self.town.host(n).address for n in self.town.nodes[:-1]])
        self.town.run(90)
        self.assertEqual([len(node.network.roster), len(node.network.table)], [0, 0])
        dials.at_s.clear()
        self.town.run(600)
        self.assertGreater(len(dials.at_s), 2)
        self.assertLess(len(dials.at_s), 60)
        self.town.memory.heal()
        self.assertTrue(self.town.run_until(lambda: len(node.network.table) == 5, 310))
        self.assertTrue(node.dht.membership.joined)

    def test_D8_a_reset_of_all_links_at_once_is_over_in_seconds(self) -> None:
        """The others live: the node rejoins without waiting for its next round."""
        node, *others = self.town.grow(5)
        self.town.join()
        for peer in list(node.network.roster):
            peer.abort(PeerGone("broken"))
        self.town.run(10)
        self.assertEqual(len(node.network.table), len(others))
        self.assertTrue(all(self.linked(node, other) for other in others))


class RenewTests(MembershipCase):
    """What we say of ourselves is heard when links open."""

    def test_peers_hear_at_once_what_has_changed(self) -> None:
        """A node that listens at another port is known by that one within seconds."""
        node, *others = self.town.grow(6)
        self.town.join()
        self.town.host(node).listen(PORT + 1, node.carriers.factory)
        self.town.host(node).ports[PORT].stopListening()
        node.reach.listening_on(PORT + 1, [f"{self.town.host(node).address}:{PORT + 1}"])
        node.dht.membership.renew()
        self.assertFalse(node.dht.membership.joined)
        self.town.run(10)
        self.assertTrue(node.dht.membership.joined)
        known = [known_as(node, other) for other in others]
        self.assertEqual([entry and entry.contact.port for entry in known], [PORT + 1] * 5)

    def test_links_in_their_grace_time_are_made_anew_as_well(self) -> None:
        """Else one of them would go on with what it heard before."""
        node, other = self.couple()
        self.town.result(node.network.dialler.dial("10.0.1.1", PORT, other.identity.public))
        before = {peer.link_id for peer in node.network.roster.conversations()}
        self.assertEqual(len(before), 2)
        node.dht.membership.renew()
        self.town.run(10)
        after = {peer.link_id for peer in node.network.roster}
        self.assertEqual((len(after), after & before), (1, set()))

    def test_nobody_takes_it_for_a_failure(self) -> None:
        """The links end in order: each keeps the other in its table."""
        node, other = self.couple()
        node.dht.membership.renew()
        self.town.run(0.5)
        self.assertFalse(self.linked(node, other))
        for entry in (known_as(node, other), known_as(other, node)):
            assert entry is not None
            self.assertEqual(entry.failures, 0)


class TrimTests(MembershipCase):
    """Links beyond those that are kept are closed, the least used first."""

    KEPT = 2
    OTHERS = 6

    def setUp(self) -> None:
        """Let a client open a link to each of the others: nobody dials it back."""
        super().setUp()
        self.others = self.town.grow(self.OTHERS)
        self.town.join()
        settings = replace(
            self.quiet(membership_every_s=5, request_timeout_s=30),
            client_only=True,
            kept_links=self.KEPT,
        )
        self.node = self.town.add("10.0.99.1", settings=settings)
        self.town.join()
        self.assertEqual(self.ours(), self.others)

    def ours(self) -> list[Node]:
        """Return to whom the node has a link that it opened, in the order of joining."""
        open_to = {p.node_id for p in self.node.network.roster if p.initiator}
        return [other for other in self.others if other.network.id in open_to]

    def crowd(self) -> None:
        """Fill the node's neighbourhood with others, so that no real one is near."""
        table, now_s = self.node.network.table, self.town.memory.clock.seconds()
        for bit in range(100, 100 + K):
            contact = Contact(self.node.identity.public.text, "10.200.0.1", PORT, "key", "")
            table.add(Known(table.own_id ^ 1 << bit, contact, f"group {bit}"), now_s)
        for bit in range(ID_BITS):  # so that upkeep looks nothing up
            table.touch(table.own_id ^ 1 << bit, now_s)

    def use(self, other: Node, after_s: float = 0.1) -> Reply:
        """Ask another node for something that is of use, a moment after what was before."""
        self.town.run(after_s)
        known = known_as(other, self.node)
        assert known is not None
        return self.node.network.ask_one(known, FindNode(known.id_text))

    def test_a_burst_of_dials_is_trimmed_before_the_next_round(self) -> None:
        """A publisher of much would otherwise run out of connections within seconds."""
        self.crowd()
        while len(self.ours()) > self.KEPT:  # a round is just over
            self.town.run(0.1)
        for number in range(2 * SPARE_LINKS):
            other = self.others[number % self.OTHERS]
            if (peer := self.node.network.roster.get(other.identity.public)) is not None:
                peer.close(Superseded("to be opened again"))
            asked = self.use(other, after_s=0.04)
            asked.addErrback(lambda _: None)  # some are closed while it waits
        self.assertGreater(len(self.ours()), self.KEPT + 1)
        self.town.run(0.2)
        self.assertLessEqual(len(self.ours()), self.KEPT + 1)

    def test_the_links_used_last_stay(self) -> None:
        """Whatever the order in which they were opened."""
        order = [self.others[n] for n in (3, 0, 5, 1, 4, 2)]
        for other in order:
            self.town.result(self.use(other))
        self.crowd()
        self.town.run(10)
        self.assertEqual(self.ours(), [self.others[2], self.others[4]])

    def test_signs_of_life_are_no_use(self) -> None:
        """Who was only asked whether it lives may go."""
        used, pinged = self.others[:2], self.others[2:]
        for other in used:
            self.town.result(self.use(other))
        for other in pinged:
            known = known_as(other, self.node)
            assert known is not None
            self.town.result(self.node.network.ask_one(known, Ping()))
        self.crowd()
        self.town.run(10)
        self.assertEqual(self.ours(), used)

    def test_a_link_with_a_request_waiting_stays(self) -> None:
        """However long it was not used."""
        slow = self.others[0]
        self.town.memory.silence(self.town.host(slow).address)
        answer = self.use(slow)
        for other in self.others[1:]:
            self.town.result(self.use(other))
        self.crowd()
        self.town.run(10)
        self.assertNoResult(answer)
        self.assertIn(slow, self.ours())
        self.assertEqual(len(self.ours()), self.KEPT)
        self.town.run(30)
        self.failureResultOf(answer, RequestTimeout)

    def test_the_nearest_stay(self) -> None:
        """They are needed for puts near us, and for handing records over."""
        self.town.run(30)
        self.assertEqual(self.ours(), self.others)

    def test_who_was_let_go_is_still_known(self) -> None:
        """The link was ended in order: both sides keep their opinion, and nothing is dialled."""
        self.crowd()
        self.town.memory.trace.clear()
        self.town.run(30)
        self.assertEqual(len(self.ours()), self.KEPT)
        self.assertEqual([t for _, _, t, size in self.town.memory.trace if size < 0], [])
        for other in self.others:
            self.assertIsNotNone(known_as(other, self.node))

    def test_who_came_to_us_may_stay(self) -> None:
        """A seed that keeps no link of its own serves all the same."""
        seed = self.town.add("10.0.50.1", settings=self.quiet(membership_every_s=5, kept_links=0))
        self.town.join()
        clients = [
            self.town.add(
                f"10.0.6{n}.1",
                settings=NetworkSettings(NETWORK, client_only=True),
                seeds=[Address("10.0.50.1", PORT)],
            )
            for n in range(3)
        ]
        self.town.join()
        self.town.run(60)
        self.assertTrue(all(self.linked(seed, client) for client in clients))
