"""Pairs of contacts behind routers of all kinds, each a process in a namespace: how they meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from typing import Final, Literal, Protocol

from demo.members import Member, Role
from tests.rig.netns import LISTENING, Field, Kind, Site
from tests.rig.procnet import Net, events
from tests.rig.router import Upnpd

HUB_PORT: Final = 32318
JOINED: Final = "joined to the hub"
MET: Final = "met a contact directly, through routers"
FAILED: Final = "a contact was not met directly"
DECIDED_WITHIN_S: Final = 45.0  # a dial to nobody takes ten seconds, and an attempt to punch six
LINKED_WITHIN_S: Final = 20.0
# All sites lie in one part of the address space: none may be the same hand as another.
OPTIONS: Final = ("--no-passcode", "--exempt", "11.0.0.0/8", "--exempt", "192.168.0.0/16")

Behind = Kind | Literal["mapped"]  # a plain router that opens ports for who asks
KINDS: Final[tuple[Behind, ...]] = (
    "open",
    "forwarded",
    "mapped",
    "cone",
    "plain",
    "firewall",
    "random",
)
How = Literal["direct", "mapped", "punched", "relayed"]
Pair = tuple[Behind, Behind]
Tell = Callable[[Pair, How], object]


class Patient(Protocol):
    """Who waits until something is so; a late one is a failure."""

    def __call__(
        self, look: Callable[[], Awaitable[bool] | bool], within_s: float, what: str = ""
    ) -> Awaitable[None]: ...


@dataclass
class Person:
    """One node on a site, and what is between it and the others."""

    behind: Behind
    member: Member


class Meetings:
    """A seed and a hub in public, and persons behind routers who become contacts in pairs."""

    def __init__(self, net: Net, until: Patient) -> None:
        self.field = Field()
        self._net, self._until = net, until
        self._daemons: list[Upnpd] = []
        self._count = 0
        self.seed = ""
        self.hub = ""

    async def begin(self) -> None:
        """Start the seed and the hub."""
        _, host = await self._public("seed", LISTENING)
        self.seed = f"{host}:{LISTENING}"
        hub, host = await self._public("hub", HUB_PORT)
        self.hub = f"wss://{host}:{HUB_PORT}#{hub.public_key}"

    def end(self) -> None:
        """Take everything away; the processes are ended before."""
        for daemon in self._daemons:
            daemon.end()
        self.field.end()

    async def person(self, behind: Behind) -> Person:
        """Return a person behind a router of this kind, who is joined to the hub."""
        self._count += 1
        site = self._site(behind)
        more = ["--listen", f"tcp:{LISTENING}", "--hub", self.hub]
        more += ["--map-port"] if behind == "mapped" else []
        member = await self._net.start(
            f"{behind}-{self._count}",
            seeds=[self.seed],
            options=(*OPTIONS, *more),
            within=site.host.within,
        )
        await self._until(partial(self._is_ready, member, behind), LINKED_WITHIN_S, "the hub")
        return Person(behind, member)

    async def meet(self, one: Person, other: Person) -> How:
        """Return how two persons are linked who become contacts now, once that is decided."""
        told = [len(events(each.member)) for each in (one, other)]
        made = await one.member.api.offer.create(life_s=3600, once=True)
        await other.member.api.contact.add(made.text)
        for each, contact in ((one, other), (other, one)):
            await self._until(partial(self._is_linked, each, contact), LINKED_WITHIN_S, "a link")
        await self._until(
            partial(self._is_decided, one, other, told), DECIDED_WITHIN_S, "the end of attempts"
        )
        how = await self._how(one, other, told)
        await one.member.api.contact.remove(other.member.public_key)
        return how

    # --- how
    def _site(self, behind: Behind) -> Site:
        site = self.field.site("plain" if behind == "mapped" else behind)
        if behind == "mapped":
            assert site.router is not None
            self._daemons.append(Upnpd(site.router, self._net.folder))
        return site

    async def _public(self, role: Role, port: int) -> tuple[Member, str]:
        """Start a member that everybody reaches; return it and where it is."""
        site = self.field.site()
        options = (*OPTIONS, "--listen", f"tcp:{port}")
        member = await self._net.start(role, role, options=options, within=site.host.within)
        return member, site.public

    async def _is_ready(self, member: Member, behind: Behind) -> bool:
        status = await member.api.status()
        mapped = behind != "mapped" or "leads" in status.mapped
        return mapped and any(event["msg"].startswith(JOINED) for event in events(member))

    async def _via(self, one: Person, other: Person) -> str:
        rows = await one.member.api.contact.list()
        key = other.member.public_key
        return next((row.via for row in rows if row.public_key == key), "")

    async def _is_linked(self, one: Person, other: Person) -> bool:
        return bool(await self._via(one, other))

    async def _is_decided(self, one: Person, other: Person, told: list[int]) -> bool:
        """Say whether the two are linked directly, or an attempt to be has failed."""
        if [await self._via(one, other), await self._via(other, one)] == ["direct"] * 2:
            return True
        return self._said(FAILED, one, told[0]) and self._said(FAILED, other, told[1])

    async def _how(self, one: Person, other: Person, told: list[int]) -> How:
        if await self._via(one, other) != "direct":
            return "relayed"
        if any(self._said(MET, each, n) for each, n in zip((one, other), told, strict=True)):
            return "punched"
        reached = {one.behind, other.behind} & {"open", "forwarded"}
        return "direct" if reached else "mapped"

    def _said(self, words: str, person: Person, after: int) -> bool:
        return any(words in event["msg"] for event in events(person.member)[after:])


async def all_pairs(net: Net, until: Patient, tell: Tell) -> dict[Pair, How]:
    """Return how each pair of kinds meets, and tell each as soon as that is known."""
    meetings, found = Meetings(net, until), {}
    try:
        await meetings.begin()
        ones = {behind: await meetings.person(behind) for behind in KINDS}
        others = {behind: await meetings.person(behind) for behind in KINDS}
        for pair in combinations_with_replacement(KINDS, 2):
            found[pair] = await meetings.meet(ones[pair[0]], others[pair[1]])
            tell(pair, found[pair])
    finally:
        await net.end()
        meetings.end()
    return found


def as_table(found: dict[Pair, How]) -> list[str]:
    """Return the lines of a table in Markdown; a pair stands in it once."""
    lines = [f"| | {' | '.join(KINDS)} |", "|---" * (len(KINDS) + 1) + "|"]
    for one in KINDS:
        cells = [found.get((one, other), "") for other in KINDS]
        lines.append(f"| **{one}** | {' | '.join(cells)} |")
    return lines
