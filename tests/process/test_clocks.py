"""Rows A3 and D6: machines whose clocks are wrong."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SkipTest

from demo.members import Member
from streembit.dht.record import make
from streembit.jose.keys import PrivateKey
from streembit.wire.message import Refused, Store
from tests.rig.procnet import NETWORK, ProcessCase, tried
from tests.sources import ROOT
from tests.tap.twistd import TWISTD

HOUR_S: Final = 3600
DAY_S: Final = 24 * HOUR_S
RIGHT: Final = 3  # as many peers as it takes to doubt one's own clock
TTL_S: Final = 2 * HOUR_S
AGREE_S: Final = 60  # what starting and asking may take
STREEMBIT: Final = str(Path(TWISTD).with_name("streembit"))

# How far each clock is ahead: an hour is borne, what is more is not.
BORNE: Final = {"hour-ahead": HOUR_S, "hour-behind": -HOUR_S}
NOT_BORNE: Final = {
    "day-ahead": DAY_S,
    "day-behind": -DAY_S,
    "1970": HOUR_S - int(time.time()),
    "2038": 2**31 + HOUR_S - int(time.time()),  # what 32 bits cannot tell
}


def faketime(ahead_s: int) -> list[str]:
    """Return the command of a program that runs another as if the system's clock were wrong.

    Raises:
        SkipTest: libfaketime is not installed.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found:
        raise SkipTest("libfaketime is missing: tools/system, or apt-get install libfaketime")
    return [
        "/usr/bin/env",
        f"LD_PRELOAD={found[0]}",
        f"FAKETIME={ahead_s:+d}",
        "FAKETIME_DONT_FAKE_MONOTONIC=1",  # a clock that is set wrong moves no other
    ]


def forget_clocks(members: Sequence[Member]) -> None:
    """Remove what libfaketime leaves behind of processes that are killed."""
    for member in members:
        for name in (f"faketime_shm_{member.pid}", f"sem.faketime_sem_{member.pid}"):
            Path("/dev/shm", name).unlink(missing_ok=True)


def skewed(ahead_s: float) -> list[str]:
    """Return the same for a twistd, of which only what Python calls the time is wrong."""
    return [sys.executable, str(ROOT / "tests" / "rig" / "skewed.py"), str(ahead_s)]


class ClockTests(ProcessCase):
    """One node with a wrong clock."""

    async def wrong(self, name: str, seconds: float, seeds: Sequence[str] = ()) -> Member:
        """Start a node whose clock is so many seconds ahead."""
        return await self.net.start(name, seeds=seeds, within=skewed(seconds))

    async def test_A3_a_record_of_yesterday(self) -> None:
        """A day later it is refused by who never saw it; by its own clock it is not yet over."""
        today, tomorrow = await self.net.start("today"), await self.wrong("tomorrow", 25 * 3600.0)
        old = make(
            PrivateKey.generate(), "name", "a/name", b"value", 1, int(time.time()) + 3600, NETWORK
        )
        link = await self.link(today)
        self.assertNotIsInstance((await link.ask(Store(old.token, "record"))).body, Refused)
        link = await self.link(tomorrow)
        answer = (await link.ask(Store(old.token, "record"))).body
        assert isinstance(answer, Refused), answer
        self.assertEqual(answer.code, "record-expired")
        self.assertEqual((await tomorrow.api.status()).records, 0)

    async def test_D6_a_clock_two_hours_ahead(self) -> None:
        """Links open, records of an hour travel both ways, and the status tells how far it is."""
        first = await self.net.start("first")
        seeds = [self.net.places["first"]]
        for name in ("second", "third"):
            await self.net.start(name, seeds=seeds)
        wrong = await self.wrong("wrong", 7200.0, seeds)

        async def told() -> bool:
            skew_s = (await wrong.api.status()).clock_skew_s
            return skew_s is not None and abs(skew_s - 7200) < 60

        await self.until(told, 30, "the skew")
        await self.put(wrong, "a/ahead", b"ahead")
        self.assertEqual((await first.api.record.get(wrong.public_key, "a/ahead")).value, b"ahead")
        await self.put(first, "a/right", b"right")
        found = await tried(wrong.api.record.get(first.public_key, "a/right"))
        self.assertIsNone(found)  # it is over by that clock
        self.assertIn("clock", wrong.log.read_text())


