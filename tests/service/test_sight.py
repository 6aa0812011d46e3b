"""Hubs help to find out whether others can reach a node: each is one witness more."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.service.hub.table import NodeProber
from streembit.service.node import Node
from tests.service.hubs import TownHub
from tests.service.town import PORT, Town


class SightTests(SynchronousTestCase):
    """A node with one peer, and a hub whose own node dials others back."""

    def setUp(self) -> None:
        self.town = Town(self)
        self.first = self.town.add("10.0.0.1")
        self.dialler = self.town.add("10.9.0.1", seeds=[])
        self.hub = TownHub(self.town)
        self.addCleanup(self.hub.end)
        self.hub.hub.commands.prober = NodeProber(self.dialler.reach.probes)
        self.first.startService()

    def node(self, *, listen: bool = True, hubs: bool = True) -> Node:
        """Add a node, and let it be for some minutes."""
        addresses = [self.hub.address] if hubs else []
        node = self.town.add("10.1.0.1", listen=listen, hubs=addresses)
        self.town.join(node)
        self.town.run(300)
        return node

    def test_a_hub_is_the_second_witness(self) -> None:
        """It connects to us at the address that it sees, and tells us that address."""
        reachability = self.node().reach.reachability
        self.assertEqual(reachability.verdict, "reachable")
        self.assertEqual(reachability.observed, f"10.1.0.1:{PORT}")

    def test_without_it_there_is_doubt(self) -> None:
        """One peer is not enough."""
        reachability = self.node(hubs=False).reach.reachability
        self.assertEqual((reachability.verdict, reachability.observed), ("unknown", ""))

    def test_D10_a_port_that_nobody_reaches(self) -> None:
        """The hub says so as well: the node stores nothing for others."""
        node = self.node(listen=False)
        self.assertEqual(node.reach.reachability.verdict, "unreachable")
        self.assertTrue(node.network.client_only)

    def test_a_hub_that_dials_nobody(self) -> None:
        """What it refuses tells nothing."""
        self.hub.hub.commands.prober = None
        self.assertEqual(self.node().reach.reachability.verdict, "unknown")
