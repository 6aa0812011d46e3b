"""Networks of namespaces for tests: hosts, routers that translate addresses, and no way out."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import Final, Literal

from twisted.trial.unittest import SkipTest

NEEDED: Final = ("ip", "nft")
WAN: Final = "wan0"
LAN: Final = "lan0"
# Addresses that routers take for public ones; no packet of theirs leaves the namespaces.
PUBLIC: Final = "11.0.{number}.1"
PRIVATE: Final = "192.168.{number}.{host}"
UNIQUE_LOCAL: Final = "fd00:{number}::{host}"

LISTENING: Final = 8905  # the port that routers pass on which were set up for it
EPHEMERAL: Final = "32768-60999"  # from which a host dials

# What stands between a host and the public network.
#   open: nothing.
#   forwarded: a router that translates, and passes the port on that the host listens at.
#   cone: a router that translates, keeps the port, and lets everybody in at ports that are in use.
#   plain: the same, and lets in only who is dialled.
#   random: the same, with another port for each connection.
#   firewall: nothing is translated; only who is dialled is let in.
Kind = Literal["open", "forwarded", "cone", "plain", "random", "firewall"]

_numbers = itertools.count(1)


def need(*programs: str) -> None:
    """Skip the test that asks, where namespaces or a program it needs cannot be had."""
    missing = [name for name in (*NEEDED, *programs) if shutil.which(name) is None]
    if missing:
        raise SkipTest(f"needs {', '.join(missing)}: see tools/system")
    if os.geteuid() != 0:
        raise SkipTest("needs to be root, to make network namespaces")
    made = subprocess.run(
        ["ip", "netns", "add", probe := f"sbt-{os.getpid()}-0"], capture_output=True, check=False
    )
    if made.returncode != 0:
        raise SkipTest("this system lets nobody make network namespaces")
    subprocess.run(["ip", "netns", "delete", probe], check=True)


@dataclass
class Box:
    """One namespace: a host or a router.

    Attributes:
        name: the namespace's.
        address: where it is on its (first) network, "" before it has one.
    """

    name: str
    address: str = ""

    @property
    def within(self) -> list[str]:
        """The command that runs what follows it in here."""
        return ["ip", "netns", "exec", self.name]

    def run(self, command: str, stdin: str | None = None) -> str:
        """Run a command in here; return what it says, and raise where it fails."""
        said = subprocess.run(
            [*self.within, *command.split()],
            input=stdin,
            capture_output=True,
            text=True,
            check=True,
        )
        return said.stdout


@dataclass
class Site:
    """A host, and the router that it is behind, if it is behind one."""

    host: Box
    router: Box | None
    public: str  # the address that the public network sees


@dataclass
class Field:
    """A public network, and the sites on it; `end` leaves nothing."""

    boxes: list[Box] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.middle = self.box()  # where all cables meet, routing between the sites

    def box(self) -> Box:
        """Return a new namespace, with its loopback only."""
        made = Box(f"sbt-{os.getpid()}-{next(_numbers)}")
        subprocess.run(["ip", "netns", "add", made.name], check=True)
        self.boxes.append(made)
        made.run("ip link set lo up")
        made.run("sysctl -qw net.ipv4.ip_forward=1")
        return made

    def site(self, kind: Kind = "open") -> Site:
        """Return a host that stands alone, or behind a router of this kind."""
        number = len(self.boxes)
        public = PUBLIC.format(number=number)
        if kind == "open":
            return Site(self._public(number, public), None, public)
        router, host = self._public(number, public), self.box()
        inside = _inside(kind, number)
        self._cable(router, LAN, f"{inside.format(host=1)}/24", host, LAN, inside.format(host=2))
        host.run(f"ip route add default via {inside.format(host=1)}")
        host.address = inside.format(host=2)
        router.run("nft -f -", _rules(kind, host.address))
        if kind == "firewall":
            public = host.address
            self.middle.run(f"ip route add {inside.format(host=0)}/24 via {router.address}")
        return Site(host, router, public)

    def lan(self, hosts: int, *, ipv6: bool = False) -> list[Box]:
        """Return hosts on one network that leads nowhere else, of IPv4 or of IPv6 alone."""
        switch, number = self.box(), len(self.boxes)
        switch.run("ip link add br0 type bridge")
        switch.run("ip link set br0 up")
        made = []
        for index in range(hosts):
            host = self.box()
            pattern = UNIQUE_LOCAL if ipv6 else PRIVATE
            host.address = pattern.format(number=number, host=index + 2)
            host.run("sysctl -qw net.ipv6.conf.default.accept_dad=0")  # it would take a second
            self._cable(switch, f"port{index}", "", host, LAN, host.address)
            switch.run(f"ip link set port{index} master br0")
            if not ipv6:
                host.run(f"ip route add default dev {LAN}")  # multicast needs one
            made.append(host)
        return made

    def end(self) -> None:
        """Take all namespaces away, and what still runs in them."""
        for box in self.boxes:
            pids = subprocess.run(
                ["ip", "netns", "pids", box.name], capture_output=True, text=True, check=False
            )
            for pid in pids.stdout.split():
                os.kill(int(pid), 9)
            subprocess.run(["ip", "netns", "delete", box.name], check=False)
        self.boxes.clear()

    def _public(self, number: int, address: str) -> Box:
        """Return a namespace on the public network."""
        box = self.box()
        box.address = address
        gateway = address.rpartition(".")[0] + ".254"
        self._cable(self.middle, f"to{number}", f"{gateway}/24", box, WAN, address)
        box.run(f"ip route add default via {gateway}")
        return box

    def _cable(self, one: Box, end: str, address: str, other: Box, far: str, theirs: str) -> None:
        one.run(f"ip link add {end} type veth peer name {far} netns {other.name}")
        if address:
            one.run(f"ip address add {address} dev {end}")
        other.run(f"ip address add {theirs}/{64 if ':' in theirs else 24} dev {far}")
        one.run(f"ip link set {end} up")
        other.run(f"ip link set {far} up")


def _inside(kind: Kind, number: int) -> str:
    """Return the pattern of the addresses behind a router."""
    return f"11.1.{number}.{{host}}" if kind == "firewall" else f"192.168.{number}.{{host}}"


def _rules(kind: Kind, host: str) -> str:
    """Return what a router of this kind does with packets, for nft."""
    rules = f"""
table inet filter {{
  chain forward {{
    type filter hook forward priority 0; policy accept;
    iifname {WAN} ct state established,related accept
    iifname {WAN} ct status dnat accept
    iifname {WAN} drop
  }}
  chain input {{
    type filter hook input priority 0; policy accept;
    iifname {WAN} ct state established,related accept
    iifname {WAN} drop
  }}
}}
"""
    if kind == "firewall":
        return rules
    translate = "masquerade fully-random" if kind == "random" else "masquerade"
    passed_on = ""
    if (ports := {"forwarded": f"{LISTENING}", "cone": EPHEMERAL}.get(kind)) is not None:
        passed_on = f"iifname {WAN} tcp dport {ports} dnat ip to {host}"
    return f"""{rules}
table inet nat {{
  chain prerouting {{
    type nat hook prerouting priority -100;
    {passed_on}
  }}
  chain postrouting {{
    type nat hook postrouting priority 100;
    oifname {WAN} {translate}
  }}
}}
"""