class SystemClockTests(ProcessCase):
    """Six machines of nine have a wrong clock, each another one."""

    async def test_D6_hours_days_and_ages(self) -> None:
        """All join; within an hour records travel both ways, beyond it they are refused."""
        clocks = {**BORNE, **NOT_BORNE}
        commands = {name: faketime(ahead_s) for name, ahead_s in clocks.items()}
        first = await self.net.start("right-0")
        seeds = [self.net.places["right-0"]]
        start = self.net.members.start
        right = [first, *(start(f"right-{n}", "node", seeds) for n in range(1, RIGHT))]
        wrong = {
            name: start(name, "node", seeds, within=command) for name, command in commands.items()
        }
        self.addCleanup(forget_clocks, list(wrong.values()))
        everybody = [*right, *wrong.values()]
        for member in everybody:
            await self.net.answers(member)
        await self.know(everybody, len(everybody) - 1)
        await self.put(right[1], "a/right", b"right", TTL_S)
        for name, member in wrong.items():
            await self.until(lambda m=member, n=name: self.told(m, clocks[n]), 20, name)  # type: ignore[misc]
        for name in BORNE:
            await self.check_served(wrong[name], right)
        for name in NOT_BORNE:
            await self.check_refused(wrong[name], right)
        doctors = [Deferred.fromCoroutine(self.check_warned(m)) for m in wrong.values()]
        await gatherResults(doctors, consumeErrors=True)
        self.assertTrue((await self.doctor(first))["clock"]["ok"])

    async def told(self, member: Member, ahead_s: int) -> bool:
        """Say whether the member's status tells how far its clock is off."""
        skew_s = (await member.api.status()).clock_skew_s
        return skew_s is not None and abs(skew_s - ahead_s) < AGREE_S

    async def check_served(self, wrong: Member, right: list[Member]) -> None:
        """Assert that what it publishes is found, and that it finds what others publish."""
        await self.put(wrong, "a/wrong", b"wrong", TTL_S)
        self.assertEqual(
            (await right[0].api.record.get(wrong.public_key, "a/wrong")).value, b"wrong"
        )
        found = await wrong.api.record.get(right[1].public_key, "a/right")
        self.assertEqual(found.value, b"right")

    async def check_refused(self, wrong: Member, right: list[Member]) -> None:
        """Assert that the right ones take nothing of what it publishes, nor it of theirs."""
        put = await tried(wrong.api.record.put("a/wrong", b"wrong", ttl_s=TTL_S))
        if put is not None:  # those whose clocks are wrong the same way may have taken it
            ids = {(await member.api.status()).node_id for member in right}
            self.assertTrue(ids.isdisjoint(replica.node_id for replica in put.replicas), wrong.name)
            refused = [put.refused.get(f"record-{why}", 0) for why in ("expired", "lives-too-long")]
            self.assertGreaterEqual(sum(refused), RIGHT)
        self.assertIsNone(
            await tried(right[0].api.record.get(wrong.public_key, "a/wrong")), wrong.name
        )
        self.assertIsNone(
            await tried(wrong.api.record.get(right[1].public_key, "a/right")), wrong.name
        )

    async def check_warned(self, wrong: Member) -> None:
        """Assert that the log and the doctor name the clock, and say what to do."""
        self.assertIn("clock", wrong.log.read_text())
        check = (await self.doctor(wrong))["clock"]
        self.assertFalse(check["ok"], wrong.name)
        self.assertIn("timedatectl", check["advice"])

    async def doctor(self, member: Member) -> dict[str, Any]:
        """Return what `streembit doctor` finds, by the names of the checks."""
        command = [STREEMBIT, "--home", str(member.home), "doctor", "--json"]
        out, err, _status = await getProcessOutputAndValue(command[0], command[1:], env=None)
        self.assertEqual(err, b"")
        return {check["name"]: check for check in json.loads(out)["checks"]}
