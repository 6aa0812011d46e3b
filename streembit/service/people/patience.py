"""Transfers that stand still: a silent sender is asked anew, a disk looked at for room."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.disk.downloads import free_bytes
from streembit.files.state import State
from streembit.service.people.arrival import Arrival
from streembit.service.people.lane import Disk
from streembit.service.people.roll import Roll
from streembit.service.people.traffic import Traffic
from streembit.service.people.transfer import PAUSES, Transfer

LOOK_EVERY_S: Final = 15.0  # for silent senders, and for disks that have room again
SILENCE_S: Final = 60.0  # then what was asked for is asked for anew; twice as long each time
MAX_SILENCES: Final = 6  # doublings: about an hour


class Patience:
    """Looks at all transfers now and then, from `look` to `close`."""

    def __init__(self, roll: Roll, traffic: Traffic, clock: IReactorTime, disk: Disk) -> None:
        self._roll = roll
        self._traffic = traffic
        self._clock = clock
        self._disk = disk
        self._looking: IDelayedCall | None = None

    def look(self) -> None:
        """Say what was not said, ask anew where a sender is silent, go on where there is room."""
        self._looking = self._clock.callLater(LOOK_EVERY_S, self.look)
        for transfer in list(self._roll.all.values()):
            self._roll.say_again(transfer)
            if transfer.arrival is None:
                continue
            if transfer.stand.state is State.RUNNING:
                self._hurry(transfer.arrival)
            elif transfer.entry.waits not in {"", *PAUSES} and not transfer.stand.is_final:
                self._try_again(transfer)
        self._traffic.begin_some()

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None and self._looking.active():
            self._looking.cancel()

    def _hurry(self, arrival: Arrival) -> None:
        """Pause what was silent for too long: it begins again, and asks for what is missing."""
        if self._clock.seconds() - arrival.heard_s >= SILENCE_S * 2**arrival.silences:
            arrival.silences = min(arrival.silences + 1, MAX_SILENCES)
            arrival.pause()

    def _try_again(self, transfer: Transfer) -> None:
        """Take up a transfer for which the disk had no room, if it has some now."""
        left = transfer.offer.total_bytes - transfer.reached_bytes

        def seen(free: int) -> None:
            if free > left and transfer.entry.waits not in PAUSES:
                transfer.entry.waits = ""
                self._traffic.begin_some()

        folder = Path(transfer.entry.folder)
        self._disk(partial(free_bytes, folder)).addCallbacks(seen, lambda _: None)
