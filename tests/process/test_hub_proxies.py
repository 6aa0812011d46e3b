"""Real hubs behind Debian's HAProxy and nginx, with the configurations that we ship."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from streembit.client import Client
from streembit.disk.home import Home
from tests.rig.hubmember import LOOPBACK, HubMember, certificate_for_loopback
from tests.sources import ROOT
from tests.tap.twistd import Process, TwistdCase

reactor: Any = installed

DEPLOY = ROOT / "deploy"
PATIENCE_S = 15.0


def program(name: str, package: str) -> str:
    """Return where Debian has a program; skip where it is missing."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        raise SkipTest(f"{name} is missing: tools/system, or apt-get install {package}")
    return found


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody has now."""
    held = [socket.create_server((LOOPBACK, 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


class HubCase(TwistdCase):
    """Hubs of one key, each with a home of its own, and members of them."""

    def setUp(self) -> None:
        super().setUp()
        self.members: list[HubMember] = []
        self.addCleanup(self.part)
        self.home = Home.create(self.folder / "hub")
        self.key = self.home.accounts.create("hub", None).public

    def part(self) -> None:
        """Have all members leave."""
        for member in self.members:
            member.leave()

    def member(self, number: int, port: int, **more: Any) -> HubMember:
        """Return a member that has not joined yet."""
        made = HubMember(number, port, **more)
        self.members.append(made)
        return made

    def hub(self, port: int, *options: str, name: str = "hub") -> Process:
        """Start a process of the hub, in a home that has its key."""
        home = self.folder / name
        if not home.exists():
            shutil.copytree(
                self.home.path, home, ignore=shutil.ignore_patterns("*.sqlite*", "*.sock")
            )
        return self.twistd(
            *("streembit-hub", "--home", str(home), "--no-passcode", "--no-node"),
            *("--listen", f"tcp:{port}:interface={LOOPBACK}", *options),
        )

    async def until(self, holds: Callable[[], object], within_s: float = PATIENCE_S) -> float:
        """Wait until something holds; return how long that took (s)."""
        begun_s = reactor.seconds()
        while not holds():
            self.assertLess(reactor.seconds() - begun_s, within_s, "it never came to that")
            await deferLater(reactor, 0.02)
        return float(reactor.seconds() - begun_s)

    async def until_open(self, port: int) -> None:
        """Wait until somebody listens on a port."""

        def is_open() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex((LOOPBACK, port)) == 0

        await self.until(is_open)

    async def assert_they_talk(self, one: HubMember, other: HubMember) -> None:
        """Both ways, and by mail."""
        self.assertTrue(one.say(other.key, b"hello"))
        await self.until(lambda: (one.key.text, b"hello") in other.heard)
        self.assertTrue(other.say(one.key, b"and you"))
        await self.until(lambda: (other.key.text, b"and you") in one.heard)
        one.mail(other.key, b"0123456789abcdef")
        await self.until(lambda: one.kept and set(other.mailed) >= one.kept)


class ProxyTests(HubCase):
    async def test_H6_members_join_through_haproxy(self) -> None:
        """TLS ends there and is checked; the hub hears of each member's own address."""
        tool = program("haproxy", "haproxy")
        front, back = free_ports(2)
        certificate, key = certificate_for_loopback(self.folder)
        both = self.folder / "hub.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        text = (DEPLOY / "haproxy" / "streembit-hub.cfg").read_text()
        config = self.write(
            "haproxy.cfg",
            text,
            {
                ":32318 ssl": f"{LOOPBACK}:{front} ssl",
                "/etc/haproxy/hub.pem": str(both),
                "127.0.0.1:32331": f"{LOOPBACK}:{back}",
                "    server hub2 127.0.0.1:32332\n": "",
                "    log /dev/log local0 notice\n": "",
                "maxconn 20000": "maxconn 1000",
            },
        )
        checked = self.spawn([tool, "-c", "-f", str(config)])
        self.assertEqual(await checked.ended, 0, checked.err + checked.out)
        hub = self.hub(back, "--behind-proxy")
        await self.ready(hub)
        self.spawn([tool, "-db", "-f", str(config)])
        await self.until_open(front)
        await self.assert_members_join(front, certificate)
        await deferLater(reactor, 3.0)  # HAProxy looks after the hub: that is no stranger's doing
        status = await Client(reactor, self.folder / "hub").status()
        self.assertEqual(status.refusals, {})

    async def test_H6_members_join_through_nginx(self) -> None:
        """The same with nginx."""
        tool = program("nginx", "nginx-light")
        module = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        if not module.exists():
            raise SkipTest("tools/system, or apt-get install libnginx-mod-stream")
        front, back = free_ports(2)
        certificate, key = certificate_for_loopback(self.folder)
        stream = self.write(
            "stream.conf",
            (DEPLOY / "nginx" / "streembit-hub.conf").read_text(),
            {
                "listen 32318 ssl": f"listen {LOOPBACK}:{front} ssl",
                "/etc/nginx/hub-certificate.pem": str(certificate),
                "/etc/nginx/hub-key.pem": str(key),
                "server 127.0.0.1:32331": f"server {LOOPBACK}:{back}",
            },
        )
        config = self.folder / "nginx.conf"
        config.write_text(
            f"load_module {module};\ndaemon off;\nmaster_process off;\nuser root;\n"
            f"pid {self.folder}/nginx.pid;\nerror_log {self.folder}/nginx.log;\n"
            f"events {{ }}\nstream {{ include {stream}; }}\n"
        )
        options = ["-p", str(self.folder), "-c", str(config), "-e", str(self.folder / "nginx.log")]
        checked = self.spawn([tool, "-t", *options])
        self.assertEqual(await checked.ended, 0, checked.err)
        hub = self.hub(back, "--behind-proxy")
        await self.ready(hub)
        self.spawn([tool, *options])
        await self.until_open(front)
        await self.assert_members_join(front, certificate)

    def write(self, name: str, text: str, changes: dict[str, str]) -> Path:
        """Write a shipped configuration with this test's ports and files in it."""
        for shipped, ours in changes.items():
            self.assertIn(shipped, text)
            text = text.replace(shipped, ours)
        path = self.folder / name
        path.write_text(text)
        return path

    async def assert_members_join(self, port: int, certificate: Path) -> None:
        ann = self.member(1, port, host="127.0.0.5", trust=certificate)
        bob = self.member(2, port, host="127.0.0.6", trust=certificate)
        for member, host in ((ann, "127.0.0.5"), (bob, "127.0.0.6")):
            await member.join()
            assert member.welcome is not None
            self.assertRegex(member.welcome.observed, rf"^{re.escape(host)}:\d+$")
        await self.assert_they_talk(ann, bob)
