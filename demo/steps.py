"""What the demonstration does, step by step, and what each step proves."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from demo.members import Member, Members
from streembit.errors import NodeNotRunning, NodeRefusal
from streembit.service.facade import GetResult, Status

SEEDS: Final = 3
NODES: Final = 5
START_WITHIN_S: Final = 30.0
JOIN_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.1
RECORD: Final = "Streembit/Demo/Greeting"
VALUE: Final = b"Hello from a node that is about to die."
TTL_S: Final = 3600


class StepFailed(Exception):
    """A step did not come out; the logs of `members` may say why."""

    def __init__(self, what: str, members: Sequence[Member] = ()) -> None:
        super().__init__(what)
        self.members = members


@dataclass(frozen=True)
class Stage:
    """Where it all happens: the processes, the clock, and who is told."""

    members: Members
    clock: IReactorTime
    say: Callable[[str], None]

    async def pause(self) -> None:
        """Wait a moment before looking again."""
        await deferLater(self.clock, LOOK_EVERY_S)

    def since(self, start_s: float) -> str:
        """Return the time passed, in words."""
        return f"{self.clock.seconds() - start_s:.1f} s"


async def play(stage: Stage) -> None:
    """Do all the steps.

    Raises:
        StepFailed: the first that does not come out.
    """
    publisher, reader, third, *_ = await start(stage)
    await join(stage)
    await publish(stage, publisher)
    await read(stage, reader, publisher)
    await kill(stage, publisher)
    await read(stage, third, publisher)


async def start(stage: Stage) -> list[Member]:
    """Start the seeds, then the nodes; return the nodes."""
    began_s = stage.clock.seconds()
    first = stage.members.start("seed-1", "seed")
    known = [await address(stage, first)]
    others = [stage.members.start(f"seed-{n}", "seed", known) for n in range(2, SEEDS + 1)]
    known += [await address(stage, seed) for seed in others]
    nodes = [stage.members.start(f"node-{n}", "node", known) for n in range(1, NODES + 1)]
    for node in nodes:
        await address(stage, node)
    stage.say(
        f"{SEEDS} seeds and {NODES} nodes run after {stage.since(began_s)}: "
        f"{SEEDS + NODES} twistd processes, each with its own home and key."
    )
    return nodes


async def address(stage: Stage, member: Member) -> str:
    """Return where the member listens, as soon as its API answers; "" for one that has no port."""
    until_s = stage.clock.seconds() + START_WITHIN_S
    while stage.clock.seconds() < until_s:
        if not member.runs:
            raise StepFailed(f"{member.name} ended right after its start", [member])
        status = await status_of(member)
        if status is not None and (status.listening or not member.listens):
            return next(iter(status.listening), "")
        await stage.pause()
    raise StepFailed(f"{member.name} does not answer on its local API", [member])


async def status_of(member: Member) -> Status | None:
    """Return what the member says of itself, None while nobody is there."""
    try:
        return await member.api.status()
    except NodeNotRunning:
        return None


async def join(stage: Stage) -> None:
    """Wait until everybody knows everybody."""
    began_s = stage.clock.seconds()
    others = SEEDS + NODES - 1
    alone = list(stage.members.all)
    while alone:
        found = [(member, await status_of(member)) for member in alone]
        alone = [member for member, status in found if status is None or status.peers < others]
        if alone and stage.clock.seconds() - began_s > JOIN_WITHIN_S:
            names = ", ".join(member.name for member in alone)
            raise StepFailed(f"not all of the others are known to: {names}", alone)
        await stage.pause()
    stage.say(
        f"Joined after {stage.since(began_s)}: each of them knows the other {others}, met over "
        "encrypted links on which both sides proved their keys."
    )


async def publish(stage: Stage, publisher: Member) -> None:
    """Have a node sign and store a record."""
    try:
        put = await publisher.api.record.put(RECORD, VALUE, ttl_s=TTL_S)
    except NodeRefusal as e:
        raise StepFailed(f"{publisher.name} could not publish: {e}", [publisher]) from None
    if not put.replicas:
        raise StepFailed(f"nobody gave {publisher.name} a receipt", [publisher])
    stage.say(
        f"{publisher.name} published {RECORD} in {put.took_ms:.1f} ms: {len(put.replicas)} other "
        f"nodes checked its signature and gave signed receipts (sequence number {put.seq})."
    )


async def read(stage: Stage, reader: Member, publisher: Member) -> None:
    """Have another node find the record, and hold it against what was published."""
    try:
        got = await reader.api.record.get(publisher.public_key, RECORD)
    except NodeRefusal as e:
        raise StepFailed(f"{reader.name} could not read: {e}", [reader]) from None
    if got.value != VALUE or got.signer != publisher.public_key:
        raise StepFailed(f"{reader.name} got another record: {got.value!r}", [reader])
    stage.say(f"{reader.name} read {got.value.decode()!r} in {got.took_ms:.1f} ms, {way(got)}.")
    stage.say(f"  Signed by {got.signer[:16]}…, the key of {publisher.name}: verified.")
    stage.say("  Several nodes were asked, so that none alone could hide a newer version.")


def way(got: GetResult) -> str:
    """Return how the record was found, in words."""
    if got.hops == 0:
        return "from its own store, being one of the nodes nearest to the record"
    return f"{got.hops} hop{'s' if got.hops > 1 else ''} away, with {got.requests} requests"


async def kill(stage: Stage, publisher: Member) -> None:
    """Kill the publisher without notice."""
    publisher.signal(signal.SIGKILL)
    how = await publisher.ended
    if "signal 9" not in how:
        raise StepFailed(f"{publisher.name} did not die of SIGKILL: {how}", [publisher])
    stage.say(
        f"{publisher.name} was killed without notice (SIGKILL). What it published is to outlive it."
    )
