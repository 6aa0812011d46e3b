"""Files on their way to one contact: read ahead a little, sent while the link takes them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.disk.sources import Reading
from streembit.errors import Internal, PeerGone, StreembitError
from streembit.files.sending import Read, Sending
from streembit.files.turns import Turns
from streembit.service.people.lane import Disk, FileLink
from streembit.wire.transfer import Ask, Data

READY: Final = 5  # payloads that wait when more is read: what one read makes

_log = Logger()


class Outflow:
    """Sends what one contact asks for, over the link that it asked by last.

    The link is told nothing while it is full, so that a word never waits
    behind more than the transport's own queue. In memory is at most what
    two reads bring.

    Args:
        failed: told of a transfer whose files cannot be read.
        moved: told of a transfer that sent something.
    """

    def __init__(
        self,
        disk: Disk,
        failed: Callable[[Sending, StreembitError], None],
        moved: Callable[[Sending], None],
    ) -> None:
        self._disk = disk
        self._failed = failed
        self._moved = moved
        self._turns = Turns()
        self._readings: dict[Sending, Reading] = {}
        self._ready: deque[bytes] = deque()
        self._link: FileLink | None = None
        self._left: FileLink | None = None  # the one before
        self._reading = False
        self._turning = False

    def ask(self, link: FileLink, sending: Sending, ask: Ask, reading: Reading) -> None:
        """Take an ask that came by a link; asks by other links are forgotten.

        One by a link that was left is late: the asker has gone on to the one in use.

        Raises:
            BadAsk, NoSuchTransfer: as `Sending.ask`.
        """
        if link is not self._link:
            if link is self._left and self._link is not None and self._link.is_open:
                return
            left = self._link
            self.gone()
            self._left, self._link = left, link
            link.when_free(self._go_on)
        sending.ask(ask)
        self._readings[sending] = reading
        self._turns.add(sending)
        self._go_on()

    def remove(self, sending: Sending) -> None:
        """Send nothing more of a transfer, but what was read already."""
        self._turns.remove(sending)
        self._readings.pop(sending, None)

    def gone(self) -> None:
        """The link is gone: what was asked for by it is forgotten."""
        if self._link is not None:
            self._link.when_free(None)
        self._link = None
        self._ready.clear()
        for sending in self._turns:
            sending.pause()
            self.remove(sending)

    def _go_on(self) -> None:
        """Send and read until that has to wait for the link, the disk, or the next ask."""
        if self._turning:
            return  # the loop below goes on
        self._turning = True
        try:
            while self._send() or self._read():
                pass
        finally:
            self._turning = False

    def _send(self) -> bool:
        link, ready, sent = self._link, self._ready, False
        try:
            while link is not None and ready and not link.is_full:
                link.send(ready.popleft())
                sent = True
        except PeerGone:
            self.gone()
        return sent

    def _read(self) -> bool:
        """Begin a read if it is time for one; return whether one was begun."""
        if self._reading or len(self._ready) > READY or self._link is None:
            return False
        turn = self._turns.next()
        if turn is None:
            return False
        sending, read = turn
        reading = self._readings[sending]
        wanted = read.file, read.offset, read.size_bytes
        data: Data | None = sending.manifest_bytes(read)
        try:
            data = reading.at_hand(*wanted) if data is None else data
        except StreembitError as error:
            self._end(sending, error)
            return True
        if data is not None:
            self._fill(data, sending, read)
            return True
        self._reading = True
        self._disk(partial(reading.read, *wanted)).addCallbacks(
            self._fill, self._unread, callbackArgs=(sending, read), errbackArgs=(sending,)
        ).addErrback(self._broken)
        return True

    def _fill(self, data: Data, sending: Sending, read: Read) -> None:
        self._reading = False
        try:
            self._ready.extend(sending.fill(read, data))
        except StreembitError as error:
            self._end(sending, error)
        else:
            self._moved(sending)
        self._go_on()

    def _unread(self, failure: Failure, sending: Sending) -> None:
        self._reading = False
        error = failure.value
        if not isinstance(error, StreembitError):
            _log.failure("a file could not be read", failure)
            error = Internal()
        self._end(sending, error)
        self._go_on()

    def _end(self, sending: Sending, error: StreembitError) -> None:
        self.remove(sending)
        self._failed(sending, error)

    def _broken(self, failure: Failure) -> None:
        _log.failure("files could not be sent", failure)
