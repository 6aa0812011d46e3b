"""A hub that is killed and started again under its members, and members that are removed from it.

First, 500 real members (`service.relay`, in some processes) write mail to each other all the time.
The hub is killed and, after a while, started again, and so on: each time they have to be back
within 30 s of its listening, each after a wait by chance. In the end each mail that the hub
acknowledged was shown to its recipient, and none twice.

Then, members of a private hub are taken out of its list one after another, and the list is read
anew at SIGHUP: a connection has to end within 1 s, of a member that is silent, one that is in the
middle of a message, and one that sends message after message.

    python -m bench.hub_restart [--members 500] [--away 1 5 45] [--tries 200]

Exits with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from bench import hub_process
from bench.hub_clients import Line, Member, framed, identity_of, many_files, reactor
from bench.hub_process import Server
from bench.wormhole import free_port

PROCESSES: Final = 2  # of members: as many as cores
BACK_BAR_S: Final = 30.0
REMOVED_BAR_S: Final = 1.0
REST_S: Final = 10.0  # of mail between two kills
END_S: Final = 120.0
FIRST_REMOVED: Final = 10_000  # the numbers of those who are removed
KINDS: Final = ("silent", "half a message", "message after message")


class Group:
    """A process of members."""

    def __init__(self, url: str, first: int, count: int, every: int) -> None:
        self.joined = 0
        self.told: dict[str, Any] = {}
        numbers = [str(number) for number in (first, count, every)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.hub_mailers", url, *numbers],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def end(self) -> None:
        """Have it write no more, settle and tell what happened."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait(self) -> dict[str, Any]:
        """Return what it told."""
        self._reading.join(END_S)
        self.kill()
        return self.told

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "joined" in said:
                self.joined = said["joined"]
            else:
                self.told = said


def until_joined(groups: Sequence[Group], count: int, begun_s: float, within_s: float) -> float:
    """Return how long it took until so many were joined; infinity where it took too long."""
    while sum(group.joined for group in groups) < count:
        if time.monotonic() - begun_s > within_s:
            return float("inf")
        time.sleep(0.01)
    return time.monotonic() - begun_s


def restarts(folder: Path, members: int, away_s: Sequence[float]) -> dict[str, object]:
    """Return what came of the kills."""
    hub = hub_process.hub(folder, free_port(), "--plain")
    each = members // PROCESSES
    groups: list[Group] = []
    try:
        hub.start()
        url = hub_process.pin(hub)
        groups = [Group(url, index * each, each, members) for index in range(PROCESSES)]
        until_joined(groups, members, time.monotonic(), END_S)
        back = [killed(hub, rest_s, groups, members) for rest_s in away_s]
        time.sleep(REST_S)
        for group in groups:
            group.end()
        told = [group.wait() for group in groups]
    finally:
        for group in groups:
            group.kill()
        hub.stop()
    mail = of_mail(told)
    return {
        "members": members,
        "away_s": list(away_s),
        "all_back_s": [round(seconds, 1) for seconds in back],
        **mail,
        "bar_s": BACK_BAR_S,
        "met": bool(mail["acknowledged"])
        and mail["lost"] == mail["shown_twice"] == 0
        and max(back) <= BACK_BAR_S,
    }


def killed(hub: Server, away_s: float, groups: Sequence[Group], members: int) -> float:
    """Kill the hub for so long; return how long after its start all were back."""
    time.sleep(REST_S)
    hub.stop(signal.SIGKILL)
    time.sleep(away_s)
    hub.start()
    return until_joined(groups, members, time.monotonic(), 2 * BACK_BAR_S)


def of_mail(told: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return what became of the mail, by what all processes told."""
    kept = [text for each in told for text in each["kept"]]
    shown = Counter(text for each in told for text in each["shown"])
    findings: Counter[str] = Counter()
    for each in told:
        findings.update(each["findings"])
    return {
        "acknowledged": len(kept),
        "lost": sum(text not in shown for text in kept),
        "shown_twice": sum(count > 1 for count in shown.values()),
        "came_again": sum(each["again"] for each in told),
        "findings": dict(findings),
    }


class Roll:
    """The allowlist's file."""

    def __init__(self, path: Path, numbers: Sequence[int]) -> None:
        self.path = path
        self._rows = {number: _row(number) for number in numbers}
        self.write()

    def remove(self, number: int) -> None:
        """Take a member out of the file."""
        del self._rows[number]
        self.write()

    def write(self) -> None:
        """Write the file whole."""
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps({"members": list(self._rows.values())}))
        fresh.replace(self.path)


