"""Files that a contact asks for: which bytes to read next, and what to send of them."""

from __future__ import annotations

from collections import deque
from hashlib import sha256
from itertools import accumulate
from typing import Final, NamedTuple

from streembit.errors import BadAsk, FileChanged, NoSuchTransfer
from streembit.files.manifest import Manifest
from streembit.files.manifest import read as read_manifest
from streembit.files.state import CANCELLED, FINAL, Journal, Stand, State, kept_stand
from streembit.jose.base64url import decode as b64decode
from streembit.wire.terms import MAX_INT
from streembit.wire.transfer import (
    CHUNK_BYTES,
    MANIFEST,
    MAX_BLOCK_BYTES,
    Ask,
    Data,
    FileEnd,
    FileOffer,
    FileVerdict,
    Mark,
    pack_block,
    pack_mark,
)

READ_BYTES: Final = 256 * 1024  # one turn of a transfer: a millisecond or less
MAX_OPEN_FILES: Final = 16  # files of one transfer asked for at a time: small ones come together
MAX_COMPARED: Final = 16  # times all files may be read over one link only to compare them
RUN_BYTES: Final = 4096  # what opening a file costs, counted as bytes that were read


class Read(NamedTuple):
    """Says which bytes of which file are wanted from the disk.

    `opened` tells the runs of one number apart: an asker that died begins to count anew.
    """

    file: int
    run: int
    offset: int
    size_bytes: int
    opened: int


class _Run:
    """One file on its way: `position` is how far it was read and hashed."""

    __slots__ = ("hash", "number", "opened", "position", "start", "upto")

    def __init__(self, ask: Ask, opened: int) -> None:
        self.opened = opened
        self.number, self.start, self.upto = ask.run, ask.start, ask.upto
        self.position = 0
        self.hash = sha256()


