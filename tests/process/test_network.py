"""Rows B3, D7 and D8: who vanishes, half of a network killed at once, and all of its seeds."""

from __future__ import annotations

import signal
from typing import Final

from twisted.trial.unittest import SkipTest

from demo.members import Member
from streembit.disk.peers import PeersFile
from tests.rig.procnet import LONG, ProcessCase, pause, side_by_side

RECORDS: Final = 12
SEEDS, NODES = (4, 96) if LONG else (3, 21)  # the row's hundred, and what two cores bear in CI
LATER: Final = 20 if LONG else 0  # killed one after the other, one percent of all a second
VANISHED_AFTER_S: Final = 70.0  # a minute's silence, and how often it is looked at


class NetworkTests(ProcessCase):
    """Seeds and nodes, each a process."""

    async def network(self, seeds: int, nodes: int) -> tuple[list[Member], list[Member]]:
        """Return the seeds and the nodes, when each of them knows all others."""
        first = await self.net.start("seed-0", "seed")
        known = [self.net.places["seed-0"]]
        members = self.net.members
        others = [members.start(f"seed-{n}", "seed", known) for n in range(1, seeds)]
        for seed in others:
            await self.net.answers(seed)
            known.append(self.net.places[seed.name])
        started = [members.start(f"node-{n}", "node", known) for n in range(nodes)]
        for node in started:
            await self.net.answers(node)
        await self.know(members.all, seeds + nodes - 1)
        return [first, *others], started

    async def remember(self, members: list[Member], count: int) -> None:
        """Wait until so many others are on the disk of each."""
        files = [PeersFile(member.home / "peers.json") for member in members]
        await self.until(
            lambda: all(len(file.load().peers) >= count for file in files), 40, "peers on the disk"
        )

    async def check_found(self, reader: Member, owners: dict[str, Member]) -> None:
        """Assert that a member finds all records."""
        for name, owner in owners.items():
            found = await reader.api.record.get(owner.public_key, name)
            self.assertEqual((found.value, found.signer), (name.encode(), owner.public_key))

    async def check_all_find(self, readers: list[Member], owners: dict[str, Member]) -> None:
        """Assert the same of several members, which read side by side."""
        await side_by_side(self.check_found(reader, owners) for reader in readers)

    async def test_D7_half_of_all_killed_at_once(self) -> None:
        """Each record is found by each that lives, its owner dead or not."""
        seeds, nodes = await self.network(SEEDS, NODES)
        owners = {f"a/{n}": nodes[n % len(nodes)] for n in range(RECORDS)}
        for name, owner in owners.items():
            await self.put(owner, name, name.encode())
        half, most = SEEDS // 2, NODES // 2
        victims, living = seeds[:half] + nodes[:most], seeds[half:] + nodes[most:]
        for victim in victims:
            await self.net.kill(victim)
        await self.check_all_find(living, owners)
        for victim in living[-LATER:] if LATER else []:
            await self.net.kill(victim)
            await pause(100 / (SEEDS + NODES))
        living = living[: len(living) - LATER]
        await self.check_all_find(living, owners)
        await self.put(living[-1], "b/after", b"b/after")
        await self.check_found(living[0], {"b/after": living[-1]})

    async def test_B3_a_process_that_vanishes(self) -> None:
        """Stopped, with its connections open: a minute later its places are free."""
        if not LONG:
            raise SkipTest("takes more than a minute: make slow")
        nodes = (await self.network(1, 3))[1]
        nodes[0].signal(signal.SIGSTOP)
        for other in nodes[1:]:
            await self.until(lambda m=other: self.has_lost(m, 1), VANISHED_AFTER_S, other.name)  # type: ignore[misc]
        nodes[0].signal(signal.SIGCONT)
        await self.know(nodes, 3)

    async def has_lost(self, member: Member, count: int) -> bool:
        """Say whether a member of four has lost so many links."""
        status = await member.api.status()
        return status.links <= 3 - count and status.peers <= 3 - count

    async def test_D8_all_seeds_killed_and_restarted(self) -> None:
        """The others go on; one of them, killed too, restarts without a seed; the seeds come back.

        All of them remember their peers, though they ran for seconds only.
        """
        seeds, nodes = await self.network(2, 3)
        await self.remember([*seeds, nodes[2]], len(seeds) + len(nodes) - 1)
        await self.put(nodes[0], "a/before", b"a/before")
        for seed in seeds:
            await self.net.kill(seed)
        await self.check_found(nodes[1], {"a/before": nodes[0]})
        await self.put(nodes[1], "a/without", b"a/without")
        await self.check_found(nodes[2], {"a/without": nodes[1]})
        await self.net.kill(nodes[2])
        await self.net.again(nodes[2], same_port=False)
        await self.know([nodes[2]], 2)
        owners = {"a/before": nodes[0], "a/without": nodes[1]}
        await self.check_found(nodes[2], owners)
        for seed in seeds:
            await self.net.again(seed)
        await self.know(self.net.members.all, len(seeds) + len(nodes) - 1)
        for seed in seeds:
            await self.check_found(seed, owners)
