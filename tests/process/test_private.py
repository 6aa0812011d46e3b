"""A private network of processes: its members leave the public one, and nothing of theirs stays."""

from __future__ import annotations

import json
import subprocess
from functools import partial
from typing import Final

from demo.members import Member, Role
from tests.process.two import TwoPeopleCase
from tests.rig.netns import LISTENING, Field, Site, need
from tests.rig.procnet import tried

HUB_PORT: Final = 32318
OPTIONS: Final = ("--no-passcode", "--exempt", "11.0.0.0/8")
WITHIN_S: Final = 40.0
NAME: Final = "a/name"
# What a host begins with others than the hub, of whatever protocol.
WATCH: Final = """
table inet watch {{
  counter begun {{ }}
  chain output {{
    type filter hook output priority 0; policy accept;
    oifname lo accept
    ip daddr {hub} tcp dport {port} accept
    meta l4proto ipv6-icmp accept
    ct state new counter name begun
  }}
}}
"""


class PrivateTests(TwoPeopleCase):
    """A seed and a private hub; ann and bob, who became contacts in public."""

    timeout = 240

    async def setUp(self) -> None:  # type: ignore[override]
        need()
        super().setUp()
        self.field = Field()
        self.addCleanup(self.field.end)
        self.addCleanup(self.net.members.ended)
        self.addCleanup(self.net.members.kill)
        self.sites: dict[str, Site] = {}
        await self.start("seed", "seed")
        seed = f"{self.sites['seed'].public}:{LISTENING}"
        self.ann, self.bob = [await self.start(name, "node", [seed]) for name in ("ann", "bob")]
        await self.acquaint()
        await self.start_hub()

    async def start(
        self, name: str, role: Role, seeds: list[str] | None = None, *more: str
    ) -> Member:
        """Start a process on a site of its own."""
        site = self.sites[name] = self.field.site()
        if role == "hub":
            self.watch(name)
        port = HUB_PORT if role == "hub" else LISTENING
        options = (*OPTIONS, "--listen", f"tcp:{port}", *more)
        return await self.net.start(
            name,
            role,
            seeds or [],
            options=options,
            within=site.host.within,
        )

    async def start_hub(self) -> None:
        """Start a hub that lets ann and bob in."""
        path = self.net.folder / "allowlist.json"
        members = [
            {
                "account": each.name,
                "public_key": each.public_key,
                "permissions": ["relay", "mailbox", "dht"],
            }
            for each in (self.ann, self.bob)
        ]
        path.write_text(json.dumps({"members": members}))
        path.chmod(0o600)
        seeds = [f"{self.sites['seed'].public}:{LISTENING}"]
        hub = await self.start("hub", "hub", seeds, "--private", str(path))
        self.hub = f"wss://{self.sites['hub'].public}:{HUB_PORT}#{hub.public_key}"

    async def go(self, member: Member) -> None:
        """Let a member leave for the private network, and wait until it is there."""
        await self.net.kill(member)
        self.net.members.run(member, "--private", self.hub)
        await self.until(partial(self.is_private, member), WITHIN_S, "a private network")

    async def is_private(self, member: Member) -> bool:
        """Say whether a member has left the public network."""
        status = await tried(member.api.status())
        return status is not None and status.network.startswith("private.")

    def watch(self, name: str) -> None:
        """Count from now on what a host begins with others than the hub."""
        rules = WATCH.format(hub=self.sites["hub"].public, port=HUB_PORT)
        self.sites[name].host.run("nft -f -", rules)

    def begun(self, name: str) -> int:
        """Return how much that was."""
        said = self.sites[name].host.run("nft -j list counter inet watch begun")
        (counter,) = (each["counter"] for each in json.loads(said)["nftables"] if "counter" in each)
        return int(counter["packets"])

    def sockets(self, name: str) -> set[str]:
        """Return the other ends of a host's TCP connections, and "listening" where it listens."""
        found = self.sites[name].host.run("ss -H -t -a -n").splitlines()
        return {
            "listening" if line.startswith("LISTEN") else line.split()[4]
            for line in found
            if not line.startswith("TIME-WAIT")
        }

    async def test_H5_a_member_has_left_the_public_network(self) -> None:
        """It tells its contacts where it goes; from then on it speaks with its hub alone.

        The hub begins to speak with nobody, from its start on.
        """
        await self.go(self.ann)
        for name in ("ann", "bob"):
            self.watch(name)
        hub = f"{self.sites['hub'].public}:{HUB_PORT}"
        await self.until(lambda: self.sockets("ann") == {hub}, WITHIN_S, "the hub alone")
        await self.until(partial(self.names_the_hub, self.bob), WITHIN_S, "the hub in the card")
        await self.net.kill(self.bob)
        await self.net.again(self.bob, same_port=False)  # it looks for ann in public, where she was
        await tried(self.ann.api.doctor())
        await self.put(self.ann, NAME)
        self.assertEqual(self.begun("ann"), 0)
        self.assertGreater(self.begun("bob"), 0)
        self.assertEqual(self.begun("hub"), 0)  # though it was given the seed of the public network
        self.assertEqual(self.sockets("ann"), {hub})
        self.assertFalse(self.answers_at("ann"))

    def answers_at(self, name: str) -> bool:
        """Say whether anybody listens where a node did."""
        place = (self.sites[name].public, LISTENING)
        code = f"import socket; socket.create_connection({place}, 2)"
        dialled = subprocess.run(
            [*self.sites["seed"].host.within, "python3", "-c", code],
            capture_output=True,
            check=False,
        )
        return dialled.returncode == 0

    async def names_the_hub(self, member: Member) -> bool:
        """Say whether a member has read in ann's card where she went."""
        rows = await member.api.contact.list()
        return any(self.hub.partition("#")[0] in row.addresses for row in rows)

    async def test_two_members_meet_in_their_network(self) -> None:
        """Through the hub: a message, and a record in the table that the members keep."""
        await self.go(self.ann)
        await self.go(self.bob)
        for one, other in ((self.ann, "bob"), (self.bob, "ann")):
            await self.until(partial(self.is_linked, one, other), WITHIN_S)
        await self.ann.api.message.send("bob", "hello")

        async def arrived() -> bool:
            rows = await self.bob.api.message.list("ann")
            return [row.text for row in rows] == ["hello"]

        await self.until(arrived, WITHIN_S, "a message")
        await self.put(self.ann, NAME, b"private")
        found = await self.bob.api.record.get(self.ann.public_key, NAME)
        self.assertEqual(found.value, b"private")
