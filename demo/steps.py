"""What the demonstration does, step by step, and what each step proves."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from demo.members import NOWHERE, OPEN, Member, Members
from streembit.errors import NodeNotRunning, NodeRefusal
from streembit.service.facade import GetResult, Status

SEEDS: Final = 3
NODES: Final = 5
HIDDEN: Final = 2  # of them: those that have no port, the last ones
REACHABLE: Final = SEEDS + NODES - HIDDEN
HUB: Final = "Harbour"
START_WITHIN_S: Final = 30.0
JOIN_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.1
RECORD: Final = "Streembit/Demo/Greeting"
VALUE: Final = b"Hello from a node that is about to die."
TTL_S: Final = 3600
HELLO: Final = "Hello, by way of nobody's server but ours."
LATER: Final = "This is for when you are back."


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
    publisher, reader, third, *hidden = await start(stage)
    await join(stage)
    await publish(stage, publisher)
    await read(stage, reader, publisher)
    await kill(stage, publisher)
    await read(stage, third, publisher)
    await meet(stage, *hidden)
    await leave_mail(stage, hidden[0], third)


async def start(stage: Stage) -> list[Member]:
    """Start the seeds and the hub, then the nodes; return the nodes, those without a port last."""
    began_s = stage.clock.seconds()
    first = stage.members.start("seed-1", "seed")
    known = [await address(stage, first)]
    others = [stage.members.start(f"seed-{n}", "seed", known) for n in range(2, SEEDS + 1)]
    hub = stage.members.start("hub", "hub", known, options=(*OPEN, "--name", HUB))
    known += [await address(stage, seed) for seed in others]
    with_hub = ("--hub", await pin(stage, hub))
    nodes = [
        stage.members.start(f"node-{n}", "node", known, options=options_of(n, with_hub))
        for n in range(1, NODES + 1)
    ]
    for node in nodes:
        await address(stage, node)
    stage.say(
        f"{SEEDS} seeds, a hub and {NODES} nodes run after {stage.since(began_s)}: "
        f"{SEEDS + 1 + NODES} twistd processes, each with its own home and key."
    )
    return nodes


def options_of(number: int, with_hub: Sequence[str]) -> tuple[str, ...]:
    """Return how a node is started: the first ones know no hub, the last ones have no port."""
    if number <= NODES - HIDDEN - 1:
        return OPEN
    port = ("--listen", NOWHERE) if number > NODES - HIDDEN else ()
    return (*OPEN, *port, *with_hub)


async def pin(stage: Stage, hub: Member) -> str:
    """Return what members know a hub by."""
    await address(stage, hub)
    status = await hub.api.status()
    assert status.hub is not None
    return status.hub.pin


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
    """Wait until everybody knows everybody who can be connected to."""
    began_s = stage.clock.seconds()
    alone = [member for member in stage.members.all if member.role != "hub"]
    while alone:
        found = [(member, await status_of(member)) for member in alone]
        alone = [
            member
            for member, status in found
            if status is None or status.peers < REACHABLE - member.listens
        ]
        if alone and stage.clock.seconds() - began_s > JOIN_WITHIN_S:
            names = ", ".join(member.name for member in alone)
            raise StepFailed(f"not all of the others are known to: {names}", alone)
        await stage.pause()
    stage.say(
        f"Joined after {stage.since(began_s)}: each of them knows the {REACHABLE} that can be "
        "connected to, met over encrypted links on which both sides proved their keys."
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


async def meet(stage: Stage, one: Member, other: Member) -> None:
    """Make two contacts of each other that nobody can connect to, and let them talk."""
    began_s = stage.clock.seconds()
    await acquaint(stage, one, other)
    (row,) = await one.api.contact.list()
    if not row.via.startswith("hub "):
        raise StepFailed(f"{one.name} is linked to {other.name} {row.via}, not by the hub")
    stage.say(
        f"{one.name} and {other.name} have no port. By an offer that names the hub they became "
        f"contacts after {stage.since(began_s)}, via {row.via}: it passes on what it cannot read."
    )
    began_s = stage.clock.seconds()
    await one.api.message.send(other.name, HELLO)
    await has(stage, other, one, HELLO)
    stage.say(f"  {other.name} read {HELLO!r} after {stage.since(began_s)}.")


async def leave_mail(stage: Stage, one: Member, other: Member) -> None:
    """Stop a contact; what is said to it waits in its mailbox, and arrives when it is back."""
    await acquaint(stage, one, other)
    await one.api.message.send(other.name, HELLO)
    await has(stage, other, one, HELLO)  # so both know the keys to seal with
    other.signal(signal.SIGTERM)
    await other.ended
    await one.api.message.send(other.name, LATER)
    await until(stage, partial(lies_in_mailbox, one, other), f"no mail waits for {other.name}", one)
    stage.say(
        f"{other.name} was stopped. What {one.name} says to it now waits in its mailbox at the hub."
    )
    began_s = stage.clock.seconds()
    stage.members.run(other)
    await has(stage, other, one, LATER)
    stage.say(f"  It was started again, and read {LATER!r} {stage.since(began_s)} after that.")


async def acquaint(stage: Stage, one: Member, other: Member) -> None:
    """Make two contacts of each other, by an offer of the first."""
    made = await one.api.offer.create(life_s=TTL_S, once=True)
    await other.api.contact.add(made.text)
    for member, contact in ((one, other), (other, one)):
        await until(
            stage,
            partial(is_linked, member, contact),
            f"{member.name} has no link to {contact.name}",
            member,
        )


async def has(stage: Stage, member: Member, contact: Member, text: str) -> None:
    """Wait until a member has read a message, which came once."""

    async def came() -> bool:
        if await status_of(member) is None:
            return False  # it starts
        said = await member.api.message.list(contact.name)
        return [row.text for row in said].count(text) == 1

    await until(stage, came, f"{member.name} has no message of {contact.name}", member)


async def is_linked(member: Member, contact: Member) -> bool:
    """Tell whether a member has another one for a contact, with a link."""
    rows = await member.api.contact.list()
    return any(row.name == contact.name and row.linked and row.state == "contact" for row in rows)


async def lies_in_mailbox(member: Member, contact: Member) -> bool:
    """Tell whether what was said last lies in the contact's mailbox."""
    row = (await member.api.message.list(contact.name))[-1]
    return row.why == "in-mailbox"


async def until(
    stage: Stage, look: Callable[[], Awaitable[bool]], what: str, member: Member
) -> None:
    """Look again and again until it is so; raise StepFailed where that takes too long."""
    until_s = stage.clock.seconds() + JOIN_WITHIN_S
    while not await look():
        if stage.clock.seconds() > until_s:
            raise StepFailed(what, [member])
        await stage.pause()
