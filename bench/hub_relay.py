"""Live envelopes of 1 KiB through a hub, beside bare cryptography and a bare relay on autobahn.

A real hub (`twistd streembit-hub`) and the bare relay have one core, in turn; the members, whose
frames are signed before, have the other. What a message costs the hub is the CPU that its process
took, the kernel's work for it included: on a machine that others use as well, time on the clock
says more about them. Both are shown; on a quiet machine they agree. The unit is a bare check of the
signatures of a run, one after another, on the hub's core, before the run and after it.

    python -m bench.hub_relay [--frames 20000] [--tls]

The bars: between 2 and between 100 members at least 55% of what one signature check a message
allows on one core, and at half of its load a 99th percentile under 20 ms. Exits with 1 when one is
missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import react

from bench import hub_process
from bench.hub_clients import Guest, Line, Member, framed, many_files, reactor
from bench.hub_process import Server
from bench.wormhole import free_port
from bench.yardstick import price_us
from streembit.jose import base64url

CARGO_BYTES: Final = 1024
FRAMES: Final = 20_000  # of one run
RUNS: Final = 3  # of each kind, in turn
CHECKED: Final = 256  # frames whose signatures are checked for the unit
SERVER_CORE, OWN_CORE = 0, 1
CROWDS: Final = ((2, 32), (100, 8))  # members, and how many frames of each are in flight
SHARE_BAR: Final = 0.55
LATE_BAR_MS: Final = 20.0
TICK_S: Final = 0.001
PATIENCE_S: Final = 30.0


class Speaker:
    """One client in a ring: it sends to the next, and counts what comes from the one before."""

    def __init__(self, line: Line, frames: Sequence[bytes]) -> None:
        self.line = line
        self.before = self
        self.got = 0
        self.late_s: list[float] = []  # how long each frame that came was on its way
        self.on_got: Callable[[int], None] = lambda _count: None
        self.frames = deque(frames)
        self._sent_s: deque[float] = deque()
        line.took = self._took

    @property
    def left(self) -> int:
        """How many frames it has not sent."""
        return len(self.frames)

    def send(self, count: int) -> None:
        """Send so many of those that are left, together."""
        frames = self.frames
        count = min(count, len(frames))
        self._sent_s.extend([time.perf_counter()] * count)
        self.line.send(b"".join([frames.popleft() for _ in range(count)]))

    def _took(self, count: int) -> None:
        now_s = time.perf_counter()
        self.got += count
        sent_s = self.before._sent_s
        self.late_s.extend([now_s - sent_s.popleft() for _ in range(count)])
        self.on_got(count)


def in_a_ring(speakers: Sequence[Speaker]) -> list[Speaker]:
    """Let each know whom it hears."""
    for index, speaker in enumerate(speakers):
        speaker.before = speakers[index - 1]
    return list(speakers)


async def members(port: int, count: int, each: int, tls: bool) -> list[Speaker]:
    """Return members of the hub, each with so many frames for the next."""
    joined = await gatherResults([Member(n).connect(port, tls=tls) for n in range(count)])
    cargo = os.urandom(CARGO_BYTES)
    speakers = []
    for index, member in enumerate(joined):
        to = joined[(index + 1) % count].identity.public
        frames = [framed(member.session.live(to, cargo)[1]) for _ in range(each)]
        speakers.append(Speaker(member.line(), frames))
    return in_a_ring(speakers)


async def guests(port: int, count: int, each: int, tls: bool, frame: bytes) -> list[Speaker]:
    """Return clients of the bare relay, each with so many frames of the same size."""
    made = [Guest(n, (n + 1) % count) for n in range(count)]
    joined = await gatherResults([guest.connect(port, tls=tls) for guest in made])
    return in_a_ring([Speaker(guest.line(), [frame] * each) for guest in joined])


def flood(speakers: Sequence[Speaker], in_flight: int) -> Deferred[int]:
    """Send all, so many of each in flight; fire with how many came when all have."""
    done: Deferred[int] = Deferred()
    total = came = sum(speaker.left for speaker in speakers)

    def took(before: Speaker, count: int) -> None:
        nonlocal came
        came -= count
        before.send(count)
        if came == 0:
            done.callback(total)

    for speaker in speakers:
        speaker.on_got = lambda count, before=speaker.before: took(before, count)  # type: ignore[misc]
    for speaker in speakers:
        speaker.send(in_flight)
    return done


def pace(speakers: Sequence[Speaker], per_s: float) -> Deferred[list[float]]:
    """Send all at a rate, each in turn; fire with how many seconds each frame was on its way.

    Frames that do not come within PATIENCE_S of the last are not in there.
    """
    done: Deferred[list[float]] = Deferred()
    total = sum(speaker.left for speaker in speakers)
    begun_s, sent = time.perf_counter(), 0
    until_s = begun_s + total / per_s + PATIENCE_S

    def tick() -> None:
        nonlocal sent
        due = min(total, int((time.perf_counter() - begun_s) * per_s))
        while sent < due:
            speakers[sent % len(speakers)].send(1)
            sent += 1
        came = sum(speaker.got for speaker in speakers)
        if came < total and time.perf_counter() < until_s:
            reactor.callLater(TICK_S, tick)
        else:
            done.callback([late_s for speaker in speakers for late_s in speaker.late_s])

    tick()
    return done


@dataclass
class Run:
    """What one flood came to.

    Attributes:
        per_s: messages relayed in a second of the clock.
        cpu_us: what one took of the server's CPU.
        own_busy: which share of its own core the measuring process took.
    """

    per_s: float
    cpu_us: float
    own_busy: float


async def timed(server: Server, speakers: Sequence[Speaker], in_flight: int) -> Run:
    """Flood, and end the connections."""
    begun = time.perf_counter(), time.process_time(), server.cpu_s
    total = await flood(speakers, in_flight)
    wall_s = time.perf_counter() - begun[0]
    run = Run(
        total / wall_s,
        (server.cpu_s - begun[2]) / total * 1e6,
        (time.process_time() - begun[1]) / wall_s,
    )
    drop(speakers)
    return run


def drop(speakers: Sequence[Speaker]) -> None:
    """End the connections."""
    for speaker in speakers:
        speaker.line.drop()


def check_us(frames: Sequence[bytes], member: Member) -> float:
    """Return what a bare check of these frames' signatures takes of the server's core, each."""
    point = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), bytes.fromhex(member.identity.public.hex)
    )
    algorithm = ec.ECDSA(SHA256())
    signed = cycle([signature_of(frame) for frame in frames])
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        return price_us(lambda: point.verify(*next(signed), algorithm), time.thread_time)
    finally:
        os.sched_setaffinity(0, {OWN_CORE})


def signature_of(frame: bytes) -> tuple[bytes, bytes]:
    """Return the signature of a frame, as `cryptography` takes it, and what it is of."""
    signed, _, signature = frame[8:].rpartition(b".")
    raw = base64url.decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    return der, signed


@dataclass
class Bench:
    """Both servers, and how to use them."""

    hub: Server
    bare: Server
    tls: bool
    frames: int

    async def crowd(self, count: int, in_flight: int) -> dict[str, object]:
        """Return the figures of one ring."""
        each = max(in_flight * 4, self.frames // count)
        checks: list[float] = []  # of each run the mean of before and after
        ours: list[Run] = []
        theirs: list[Run] = []
        for _ in range(RUNS):
            speakers = await members(self.hub.port, count, each, self.tls)
            frames = list(islice(speakers[0].frames, CHECKED))
            before_us = check_us(frames, Member(0))
            ours.append(await timed(self.hub, speakers, in_flight))
            checks.append((before_us + check_us(frames, Member(0))) / 2)
            speakers = await guests(self.bare.port, count, each, self.tls, frames[0])
            theirs.append(await timed(self.bare, speakers, in_flight))
        speakers = await members(self.hub.port, count, each, self.tls)
        late_s = await pace(speakers, median(run.per_s for run in ours) / 2)
        drop(speakers)
        found = figures(len(frames[0]), checks, ours, theirs, late_s)
        lost = count * each - len(late_s)
        share_bar = 0.0 if self.tls else SHARE_BAR
        met = (
            found["share_of_bare_checks"] >= share_bar
            and found["p99_ms_at_half_load"] < LATE_BAR_MS
        )
        return {"members": count, "tls": self.tls, **found, "lost": lost, "met": met and not lost}


def figures(
    size_bytes: int,
    checks: Sequence[float],
    ours: Sequence[Run],
    theirs: Sequence[Run],
    late_s: Sequence[float],
) -> dict[str, float]:
    """Return the medians."""
    share = median(us / run.cpu_us for us, run in zip(checks, ours, strict=True))
    share_wall = median(us * run.per_s / 1e6 for us, run in zip(checks, ours, strict=True))
    late_ms = sorted(late_s)[int(len(late_s) * 0.99)] * 1000
    return {
        "frame_bytes": size_bytes,
        "share_of_bare_checks": round(share, 3),
        "the_same_by_the_clock": round(share_wall, 3),
        "check_us": round(median(checks), 1),
        "relay_cpu_us": round(median(run.cpu_us for run in ours), 1),
        "bare_relay_cpu_us": round(median(run.cpu_us for run in theirs), 1),
        "relayed_per_s": round(median(run.per_s for run in ours)),
        "bare_relay_per_s": round(median(run.per_s for run in theirs)),
        "own_core_busy": round(max(run.own_busy for run in ours), 2),
        "p99_ms_at_half_load": round(late_ms, 2),
    }


async def measure(frames: int, tls: bool) -> bool:
    """Measure both rings and print them; return whether the bars are met."""
    met = True
    with tempfile.TemporaryDirectory(prefix="streembit-") as name:
        plain = () if tls else ("--plain",)
        hub = hub_process.hub(Path(name), free_port(), *plain, core=SERVER_CORE)
        bare = hub_process.bare(Path(name), free_port(), tls=tls, core=SERVER_CORE)
        try:
            hub.start()
            bare.start()
            for count, in_flight in CROWDS:
                found = await Bench(hub, bare, tls, frames).crowd(count, in_flight)
                print(json.dumps({**found, "bars": {"share": SHARE_BAR, "ms": LATE_BAR_MS}}))
                met = met and bool(found["met"])
        finally:
            hub.stop()
            bare.stop()
    return met


def main() -> None:
    """Run; exit with the status."""
    parser = argparse.ArgumentParser(prog="python -m bench.hub_relay")
    parser.add_argument("--frames", type=int, default=FRAMES, help="of one run")
    parser.add_argument("--tls", action="store_true", help="with TLS 1.3, for which no bar is set")
    options = parser.parse_args()
    many_files()
    os.sched_setaffinity(0, {OWN_CORE})
    met: list[bool] = []

    async def run() -> None:
        met.append(await measure(options.frames, options.tls))

    try:
        react(lambda _reactor: Deferred.fromCoroutine(run()))
    except SystemExit as end:
        if end.code:
            raise
    sys.exit(not (met and met[0]))


if __name__ == "__main__":
    main()
