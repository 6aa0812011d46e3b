"""One file on its way in: which bytes are due, and whether they are what their marks say."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from streembit.errors import BadBlock, WrongDigest
from streembit.wire.transfer import CHUNK_BYTES, Block, Data, Mark

if TYPE_CHECKING:
    from hashlib import _Hash as HASH

REREAD_BYTES: Final = 256 * 1024  # as a sender reads
MAX_MARKS: Final = 64  # marks that may come ahead of our own reading: 2 KiB


class Damaged(Exception):
    """The bytes that the disk had are not the sender's."""


class Incoming:
    """One run of a file: first what we have is compared with the sender's marks, then blocks come.

    Attributes:
        start: how many bytes we had; the sender sends those behind them.
        position: how far our bytes are hashed; from `start` on also how
            far they are written.
        checked: how far marks have proven them.
        upto: how far was asked for.
    """

    __slots__ = (
        "_hash",
        "_marks",
        "_own",
        "_sound",
        "checked",
        "position",
        "size",
        "start",
        "upto",
    )

    def __init__(self, size_bytes: int, start: int) -> None:
        self.size = size_bytes
        self.start = start
        self.position = self.checked = self.upto = 0
        self._hash = sha256()
        self._sound = self._hash.copy()  # as of `checked`
        self._own: dict[int, HASH] = {}  # as of each chunk's end that is not proven
        self._marks: dict[int, bytes] = {}

    @property
    def is_whole(self) -> bool:
        """Whether every byte is there and proven."""
        return self.checked == self.size

    @property
    def is_rereading(self) -> bool:
        """Whether bytes that we had are still to be read."""
        return self.position < self.start

    @property
    def is_inside(self) -> bool:
        """Whether the bytes that are there end inside of a chunk."""
        return self.position % CHUNK_BYTES != 0 and self.position < self.size

    @property
    def in_flight(self) -> int:
        """Bytes that were asked for and have not come."""
        return max(0, self.upto - max(self.position, self.start))

    def back_to_checked(self) -> Incoming:
        """Return the run that follows on a damage: it begins where the proven bytes end."""
        again = Incoming(self.size, self.checked)
        again.position = again.checked = self.checked
        again._hash, again._sound = self._sound.copy(), self._sound
        return again

    @property
    def is_caught_up(self) -> bool:
        """Whether all whole chunks that we had are proven, so that blocks may come."""
        return not self.is_rereading and self.checked >= self.start // CHUNK_BYTES * CHUNK_BYTES

    def wanted(self) -> tuple[int, int]:
        """Return offset and length of our own bytes to read next; length 0 when none are due."""
        limit = min(self.start, self.checked + MAX_MARKS * CHUNK_BYTES, self._boundary())
        return self.position, max(0, min(REREAD_BYTES, limit - self.position))

    def reread(self, data: Data) -> None:
        """Take the bytes that `wanted` named; raise Damaged or WrongDigest as `mark` does."""
        self._advance(data)

    def block(self, block: Block) -> None:
        """Take the next bytes from the sender; the caller writes them.

        Raises:
            BadBlock: not at the place due, beyond what was asked for, or
                beyond a chunk whose mark has not come.
        """
        end = block.offset + len(block.data)
        if block.offset != self.position or self.is_rereading or end > self.upto:
            raise BadBlock(offset=block.offset, due=self.position, upto=self.upto)
        if end > self._boundary() or self.position - self.checked >= CHUNK_BYTES:
            raise BadBlock("beyond the end of a chunk", offset=block.offset)
        self._advance(block.data)

    def mark(self, mark: Mark) -> None:
        """Take a mark.

        Raises:
            Damaged: it tells that bytes which we had are not the sender's.
            WrongDigest: it tells so of bytes that the sender sent.
            BadBlock: not at the end of a chunk, one that came before, or
                one of a chunk that was not asked for.
        """
        end = mark.end
        if (end % CHUNK_BYTES and end != self.size) or not 0 < end <= self.upto:
            raise BadBlock("a mark inside a chunk", offset=end)
        if end <= self.checked:
            return  # the sender begins anew after a damage
        if end in self._marks or len(self._marks) > MAX_MARKS:
            raise BadBlock("a mark too many", offset=end)
        self._marks[end] = mark.digest
        self._compare()

    def _advance(self, data: Data) -> None:
        self._hash.update(data)
        self.position += len(data)
        if self.position == self.size or not self.position % CHUNK_BYTES:
            self._own[self.position] = self._hash.copy()
            self._compare()

    def _compare(self) -> None:
        """Compare marks with our own digests, chunk by chunk, as far as both are known."""
        while True:
            end = min(self.checked + CHUNK_BYTES, self.size)
            if end not in self._own or end not in self._marks:
                return
            own = self._own.pop(end)
            if own.digest() != self._marks.pop(end):
                self._blame()
            self.checked, self._sound = end, own

    def _blame(self) -> None:
        if self.checked < self.start:
            raise Damaged
        raise WrongDigest(offset=self.checked)

    def _boundary(self) -> int:
        return min((self.position // CHUNK_BYTES + 1) * CHUNK_BYTES, self.size)
