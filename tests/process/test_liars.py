"""Rows D1 and D3: a third of a network lies, and a crowd of made-up ids stands around a record."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from twisted.internet.defer import gatherResults

from demo.members import Member
from streembit.dht.keyspace import (
    ID_BITS,
    REPLICAS,
    node_id,
    record_place,
    shared_bits,
    to_hex,
    to_text,
)
from streembit.dht.record import read
from streembit.jose import base64url
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.net.dial import over_tcp
from streembit.wire.message import (
    Body,
    Contact,
    FindNode,
    FindValue,
    Nodes,
    Pong,
    Rpc,
    Store,
    Stored,
)
from tests.rig.evil import EvilLink, EvilPeer
from tests.rig.procnet import LONG, NETWORK, ProcessCase, reactor, side_by_side, tried

# The rows speak of hundreds of processes. Here are as many as a small machine bears, and the same
# share of liars or more.
HONEST: Final = 40 if LONG else 14
LIARS: Final = HONEST * 3 // 7  # 30% of all
SYBILS: Final = 40 if LONG else 20  # around a record that they want to be gone
NEARER_BITS: Final = 8  # to its place than one of so many nodes: nearer than the honest ones
RECORDS: Final = 8
FOUND: Final = 0.95
LOOPBACK: Final = "127.0.0.1"
NOBODY: Final = 9  # a port where nobody listens


def contact(key: PublicKey, port: int) -> Contact:
    """Return what is told of a node on this machine."""
    return Contact(key.text, LOOPBACK, port)


class Conspiracy:
    """Hostile peers that join as others do, and then all tell the same lies.

    Whatever is looked for, nodes of theirs are nearest to it; with `ghosts` these are made up, and
    nobody is there. What they give receipts for they forget.

    Attributes:
        asked: how many requests they lied to.
        ids: their node ids, in hexadecimal.
    """

    def __init__(self, keys: Iterable[PrivateKey], *, ghosts: bool = False) -> None:
        self.asked = 0
        self._ghosts = ghosts
        self._keys = ParsedKeys()
        self._peers = [
            EvilPeer(over_tcp(reactor), reactor, NETWORK, key=key, respond=self._lie)
            for key in keys
        ]
        self._ports = [reactor.listenTCP(0, p.factory, interface=LOOPBACK) for p in self._peers]
        for peer, port in zip(self._peers, self._ports, strict=True):
            peer.port_is(port.getHost().port)
        self.ids = {to_hex(node_id(peer.key.public.point)) for peer in self._peers}
        self._contacts = [contact(p.key.public, p.hello.port) for p in self._peers]

    async def join(self, places: Iterable[tuple[str, int]]) -> None:
        """Open a link of each to each of these places, where they are dialled back."""
        for place in places:
            await gatherResults([peer.open(*place) for peer in self._peers])

    async def end(self) -> None:
        """Leave."""
        for peer, port in zip(self._peers, self._ports, strict=True):
            await port.stopListening()
            gone = [link.when_gone() for link in peer.links]
            peer.leave()
            await gatherResults(gone)

    def _lie(self, _link: EvilLink, request: Rpc) -> Body:
        self.asked += 1
        match request.body:
            case FindNode() | FindValue():
                return Nodes(list(self._told()))
            case Store(item=item, kind="record"):
                return self._receipt(item)
            case _:
                return Pong("")

    def _told(self) -> Iterator[Contact]:
        if self._ghosts:
            return (contact(PrivateKey.generate().public, NOBODY) for _ in range(20))
        start = self.asked % len(self._contacts)
        return itertools.islice(itertools.cycle(self._contacts), start, start + 20)

    def _receipt(self, item: str) -> Stored:
        record = read(item, self._keys, reactor.seconds(), NETWORK)
        digest = base64url.encode(record.digest)
        return Stored(to_text(record.place), digest, record.seq, record.claims.exp)


def around(place: int, count: int) -> list[PrivateKey]:
    """Return made-up keys whose node ids are nearer to a place than an honest node's is."""
    keys = (PrivateKey.generate() for _ in itertools.count())
    near = (k for k in keys if (node_id(k.public.point) ^ place) >> (ID_BITS - NEARER_BITS) == 0)
    return list(itertools.islice(near, count))