def _row(number: int) -> dict[str, object]:
    identity = identity_of(number)
    return {
        "account": identity.name,
        "public_key": identity.public.hex,
        "permissions": ["relay"],
    }


async def removals(folder: Path, tries: int) -> dict[str, object]:
    """Return how long each removed member's connection lasted."""
    numbers = [FIRST_REMOVED + number for number in range(tries + 1)]
    roll = Roll(folder / "allowlist.json", numbers)
    hub = hub_process.hub(folder, free_port(), "--plain", "--private", str(roll.path))
    try:
        hub.start()
        made = [Member(number) for number in numbers]
        for at in range(0, len(made), 50):
            await gatherResults([m.connect(hub.port, tls=False) for m in made[at : at + 50]])
        stays, *leave = made
        lasted = [
            await removed(hub, roll, member, stays, KINDS[index % len(KINDS)])
            for index, member in enumerate(leave)
        ]
        still = not stays.line().transport.disconnecting
    finally:
        hub.stop()
    late = sum(seconds > REMOVED_BAR_S for seconds in lasted)
    return {
        "removed": len(lasted),
        "longest_ms": round(max(lasted) * 1000, 1),
        "median_ms": round(sorted(lasted)[len(lasted) // 2] * 1000, 1),
        "late": late,
        "bar_s": REMOVED_BAR_S,
        "met": late == 0 and len(lasted) == tries and still,
    }


async def removed(hub: Server, roll: Roll, member: Member, to: Member, kind: str) -> float:
    """Remove a member while it does what `kind` says; return how long its connection lasted."""
    line = member.line()
    ended: Deferred[None] = Deferred()
    line.gone = lambda: ended.callback(None)
    frame = framed(member.session.live(to.identity.public, os.urandom(1024))[1])
    if kind == "half a message":
        line.send(frame[: len(frame) // 2])
    elif kind == "message after message":
        flood(line, member, to, ended, [frame])
    await deferLater(reactor, 0.01)
    roll.remove(member.number)
    begun_s = time.monotonic()
    hub.signal(signal.SIGHUP)
    ended.addTimeout(2 * REMOVED_BAR_S, reactor)
    try:
        await ended
    except TimeoutError:
        return float("inf")
    return time.monotonic() - begun_s


def flood(
    line: Line, member: Member, to: Member, ended: Deferred[None], frames: list[bytes]
) -> None:
    """Send one message every millisecond until the connection has ended."""
    if not ended.called:
        token = member.session.live(to.identity.public, b"x")[1]
        line.send(b"".join([*frames, framed(token)]))
        reactor.callLater(0.001, flood, line, member, to, ended, [])


def main() -> None:
    """Run both parts; exit with the status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hub_restart")
    parser.add_argument("--members", type=int, default=500)
    parser.add_argument("--away", type=float, nargs="+", default=[1.0, 5.0, 45.0])
    parser.add_argument("--tries", type=int, default=200)
    options = parser.parse_args()
    many_files()
    met: list[bool] = []

    async def run(name: str) -> None:
        found = await removals(Path(name), options.tries)
        print(json.dumps(found), flush=True)
        met.append(bool(found["met"]))

    with tempfile.TemporaryDirectory(prefix="streembit-") as name:
        found = restarts(Path(name), options.members, options.away)
        print(json.dumps(found), flush=True)
        met.append(bool(found["met"]))
    try:
        with tempfile.TemporaryDirectory(prefix="streembit-") as name:
            react(lambda _reactor: Deferred.fromCoroutine(run(name)))
    except SystemExit as end:
        if end.code:
            raise
    sys.exit(not (len(met) == 2 and all(met)))


if __name__ == "__main__":
    main()
