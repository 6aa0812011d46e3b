"""Nodes of a local network that leads nowhere else: they find each other by multicast DNS."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from functools import partial
from typing import Final

from demo.members import Member
from streembit.jose.keys import PublicKey
from tests.rig import eavesdrop
from tests.rig.netns import Box, Field, need
from tests.rig.procnet import ProcessCase, reactor, tried

PORT: Final = 8905
HUB_PORT: Final = 32318
OPTIONS: Final = ("--no-passcode", "--lan")
NAMES: Final = ("ann.of.the.north", "bob.of.the.south")  # not to be heard by chance
WITHIN_S: Final = 60.0
END_WITHIN_S: Final = 5.0


class LanCase(ProcessCase):
    """Two nodes without any seed, and somebody who listens.

    Attributes:
        ipv6: whether there is nothing but IPv6.
        options: how a node is started.
    """

    ipv6 = False
    options: tuple[str, ...] = (*OPTIONS, "--listen", f"tcp:{PORT}", "--exempt", "192.168.0.0/16")

    async def setUp(self) -> None:  # type: ignore[override]
        need()
        super().setUp()
        self.field = Field()
        self.addCleanup(self.field.end)
        *self.hosts, self.listener = self.field.lan(3, ipv6=self.ipv6)
        self.heard = self.net.folder / "heard"
        self.eavesdrop()
        await self.until(self.heard.exists, WITHIN_S, "somebody who listens")

    def eavesdrop(self) -> None:
        """Have the third host write down what it hears."""
        command = [sys.executable, eavesdrop.__file__, self.listener.address, str(self.heard)]
        ear = subprocess.Popen([*self.listener.within, *command])
        self.addCleanup(ear.wait)
        self.addCleanup(ear.kill)

    async def start(self, name: str, host: Box) -> Member:
        """Start a node that knows of nobody."""
        return await self.net.start(name, options=self.options, within=host.within)

    async def sees(self, node: Member, count: int) -> bool:
        """Say whether a node sees so many others in the local network."""
        return (await node.api.status()).lan.startswith(f"{count} seen")

    async def knows(self, node: Member, other: Member) -> bool:
        """Say whether a node has another one in its table."""
        return other.public_key in {row.public_key for row in await node.api.peer.list()}

    async def check_meeting(self) -> None:
        """Assert that two meet who know of nobody, and that who leaves is seen no more."""
        ann, bob = [
            await self.start(name, host) for name, host in zip(NAMES, self.hosts, strict=True)
        ]
        for node, other in ((ann, bob), (bob, ann)):
            await self.until(partial(self.sees, node, 1), WITHIN_S)
            await self.until(partial(self.knows, node, other), WITHIN_S)
        self.check_heard(ann, bob)
        bob.signal(signal.SIGTERM)
        await bob.ended.addTimeout(END_WITHIN_S, reactor)
        await self.until(partial(self.sees, ann, 0), WITHIN_S)

    def check_heard(self, *nodes: Member) -> None:
        """Assert that no name and no key was in the air, and that something was."""
        air = self.heard.read_bytes()
        self.assertIn(b"_streembit", air)
        for node in nodes:
            key = PublicKey.from_hex(node.public_key)
            for secret in (key.point, key.hex.encode(), key.text.encode(), node.name.encode()):
                self.assertNotIn(secret, air)
        self.assertNotIn(socket.gethostname().encode(), air)


class LanTests(LanCase):
    """Where there is IPv4."""

    async def test_two_nodes_that_know_of_nobody(self) -> None:
        """They meet; who leaves is seen no more, within the five seconds of an end."""
        await self.check_meeting()

    async def test_a_private_node_whose_hub_has_moved(self) -> None:
        """It finds the hub where it is announced, and the hub proves that it is the one."""
        node = await self.start(NAMES[0], self.hosts[0])
        path = self.net.folder / "allowlist.json"
        member = {"account": "ann", "public_key": node.public_key, "permissions": ["relay", "dht"]}
        path.write_text(json.dumps({"members": [member]}))
        path.chmod(0o600)
        options = ("--no-passcode", "--listen", f"tcp:{HUB_PORT}", "--lan", "--private", str(path))
        hub = await self.net.start("hub", "hub", options=options, within=self.hosts[1].within)
        await self.net.kill(node)
        nowhere = self.hosts[1].address.rpartition(".")[0] + ".250"
        self.net.members.run(node, "--private", f"wss://{nowhere}:{HUB_PORT}#{hub.public_key}")
        await self.until(partial(self.is_joined, node), 2 * WITHIN_S, "the hub")

    async def is_joined(self, node: Member) -> bool:
        """Say whether a node is joined to its hub."""
        status = await tried(node.api.status())
        return status is not None and any(hub.state == "joined" for hub in status.hubs)


class Ipv6Tests(LanCase):
    """Where there is nothing but IPv6."""

    ipv6 = True
    options = (*OPTIONS, "--listen", f"tcp6:{PORT}", "--exempt", "fd00::/8")

    async def test_two_nodes_that_know_of_nobody(self) -> None:
        """They meet all the same."""
        await self.check_meeting()
