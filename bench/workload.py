"""The workload of the comparison: puts and gets one after another, and gets after a loss."""

import random
import resource
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import yardstick
from bench.swarm import Outcome, Swarm
from bench.victims import Vanishing, Victims

VALUE_BYTES = 300
PUTS = 500
GETS_AFTER_LOSS = 100
LOST_SHARE = 0.3
LIMIT_S = 5.0  # what the peer allows one request; a later answer counts as none
IN_FLIGHT = 32
REST_S = 0.2  # after the last answer, for what still happens behind it
IN_FLIGHT_AFTER_LOSS = 20  # keeps the wait for lost gets at 25 s; a CPU is idle meanwhile


@dataclass(frozen=True)
class Speed:
    """Medians in milliseconds of wall time; CPU in milliseconds an operation, all threads.

    `sign_and_verify_us` is what bare ECDSA P-256 cost between the same
    puts and gets: on a noisy machine, divide by it."""

    sign_and_verify_us: float
    puts_taken: int
    gets_answered: int
    gets_away: int
    put_ms: float | None
    get_ms: float | None
    get_away_ms: float | None
    get_away_p90_ms: float | None
    get_local_ms: float | None
    put_cpu_ms: float
    get_cpu_ms: float
    requests_a_put: float
    requests_a_get: float
    gets_a_second: float
    memory_kib_a_node: float


@dataclass(frozen=True)
class Survival:
    """How many gets were answered within the limit after the loss, and how fast."""

    vanishing: str
    lost: int
    gets: int
    answered: int
    answered_ms: float | None
    slowest_ms: float | None


@dataclass(frozen=True)
class Errand:
    """One value with the node that publishes it and another node that reads it."""

    name: str
    value: bytes
    writer: int
    reader: int


def sign_and_verify_us() -> float:
    """Return the price of one signature made and checked at this moment."""
    return yardstick.prices().sign_and_verify_us


def errands(nodes: int, count: int, chance: random.Random) -> list[Errand]:
    """Draw values and, for each, two different nodes."""
    drawn = []
    for i in range(count):
        writer, reader = chance.sample(range(nodes), 2)
        drawn.append(Errand(f"bench-{i}", chance.randbytes(VALUE_BYTES), writer, reader))
    return drawn


def median_ms(outcomes: Sequence[Outcome]) -> float | None:
    """Return the median duration, or None when there is none to speak of."""
    if not outcomes:
        return None
    return statistics.median(o.seconds for o in outcomes) * 1e3


