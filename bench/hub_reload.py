"""A long allowlist that is read again while the hub relays: how soon who was removed is gone.

A real private hub (`twistd streembit-hub`) with 10,000 members in its list, of whom 500 are joined,
and two of these send each other messages all the time. Then members are taken out of the file, one
after another, and each time the list is read anew at SIGHUP. How long single messages are on their
way tells for how long the hub did nothing else.

    python -m bench.hub_reload [--listed 10000] [--joined 500] [--tries 20] [--per-s 1000]

The bars: a removed member's connection ends within 1 s, and the 99th percentile of the messages
stays under 20 ms. Exits with 1 when one is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from bench import hub_process
from bench.hub_clients import Member, framed, many_files, reactor
from bench.hub_idle import connected
from bench.hub_relay import CARGO_BYTES, LATE_BAR_MS, Speaker, in_a_ring, pace
from bench.hub_restart import REMOVED_BAR_S, Roll, removed
from bench.wormhole import free_port

REST_S: Final = 0.25  # from one removal to the next


def speakers(pair: Sequence[Member], each: int) -> list[Speaker]:
    """Return two members with so many messages for each other."""
    cargo = os.urandom(CARGO_BYTES)
    made = []
    for member, other in zip(pair, reversed(pair), strict=True):
        to = other.identity.public
        frames = [framed(member.session.live(to, cargo)[1]) for _ in range(each)]
        made.append(Speaker(member.line(), frames))
    return in_a_ring(made)


async def taken_out(
    server: hub_process.Server, roll: Roll, leave: Sequence[Member], to: Member, lasted: list[float]
) -> None:
    """Remove these members one after another; note how long each connection lasted."""
    for member in leave:
        lasted.append(await removed(server, roll, member, to, "silent"))
        await deferLater(reactor, REST_S)


def late(late_s: Sequence[float]) -> dict[str, float]:
    """Return the 99th percentile of messages, and the longest that one was on its way."""
    in_order = sorted(late_s)
    return {
        "came": len(in_order),
        "p99_ms": round(in_order[int(len(in_order) * 0.99)] * 1000, 1),
        "longest_ms": round(in_order[-1] * 1000, 1),
    }


async def measure(folder: Path, options: argparse.Namespace) -> bool:
    """Measure, print what was found, and return whether the bars are met."""
    roll = Roll(folder / "allowlist.json", range(options.listed))
    server = hub_process.hub(folder, free_port(), "--plain", "--private", str(roll.path))
    each = int(options.per_s * options.tries * REST_S * 2) // 2
    try:
        server.start()
        joined = await connected(Member, range(options.joined), server.port, False)
        first, second, *others = [member for member in joined if isinstance(member, Member)]
        quiet = late(await pace(speakers((first, second), each), options.per_s))
        lasted: list[float] = []
        leave = others[: options.tries]
        pacing = pace(speakers((first, second), each), options.per_s)
        await taken_out(server, roll, leave, first, lasted)
        meanwhile = late(await pacing)
    finally:
        server.stop()
    met = (
        max(lasted) <= REMOVED_BAR_S
        and meanwhile["p99_ms"] < LATE_BAR_MS
        and meanwhile["came"] == quiet["came"] == 2 * each
    )
    found = {
        "listed": options.listed,
        "joined": options.joined,
        "removed": len(lasted),
        "closed_after_ms": {
            "median": round(sorted(lasted)[len(lasted) // 2] * 1000, 1),
            "longest": round(max(lasted) * 1000, 1),
        },
        "messages_without_reload": quiet,
        "messages_meanwhile": meanwhile,
        "bars": {"closed_s": REMOVED_BAR_S, "p99_ms": LATE_BAR_MS},
        "met": met,
    }
    print(json.dumps(found), flush=True)
    return met


def main() -> None:
    """Run; exit with the status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hub_reload")
    parser.add_argument("--listed", type=int, default=10_000)
    parser.add_argument("--joined", type=int, default=500)
    parser.add_argument("--tries", type=int, default=20)
    parser.add_argument("--per-s", type=float, default=1000.0, help="messages of both")
    options = parser.parse_args()
    many_files()
    met: list[bool] = []

    async def run(name: str) -> None:
        met.append(await measure(Path(name), options))

    try:
        with tempfile.TemporaryDirectory(prefix="streembit-") as name:
            react(lambda _reactor: Deferred.fromCoroutine(run(name)))
    except SystemExit as end:
        if end.code:
            raise
    sys.exit(met != [True])


if __name__ == "__main__":
    main()
