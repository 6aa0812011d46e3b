"""All conversations of an account: what happens in one turn is kept together, then carried."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.chat.conversation import Conversation
from streembit.chat.events import Outgoing
from streembit.errors import StreembitError
from streembit.jose.keys import PublicKey
from streembit.service.people.chest import Chest, Row
from streembit.service.people.diary import Diary
from streembit.service.people.talk import Carriers, Listener, Talk

TICK_EVERY_S: Final = 600.0  # how exactly the end of a wait of days is kept
RECEIPT_S: Final = 0.1  # a receipt waits so long for others to go with it, or for an answer
SEND_AGAIN_S: Final = 0.05  # what is due by now was sent in this turn
SEEK_S: Final = 2.0  # a search for a way is not asked for again meanwhile
DISK_AGAIN_S: Final = 5.0  # after the disk refused a commit

_log = Logger()


class Talks:
    """All conversations of an account; what happens in one turn is committed together.

    Attributes:
        carriers: by whom parcels go; set once, before the first talk.
        listener: who is told what happened; as `carriers`.
    """

    carriers: Carriers
    listener: Listener

    def __init__(self, chest: Chest, clock: IReactorTime) -> None:
        self._chest = chest
        self._clock = clock
        self._talks: dict[PublicKey, Talk] = {}
        self._touched: dict[Talk, None] = {}
        self._settling: IDelayedCall | None = None
        self._times: Diary[Talk] = Diary(clock, lambda talk: talk.tick(self.now_s()))
        self._receipts: Diary[Talk] = Diary(clock, Talk.touch)
        self._closed = False
        self.handed = self.heard = 0

    def __iter__(self) -> Iterator[Talk]:
        return iter(list(self._talks.values()))

    def now_s(self) -> float:
        """Return the clock's time, Unix seconds."""
        return self._clock.seconds()

    def get(self, contact: PublicKey) -> Talk | None:
        """Return the talk with a contact, None with anybody else."""
        return self._talks.get(contact)

    def add(self, contact: PublicKey, make: Callable[[], Conversation]) -> Talk:
        """Begin a talk, or go on with what is kept of it."""
        talk = self._talks[contact] = Talk(self, contact, make)
        self.touched(talk)
        return talk

    def drop(self, contact: PublicKey) -> None:
        """Have no talk any more with somebody; what it changed last is kept."""
        talk = self._talks.pop(contact, None)
        if talk is not None:
            self.settle()
            self._times.strike(talk)
            self._receipts.strike(talk)

    def touched(self, talk: Talk, within_s: float = 0.0) -> None:
        """Settle a talk at the end of the turn, or a little later."""
        self._touched[talk] = None
        if self._closed:
            return
        if self._settling is None:
            self._settling = self._clock.callLater(within_s, self._settle)
        elif self._settling.getTime() > self._clock.seconds() + within_s:
            self._settling.reset(within_s)

    def settle(self, *more: Row) -> None:
        """Keep now what has happened, and these rows with it.

        Raises:
            DiskFull, DiskFailed, ChestDamaged: nothing has happened.
        """
        touched, self._touched = list(self._touched), {}
        now_s = self.now_s()
        try:
            eager = {talk for talk in touched if talk.eager}
            outgoing = [(talk, talk.outgoing(now_s)) for talk in touched]
            rows = [*more, *(row for talk in touched for row in talk.conversation.changes())]
            if rows:
                self._chest.commit(rows)
        except Exception:
            self._take_back(touched)
            raise
        for talk, parcels in outgoing:
            if talk not in eager:
                self._receipts.soon(talk, RECEIPT_S)
            self._go_on_anyway(talk, parcels, now_s)

    def close(self) -> None:
        """Keep what has happened, and do nothing more."""
        self._closed = True
        self._times.close()
        self._receipts.close()
        if self._settling is not None:
            self._settling.cancel()
            self._settle()

    def _settle(self) -> None:
        self._settling = None
        try:
            self.settle()
        except StreembitError as error:
            _log.error("conversations cannot be kept: {error}", error=str(error))
        except Exception:
            _log.failure("conversations cannot be settled")

    def _go_on_anyway(self, talk: Talk, parcels: list[Outgoing], now_s: float) -> None:
        """Go on with one talk; what fails of it now changes nothing of what has been kept."""
        try:
            self._go_on(talk, parcels, now_s)
        except StreembitError as error:
            _log.error("what a contact said is not dealt with: {error}", error=str(error))
        except Exception:
            _log.failure("a conversation cannot go on")

    def _go_on(self, talk: Talk, parcels: list[Outgoing], now_s: float) -> None:
        """Carry, tell and answer what has been kept."""
        waiting, talk.waiting = talk.waiting, []
        events, talk.events = talk.events, []
        for outgoing in parcels:
            talk.carry(outgoing)
        for done, result in waiting:
            done.callback(result)
        if events:
            self.listener.tell(talk, events)
        left = talk.conversation.left
        if left.waiting() != talk.announced or left.void():
            talk.announced = left.waiting()
            self.carriers.announce(talk)
        self._look_again(talk, now_s)

    def _look_again(self, talk: Talk, now_s: float) -> None:
        if talk.contact not in self._talks:
            return
        next_s, least_s = talk.conversation.next_s(now_s), SEND_AGAIN_S if talk.is_open else SEEK_S
        wait_s = TICK_EVERY_S if next_s is None else max(least_s, next_s - now_s)
        self._times.put(talk, min(TICK_EVERY_S, wait_s))

    def _take_back(self, touched: list[Talk]) -> None:
        """Undo what could not be kept, tell those who wait for it, and look again in a while."""
        failure = Failure()
        for talk in touched:
            waiting, talk.waiting = talk.waiting, []
            talk.remake()
            self._times.put(talk, DISK_AGAIN_S)
            for done, _ in waiting:
                done.errback(failure)
