"""Whether the native part of autobahn does its work is told at the start of a hub, and later."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as installed

from streembit.client import Client
from tests.rig.hubcase import HubCase, free_ports
from tests.tap.twistd import Process

reactor: Any = installed

WARNING = b"autobahn has no native part (NVX)"


class AcceleratorTests(HubCase):
    """A hub with it, and one that has to do without."""

    async def start(self, **environ: str) -> tuple[Process, bool]:
        """Start a hub; return it and what its status says."""
        (port,) = free_ports(1)
        arguments = ["--home", str(self.home.path), "--no-passcode", "--no-node", "--plain"]
        arguments += ["--listen", f"tcp:{port}:interface=127.0.0.1"]
        process = self.twistd("streembit-hub", *arguments, environ=environ)
        await self.ready(process)
        status = await Client(reactor, self.home.path).status()
        assert status.hub is not None
        return process, status.hub.accelerated

    async def test_it_is_there(self) -> None:
        """As autobahn's wheels have it; nothing is said."""
        process, accelerated = await self.start()
        self.assertTrue(accelerated)
        self.assertNotIn(WARNING, process.out + process.err)

    async def test_it_is_missed(self) -> None:
        """The log warns, and the status says so."""
        process, accelerated = await self.start(AUTOBAHN_USE_NVX="0")
        self.assertFalse(accelerated)
        self.assertIn(WARNING, process.out + process.err)
