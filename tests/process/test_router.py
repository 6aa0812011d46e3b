"""Nodes behind routers, in network namespaces of their own: the router is asked for a port."""

from __future__ import annotations

import signal
import sys
from functools import partial
from typing import Final

from demo.members import Member
from streembit.service.facade import Check
from tests.rig import mapped
from tests.rig.netns import LAN, Field, Site, need
from tests.rig.procnet import ProcessCase
from tests.rig.router import Upnpd

PORT: Final = 8905
# All sites lie in one part of the address space: none may be the same hand as another.
OPTIONS: Final = ("--no-passcode", "--listen", f"tcp:{PORT}", "--exempt", "11.0.0.0/8")
WITHIN_S: Final = 30.0  # a router is looked for, then two peers dial


class RouterTests(ProcessCase):
    """A seed and a node in public, and a node behind a router that translates addresses."""

    async def setUp(self) -> None:  # type: ignore[override]
        need("miniupnpd")
        super().setUp()
        self.field = Field()
        self.addCleanup(self.field.end)
        self.seed = await self.start("seed", self.field.site())
        self.witness = await self.start("witness", self.field.site(), self.seed)
        self.home = self.field.site("plain")

    async def start(self, name: str, site: Site, seed: Member | None = None, *more: str) -> Member:
        """Start a node on a site."""
        seeds = [] if seed is None else [self.address(seed)]
        options = (*OPTIONS, *more)
        member = await self.net.start(name, seeds=seeds, options=options, within=site.host.within)
        self.net.places[name] = f"{site.public}:{PORT}"
        return member

    def address(self, member: Member) -> str:
        """Return where a node is on the public network."""
        return self.net.places[member.name]

    async def is_known(self, node: Member) -> bool:
        """Say whether the witness has reached a node at the address of its router."""
        host, _, port = self.address(node).rpartition(":")
        rows = await self.witness.api.peer.list()
        return any(
            (row.public_key, row.host, row.port, row.storage)
            == (node.public_key, host, int(port), True)
            for row in rows
        )

    async def is_judged(self, node: Member, verdict: str) -> bool:
        """Say whether a node thinks this of its reachability."""
        return (await node.api.status()).reachability == verdict

    async def is_alone(self, node: Member) -> bool:
        """Say whether a node has found no router."""
        return "No router was found" in (await node.api.status()).mapped

    async def stores(self, node: Member) -> bool:
        """Say whether a node is asked to keep a record of the witness."""
        put = await self.put(self.witness, "a/name")
        node_id = (await node.api.status()).node_id
        return node_id in {replica.node_id for replica in put.replicas}

    async def doctor(self, node: Member) -> Check:
        """Return what the doctor says of the mapping."""
        (found,) = [
            each for each in (await node.api.doctor()).checks if each.name == "port mapping"
        ]
        return found

    async def test_D10_a_port_that_the_router_opened(self) -> None:
        """Others reach the node there and have it store; at its end the port is closed again."""
        assert self.home.router is not None
        daemon = Upnpd(self.home.router, self.net.folder)
        self.addCleanup(daemon.end)
        node = await self.start("node", self.home, self.seed, "--map-port")
        await self.until(partial(self.is_judged, node, "reachable"), WITHIN_S)
        (rule,) = daemon.opened
        self.assertIn(f"dnat ip to {self.home.host.address}:{PORT}", rule)
        status = await node.api.status()
        self.assertEqual(status.observed, self.address(node))
        self.assertIn(f"{self.home.public} port {PORT}", status.mapped)
        self.assertTrue((await self.doctor(node)).ok)
        await self.until(partial(self.is_known, node), WITHIN_S)
        self.assertTrue(await self.stores(node))
        node.signal(signal.SIGTERM)
        await node.ended
        self.assertEqual(daemon.opened, [])

    async def test_a_port_that_another_one_has(self) -> None:
        """The router gives another port, which is what others are told."""
        assert self.home.router is not None
        daemon = Upnpd(self.home.router, self.net.folder)
        self.addCleanup(daemon.end)
        own = self.home.host.address
        self.be_at(own.rpartition(".")[0] + ".77")
        self.home.host.run(f"{sys.executable} {mapped.__file__} {PORT}")
        self.be_at(own)
        node = await self.start("node", self.home, self.seed, "--map-port")
        await self.until(partial(self.is_judged, node, "reachable"), WITHIN_S)
        taken, given = daemon.opened
        self.assertIn(f"dport {PORT} ", taken)
        self.assertIn(f"dnat ip to {own}:{PORT}", given)
        self.assertNotIn(f"dport {PORT} ", given)
        observed = (await node.api.status()).observed
        self.assertIn(f"dport {observed.rpartition(':')[2]} ", given)

    def be_at(self, address: str) -> None:
        """Give the host behind the router another address."""
        host, gateway = self.home.host, address.rpartition(".")[0] + ".1"
        host.run(f"ip address flush dev {LAN}")
        host.run(f"ip address add {address}/24 dev {LAN}")
        host.run(f"ip route add default via {gateway}")

    async def test_D10_no_router_opens_a_port(self) -> None:
        """The node says why, takes part all the same, and is asked to store nothing."""
        node = await self.start("node", self.home, self.seed, "--map-port")
        await self.until(partial(self.is_judged, node, "unreachable"), WITHIN_S)
        await self.until(partial(self.is_alone, node), WITHIN_S)
        self.assertFalse((await self.doctor(node)).ok)
        self.assertFalse(await self.is_known(node))
        self.assertFalse(await self.stores(node))
        put = await self.put(node, "another/name")
        self.assertEqual(len(put.replicas), 2)
