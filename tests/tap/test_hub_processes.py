"""twistd streembit-hub as an operator meets it: what it says, what it refuses, how it ends."""

from __future__ import annotations

import shutil
import signal
import socket
import ssl

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from demo.members import api_of
from tests.tap.test_processes import NodeCase
from tests.tap.twistd import Process, reactor


class HubProcessCase(NodeCase):
    """Hubs in processes of their own."""

    async def started(self, *options: str) -> tuple[Process, int]:
        """Return a hub that is ready, and where it listens."""
        hub = self.node(self.home(), *options, role="hub")
        await hub.said(b"listening on")
        await self.ready(hub)
        port = int(hub.out.split(b"listening on 127.0.0.1:")[1].split(b'"')[0])
        return hub, port


class RefusalTests(HubProcessCase):
    """One clear line on standard error and exit status 1."""

    async def test_what_cannot_be(self) -> None:
        """Each with what is wrong in its line."""
        home = self.account(None)
        bad = self.folder / "bad.json"
        bad.write_text('{"members": [\n{"account": "ann"}]}')
        bad.chmod(0o600)
        for options, named in (
            (("--plain", "--listen", "tcp:0"), "loopback"),
            (("--certificate", "absent.pem"), "private_key"),
            (("--certificate", "absent.pem", "--private-key", "k.pem"), "absent.pem"),
            (("--private", "absent.json"), "absent.json"),
            (("--private", str(bad)), "line: 2"),
            (("--origin", "evil"), "origins"),
        ):
            line = await self.refused(self.node(home, *options, role="hub"))
            self.assertIn(named, line)


class LifeTests(HubProcessCase):
    """A hub that starts, runs, and ends."""

    async def test_it_listens_on_a_unix_socket_for_a_proxy(self) -> None:
        """There it has no address that members could be told."""
        path = self.folder / "proxied.sock"
        hub = self.node(self.home(), "--plain", "--listen", f"unix:{path}", role="hub")
        await hub.said(f"listening on {path}".encode())
        await self.ready(hub)
        self.assertNotIn(b"members know this hub by ws", hub.out)

    async def test_it_says_how_members_know_it(self) -> None:
        """By its key, at the place where it listens."""
        hub, port = await self.started()
        self.assertIn(b"members know this hub by wss://127.0.0.1:%d#0" % port, hub.out)

    async def test_its_file_says_how_many_join_from_one_address(self) -> None:
        """As its status shows."""
        home = self.home()
        (home / "hub.toml").write_text("[hub]\njoins_per_address_per_s = 250\n")
        hub = self.node(home, role="hub")
        await self.ready(hub)
        status = await api_of(reactor, home).status()
        self.assertEqual(status.limits["joins_per_address_per_s"], 250)

    async def test_S5_sigterm_with_connections_that_do_nothing(self) -> None:
        """It ends within five seconds with status 0, whoever is still there."""
        hub, port = await self.started("--plain", "--exempt", "127.0.0.0/8")
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for each in idle:
            self.addCleanup(each.close)
        await deferLater(reactor, 0.2)
        begun_s = reactor.seconds()
        hub.signal("TERM")
        self.assertEqual(await hub.ended, 0, hub.out + hub.err)
        self.assertLess(reactor.seconds() - begun_s, 5.0)
        self.assertNotIn(b"Traceback", hub.out + hub.err)

    async def test_H6_a_new_certificate_serves_after_sighup(self) -> None:
        """One that cannot be used does not, and the hub goes on with the one before."""
        hub, port = await self.started()
        first = await deferToThread(shown, port)
        folder = self.folder / "home"
        for name in ("hub-certificate.pem", "hub-key.pem"):
            (folder / name).unlink()
        await self._hung_up(hub, port)
        second = await deferToThread(shown, port)
        self.assertNotEqual(first, second)
        shutil.copy(folder / "hub-certificate.pem", folder / "hub-key.pem")
        hub.signal("HUP")
        await hub.said(b"the certificate stays as it was")
        self.assertEqual(await deferToThread(shown, port), second)

    async def _hung_up(self, hub: Process, port: int) -> None:
        before = await deferToThread(shown, port)
        hub.signal(signal.SIGHUP.name[3:])
        for _ in range(100):
            await deferLater(reactor, 0.05)
            if await deferToThread(shown, port) != before:
                return
        self.fail("the certificate is the one before")


def shown(port: int) -> str:
    """Return the certificate that a server shows."""
    return ssl.get_server_certificate(("127.0.0.1", port))
