"""Row S1 for files between two nodes: either is killed in the middle, and all goes on by itself."""

from __future__ import annotations

import sys
import time
from hashlib import file_digest
from random import Random
from typing import Final

from demo.members import Member
from streembit.files.sending import READ_BYTES
from streembit.link.channel import OVERHEAD_BYTES
from streembit.service.people_rows import TransferRow
from streembit.wire.frame import HEADER_BYTES
from streembit.wire.transfer import CHUNK_BYTES, MAX_BLOCK_BYTES
from tests.process.two import TwoPeopleCase
from tests.rig import counted
from tests.rig.counted import COUNT_BYTES
from tests.rig.procnet import LONG, pause

CHUNKS: Final = 1024 if LONG else 48
SIZE: Final = CHUNKS * CHUNK_BYTES + 12_345
KILLS: Final = 3
WITHIN_S: Final = 300.0 if LONG else 60.0
OFTEN_S: Final = 0.001
HEAD_BYTES: Final = 34  # of a block or mark, before its data or digest
FRAME_BYTES: Final = HEAD_BYTES + OVERHEAD_BYTES + HEADER_BYTES
BLOCKS: Final = CHUNK_BYTES // READ_BYTES * -(-READ_BYTES // MAX_BLOCK_BYTES)  # of a chunk
# What a file takes of TCP beside its bytes; then its marks, once more after each death.
AROUND_BYTES: Final = (CHUNKS + 1) * BLOCKS * FRAME_BYTES
MARKS_BYTES: Final = (CHUNKS + 1) * (FRAME_BYTES + 32)
WORDS_BYTES: Final = 128 * 1024  # of a life of a node: its two cards, for two nodes, are half


class FileNodeTests(TwoPeopleCase):
    """A seed, ann and bob; ann and bob are contacts, and ann's bytes are counted."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Start all, and make the two contacts by an offer."""
        super().setUp()
        self.count = self.net.folder / "count"
        self.path = self.net.folder / "file"
        chance = Random(5)
        with self.path.open("wb") as file:
            left = SIZE
            while left:
                left -= file.write(chance.randbytes(min(left, CHUNK_BYTES)))
        await self.net.start("seed", "seed")
        seeds = [self.net.places["seed"]]
        within = [sys.executable, str(counted.__file__), str(self.count)]
        self.ann = await self.net.start("ann", seeds=seeds, within=within)
        self.bob = await self.net.start("bob", seeds=seeds)
        await self.acquaint()

    async def row(self, member: Member) -> TransferRow | None:
        """Return a member's only transfer."""
        rows = await self.client(member).file.list()
        return rows[0] if rows else None

    async def has(self, member: Member, state: str) -> bool:
        """Tell whether a member's transfer is in a state."""
        row = await self.row(member)
        return row is not None and row.state == state

    def sent_bytes(self) -> int:
        """Return how much ann has given to TCP."""
        return int.from_bytes(self.count.read_bytes()[:COUNT_BYTES])

    def held_bytes(self) -> int:
        """Return how much of the file is on bob's disk, before it has its name."""
        parts = list(self.target.glob(".streembit-*/0.part"))
        return parts[0].stat().st_size if parts else 0

    async def held(self, share: float) -> float:
        """Wait until bob has so much of the file, and return after how many seconds."""
        began_s = time.monotonic()
        while self.held_bytes() < SIZE * share:
            self.assertLess(time.monotonic() - began_s, WITHIN_S, f"no {share:.0%} of the file")
            await pause(OFTEN_S)
        return time.monotonic() - began_s

    async def test_S1_either_node_is_killed(self) -> None:
        """SIGKILL to one, the other and both at random places: a chunk more a death at most."""
        self.target = self.net.folder / "in"
        chance = Random(6)
        offered = await self.client(self.ann).file.send("bob", self.path)
        await self.until(lambda: self.has(self.bob, "offered"), 30, "the offer")
        before = self.sent_bytes()
        await self.client(self.bob).file.accept(offered.id, folder=self.target)
        figures = []
        for number, victims in enumerate(((self.bob,), (self.ann,), (self.ann, self.bob))):
            waited_s = await self.held((number + chance.random()) / KILLS * 0.9)
            for victim in victims:
                await self.net.kill(victim)
            figures.append((self.held_bytes() / SIZE, waited_s))
            self.assertGreater(self.held_bytes(), 0, "it was over before")
            for victim in victims:
                await self.net.again(victim)
        began_s = time.monotonic()
        await self.until(lambda: self.has(self.bob, "done"), WITHIN_S, "the file")
        figures.append((1.0, time.monotonic() - began_s))
        await self.until(lambda: self.has(self.ann, "done"), 30, "the word that it is there")
        self.same()
        sent = self.sent_bytes() - before
        allowed = SIZE + AROUND_BYTES + (KILLS + 1) * (MARKS_BYTES + WORDS_BYTES)
        twice = (sent - allowed) / CHUNK_BYTES
        self.assertLessEqual(twice, KILLS, figures)

    def same(self) -> None:
        """Assert that bob has what ann sent, and nothing else is left in the folder."""
        received = self.target / "file"
        with received.open("rb") as got, self.path.open("rb") as sent:
            digests = [file_digest(each, "sha256").digest() for each in (got, sent)]
        self.assertEqual(digests[0], digests[1])
        self.assertEqual([path.name for path in self.target.iterdir()], ["file"])
