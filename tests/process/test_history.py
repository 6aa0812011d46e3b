"""Rows D5 and D7: processes killed, stopped and ended in turn, and what was told meanwhile."""

from __future__ import annotations

import signal
from random import Random
from typing import Final

from twisted.internet.defer import Deferred, gatherResults

from demo.members import Member
from tests.rig.history import Event, History
from tests.rig.procnet import LONG, TTL_S, ProcessCase, pause, reactor, tried

NODES: Final = 5
TROUBLES: Final = 120 if LONG else 4
NAMES: Final = 4  # of each writer
ENDS: Final = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)


class RestlessTests(ProcessCase):
    """A small network that never comes to rest, and its history."""

    async def network(self) -> list[Member]:
        """Start the nodes and wait until each knows all others."""
        first = await self.net.start("node-0")
        seeds = [self.net.places["node-0"]]
        others = [self.net.members.start(f"node-{n}", "node", seeds) for n in range(1, NODES)]
        for other in others:
            await self.net.answers(other)
        members = [first, *others]
        await self.know(members, NODES - 1)
        return members

    async def test_D5_numbers_go_up_and_nothing_acknowledged_is_lost(self) -> None:
        """Two write and one reads all the time, while one process after the other has an end."""
        members, chance = await self.network(), Random(5)
        self.history, self.over = History(), False
        work = [self.write(members[0]), self.write(members[1]), self.read(members, Random(7))]
        busy = gatherResults([Deferred.fromCoroutine(one) for one in work], consumeErrors=True)
        self.addCleanup(setattr, self, "over", True)
        for number in range(TROUBLES):
            await self.trouble(members[chance.randrange(NODES)], ENDS[number % len(ENDS)])
        self.over = True
        await busy
        await self.know(members, 1)
        for owner, name in list(self.history.acknowledged()):
            await self.until(lambda o=owner, n=name: self.look(members[-1], o, n), 30, name)  # type: ignore[misc]
        told = "\n".join(self.history.lines())
        self.assertGreaterEqual(len(self.history.acknowledged()), 2 * NAMES, told)
        self.assertEqual(self.history.numbers_go_up(), [], told)
        self.assertEqual(self.history.one_value_a_number(), [], told)
        self.assertEqual(self.history.nothing_acknowledged_is_lost(), [], told)

    async def trouble(self, member: Member, how: signal.Signals) -> None:
        """End a member one way or another, and bring it back."""
        member.signal(how)
        if how == signal.SIGSTOP:
            await pause(1.0)
            member.signal(signal.SIGCONT)
        else:
            await member.ended
            await pause(0.2)
            await self.net.again(member)
        await pause(0.5)

    async def write(self, member: Member) -> None:
        """Publish one version after the other of a few names."""
        number = 0
        while not self.over:
            number += 1
            name, value, began_s = f"a/{number % NAMES}", f"value {number}", reactor.seconds()
            found = await tried(member.api.record.put(name, value.encode(), ttl_s=TTL_S))
            if found is not None and found.replicas:
                self.note("put", member.public_key, name, found.seq, value, began_s)
            await pause(0.05)

    async def read(self, members: list[Member], chance: Random) -> None:
        """Read what was acknowledged, through anybody."""
        while not self.over:
            slots = list(self.history.acknowledged())
            if slots:
                await self.look(chance.choice(members), *chance.choice(slots))
            await pause(0.05)

    async def look(self, member: Member, owner: str, name: str) -> bool:
        """Read once; return whether something was found."""
        began_s = reactor.seconds()
        found = await tried(member.api.record.get(owner, name))
        if found is not None:
            self.note("read", owner, name, found.seq, found.value.decode(), began_s)
        return found is not None

    def note(self, kind: str, owner: str, name: str, seq: int, value: str, began_s: float) -> None:
        """Put an event into the history."""
        event = Event(kind, owner, name, seq, value, began_s, reactor.seconds())  # type: ignore[arg-type]
        self.history.add(event)
