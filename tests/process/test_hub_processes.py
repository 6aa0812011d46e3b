"""Several processes as one hub: behind a real HAProxy, with a real Redis, and one killed."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import LoopingCall, deferLater
from twisted.trial.unittest import SkipTest

from streembit.api.caller import Caller
from streembit.api.hub import Sessions
from streembit.jose import base64url
from streembit.service.hub.rows import Reloaded
from tests.rig.hubcase import HubCase, free_ports, listed
from tests.rig.hubmember import HubMember
from tests.rig.procnet import LONG
from tests.rig.redisserver import RedisServer
from tests.tap.twistd import Process

reactor: Any = installed

BACK_WITHIN_S = 30.0
MEMBERS = 12
MAIL_EVERY_S = 0.02
BEFORE_S, AFTER_S = 1.5, 1.5


class Load:
    """Members that send mail to each other all the time."""

    def __init__(self, members: Sequence[HubMember], chance: Random) -> None:
        self.members = members
        self.sent: dict[str, HubMember] = {}  # to whom each mail went, by its id
        self._chance = chance
        self._sending = LoopingCall(self._send)

    def start(self) -> None:
        """Begin to send."""
        self._sending.start(MAIL_EVERY_S, now=False)

    def stop(self) -> None:
        """Send no more."""
        if self._sending.running:
            self._sending.stop()

    @property
    def kept(self) -> set[str]:
        """Those of its mails that the hub said it keeps."""
        return set().union(*(member.kept for member in self.members)) & self.sent.keys()

    def missing(self) -> set[str]:
        """Return the mails that were kept and have not come."""
        return {id_ for id_ in self.kept if id_ not in self.sent[id_].mailed}

    def _send(self) -> None:
        sender, recipient = self._chance.sample(self.members, 2)
        id_ = self._chance.randbytes(16)
        if sender.mail(recipient.key, id_, b"mail " * 20):
            self.sent[base64url.encode(id_)] = recipient


class ProcessesTests(HubCase):
    timeout = 240

    async def start(self, count: int) -> list[Process]:
        """Start so many processes of one hub, HAProxy, and members who have joined."""
        redis = RedisServer(self)
        file = self.folder / "allowlist.json"
        file.touch(mode=0o600)
        file.write_text(listed(range(1, MEMBERS + 1)))
        backs = free_ports(count)
        hubs = []
        for number, port in enumerate(backs):
            shared = ("--private", str(file), "--backplane", redis.url)
            options = ("--behind-proxy", "--exempt", "127.0.0.0/8", *shared)
            hubs.append(self.hub(port, *options, name=f"hub{number}"))
        for port in backs:
            await self.until_open(port)
        front, certificate = await self.haproxy(*backs)
        for number in range(1, MEMBERS + 1):
            await self.member(number, front, trust=certificate).join()
        return hubs

    def caller(self, number: int) -> Caller:
        """Return who asks one process."""
        home = self.folder / f"hub{number}"
        return Caller(reactor, home, home)

    async def keys_at(self, number: int) -> set[str]:
        """Return the keys of the members that are joined to one process."""
        found = await self.caller(number).ask("GET", "/v1/hub/sessions", Sessions)
        return {session.public_key for session in found.sessions}

    async def assert_removal_reaches_all(self) -> None:
        """One process is told to remove a member that is joined to another."""
        there = await self.keys_at(1)
        victim = next(member for member in self.members if member.key.hex in there)
        path = f"/v1/hub/members/{victim.key.hex}"
        await self.caller(0).ask("DELETE", path, Reloaded)
        await self.until(lambda: not victim.is_joined, 1.0)
        self.members.remove(victim)
        victim.leave()

    async def assert_processes_talk(self, count: int) -> None:
        """A member of each process talks to one of the next."""
        at = [await self.keys_at(number) for number in range(count)]
        self.assertEqual(sum(map(len, at)), MEMBERS)
        for number in range(count):
            one, other = at[number], at[(number + 1) % count]
            first = next(m for m in self.members if m.key.hex in one)
            second = next(m for m in self.members if m.key.hex in other and m is not first)
            await self.assert_they_talk(first, second)

    async def kill_one_under_load(self, count: int) -> None:
        hubs = await self.start(count)
        await self.assert_processes_talk(count)
        await self.assert_removal_reaches_all()
        load = Load(self.members, Random(count))
        self.addCleanup(load.stop)
        load.start()
        await deferLater(reactor, BEFORE_S)
        there = [m for m in self.members if m.key.hex in await self.keys_at(0)]
        self.assertGreater(len(there), 0)
        joins = {member: member.joins for member in there}
        hubs[0].signal("KILL")
        took_s = await self.until(
            lambda: all(member.joins > joins[member] and member.is_joined for member in there),
            BACK_WITHIN_S,
        )
        self.assertLess(took_s, BACK_WITHIN_S)
        await deferLater(reactor, AFTER_S)
        load.stop()
        await self.until(lambda: not load.missing(), BACK_WITHIN_S)
        self.assertGreater(len(load.kept), 50)
        await self.until(lambda: all(member.is_joined for member in self.members))
        one, other = there[0], next(m for m in self.members if m not in there)
        await self.assert_they_talk(one, other)

    async def test_S1_H2_one_of_two_processes_is_killed_under_load(self) -> None:
        """Its members are back on the other, and no mail that was kept is lost."""
        await self.kill_one_under_load(2)

    async def test_S1_H2_one_of_four_processes_is_killed_under_load(self) -> None:
        """The same with four."""
        if not LONG:
            raise SkipTest("four take half a minute to start: make slow")
        await self.kill_one_under_load(4)
