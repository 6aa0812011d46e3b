"""Row B3 at a hub: a member whose cable is pulled, in network namespaces."""

from __future__ import annotations

from typing import Any, Final, cast

from twisted.trial.unittest import SkipTest

from demo.members import Member, Role
from streembit.api.caller import Caller
from streembit.api.hub import Sessions
from tests.rig.netns import LISTENING, Field, Site, need
from tests.rig.procnet import LONG, ProcessCase, reactor

HUB_PORT: Final = 32318
OPTIONS: Final = ("--no-passcode", "--exempt", "11.0.0.0/8")
JOINS_WITHIN_S: Final = 20.0
VANISHED_WITHIN_S: Final = 66.0  # a minute's silence, five seconds' rounds, and ours
COMES_BACK_WITHIN_S: Final = 70.0  # it has to notice the same
CUT: Final = """
table inet cut {
  chain in { type filter hook input priority 0; policy drop; iifname lo accept; }
  chain out { type filter hook output priority 0; policy drop; oifname lo accept; }
}
"""


class VanishedTests(ProcessCase):
    """A hub and nodes that are its members, each on a site of its own."""

    def setUp(self) -> None:
        need()
        super().setUp()
        self.field = Field()
        self.addCleanup(self.field.end)
        self.addCleanup(self.net.members.ended)
        self.addCleanup(self.net.members.kill)

    async def start(self, name: str, role: Role, port: int, *more: str) -> tuple[Member, Site]:
        """Start a process on a new site."""
        site = self.field.site()
        options = (*OPTIONS, "--listen", f"tcp:{port}", *more)
        member = await self.net.start(name, role, options=options, within=site.host.within)
        return member, site

    async def places(self, hub: Member) -> dict[str, str]:
        """Return the host of each member that is joined, by its key."""
        caller = Caller(cast(Any, reactor), hub.home, hub.home)
        found = await caller.ask("GET", "/v1/hub/sessions", Sessions)
        return {row.public_key: row.observed.rpartition(":")[0] for row in found.sessions}

    async def joined(
        self, hub: Member, members: list[tuple[Member, Site]], within_s: float
    ) -> None:
        """Wait until these members are joined, each from its site, and nobody else."""
        wanted = {member.public_key: site.public for member, site in members}

        async def so_many() -> bool:
            return await self.places(hub) == wanted

        await self.until(so_many, within_s, f"sessions of {[member.name for member, _ in members]}")

    async def hub_and(self, *names: str) -> tuple[Member, list[tuple[Member, Site]]]:
        """Start a hub, and nodes that join it."""
        hub, place = await self.start("hub", "hub", HUB_PORT, "--no-node")
        way = ("--hub", f"wss://{place.public}:{HUB_PORT}#{hub.public_key}")
        members = [await self.start(name, "node", LISTENING, *way) for name in names]
        await self.joined(hub, members, JOINS_WITHIN_S)
        return hub, members

    async def test_B3_a_member_that_comes_back_elsewhere(self) -> None:
        """Its cable was pulled, so its old session hears nothing; the new one takes its place."""
        hub, [(ann, site)] = await self.hub_and("ann")
        site.host.run("nft -f -", CUT)
        await self.net.kill(ann)
        elsewhere = self.field.site()
        ann.command[: len(site.host.within)] = elsewhere.host.within
        await self.net.again(ann, same_port=False)
        await self.joined(hub, [(ann, elsewhere)], JOINS_WITHIN_S)
        self.assertNotIn("deadline-exceeded", await self.refusals(hub))

    async def test_B3_a_member_that_vanishes(self) -> None:
        """Its place is free in 65 s, another one stays, and it joins again when it can."""
        if not LONG:
            raise SkipTest("takes more than a minute: make slow")
        hub, members = await self.hub_and("ann", "bob")
        _, site = members[0]
        site.host.run("nft -f -", CUT)
        await self.joined(hub, members[1:], VANISHED_WITHIN_S)
        self.assertEqual((await self.refusals(hub))["deadline-exceeded"], 1)
        site.host.run("nft delete table inet cut")
        await self.joined(hub, members, COMES_BACK_WITHIN_S)
