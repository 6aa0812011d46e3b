"""Processes of a real hub, Debian's HAProxy before them, and members of them."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable, Iterable, Sized
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from streembit.disk.home import Home
from streembit.jose import base64url
from streembit.jose.keys import Identity
from tests.rig.hubmember import LOOPBACK, HubMember, certificate_for_loopback
from tests.sources import ROOT
from tests.tap.twistd import Process, TwistdCase

reactor: Any = installed

DEPLOY = ROOT / "deploy"
PATIENCE_S = 45.0


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


def listed(numbers: Iterable[int]) -> str:
    """Return a list of the members with these numbers."""
    rows = [
        {
            "account": f"member {number}",
            "public_key": Identity.from_seed(number.to_bytes(32, "big"), "x").public.hex,
            "permissions": ["relay", "mailbox"],
        }
        for number in numbers
    ]
    return json.dumps({"network": "private.test", "members": rows}, indent=1)


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

    async def haproxy(self, *backs: int) -> tuple[int, Path]:
        """Start HAProxy before hubs on these ports; return its port and its certificate."""
        tool = program("haproxy", "haproxy")
        (front,) = free_ports(1)
        certificate, key = certificate_for_loopback(self.folder)
        both = self.folder / "hub.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        servers = [f"    server hub{n} {LOOPBACK}:{port}" for n, port in enumerate(backs)]
        config = self.write(
            "haproxy.cfg",
            (DEPLOY / "haproxy" / "streembit-hub.cfg").read_text(),
            {
                ":32318 ssl": f"{LOOPBACK}:{front} ssl",
                "/etc/haproxy/hub.pem": str(both),
                "    server hub1 127.0.0.1:32331\n": "",
                "    server hub2 127.0.0.1:32332": "\n".join(servers),
                "    log /dev/log local0 notice\n": "",
                "maxconn 20000": "maxconn 1000",
            },
        )
        checked = self.spawn([tool, "-c", "-f", str(config)])
        self.assertEqual(await checked.ended, 0, checked.err + checked.out)
        self.spawn([tool, "-db", "-f", str(config)])
        await self.until_open(front)
        return front, certificate

    def write(self, name: str, text: str, changes: dict[str, str]) -> Path:
        """Write a shipped configuration with this test's ports and files in it."""
        for shipped, ours in changes.items():
            self.assertIn(shipped, text)
            text = text.replace(shipped, ours)
        path = self.folder / name
        path.write_text(text)
        return path

    async def assert_they_talk(self, one: HubMember, other: HubMember) -> None:
        """Both ways, and by mail."""
        for each, its in ((one, other), (other, one)):
            heard = len(its.heard)
            self.assertTrue(each.say(its.key, b"hello"))
            await self.until(partial(has_more, its.heard, heard))
            self.assertEqual(its.heard[-1], (each.key.text, b"hello"))
        id_ = f"mail {one.joins + other.joins:11}".encode()
        one.mail(other.key, id_)
        await self.until(lambda: base64url.encode(id_) in one.kept)
        await self.until(lambda: base64url.encode(id_) in other.mailed)


def has_more(things: Sized, count: int) -> bool:
    """Tell whether there are more than so many."""
    return len(things) > count