def p90_ms(outcomes: Sequence[Outcome]) -> float | None:
    """Return the duration that nine in ten do not exceed, or None."""
    if not outcomes:
        return None
    return sorted(o.seconds for o in outcomes)[len(outcomes) * 9 // 10] * 1e3


def resident_kib() -> int:
    """Return the largest resident set that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


async def put_all(swarm: Swarm, work: Sequence[Errand]) -> list[Outcome]:
    """Publish every value, one after another."""
    return [await swarm.put(e.writer, e.name, e.value, e.reader) for e in work]


def checked(outcomes: Sequence[Outcome], work: Sequence[Errand]) -> list[Outcome]:
    """Return the outcomes with each wrong value turned into none."""
    return [
        o if o.value == e.value else Outcome(None, o.seconds)
        for o, e in zip(outcomes, work, strict=True)
    ]


async def get_one_by_one(swarm: Swarm, work: Sequence[Errand]) -> list[Outcome]:
    """Read every value at its reader, the next only when the last is done."""
    return checked([await swarm.get(e.reader, e.name, LIMIT_S) for e in work], work)


async def get_all(swarm: Swarm, work: Sequence[Errand], at_once: int) -> list[Outcome]:
    """Read every value at its reader, so many at the same time."""
    outcomes: list[Outcome] = []
    for i in range(0, len(work), at_once):
        batch = work[i : i + at_once]
        outcomes += await swarm.together([swarm.get(e.reader, e.name, LIMIT_S) for e in batch])
    return checked(outcomes, work)


async def grow(swarm: Swarm, nodes: int, seed_port: int | None = None) -> int:
    """Join so many nodes, each through the first; return the first one's port."""
    for _ in range(nodes):
        port = await swarm.join(seed_port)
        seed_port = port if seed_port is None else seed_port
    assert seed_port is not None
    return seed_port


@dataclass(frozen=True)
class Mark:
    """The CPU seconds this process has used and the requests its nodes have sent so far."""

    cpu_s: float
    requests: int


async def mark(swarm: Swarm) -> Mark:
    """Take both counts; the second when the network has come to rest."""
    cpu_s = time.process_time()
    await swarm.pause(REST_S)
    return Mark(cpu_s, swarm.requests())


async def measure_speed(swarm: Swarm, nodes: int, chance: random.Random) -> Speed:
    """Run the puts and gets on an undisturbed network, all of it in this process."""
    before_kib = resident_kib()
    await grow(swarm, nodes)
    await swarm.pause(swarm.settle_s)
    memory_kib = (resident_kib() - before_kib) / nodes
    work = errands(nodes, PUTS, chance)
    unit_us = [sign_and_verify_us()]
    start = await mark(swarm)
    puts = await put_all(swarm, work)
    between = await mark(swarm)
    local = [swarm.holds(e.reader, e.name) for e in work]
    unit_us.append(sign_and_verify_us())
    begin_gets = await mark(swarm)
    gets = await get_one_by_one(swarm, work)
    end = await mark(swarm)
    unit_us.append(sign_and_verify_us())
    begun = time.perf_counter()
    await get_all(swarm, work, IN_FLIGHT)
    gets_a_second = PUTS / (time.perf_counter() - begun)
    answered = [g for g in gets if g.value is not None]
    away = [g for g, here in zip(gets, local, strict=True) if g.value is not None and not here]
    at_home = [g for g, here in zip(gets, local, strict=True) if g.value is not None and here]
    return Speed(
        sign_and_verify_us=statistics.median(unit_us),
        puts_taken=sum(p.value is not None for p in puts),
        gets_answered=len(answered),
        gets_away=len(away),
        put_ms=median_ms(puts),
        get_ms=median_ms(answered),
        get_away_ms=median_ms(away),
        get_away_p90_ms=p90_ms(away),
        get_local_ms=median_ms(at_home),
        put_cpu_ms=(between.cpu_s - start.cpu_s) / PUTS * 1e3,
        get_cpu_ms=(end.cpu_s - begin_gets.cpu_s) / PUTS * 1e3,
        requests_a_put=(between.requests - start.requests) / PUTS,
        requests_a_get=(end.requests - begin_gets.requests) / PUTS,
        gets_a_second=gets_a_second,
        memory_kib_a_node=memory_kib,
    )


async def measure_survival(
    swarm: Swarm, module: str, nodes: int, vanishing: Vanishing, chance: random.Random
) -> Survival:
    """Publish, let a share of the nodes vanish at once, and read from those that are left.

    The nodes that will vanish live in a process of their own, so that
    they can be killed, or stopped with their sockets open.
    """
    lost = round(nodes * LOST_SHARE)
    seed_port = await grow(swarm, 1)
    with Victims(module, lost, nodes, seed_port) as victims:
        await victims.wait_for("started", swarm)
        await grow(swarm, nodes - lost - 1, seed_port)
        await victims.wait_for("joined", swarm)
        await swarm.pause(swarm.settle_s)
        work = errands(nodes - lost, GETS_AFTER_LOSS, chance)
        await put_all(swarm, work)
        victims.vanish(vanishing)
        gets = await get_all(swarm, work, IN_FLIGHT_AFTER_LOSS)
    answered = [g for g in gets if g.value is not None and g.seconds <= LIMIT_S]
    return Survival(
        vanishing=vanishing.value,
        lost=lost,
        gets=len(gets),
        answered=len(answered),
        answered_ms=median_ms(answered),
        slowest_ms=max((g.seconds * 1e3 for g in answered), default=None),
    )
