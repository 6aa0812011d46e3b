"""Two accounts that send each other files, their disks, and the link and words between them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from streembit.errors import PeerGone, StreembitError
from streembit.service.people.lane import Disk, at_once
from streembit.service.people.transfers import Transfers
from streembit.service.people_rows import TransferRow
from streembit.testing import MemoryChest
from streembit.wire.transfer import FileContent, pack_content, read_content

FULL_BYTES = 128 * 1024
ASK = 2  # the kind of a frame that does not wait: it is short


class Wire:
    """One end of a link in memory, which is full when so much waits to be taken."""

    def __init__(self) -> None:
        self.waiting: deque[bytes] = deque()
        self.sent_bytes = 0
        self.is_open = True
        self.is_full = False
        self._free: Callable[[], object] | None = None

    def send(self, payload: bytes) -> None:
        if not self.is_open:
            raise PeerGone
        assert not self.is_full or payload[1] == ASK, "sent to a full link"
        self.waiting.append(payload)
        self.sent_bytes += len(payload)
        self.is_full |= sum(map(len, self.waiting)) > FULL_BYTES

    def expect_much(self) -> None: ...

    def when_free(self, call: Callable[[], object] | None) -> None:
        self._free = call

    def take(self) -> bytes:
        """Take what was sent first, and say so when all was taken."""
        payload = self.waiting.popleft()
        if not self.waiting and self.is_full:
            self.is_full = False
            if self._free is not None:
                self._free()
        return payload


@implementer(IReactorTime)
class Life:
    """A clock whose calls are gone when the process that asked for them is."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: list[IDelayedCall] = []

    def seconds(self) -> float:
        return self._clock.seconds()

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - the interface's name
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        call: IDelayedCall = self._clock.callLater(delay, callable, *args, **kwargs)
        self._calls.append(call)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:  # noqa: N802 - Twisted's name
        return [call for call in self._calls if call.active()]

    def end(self) -> None:
        """Let nothing of it happen any more."""
        for call in self.getDelayedCalls():
            call.cancel()


class Party:
    """An account that dies and comes back; its chest and folders outlive it."""

    def __init__(self, name: str, folder: Path, clock: Clock, disk: Disk) -> None:
        self.name = name
        self.folder = folder
        self.downloads = folder / "downloads"
        folder.mkdir(parents=True)
        self.chest = MemoryChest()
        self.clock = clock
        self.disk = disk
        self.words: deque[tuple[str, bytes]] = deque()
        self.told: list[TransferRow] = []
        self.wire: Wire | None = None
        self.refusals: list[StreembitError] = []
        self.mouth: Callable[[str, FileContent], object] = self.say
        self.found: Wire | None = None  # the link that the node would name when asked
        self.start()

    def start(self) -> None:
        """Come up, with what the chest has."""
        self.life = Life(self.clock)
        self.transfers = Transfers(
            self.chest,
            self.life,
            self.disk,
            self.downloads,
            self._say,
            self.told.append,
            lambda _contact: self.found,
        )
        self.transfers.startService()

    def _say(self, contact: str, word: FileContent) -> None:
        self.mouth(contact, word)

    def say(self, contact: str, word: FileContent) -> None:
        """Take a word that is on its way; `mouth` may be something else than this."""
        self.words.append((contact, pack_content(word)))

    def row(self) -> TransferRow:
        """Return the only transfer."""
        (row,) = self.transfers.rows()
        return row

    def files(self) -> dict[str, bytes]:
        """Return what lies in the download folder, hidden folders too."""
        found = sorted(self.downloads.rglob("*"))
        return {
            str(path.relative_to(self.downloads)): path.read_bytes()
            for path in found
            if path.is_file()
        }


class Duo:
    """Alice and Bob; everything happens when a test lets it."""

    def __init__(self, case: SynchronousTestCase, disk: Disk = at_once) -> None:
        self.case = case
        self.clock = Clock()
        self.clock.advance(1_800_000_000)
        folder = Path(case.mktemp()).absolute()
        self.alice = Party("alice", folder / "alice", self.clock, disk)
        self.bob = Party("bob", folder / "bob", self.clock, disk)
        self.source = folder / "source"
        self.source.mkdir()

    def close(self) -> None:
        """Stop both, and see that nothing is left behind."""
        for party in (self.alice, self.bob):
            stopped = party.transfers.stopService()
            self.case.assertIsInstance(stopped, Deferred)
            self.case.successResultOf(stopped)
        self.case.assertEqual([c for c in self.clock.getDelayedCalls() if c.active()], [])

    def other(self, party: Party) -> Party:
        """Return the one at the other end."""
        return self.bob if party is self.alice else self.alice

    def connect(self) -> None:
        """Open a link."""
        for party in (self.alice, self.bob):
            party.wire = Wire()
        for party in (self.alice, self.bob):
            assert party.wire is not None
            party.transfers.link_open(self.other(party).name, party.wire)

    def cut(self) -> None:
        """Lose the link and what is on it."""
        for party in (self.alice, self.bob):
            if party.wire is not None:
                party.wire.is_open = False
            party.wire = None
            party.transfers.link_gone(self.other(party).name)

    def kill(self, party: Party) -> None:
        """Let an account die without a word; the link goes with it. It comes back at once."""
        party.wire = None
        party.life.end()
        other = self.other(party)
        if other.wire is not None:
            other.wire.is_open = False
            other.wire = None
            other.transfers.link_gone(party.name)
        party.start()

    def step(self) -> bool:
        """Deliver one word or payload of each; return whether there was one."""
        moved = False
        for party in (self.alice, self.bob):
            other = self.other(party)
            if party.words:
                _, word = party.words.popleft()
                other.transfers.hear(party.name, read_content(word))
                moved = True
            if party.wire is not None and party.wire.waiting and other.wire is not None:
                payload = party.wire.take()
                try:
                    other.transfers.payload(party.name, other.wire, payload)
                except StreembitError as error:
                    other.refusals.append(error)
                    self.cut()
                moved = True
        return moved

    def run(self, until: Callable[[], bool] = lambda: False) -> None:
        """Deliver until nothing moves or something is so."""
        while not until() and self.step():
            pass

    def offer(self, *paths: Path) -> str:
        """Let Alice offer files to Bob, who hears of it."""
        row = self.case.successResultOf(
            Deferred.fromCoroutine(self.alice.transfers.offer("bob", paths or (self.source,)))
        )
        self.run()
        return row.id

    def begin(self, steps: int = 0) -> str:
        """Open a link, let Alice offer and Bob accept, and deliver so much; return the transfer."""
        self.connect()
        transfer = self.offer()
        self.accept(transfer)
        for _ in range(steps):
            self.step()
        return transfer

    def accept(self, transfer: str, folder: Path | None = None) -> None:
        """Let Bob accept."""
        work = self.bob.transfers.accept(transfer, folder)
        self.case.successResultOf(Deferred.fromCoroutine(work))
