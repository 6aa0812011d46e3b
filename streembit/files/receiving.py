"""Files that a contact offers: what to ask for, what to write where, and when to stop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from streembit.errors import BadBlock, NotEnoughSpace, StreembitError
from streembit.files.incoming import MAX_MARKS, Damaged, Incoming
from streembit.files.manifest import Manifest
from streembit.files.manifest import read as read_manifest
from streembit.files.roundtrip import MAX_WINDOW_BYTES, WINDOW_BYTES
from streembit.files.sending import MAX_OPEN_FILES
from streembit.files.state import CANCELLED, DONE, Journal, Stand, State, kept_stand
from streembit.jose.base64url import decode as b64decode
from streembit.wire.transfer import (
    CHUNK_BYTES,
    MANIFEST,
    Ask,
    Block,
    Data,
    FileEnd,
    FileOffer,
    FileVerdict,
    Mark,
)

ASK_STEP_BYTES: Final = 256 * 1024  # an ask says so much more at least, or the rest
RESERVE_BYTES: Final = 64 * 1024 * 1024  # stays free: the node's own database is on the disk too
FILE_SPACE_BYTES: Final = 4096  # what a file takes beside its contents
MAX_STRAY_BYTES: Final = 8 * MAX_WINDOW_BYTES  # of runs that are over; a pause leaves one window


class Write(NamedTuple):
    """Append bytes to a file, which has `offset` of them."""

    file: int
    offset: int
    data: Data


class Reread(NamedTuple):
    """Read bytes that are on the disk, and give them to `reread`."""

    file: int
    run: int
    offset: int
    size_bytes: int


class Cut(NamedTuple):
    """Make a file as short as `size_bytes`: what is behind is not the sender's."""

    file: int
    size_bytes: int


class Finish(NamedTuple):
    """Put a file on the medium, whole and proven; one of no bytes has to be made first."""

    file: int


class Keep(NamedTuple):
    """Save the journal: the list of files has come."""


class Complete(NamedTuple):
    """Give all files their names, call `completed`, and tell the contact what it returns."""


Step = Write | Reread | Cut | Finish | Keep | Complete | Ask


