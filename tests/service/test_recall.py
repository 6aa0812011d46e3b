"""Good peers are remembered: a network that stands needs no seeds to be found again."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.peers import PeersDocument
from streembit.disk.peers import EMPTY, PeersFile
from streembit.errors import DiskFull
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.recall import SAVE_EVERY_S, Memory, Recall
from tests.disk.places import a_folder
from tests.service.town import Town


class Kept:
    """A keeper in memory, whose disk may be full."""

    def __init__(self) -> None:
        self.document = EMPTY
        self.saves = 0
        self.full = False

    def load(self) -> PeersDocument:
        """Return what was saved."""
        return self.document

    def save(self, document: PeersDocument) -> None:
        """Keep it, if there is room."""
        if self.full:
            raise DiskFull
        self.document = document
        self.saves += 1


class RecallTests(SynchronousTestCase):
    """What one node remembers of its network."""

    def setUp(self) -> None:
        self.town = Town(self)
        self.kept = Kept()

    def recall(self, node: Node, keeper: Kept | PeersFile) -> Recall:
        """Start remembering for a node."""
        memory = Memory(keeper, node.settings.grouping)
        recall = Recall(memory, node.network, Random(1).random)
        recall.startService()
        self.addCleanup(recall.stopService)
        return recall

    def hosts(self, addresses: list[Address]) -> set[str]:
        """Return the hosts of addresses."""
        return {address.host for address in addresses}

    def test_D8_with_its_seed_gone_a_node_joins_by_memory(self) -> None:
        """It starts again while the only seed is dead; the others know it at once."""
        nodes = self.town.grow(6)
        self.town.join()
        file = PeersFile(a_folder(self) / "peers.json")
        recall = self.recall(nodes[5], file)
        self.town.run(SAVE_EVERY_S)
        recall.stopService()
        nodes[5].stopService()
        self.town.memory.kill(self.town.host(nodes[0]).address)

        remembered = Memory(file, nodes[5].settings.grouping).best(self.town.memory.clock.seconds())
        self.assertEqual(len(remembered), 5)
        again = self.town.add("10.0.77.1", remembered=remembered)
        again.startService()
        joined = self.town.run_until(lambda: again.dht.membership.joined)
        self.assertTrue(joined)
        self.assertGreaterEqual(len(again.network.table), 4)

    def test_D8_who_is_killed_soon_remembers(self) -> None:
        """Peers are on the disk seconds after they were met, though the node never ended well."""
        nodes = self.town.grow(6)
        self.recall(nodes[0], self.kept)
        self.town.run(3)
        self.assertEqual(self.kept.document.peers, [])  # alone so far
        self.town.join()
        self.town.run(4)
        self.assertEqual(len(self.kept.document.peers), 5)

    def test_the_disk_is_left_alone_later(self) -> None:
        """Eight times in the first ten minutes, then every five minutes."""
        nodes = self.town.grow(2)
        self.town.join()
        self.recall(nodes[0], self.kept)
        self.town.run(600)
        self.assertIn(self.kept.saves, (8, 9))
        self.town.run(6000)
        self.assertIn(self.kept.saves - 8, range(17, 24))

    def test_the_end_saves_the_latest(self) -> None:
        """What was met since the last round is not lost."""
        nodes = self.town.grow(3)
        self.town.join()
        self.recall(nodes[0], self.kept).stopService()
        self.assertEqual(len(self.kept.document.peers), 2)

    def test_who_vanishes_counts_as_a_failure(self) -> None:
        """And is remembered after those who stayed."""
        nodes = self.town.grow(4)
        self.town.join()
        recall = self.recall(nodes[0], self.kept)
        self.town.run(SAVE_EVERY_S)
        gone = self.town.host(nodes[3]).address
        self.town.memory.kill(gone)
        self.town.run(2 * SAVE_EVERY_S)
        recall.stopService()
        failures = {p.contact.host: p.failures for p in self.kept.document.peers}
        self.assertEqual(failures.pop(gone), 1)
        self.assertEqual(set(failures.values()), {0})

    def test_a_line_that_is_down_blames_nobody(self) -> None:
        """When nobody at all is left, it is us."""
        nodes = self.town.grow(4)
        self.town.join()
        recall = self.recall(nodes[0], self.kept)
        self.town.run(SAVE_EVERY_S)
        others = [self.town.host(node).address for node in nodes[1:]]
        self.town.memory.kill(*others)
        self.town.run(4 * SAVE_EVERY_S)
        recall.stopService()
        self.assertEqual({p.failures for p in self.kept.document.peers}, {0})

    def test_S3_a_full_disk_costs_the_picture_only(self) -> None:
        """Rounds fail and are taken up again; the end is clean."""
        nodes = self.town.grow(2)
        self.town.join()
        recall = self.recall(nodes[0], self.kept)
        self.kept.full = True
        self.town.run(2 * SAVE_EVERY_S)
        self.assertEqual(self.kept.saves, 0)
        self.kept.full = False
        self.town.run(2 * SAVE_EVERY_S)
        self.assertGreaterEqual(self.kept.saves, 1)
        self.kept.full = True
        recall.stopService()