def place_of(owner: Member, name: str) -> int:
    """Return where a member's record lies."""
    return record_place(PublicKey.from_hex(owner.public_key).point, "name", name)


def far_name(owner: Member) -> str:
    """Return a name for a record that lies in the other half of all ids than its owner.

    Who lives right beside a crowd takes it for the network: one of two hundred in the network that
    the row speaks of, but one of some ten in ours.
    """
    own = node_id(PublicKey.from_hex(owner.public_key).point)
    names = (f"a/{number}" for number in itertools.count())
    return next(name for name in names if not shared_bits(own, place_of(owner, name)))


class LiarsTests(ProcessCase):
    """Honest processes among peers that are not."""

    async def honest(self) -> list[Member]:
        """Start the honest nodes; each knows all of them."""
        first = await self.net.start("node-0")
        seeds = [self.net.places["node-0"]]
        start = self.net.members.start
        members = [first, *(start(f"node-{n}", "node", seeds) for n in range(1, HONEST))]
        for member in members:
            await self.net.answers(member)
        await self.know(members, HONEST - 1)
        return members

    async def joined_by(self, liars: Conspiracy, members: Sequence[Member]) -> None:
        """Let the liars join; they leave before the members end."""
        self.addCleanup(liars.end)
        await liars.join([self.net.place(member) for member in members])

    async def is_surrounded(self, member: Member, place: int, crowd: Conspiracy) -> bool:
        """Say whether a member that looks for a place finds as many of the crowd as of replicas."""
        nearest = (await member.api.peer.find(to_hex(place))).nearest
        return sum(row.node_id in crowd.ids for row in nearest) >= REPLICAS

    async def found(self, owners: dict[str, Member], readers: Sequence[Member]) -> float:
        """Return which share of all reads finds what was published."""
        good: list[bool] = []

        async def read_all(reader: Member) -> None:
            for name, owner in owners.items():
                found = await tried(reader.api.record.get(owner.public_key, name))
                good.append(found is not None and found.value == name.encode())

        await side_by_side(map(read_all, readers))
        return sum(good) / len(good)

    async def test_D1_three_of_ten_lie(self) -> None:
        """They tell of nodes that do not exist: none is taken in, and all records are found."""
        members = await self.honest()
        liars = Conspiracy([PrivateKey.generate() for _ in range(LIARS)], ghosts=True)
        await self.joined_by(liars, members)
        everybody = HONEST + LIARS - 1
        await self.know(members, everybody)
        owners = {f"a/{n}": members[n % HONEST] for n in range(RECORDS)}
        for name, owner in owners.items():
            await self.put(owner, name, name.encode())
        self.assertGreaterEqual(await self.found(owners, members), FOUND)
        self.assertGreater(liars.asked, RECORDS)
        for member in members:
            self.assertLessEqual((await member.api.status()).peers, everybody)

    async def test_D3_a_crowd_around_a_record(self) -> None:
        """Nearer to it than anybody honest, more than there are replicas: still found."""
        members = await self.honest()
        owner = members[3]
        name = far_name(owner)
        place = place_of(owner, name)
        crowd = Conspiracy(around(place, SYBILS))
        await self.joined_by(crowd, members)
        for member in members:
            await self.until(
                lambda m=member: self.is_surrounded(m, place, crowd),  # type: ignore[misc]
                60,
                f"a crowd that {member.name} sees",
            )
        await self.put(owner, name, name.encode())
        self.assertGreaterEqual(await self.found({name: owner}, members), FOUND)
        self.assertGreater(crowd.asked, SYBILS)
