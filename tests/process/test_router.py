"""Nodes behind routers, in network namespaces of their own: the router is asked for a port."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from functools import partial
from typing import Any, Final

from twisted.trial.unittest import SynchronousTestCase

from demo.members import Member
from streembit.router.terms import LEASE_S
from streembit.service.facade import Check
from tests.disk.places import a_folder
from tests.rig import asking, mapped
from tests.rig.netns import LAN, Field, Site, need
from tests.rig.procnet import ProcessCase
from tests.rig.router import Speaks, Upnpd
from tests.sources import ROOT

PORT: Final = 8905
# All sites lie in one part of the address space: none may be the same hand as another.
OPTIONS: Final = ("--no-passcode", "--listen", f"tcp:{PORT}", "--exempt", "11.0.0.0/8")
RUNS_S: Final = 3.5  # two clocks of whole seconds may differ by two
WITHIN_S: Final = 60.0  # a router is looked for, then two peers dial


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
        self.assertIn("by PCP", (await node.api.status()).mapped)
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
        """A router that speaks UPnP only gives another port, which is what others are told."""
        assert self.home.router is not None
        daemon = Upnpd(self.home.router, self.net.folder, ["UPnP"])
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
        self.assertIn("by UPnP", (await node.api.status()).mapped)
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


class AskingTests(SynchronousTestCase):
    """Debian's daemon, and nothing of ours but who asks it."""

    def setUp(self) -> None:
        need("miniupnpd")
        self.field = Field()
        self.addCleanup(self.field.end)
        self.site = self.field.site("plain")

    def begin(self, *speaks: Speaks) -> Upnpd:
        """Start the router, and who asks it."""
        assert self.site.router is not None
        daemon = Upnpd(self.site.router, a_folder(self), speaks)
        self.addCleanup(daemon.end)
        self.asking = subprocess.Popen(
            [*self.site.host.within, sys.executable, "-m", asking.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.addCleanup(self.asking.communicate)
        self.addCleanup(self.asking.kill)
        return daemon

    def ask(self, line: str) -> Any:
        """Return what comes of one call."""
        assert self.asking.stdin is not None and self.asking.stdout is not None
        self.asking.stdin.write(f"{line}\n")
        self.asking.stdin.flush()
        return json.loads(self.asking.stdout.readline())

    def let_it_run(self) -> None:
        """Ask for the router's clock until it has gone further than clocks may differ."""
        until_s = time.monotonic() + RUNS_S
        while time.monotonic() < until_s:
            self.assertTrue(self.ask("holds"))
            time.sleep(0.1)

    def test_pcp(self) -> None:
        """A port, renewed, lost when the router is started anew, had again and given back."""
        daemon = self.begin("PCP")
        given = [self.site.public, PORT, LEASE_S, "PCP"]
        self.assertEqual(self.ask(f"map {PORT} {PORT}"), given)
        (end_s,) = daemon.ends_s
        self.assertIn(f"dnat ip to {self.site.host.address}:{PORT}", daemon.opened[0])
        self.assertTrue(self.ask("holds"))
        self.assertEqual(self.ask(f"map {PORT} {PORT}"), given)
        self.assertGreaterEqual(daemon.ends_s[0], end_s)
        self.let_it_run()
        daemon.restart()
        self.assertEqual(daemon.opened, [])
        self.assertFalse(self.ask("holds"))
        self.assertEqual(self.ask(f"map {PORT} {PORT}"), given)
        self.assertTrue(self.ask("holds"))
        self.assertIsNone(self.ask("unmap"))
        self.assertEqual(daemon.opened, [])

    def test_natpmp(self) -> None:
        """The same by a router that says nothing to PCP."""
        daemon = self.begin("NAT-PMP")
        given = [self.site.public, PORT, LEASE_S, "NAT-PMP"]
        self.assertEqual(self.ask(f"map {PORT} {PORT}"), given)
        self.assertEqual(len(daemon.opened), 1)
        self.assertTrue(self.ask("holds"))
        self.assertIsNone(self.ask("unmap"))
        self.assertEqual(daemon.opened, [])

    def test_neither(self) -> None:
        """The router is not asked twice that does not listen."""
        self.begin("UPnP")
        code, why = self.ask(f"map {PORT} {PORT}")
        self.assertEqual(code, "no-router")
        self.assertIn("does not listen", why)
