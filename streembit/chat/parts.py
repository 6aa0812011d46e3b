"""What a conversation consists of, on the rows that all of it shares."""

from __future__ import annotations

from typing import Protocol

from streembit.chat.agreement import Contact
from streembit.chat.events import Event, Moved
from streembit.chat.flight import Flight
from streembit.chat.history import History, State
from streembit.chat.inbox import Inbox
from streembit.chat.left import Leaving
from streembit.chat.notices import Notices
from streembit.chat.outbox import Outbox
from streembit.chat.rows import Rows, Shelf
from streembit.chat.voice import Voice
from streembit.jose.keys import Identity


class Chance(Protocol):
    """A source of chance that need not be secret, such as random.Random."""

    def random(self) -> float:
        """Return a number in [0, 1)."""

    def randbytes(self, n: int, /) -> bytes:
        """Return so many bytes."""


class Parts:
    """The parts of one conversation; raises ChestDamaged where the shelf holds something else.

    `why` is the code of why nothing arrives, "" where nothing is known
    against it.
    """

    _HEAD = "talk"
    _WHY = b"why"

    def __init__(
        self, own: Identity, contact: Contact, shelf: Shelf, chance: Chance, name: str
    ) -> None:
        self.rows = Rows(shelf, name or contact.public.hex)
        self.chance = chance
        self.voice = Voice(own, contact, self.rows)
        self.history = History(self.rows)
        self.outbox = Outbox(self.rows, self.history)
        self.inbox = Inbox(self.rows)
        self.notices = Notices(self.inbox)
        self.flight = Flight(self.outbox, chance.random)
        self.left = Leaving(self.rows)
        self.why = (self.rows.get(self._HEAD, self._WHY) or b"").decode()

    def because(self, why: str) -> None:
        """Remember why nothing arrives."""
        if why != self.why:
            self.why = why
            self.rows.put(self._HEAD, self._WHY, why.encode())

    def send_anew(self, now_s: float, after: bytes = b"") -> None:
        """Send all that did not arrive as a whole once more, in a stream behind `after`."""
        self.outbox.renew(after, now_s, self.draw())
        self.left.take_back(self.left.of_others(()))  # all pieces; a receipt is as good as before
        self.flight.again()

    def draw(self) -> int:
        """Return a number of 32 bits."""
        return int.from_bytes(self.chance.randbytes(4))

    def moved(self, numbers: list[int], state: State, why: str = "") -> list[Event]:
        """Put messages of ours into a state; return what changed."""
        return [Moved(each) for each in numbers if self.history.move(each, state, why)]
