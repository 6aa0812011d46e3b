"""Thousands of members who say little: what each costs a hub, and what waits for a few who speak.

A real hub (`twistd streembit-hub`) and a bare relay on autobahn, each with 5,000 clients, plain and
with TLS: the growth of the resident set for each. Then 500 of the hub's members send 200 messages
of 1 KiB a second in all, while the others are there.

    python -m bench.hub_idle [--members 5000] [--active 500] [--per-s 200] [--seconds 40]

The bars: 20 KiB for a member, 48 KiB with TLS; nothing lost, and a 99th percentile under 100 ms.
Exits with 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from bench import hub_process
from bench.hub_clients import Client, Guest, Line, Member, framed, many_files, reactor
from bench.hub_process import Server
from bench.hub_relay import CARGO_BYTES, Speaker, in_a_ring, pace
from bench.wormhole import free_port

WARM_UP: Final = 200  # clients before the first reading: caches and pools are filled by then
TOGETHER: Final = 50  # that connect at the same time
REST_S: Final = 5.0
KIB_BARS: Final = {False: 20.0, True: 48.0}  # by whether there is TLS
LATE_BAR_MS: Final = 100.0


async def connected(
    make: Callable[[int], Client], numbers: Sequence[int], port: int, tls: bool
) -> list[Client]:
    """Return clients with these numbers, connected some at a time."""
    clients: list[Client] = []
    for at in range(0, len(numbers), TOGETHER):
        these = [make(number) for number in numbers[at : at + TOGETHER]]
        clients += await gatherResults([client.connect(port, tls=tls) for client in these])
    return clients


class Crowd:
    """The clients of one server, without autobahn."""

    def __init__(self, server: Server, make: Callable[[int], Client], tls: bool) -> None:
        self.clients: list[Client] = []
        self.lines: list[Line] = []
        self.gone = 0
        self._server, self._make, self._tls = server, make, tls

    async def grow(self, count: int) -> float:
        """Have so many more; return the server's resident set after a rest (KiB)."""
        numbers = range(len(self.clients), len(self.clients) + count)
        clients = await connected(self._make, numbers, self._server.port, self._tls)
        self.clients += clients
        self.lines += [client.line() for client in clients]
        for line in self.lines:
            line.gone = self._left
        await deferLater(reactor, REST_S)
        return self._server.rss_kib

    def end(self) -> None:
        """End all connections."""
        for line in self.lines:
            line.gone = lambda: None
            line.drop()

    def _left(self) -> None:
        self.gone += 1


async def kib_each(crowd: Crowd, count: int) -> float:
    """Return by how much the server grows for each of so many."""
    before = await crowd.grow(WARM_UP)
    after = await crowd.grow(count)
    return (after - before) / count


async def talk(crowd: Crowd, active: int, per_s: float, seconds: float) -> dict[str, object]:
    """Have some of the members speak; return how late their messages were, and how many came."""
    members = [client for client in crowd.clients[:active] if isinstance(client, Member)]
    each = max(1, int(per_s * seconds / active))
    cargo = os.urandom(CARGO_BYTES)
    speakers = []
    for index, member in enumerate(members):
        to = members[(index + 1) % active].identity.public
        frames = [framed(member.session.live(to, cargo)[1]) for _ in range(each)]
        speakers.append(Speaker(crowd.lines[index], frames))
    late_s = sorted(await pace(in_a_ring(speakers), per_s))
    return {
        "sent": each * active,
        "came": len(late_s),
        "median_ms": round(late_s[len(late_s) // 2] * 1000, 2),
        "p99_ms": round(late_s[int(len(late_s) * 0.99)] * 1000, 2),
    }


async def measure(options: argparse.Namespace, *, tls: bool) -> bool:
    """Measure both servers, print what was found, and return whether the bars are met."""
    with tempfile.TemporaryDirectory(prefix="streembit-") as name:
        hub = hub_process.hub(Path(name), free_port(), *(() if tls else ("--plain",)))
        bare = hub_process.bare(Path(name), free_port(), tls=tls)
        try:
            bare.start()
            guests = Crowd(bare, lambda number: Guest(number, number), tls)
            bare_kib = await kib_each(guests, options.members)
            guests.end()
            bare.stop()
            hub.start()
            crowd = Crowd(hub, Member, tls)
            kib = await kib_each(crowd, options.members)
            talked = await talk(crowd, options.active, options.per_s, options.seconds)
            crowd.end()
        finally:
            bare.stop()
            hub.stop()
    met = (
        kib <= KIB_BARS[tls]
        and talked["came"] == talked["sent"]
        and float(str(talked["p99_ms"])) < LATE_BAR_MS
        and crowd.gone == 0
    )
    found = {
        "tls": tls,
        "members": options.members,
        "kib_a_member": round(kib, 1),
        "kib_a_bare_client": round(bare_kib, 1),
        **talked,
        "lost_connections": crowd.gone,
        "met": met,
        "bars": {"kib": KIB_BARS[tls], "ms": LATE_BAR_MS},
    }
    print(json.dumps(found), flush=True)
    return met


def main() -> None:
    """Run; exit with the status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hub_idle")
    parser.add_argument("--members", type=int, default=5000)
    parser.add_argument("--active", type=int, default=500)
    parser.add_argument("--per-s", type=float, default=200.0, help="messages, of all together")
    parser.add_argument("--seconds", type=float, default=40.0, help="all are pinged within them")
    options = parser.parse_args()
    many_files()
    met: list[bool] = []

    async def run() -> None:
        met.append(await measure(options, tls=False))
        met.append(await measure(options, tls=True))

    try:
        react(lambda _reactor: Deferred.fromCoroutine(run()))
    except SystemExit as end:
        if end.code:
            raise
    sys.exit(not (len(met) == 2 and all(met)))


if __name__ == "__main__":
    main()
