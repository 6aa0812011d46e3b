"""Two ends of a transfer over a pipe in memory, with disks that survive and ends that die."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from hashlib import sha256
from random import Random

from streembit.files import manifest as manifests
from streembit.files.manifest import Manifest
from streembit.files.receiving import (
    Complete,
    Cut,
    Finish,
    Keep,
    Receiving,
    Reread,
    Step,
    Write,
)
from streembit.files.sending import Sending
from streembit.files.state import State, read_journal
from streembit.wire.transfer import (
    Ask,
    Block,
    FileVerdict,
    pack_ask,
    read_frame,
)

TRANSFER = bytes(range(16))
PLENTY = 2**50
Path = tuple[str, ...]


def contents(size_bytes: int, seed: int = 1) -> bytes:
    """Return bytes without a pattern."""
    return Random(seed).randbytes(size_bytes)


def manifest_of(files: dict[Path, bytes]) -> Manifest:
    """Return the list of these files."""
    return manifests.make([(path, len(data)) for path, data in files.items()])


class Disk:
    """What the receiver's steps have left on its disk; it outlives the receiver."""

    def __init__(self) -> None:
        self.parts: dict[int, bytearray] = {}
        self.finished: dict[int, bytes] = {}
        self.journal = b""
        self.is_complete = False

    def held(self) -> dict[int, int]:
        """Return the lengths of the files that are not whole."""
        return {file: len(part) for file, part in self.parts.items()}


class Pair:
    """A sender, a receiver, their disks and the link between them.

    `sent_bytes` counts the blocks' bytes that left the sender, `received`
    those of them that came to the receiver's disk.
    """

    def __init__(self, files: dict[Path, bytes]) -> None:
        self.sources = list(files.values())
        manifest = manifest_of(files)
        self.sending = Sending(manifest.offer(TRANSFER, "files"), TRANSFER, manifest)
        self.receiving = Receiving(self.sending.offer)
        self.disk = Disk()
        self.to_receiver: deque[bytes] = deque()
        self.to_sender: deque[bytes] = deque()
        self.sent_bytes = 0
        self.rereads: deque[Reread] = deque()
        self.tamper: Callable[[bytes], bytes] = lambda payload: payload

    def accept(self) -> None:
        """Accept the offer and begin."""
        self.sending.answered(self.receiving.accept(PLENTY))
        self.disk.journal = self.receiving.journal().pack()
        self.begin()

    def begin(self) -> None:
        """Begin, or go on, with what the receiver's disk has."""
        self.do(self.receiving.begin(self.disk.held(), frozenset(self.disk.finished)))

    def do(self, steps: list[Step]) -> None:
        """Carry out the receiver's steps."""
        for step in steps:
            self._do(step)

    def _do(self, step: Step) -> None:
        match step:
            case Write(file, offset, data):
                part = self.disk.parts.setdefault(file, bytearray())
                assert len(part) == offset, f"a write at {offset} to {len(part)} bytes"
                part += data
            case Cut(file, size_bytes):
                del self.disk.parts[file][size_bytes:]
            case Finish(file):
                self.disk.finished[file] = bytes(self.disk.parts.pop(file, b""))
            case Keep():
                self.disk.journal = self.receiving.journal().pack()
            case Complete():
                self.disk.is_complete = True
                self.receiving.completed()
            case Reread():
                self.rereads.append(step)
            case Ask():
                self.to_sender.append(pack_ask(step))

    # --- single moves, which a test may mix as it likes; each returns whether there was one

    def sender_reads(self) -> bool:
        """Let the sender read and send once."""
        read = self.sending.next()
        if read is None:
            return False
        data = self.sending.manifest_bytes(read)
        if data is None:
            data = self.sources[read.file][read.offset : read.offset + read.size_bytes]
        for payload in self.sending.fill(read, data):
            frame = read_frame(payload)
            self.sent_bytes += len(frame.data) if isinstance(frame, Block) else 0
            self.to_receiver.append(self.tamper(payload))
        return True

    def sender_hears(self) -> bool:
        """Deliver one ask."""
        if not self.to_sender:
            return False
        frame = read_frame(self.to_sender.popleft())
        assert isinstance(frame, Ask)
        self.sending.ask(frame)
        return True

    def receiver_hears(self) -> bool:
        """Deliver one block or mark."""
        if not self.to_receiver:
            return False
        frame = read_frame(self.to_receiver.popleft())
        assert not isinstance(frame, Ask)
        self.do(self.receiving.frame(frame))
        return True

    def receiver_rereads(self) -> bool:
        """Do one of the reads that the receiver wants from its own disk."""
        if not self.rereads:
            return False
        wanted = self.rereads.popleft()
        part = self.disk.parts.get(wanted.file, b"")
        data = bytes(part[wanted.offset : wanted.offset + wanted.size_bytes])
        self.do(self.receiving.reread(wanted, data))
        return True

    @property
    def moves(self) -> tuple[Callable[[], bool], ...]:
        """The moves that there are."""
        return self.sender_reads, self.sender_hears, self.receiver_hears, self.receiver_rereads

    def run(self) -> None:
        """Move until nothing moves."""
        while any(move() for move in self.moves):
            pass

    # --- ends that die

    def cut_link(self) -> None:
        """Lose the link and what was on it; both ends pause."""
        self.to_receiver.clear()
        self.to_sender.clear()
        self.rereads.clear()
        self.sending.pause()
        self.receiving.pause()

    def kill_receiver(self) -> None:
        """Let the receiver die and come back from its journal."""
        self.cut_link()
        self.receiving = Receiving.load(read_journal(self.disk.journal))

    def kill_sender(self) -> None:
        """Let the sender die and come back from its journal."""
        self.cut_link()
        self.sending = Sending.load(read_journal(self.sending.journal().pack()))

    def is_done(self) -> bool:
        """Return whether all files are there as they were sent."""
        found = [self.disk.finished.get(file) for file in range(len(self.sources))]
        same = [sha256(data or b"").digest() for data in found] == [
            sha256(data).digest() for data in self.sources
        ]
        return self.receiving.stand.state is State.DONE and self.disk.is_complete and same


def verdict(*, accepted: bool) -> FileVerdict:
    """Return the contact's word."""
    return FileVerdict("AAECAwQFBgcICQoLDA0ODw", accepted)