class Sending:
    """One transfer as its sender sees it.

    Whoever owns it gives it what the contact says (`answered`, `ask`,
    `ended`), asks `next` what to read, reads that, gives it to `fill` and
    sends what `fill` returns over the link that the asks came by.

    Attributes:
        offer: what to tell the contact.
        stand: where it stands.
    """

    def __init__(self, offer: FileOffer, transfer: bytes, manifest: Manifest) -> None:
        self.offer = offer
        self.stand = Stand()
        self._transfer = transfer
        self._manifest = manifest
        self._runs: dict[int, _Run] = {}
        self._turns: deque[int] = deque()
        self._opened = 0  # runs, by this sender since it started
        once = manifest.total_bytes + len(manifest.data)
        once += (len(manifest.entries) + 1) * RUN_BYTES
        self._max_idle_bytes = MAX_COMPARED * once
        self._reached_bytes = 0
        self._behind = 0  # the number of the file behind those that were asked for
        self._ends: list[int] = []  # of each file, when all are laid end to end
        self._idle_bytes = 0  # read and not sent: what an asker has us do for nothing

    @classmethod
    def load(cls, journal: Journal) -> Sending:
        """Return the transfer that was kept; one that ran is paused.

        Raises:
            BadManifest: the journal's list is not the one that was offered.
        """
        transfer = b64decode(journal.offer.transfer)
        sending = cls(journal.offer, transfer, read_manifest(journal.manifest, journal.offer))
        sending.stand = kept_stand(journal)
        return sending

    def journal(self) -> Journal:
        """Return what the transfer is to be kept as."""
        return Journal(self.offer, self.stand.state, self.stand.why, self._manifest.data)

    @property
    def reached_bytes(self) -> int:
        """How many bytes of all files the contact has or was sent.

        It is told by the files that are asked for just now: the others before
        them are there, for they are asked for in their order.
        """
        if self.stand.state is State.DONE:
            return self.offer.total_bytes
        self._look_how_far()
        return self._reached_bytes

    def answered(self, verdict: FileVerdict) -> None:
        """Take the contact's verdict; one that came before stays."""
        if self.stand.state is State.OFFERED:
            self.stand.state = State.ACCEPTED if verdict.accepted else State.DENIED

    def ended(self, end: FileEnd) -> None:
        """Take the contact's word that it is over."""
        self._stop()
        self.stand.end(end.code)

    def cancel(self, code: str = CANCELLED) -> FileEnd:
        """Give up and return what to tell the contact."""
        self._stop()
        self.stand.end(code)
        return FileEnd(self.offer.transfer, code)

    def pause(self) -> None:
        """Forget what was asked for: the link is gone, or our user wants so."""
        self._stop()
        if self.stand.state is State.RUNNING:
            self.stand.state = State.PAUSED

    def ask(self, ask: Ask) -> None:
        """Take an ask; it wakes a transfer that is paused.

        Raises:
            NoSuchTransfer: it was not accepted, or is over.
            BadAsk: no such file or bytes, less than was asked for before,
                too many files at a time, or so often what the asker has that
                we read for its sake much more than we send.
        """
        if self.stand.state in FINAL or self.stand.state is State.OFFERED:
            raise NoSuchTransfer(state=self.stand.state.value)
        self._check(ask, self._size(ask.file))
        run = self._runs.get(ask.file)
        if run is None or run.number != ask.run:
            self._open(ask)
        elif ask.start != run.start or ask.upto < run.upto:
            raise BadAsk("an ask that takes back another", file=ask.file)
        else:
            run.upto = ask.upto
        self.stand.state = State.RUNNING

    def next(self) -> Read | None:
        """Return what to read now, or None until another ask comes.

        The files that were asked for take turns. The same is returned
        until `fill` was called with it, or it was paused.
        """
        for _ in range(len(self._turns)):
            file = self._turns[0]
            run = self._runs[file]
            end = min(run.upto, self._size(file), _chunk_end(run.position))
            if run.position < end:
                size = min(READ_BYTES, end - run.position)
                return Read(file, run.number, run.position, size, run.opened)
            self._turns.rotate(-1)
        return None

    def fill(self, read: Read, data: Data) -> list[bytes]:
        """Return the payloads to send for the bytes that `next` wanted, in order.

        Bytes that nobody wants any more give none.

        Raises:
            FileChanged: the data is shorter: so is the file. The transfer
                has failed.
        """
        run = self._runs.get(read.file)
        if run is None or (run.opened, run.position) != (read.opened, read.offset):
            return []
        if len(data) != read.size_bytes:
            self.cancel(FileChanged.code)
            raise FileChanged(file=read.file)
        run.hash.update(data)
        run.position += len(data)
        payloads = self._blocks(read, data, run.start)
        self._turns.rotate(-1)
        if run.position == self._size(read.file) or not run.position % CHUNK_BYTES:
            payloads.append(self._mark(read.file, run))
        return payloads

    def manifest_bytes(self, read: Read) -> bytes | None:
        """Return the bytes of a read of the list itself, or None for one that the disk has."""
        if read.file != MANIFEST:
            return None
        return self._manifest.data[read.offset : read.offset + read.size_bytes]

    def _check(self, ask: Ask, size_bytes: int) -> None:
        if not (ask.start <= size_bytes and 0 < ask.upto <= size_bytes <= MAX_INT):
            raise BadAsk("beyond the file's end", file=ask.file, size_bytes=size_bytes)

    def _size(self, file: int) -> int:
        if file == MANIFEST:
            return len(self._manifest.data)
        if file >= len(self._manifest.entries):
            raise BadAsk("no such file", file=file)
        return self._manifest.entries[file].size_bytes

    def _open(self, ask: Ask) -> None:
        is_new = ask.file not in self._runs
        if is_new and len(self._runs) >= MAX_OPEN_FILES:
            raise BadAsk("too many files at a time", file=ask.file)
        self._idle_bytes += RUN_BYTES
        if self._idle_bytes > self._max_idle_bytes:
            raise BadAsk("too often", file=ask.file)
        if is_new:
            self._turns.append(ask.file)
        if ask.file != MANIFEST:
            self._behind = max(self._behind, ask.file + 1)
        self._opened += 1
        self._runs[ask.file] = _Run(ask, self._opened)

    def _blocks(self, read: Read, data: Data, start: int) -> list[bytes]:
        """Return blocks of what of the data lies at or behind `start`."""
        skipped = min(max(0, start - read.offset), len(data))
        sent = len(data) - skipped
        self.stand.moved_bytes += sent
        self._idle_bytes = max(0, self._idle_bytes + skipped - sent)
        view = memoryview(data)
        cuts = range(skipped, len(data), MAX_BLOCK_BYTES)
        return [
            pack_block(
                self._transfer,
                read.file,
                read.run,
                read.offset + cut,
                view[cut : cut + MAX_BLOCK_BYTES],
            )
            for cut in cuts
        ]

    def _mark(self, file: int, run: _Run) -> bytes:
        """Return the mark at a chunk's end; at the file's end the run is over."""
        if run.position == self._size(file):
            del self._runs[file]
            self._turns.remove(file)
        digest = run.hash.digest()
        return pack_mark(Mark(self._transfer, file, run.number, run.position, digest))

    def _look_how_far(self) -> None:
        """Count the files up to the last one asked for, less what is to be read of those open."""
        if self._behind:
            self._ends = self._ends or [*accumulate(e.size_bytes for e in self._manifest.entries)]
            open_files = [file for file in self._runs if file != MANIFEST]
            left = sum(self._size(file) - self._runs[file].position for file in open_files)
            reached = self._ends[self._behind - 1] - left
            self._reached_bytes = max(self._reached_bytes, reached)

    def _stop(self) -> None:
        self._look_how_far()
        self._runs.clear()
        self._turns.clear()
        self._idle_bytes = self._behind = 0


def _chunk_end(position: int) -> int:
    return (position // CHUNK_BYTES + 1) * CHUNK_BYTES
