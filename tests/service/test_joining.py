"""Joining without seeds, with dead ones, after all went down: nobody waits long, no herd forms."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import key_place, to_bytes
from streembit.dht.memory import MemoryShelf
from streembit.errors import StreembitError
from streembit.net.dial import Connect
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.settings import NetworkSettings
from tests.service.town import NETWORK, PORT, Town

TTL_S = 3600


class Dials:
    """What a node dialled, and when; it is dialled all the same."""

    def __init__(self, town: Town, address: str) -> None:
        self.seen: list[tuple[float, str]] = []
        self._clock = town.memory.clock
        self._connect: Connect = town.memory.host(address).connect

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self.seen.append((self._clock.seconds(), host))
        return self._connect(host, port, factory)

    def rounds_s(self) -> list[float]:
        """Return when rounds of dials began, in seconds since the first."""
        begun: list[float] = []
        for at_s, _ in self.seen:
            if not begun or at_s - begun[-1] > 0.01:
                begun.append(at_s)
        return [at_s - begun[0] for at_s in begun]


def address_of(node: Node) -> Address:
    """Return where a node is, with its key."""
    host = node.reach.listening[0].rpartition(":")[0]
    return Address(host, PORT, node.identity.public)


class DeadSeedsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)

    def alone(self, address: str) -> Dials:
        """Start a node whose three seeds refuse; return what it dials."""
        dials = Dials(self.town, address)
        seeds = [Address(f"10.66.{number}.1", PORT) for number in range(3)]
        self.town.add(address, seeds=seeds, connect=dials.connect).startService()
        return dials

    def test_D8_seeds_that_refuse_are_dialled_ever_more_rarely(self) -> None:
        """All of them each time; the waits grow to five minutes and stay below."""
        dials = self.alone("10.0.0.1")
        self.town.run(2 * 3600)
        begun = dials.rounds_s()
        waits = [later - earlier for earlier, later in pairwise(begun)]
        for number, wait_s in enumerate(waits):
            self.assertLessEqual(wait_s, min(300.0, 2.0**number) + 0.2, waits)
        self.assertGreater(max(waits[10:]), 100)
        self.assertEqual(len(dials.seen), 3 * len(begun))
        self.assertLess(len(begun), 80)

    def test_D8_a_crowd_comes_back_apart(self) -> None:
        """Nodes that failed together do not try again together: full jitter."""
        crowd = [self.alone(f"10.0.{number}.1") for number in range(12)]
        self.town.run(3600)
        last = sorted(dials.rounds_s()[-1] for dials in crowd)
        self.assertGreater(last[-1] - last[0], 60)
        self.assertGreater(len({int(tried_s) for tried_s in last}), len(crowd) // 2)

    def test_D8_when_a_seed_is_back_it_is_found(self) -> None:
        """After minutes of refusals the next try succeeds, and the waits are short again."""
        self.alone("10.0.0.1")
        self.town.run(600)
        seed = self.town.add("10.66.1.1", seeds=[])
        seed.startService()
        node = self.town.nodes[0]
        self.assertTrue(self.town.run_until(lambda: node.dht.membership.joined, 310))
        self.town.memory.kill("10.66.1.1")
        seed.stopService()
        begun_s = self.town.memory.clock.seconds()
        self.town.run(30)
        self.town.memory.revive("10.66.1.1").listen(PORT, seed.carriers.factory)
        seed.startService()
        self.assertTrue(self.town.run_until(lambda: len(node.network.roster) > 0, 60))
        self.assertLess(self.town.memory.clock.seconds() - begun_s, 90)

    def test_a_node_without_seeds_dials_nobody(self) -> None:
        """The first of a network waits for others."""
        dials = Dials(self.town, "10.0.0.1")
        self.town.add("10.0.0.1", seeds=[], connect=dials.connect).startService()
        self.town.run(600)
        self.assertEqual(dials.seen, [])


class RememberedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)

    def test_D8_remembered_peers_come_before_seeds(self) -> None:
        """In the order in which they are remembered, the anchors first; seeds are not needed."""
        others = self.town.grow(10)
        self.town.join()
        dials = Dials(self.town, "10.9.0.1")
        remembered = [address_of(node) for node in reversed(others)]
        seeds = [Address("10.66.0.1", PORT)]
        node = self.town.add("10.9.0.1", seeds=seeds, remembered=remembered, connect=dials.connect)
        self.town.join()
        hosts = [host for _, host in dials.seen]
        self.assertEqual(hosts[:8], [address.host for address in remembered[:8]])
        self.assertNotIn("10.66.0.1", hosts)
        self.assertGreaterEqual(len(node.network.table), 9)

    def test_D8_who_is_silent_is_not_waited_for(self) -> None:
        """64 remembered peers of which none answers: the seed is reached within 10 s."""
        self.town.grow(3)
        self.town.join()
        gone = [Address(f"10.77.{number}.1", PORT) for number in range(64)]
        self.town.memory.silence(*(address.host for address in gone))
        node = self.town.add("10.9.0.1", remembered=gone)
        node.startService()
        self.assertTrue(self.town.run_until(lambda: len(node.network.roster) > 0, 10))
        self.assertTrue(self.town.run_until(lambda: node.dht.membership.joined, 30))

    def test_D8_another_key_at_a_remembered_address_is_nobody(self) -> None:
        """An address that somebody else has now is passed over."""
        first, second = self.town.grow(2)
        self.town.join()
        swapped = replace(address_of(first), key=second.identity.public)
        node = self.town.add("10.9.0.1", seeds=[], remembered=[swapped])
        node.startService()
        self.town.run(20)
        self.assertEqual(len(node.network.roster), 0)

    def test_S5_an_end_while_joining_is_quick(self) -> None:
        """Dials to silent hosts are given up at once."""
        gone = [Address(f"10.77.{number}.1", PORT) for number in range(30)]
        self.town.memory.silence(*(address.host for address in gone))
        node = self.town.add("10.9.0.1", seeds=[], remembered=gone)
        node.startService()
        self.town.run(2)
        stopped = node.stopService()
        self.town.run(0.1)
        self.successResultOf(stopped)


class ForgetfulSeedTests(SynchronousTestCase):
    def test_D8_seeds_that_forgot_everybody_are_found_again(self) -> None:
        """New disks at the old addresses: those who joined long ago come and tell them."""
        town = Town(self)
        seeds = [town.add(f"10.1.{n}.1") for n in range(2)]
        settings = NetworkSettings(network=NETWORK, refresh_every_s=300)
        for n in range(2):
            addresses = [address_of(seed) for seed in seeds]
            town.add(f"10.2.{n}.1", seeds=addresses, settings=settings)
        town.join()
        town.end(*seeds)
        town.run(60)
        again = [town.again(s, remembered=[], seeds=[], shelf=MemoryShelf()) for s in seeds]
        for seed in again:
            seed.startService()
        town.run(900)
        self.assertEqual([len(seed.network.table) for seed in again], [3, 3])


class SeedsGoneTests(SynchronousTestCase):
    """Three seeds and those who started from them."""

    def setUp(self) -> None:
        self.town = Town(self)
        role = NetworkSettings(network=NETWORK, role="seed")
        self.seeds = [self.town.add(f"10.1.{n}.1", settings=role) for n in range(3)]
        self.town.join()
        addresses = [address_of(seed) for seed in self.seeds]
        self.nodes = [self.town.add(f"10.2.{n}.1", seeds=addresses) for n in range(10)]
        self.town.join()
        self.town.run(120)

    def test_D8_without_its_seeds_the_network_goes_on(self) -> None:
        """What was put is found, new records are put and read, and everybody stays ready."""
        owner = self.nodes[0].identity.public.hex
        self.town.result(self.town.desk(self.nodes[0]).put_record("old", b"1", TTL_S))
        self.town.end(*self.seeds)
        self.town.run(30)
        put = self.town.result(self.town.desk(self.nodes[0]).put_record("new", b"2", TTL_S))
        self.assertEqual(len(put.replicas), 9)
        for node in self.nodes:
            for name, value in (("old", b"1"), ("new", b"2")):
                found = self.town.result(self.town.desk(node).get_record(owner, name))
                assert found is not None
                self.assertEqual(found.value, value)
        self.town.run(600)
        self.assertTrue(all(node.dht.canary.readiness().ready for node in self.nodes))

    def test_D8_all_restarted_at_once_are_one_network_in_a_minute(self) -> None:
        """Seeds and nodes with their memories: whole tables again, and announced in ten minutes."""
        everybody = [*self.seeds, *self.nodes]
        remembered = {n: [address_of(o) for o in everybody if o is not n] for n in everybody}
        self.town.end(*everybody)
        self.town.run(60)
        again = [
            self.town.again(node, remembered=remembered[node], seeds=[], shelf=MemoryShelf())
            for node in everybody
        ]
        for node in again:
            node.startService()
        self.assertTrue(
            self.town.run_until(lambda: all(len(n.network.table) == 12 for n in again), 60)
        )
        self.assertLess(self.announced(again), len(again) / 3)
        self.town.run(620)
        self.assertEqual(self.announced(again), len(again))

    def announced(self, nodes: list[Node]) -> int:
        """Return of how many nodes the key record lies somewhere."""
        places = [key_place(to_bytes(node.network.id)) for node in nodes]
        return sum(any(node.dht.deposit.answer(place) for node in nodes) for place in places)


class EndTests(SynchronousTestCase):
    def test_S5_an_end_amid_work_is_quick(self) -> None:
        """Puts and reads under way end, one way or another; nothing is left after a moment."""
        town = Town(self)
        town.grow(6)
        town.join()
        node = town.nodes[2]
        desk = town.desk(node)
        ended: list[object] = []
        for number in range(10):
            for work in (
                desk.put_record(f"name/{number}", b"v", TTL_S),
                desk.get_record(town.nodes[1].identity.public.hex, "name"),
                desk.find(f"{number:040x}"),
            ):
                Deferred.fromCoroutine(work).addBoth(ended.append)
        town.run(0.004)
        self.assertLess(len(ended), 30)
        stopped = node.stopService()
        town.run(1)
        self.successResultOf(stopped)
        self.assertEqual(len(ended), 30)
        self.assertEqual((len(node.network.roster), node.carriers.gate.total), (0, 0))
        defects = [e for e in ended if isinstance(e, Failure) and not e.check(StreembitError)]
        self.assertEqual(defects, [])
