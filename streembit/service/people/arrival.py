"""One transfer on its way in: what the receiver decides is done on the disk, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.disk.downloads import Download
from streembit.errors import DiskFailed, DiskFull, Internal, PeerGone, StreembitError
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
from streembit.files.roundtrip import RoundTrip
from streembit.files.state import State
from streembit.service.people.lane import FileLink, Lane
from streembit.wire.transfer import Ask, Block, Data, FileEntry, Mark, pack_ask

DiskStep = Write | Reread | Cut | Finish
_LASTING: Final = (Write, Cut, Finish, Keep, Complete)  # done also when the link is gone
_BEGINS: Final = (State.ACCEPTED, State.PAUSED)

_log = Logger()


class ArrivalEvents(Protocol):
    """Who is told what becomes of the transfer."""

    def keep(self, arrival: Arrival) -> None:
        """The list of files is known: save it before anything else."""

    def completed(self, arrival: Arrival, names: list[str]) -> None:
        """All files have their names."""

    def held_up(self, arrival: Arrival, error: StreembitError) -> None:
        """The disk does not do its part; the transfer pauses, and has lost nothing."""

    def failed(self, arrival: Arrival, error: StreembitError) -> None:
        """The transfer has ended for this."""

    def discarded(self, arrival: Arrival) -> None:
        """Nothing is left of the transfer but its files."""


class _Begin:
    """Look what the disk has, and go on with that."""


class _Discard:
    """Remove all that is there of the transfer."""


class Arrival:
    """Carries out the steps of a `Receiving` one after another, off the reactor's way.

    Asks leave when the writes before them are done. So a slow disk holds
    back the sender, and in memory is never more than was asked for.

    Attributes:
        receiving: the transfer.
        is_beginning: whether `begin` was called and nothing is asked for yet.
        heard_s: when something of it came last, by the clock of who owns it.
        silences: how many times in a row it waited in vain.
    """

    def __init__(
        self, receiving: Receiving, download: Download, lane: Lane, events: ArrivalEvents
    ) -> None:
        self.receiving = receiving
        self.is_beginning = False
        self.heard_s = 0.0
        self.silences = 0
        self._download = download
        self._lane = lane
        self._syncing = False
        self._trip = RoundTrip()
        self._events = events
        self._link: FileLink | None = None
        self._steps: deque[Step | _Begin | _Discard] = deque()
        self._busy = False
        self._idle: list[Deferred[None]] = []

    def begin(self, link: FileLink) -> None:
        """Start, or go on, over a link, once the disk has done what is to be done."""
        self.pause()
        self._link = link
        self._trip = RoundTrip()
        link.expect_much()
        self.is_beginning = True
        self._do([_Begin()])

    def frame(self, frame: Block | Mark) -> None:
        """Take a block or mark.

        Raises:
            BadBlock, WrongDigest, BadManifest: the transfer has failed.
        """
        self._trip.came(frame, self._lane.now_s())
        self.receiving.window_bytes = self._trip.window_bytes
        steps = self.receiving.frame(frame)
        if len(steps) == 1 and isinstance(steps[0], Write) and self.receiving.owed_bytes:
            self._steps.append(steps[0])  # more is sure to come: both are written in one go
        else:
            self._do(steps)

    @property
    def is_linked(self) -> bool:
        """Whether it runs over a link, be that open or closed."""
        return self._link is not None

    @property
    def has_lost_link(self) -> bool:
        """Whether it runs over a link that is closed: another one took over from it."""
        return self._link is not None and not self._link.is_open

    def pause(self) -> None:
        """Ask for nothing more; what has come is written."""
        self._link = None
        self.is_beginning = False
        self.receiving.pause()
        self._steps = deque(step for step in self._steps if isinstance(step, _LASTING))
        self._do(())

    def discard(self) -> None:
        """Remove all that is there of the transfer, which is over."""
        self._link = None
        self.is_beginning = False
        self._steps.clear()
        self._do([_Discard()])

    def close(self) -> Deferred[None]:
        """Pause, and fire when the disk is left alone."""
        self.pause()
        done: Deferred[None] = Deferred() if self._busy else succeed(None)
        if self._busy:
            self._idle.append(done)
        return done.addCallback(lambda _: self._download.close())

    # --- one step after another

    def _do(self, steps: Iterable[Step | _Begin | _Discard]) -> None:
        self._steps.extend(steps)
        if self._steps and not self._busy:
            self._busy = True
            Deferred.fromCoroutine(self._work())

    async def _work(self) -> None:
        try:
            while self._steps:
                await self._next()
        except (DiskFull, DiskFailed) as error:
            self._stop()
            self._events.held_up(self, error)
        except StreembitError as error:
            self._stop()
            self._events.failed(self, error)
        except Exception:
            _log.failure("files could not be received")
            self._stop()
            self._events.failed(self, Internal())
        finally:
            self._busy = False
            idle, self._idle = self._idle, []
            for done in idle:
                done.callback(None)
        self._do(())  # what came while we told of it

    async def _next(self) -> None:
        step = self._steps[0]
        if isinstance(step, Write | Reread | Cut | Finish):
            await self._carry_out()
            return
        self._steps.popleft()
        match step:
            case Ask():
                self._ask(step, self._link)
            case Keep():
                await self._lane.run(partial(self._download.expect, self._entries))
                self._events.keep(self)
            case Complete():
                self._events.completed(self, await self._lane.run(self._download.complete))
            case _Begin():
                await self._look()
            case _Discard():
                await self._lane.run(self._download.discard)
                self._events.discarded(self)

    @property
    def _entries(self) -> Sequence[FileEntry]:
        """The list of files, empty until it has come."""
        manifest = self.receiving.manifest
        return () if manifest is None else manifest.entries

    async def _carry_out(self) -> None:
        """Do all steps of the disk that wait in one go, then ask for more."""
        steps: list[DiskStep] = []
        asks: list[Ask] = []
        link = self._link
        while self._steps:
            step = self._steps[0]
            if isinstance(step, Ask):
                asks.append(step)
            elif isinstance(step, Write | Reread | Cut | Finish):
                steps.append(step)
            else:
                break
            self._steps.popleft()
        brief = all(isinstance(step, Write) for step in steps)
        do = self._lane.brief if brief else self._lane.run
        found = await do(partial(_done, self._download, steps))
        self._sync()
        for ask in asks:
            self._ask(ask, link)
        for wanted, data in found:
            self._steps.extend(self.receiving.reread(wanted, data))

    def _sync(self) -> None:
        """Put what was written on the medium now and then, while more is written."""
        work = None if self._syncing else self._download.sync_due()
        if work is not None:
            self._syncing = True
            self._lane.run(work).addCallbacks(self._synced, self._not_synced)

    def _synced(self, _: object) -> None:
        self._syncing = False

    def _not_synced(self, failure: Failure) -> None:
        self._syncing = False
        self._stop()
        error = failure.value
        self._events.held_up(self, error if isinstance(error, StreembitError) else Internal())

    async def _look(self) -> None:
        held, whole = await self._lane.run(partial(self._download.found, self._entries))
        if self.is_beginning and self.receiving.stand.state in _BEGINS:
            self.is_beginning = False
            self._steps.extend(self.receiving.begin(held, whole))

    def _ask(self, ask: Ask, link: FileLink | None) -> None:
        """Send an ask, unless the link that it was meant for was left."""
        if link is not None and link is self._link:
            with suppress(PeerGone):
                self._trip.asked(ask, self._lane.now_s())
                link.send(pack_ask(ask))

    def _stop(self) -> None:
        self._link = None
        self.is_beginning = False
        self._steps.clear()
        self.receiving.pause()


def _done(download: Download, steps: list[DiskStep]) -> list[tuple[Reread, bytes]]:
    """Do steps on the disk, blocks that lie behind each other at once; return what was read."""
    found: list[tuple[Reread, bytes]] = []
    number = 0
    while number < len(steps):
        step = steps[number]
        number += 1
        match step:
            case Write(file, offset, data):
                pieces = [data, *_following(steps[number:], file)]
                number += len(pieces) - 1
                download.write(file, offset, pieces)
            case Reread(file, _, offset, size_bytes):
                found.append((step, download.read(file, offset, size_bytes)))
            case Cut(file, size_bytes):
                download.cut(file, size_bytes)
            case Finish(file):
                download.finish(file)
    return found


def _following(steps: Iterable[DiskStep], file: int) -> Iterator[Data]:
    """Yield the data of the writes to a file that come first; they lie behind each other."""
    for step in steps:
        if not isinstance(step, Write) or step.file != file:
            return
        yield step.data