class Receiving:
    """One transfer as its receiver sees it.

    Each of `begin`, `frame` and `reread` returns steps to be done in their
    order. An error raised by them has failed the transfer: nothing of it
    is to be kept, and the contact is told `FileEnd(transfer, code)`.

    Attributes:
        offer: what the contact offered.
        stand: where it stands.
        manifest: the list of files, or None until it has come.
        window_bytes: how much is asked for ahead of what is written, at most.
    """

    def __init__(self, offer: FileOffer) -> None:
        self.window_bytes = WINDOW_BYTES
        self.offer = offer
        self.stand = Stand()
        self.manifest: Manifest | None = None
        self._transfer = b64decode(offer.transfer)
        self._open: dict[int, Incoming] = {}
        self._runs: dict[int, int] = {}  # file -> number of its run
        self._last_run = 0
        self._list = bytearray()
        self._held: Mapping[int, int] = {}
        self._waiting: Iterator[int] = iter(())
        self._more = False
        self._completing = False
        self._stray_bytes = 0
        self._whole_bytes = self._reached_bytes = 0

    @classmethod
    def load(cls, journal: Journal) -> Receiving:
        """Return the transfer that was kept; one that ran is paused.

        Raises:
            BadManifest: the journal's list is not the one that was offered.
        """
        receiving = cls(journal.offer)
        receiving.stand = kept_stand(journal)
        if journal.manifest:
            receiving.manifest = read_manifest(journal.manifest, journal.offer)
        return receiving

    def journal(self) -> Journal:
        """Return what the transfer is to be kept as."""
        data = b"" if self.manifest is None else self.manifest.data
        return Journal(self.offer, self.stand.state, self.stand.why, data)

    @property
    def reached_bytes(self) -> int:
        """How many bytes of all files are on our disk, whether proven yet or not."""
        files = [run for file, run in self._open.items() if file != MANIFEST]
        if files:
            parts = sum(max(run.position, run.start) for run in files)
            self._reached_bytes = self._whole_bytes + parts
        return max(self._reached_bytes, self._whole_bytes)

    @property
    def owed_bytes(self) -> int:
        """How many bytes were asked for and have not come."""
        return sum([incoming.in_flight for incoming in self._open.values()])

    # --- what our user and the contact decide

    def accept(self, free_bytes: int) -> FileVerdict:
        """Return the word that we want the files.

        Raises:
            NotEnoughSpace: the disk has less free than they take; they stay
                offered.
            TransferState: not offered any more.
        """
        check_space(self.offer, free_bytes)
        self.stand.step(State.ACCEPTED, State.OFFERED)
        return FileVerdict(self.offer.transfer, accepted=True)

    def deny(self) -> FileVerdict:
        """Return the word that we do not; raise TransferState if not offered any more."""
        self.stand.step(State.DENIED, State.OFFERED)
        return FileVerdict(self.offer.transfer, accepted=False)

    def cancel(self, code: str = CANCELLED) -> FileEnd:
        """Give up and return what to tell the contact; nothing is to be kept."""
        self._forget_runs()
        self.stand.end(code)
        return FileEnd(self.offer.transfer, self.stand.why or code)

    def ended(self, end: FileEnd) -> None:
        """Take the contact's word that it gives up; ours that all is done came before."""
        self._forget_runs()
        self.stand.end(CANCELLED if end.code == DONE else end.code)

    def pause(self) -> None:
        """Ask for nothing more, and take nothing more of what was asked for."""
        self._forget_runs()
        if self.stand.state is State.RUNNING:
            self.stand.state = State.PAUSED

    def completed(self) -> FileEnd:
        """All files have their names: return what to tell the contact."""
        self.stand.end(DONE)
        return FileEnd(self.offer.transfer, self.stand.why or DONE)

    # --- what the link and the disk bring

    def begin(self, held: Mapping[int, int], finished: frozenset[int]) -> list[Step]:
        """Start, or go on after a pause, with what the disk has of each file.

        `held` are the lengths of those that are not whole, by number.

        Raises:
            TransferState: it is not accepted, or over, or running.
        """
        self.stand.step(State.RUNNING, State.ACCEPTED, State.PAUSED)
        self._stray_bytes = 0
        self._completing = False
        self._held = held
        self._list.clear()
        if self.manifest is None:
            self._add(MANIFEST, Incoming(self.offer.manifest_bytes, 0))
            return self._go_on([])
        count = len(self.manifest.entries)
        self._whole_bytes = sum(self.manifest.entries[file].size_bytes for file in finished)
        self._waiting = (file for file in range(count) if file not in finished)
        self._more = True
        return self._go_on([])

    def frame(self, frame: Block | Mark) -> list[Step]:
        """Take a block or mark of this transfer.

        Raises:
            BadBlock: not what is due.
            WrongDigest: the sender's bytes are not those of its own mark.
            BadManifest: the list of files is not the one offered.
        """
        incoming = self._open.get(frame.file)
        if incoming is None or self._runs[frame.file] != frame.run:
            self._stray(frame)
            return []
        try:
            return self._taken(frame, incoming)
        except StreembitError as e:
            self.cancel(e.code)
            raise

    def reread(self, wanted: Reread, data: Data) -> list[Step]:
        """Take the bytes that a step wanted from the disk; too few: the file begins anew there."""
        incoming = self._open.get(wanted.file)
        if incoming is None or self._runs[wanted.file] != wanted.run:
            return []
        try:
            if len(data) != wanted.size_bytes:
                raise Damaged
            incoming.reread(data)
        except Damaged:
            return self._go_on([self._again(wanted.file, incoming)])
        return self._go_on(self._next_read(wanted.file, incoming))

    # --- inside

    def _taken(self, frame: Block | Mark, incoming: Incoming) -> list[Step]:
        steps: list[Step] = []
        if isinstance(frame, Block):
            incoming.block(frame)
            self.stand.moved_bytes += len(frame.data)
            steps += self._written(frame)
            if incoming.is_inside and self.owed_bytes > self.window_bytes - ASK_STEP_BYTES:
                return steps  # as most blocks are: nothing else can follow
        else:
            reads = incoming.wanted()[1] == 0  # none is under way: the mark may set one free
            try:
                incoming.mark(frame)
            except Damaged:
                steps.append(self._again(frame.file, incoming))
            else:
                steps += self._next_read(frame.file, incoming) if reads else []
        return self._go_on(steps)

    def _written(self, block: Block) -> list[Step]:
        if block.file != MANIFEST:
            return [Write(block.file, block.offset, block.data)]
        self._list += block.data
        return []

    def _go_on(self, steps: list[Step]) -> list[Step]:
        """Add what follows: files that are whole, files to open, asks."""
        for file in [file for file, incoming in self._open.items() if incoming.is_whole]:
            self._close(file)
            steps += self._listed() if file == MANIFEST else [Finish(file)]
        steps += self._opened()
        steps += self._asks()
        if not self._open and not self._more and not self._completing:
            self._completing = True
            steps.append(Complete())
        return steps

    def _listed(self) -> list[Step]:
        self.manifest = read_manifest(bytes(self._list), self.offer)
        self._list.clear()
        self._waiting = iter(range(len(self.manifest.entries)))
        self._more = True
        return [Keep()]

    def _opened(self) -> list[Step]:
        """Open files while the window has room for their bytes."""
        steps: list[Step] = []
        while self._more and len(self._open) < MAX_OPEN_FILES and self._room() > 0:
            file = next(self._waiting, None)
            if file is None:
                self._more = False
            else:
                steps += self._opening(file)
        return steps

    def _opening(self, file: int) -> list[Step]:
        assert self.manifest is not None
        size, held = self.manifest.entries[file].size_bytes, self._held.get(file, 0)
        steps: list[Step] = [Cut(file, size)] if held > size else []
        if not size:
            return [*steps, Finish(file)]
        incoming = Incoming(size, min(held, size))
        self._add(file, incoming)
        return [*steps, *self._next_read(file, incoming), *self._ask(file, incoming)]

    def _next_read(self, file: int, incoming: Incoming) -> list[Step]:
        offset, size_bytes = incoming.wanted()
        return [Reread(file, self._runs[file], offset, size_bytes)] if size_bytes else []

    def _again(self, file: int, incoming: Incoming) -> Step:
        """Let the file begin where its proven bytes end."""
        self._add(file, incoming.back_to_checked())
        return Cut(file, incoming.checked)

    def _asks(self) -> list[Step]:
        return [ask for file, incoming in self._open.items() for ask in self._ask(file, incoming)]

    def _ask(self, file: int, incoming: Incoming) -> list[Step]:
        """Return an ask that reaches farther than the last one, if it is worth one."""
        if incoming.is_caught_up:
            base = max(incoming.upto, incoming.start)
            last, step = incoming.size, ASK_STEP_BYTES
            reach = min(last, base + self._room())
        else:
            base = incoming.upto
            last, step = incoming.start, MAX_MARKS // 2 * CHUNK_BYTES
            reach = min(last, incoming.checked + MAX_MARKS * CHUNK_BYTES)
        if reach <= incoming.upto or (reach - base < step and reach < last):
            return []
        incoming.upto = reach
        return [Ask(self._transfer, file, self._runs[file], incoming.start, reach)]

    def _room(self) -> int:
        return self.window_bytes - self.owed_bytes

    def _add(self, file: int, incoming: Incoming) -> None:
        self._last_run += 1
        self._open[file], self._runs[file] = incoming, self._last_run

    def _close(self, file: int) -> None:
        if file != MANIFEST:
            self._whole_bytes += self._open[file].size
        del self._open[file], self._runs[file]

    def _forget_runs(self) -> None:
        self._reached_bytes = self.reached_bytes
        self._open.clear()
        self._runs.clear()
        self._waiting, self._more = iter(()), False

    def _stray(self, frame: Block | Mark) -> None:
        """Count what comes for a run that is over: the link had it when the run ended."""
        self._stray_bytes += len(frame.data) if isinstance(frame, Block) else len(frame.digest)
        if self._stray_bytes > MAX_STRAY_BYTES:
            self.cancel(BadBlock.code)
            raise BadBlock("too many that nobody asked for", stray_bytes=self._stray_bytes)


def check_space(offer: FileOffer, free_bytes: int) -> None:
    """Raise NotEnoughSpace unless so many free bytes hold the files that are offered."""
    needed = offer.total_bytes + offer.files * FILE_SPACE_BYTES + RESERVE_BYTES
    if needed > free_bytes:
        raise NotEnoughSpace(needed_bytes=needed, free_bytes=free_bytes)
