"""One contact's conversation: what is said goes out until it arrived, and is read once, in order.

The conversation sends nothing and waits for nothing. Whoever carries for
it does this, in one turn of the event loop each time:

1. calls what happened: `write`, `hear`, `opened`, ... with the time (Unix
   seconds), and as long as a way is live, `due` until it returns nothing;
2. commits `changes()`, also after a refusal: only then
3. hands over what `due` or `deposit` returned, answers what `hear` took,
   and tells the user the events.

A conversation that raised anything else than a StreembitError, or whose
changes could not be committed, is thrown away and made again from the
shelf: nothing is lost by that.

Ways. A live way (a link to the contact) is told by `opened` and `closed`;
each parcel of `due` is handed over on it and answered: `handed` when it
was taken, `refused` with the code of the answer otherwise. The receiver
answers with the code of what `hear` raised. Without a live way,
`wants_way` says when to look for one; if there is none, `unreachable`
notes why. What then lies in the network is told by `left` (which places
to announce, to keep alive, to delete) and filled by `deposit`: each
parcel of it is to be put there, then `handed`. `taking` says which places
of the contact's announcement to look at, `fetched` takes what was there.

Keys. `bundle` goes into each card for the contact, `learn` takes the one
in its newest card; `needs_card` says that none is known and one is needed.
`start_anew` is called once when the state may be older than what went
out before: a restored backup, or a card of ours in the network that is
newer than the newest we remember.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from streembit.chat.agreement import Contact
from streembit.chat.events import BegunAnew, Event, Outgoing
from streembit.chat.hearing import Hearing
from streembit.chat.history import Entry
from streembit.chat.parts import Chance, Parts
from streembit.chat.rows import Change, Shelf
from streembit.chat.speaking import Speaking
from streembit.chat.taking import Taking
from streembit.errors import ContactFloods, ParcelRefused, TooLarge
from streembit.jose.keys import Identity
from streembit.wire.content import (
    MAX_SPOKEN_BYTES,
    Goodbye,
    Presence,
    Spoken,
    Typing,
    pack_spoken,
)

IN_THE_NETWORK: Final = "in-the-network"
NO_PREKEYS: Final = "no-prekeys"
EXPIRED: Final = "expired"
REMOVED: Final = "removed"


class Conversation:
    """All that is between us and one contact.

    `receipts`: the contact may know what the user has read.
    """

    def __init__(
        self, own: Identity, contact: Contact, shelf: Shelf, chance: Chance, name: str = ""
    ) -> None:
        """Go on with what the shelf has; raise ChestDamaged where that is no conversation.

        `name` is what its rows are known by, whatever keys the contact goes
        through; "" for the present one's hex.
        """
        self._parts = Parts(own, contact, shelf, chance, name)
        self._hearing = Hearing(self._parts)
        self._speaking = Speaking(self._parts, self._hearing)
        self._voice, self._notices = self._parts.voice, self._parts.notices
        self._history, self._flight = self._parts.history, self._parts.flight
        self._outbox, self._inbox = self._parts.outbox, self._parts.inbox
        self.left = self._parts.left
        self.taking = Taking(self._parts.rows)
        self.receipts = False

    def know(self, owns: Sequence[Identity], contacts: Sequence[Contact]) -> None:
        """Take the agreement keys that are good now, those to begin with first; see `Sessions`."""
        self._voice.sessions.know(owns, contacts)

    # --- what the user does

    def write(self, spoken: Spoken, now_s: float) -> int:
        """Put a message into the outbox; return its number in the history.

        Raises:
            TooLarge: its bytes are more than MAX_SPOKEN_BYTES.
            OutboxFull
        """
        body = pack_spoken(spoken)
        if len(body) > MAX_SPOKEN_BYTES:
            raise TooLarge("a message", size_bytes=len(body), limit_bytes=MAX_SPOKEN_BYTES)
        self._outbox.check(len(body))
        if not self._outbox.begun:
            self._parts.send_anew(now_s)
        number = self._history.add_ours(spoken, body, int(now_s))
        self._outbox.add(number, len(body), int(now_s))
        if not self._flight.open:
            self._flight.retries.reset()
        return number

    def delete(self, number: int) -> bool:
        """Delete a message here; say whether there was one.

        One of ours that waits is never sent, unless a part of it was.
        """
        self._outbox.drop(number)
        return self._history.delete(number, needed=number in self._outbox)

    def see(self, number: int) -> None:
        """Note that the user has read all of theirs up to this number."""
        last = self._history.see(number)
        if last is not None and self.receipts and self._inbox.read(last.stream, last.piece):
            self._notices.owes_receipt = True

    def say(self, notice: Typing | Presence | Goodbye) -> None:
        """Let the contact know something that matters now, or never."""
        if self._flight.open:
            self._notices.add(notice)

    # --- a live way

    def opened(self) -> None:
        """Note that there is a live way to the contact."""
        self._flight.opened()
        if self._inbox.receipt() is None:  # else what lies there goes when one was handed over
            self.left.take_back(self.left.notices())
        self._notices.owes_receipt = True
        self._parts.because("")

    def closed(self, why: str, now_s: float) -> None:
        """Note that the live way is gone; `why` is a code."""
        self._flight.closed(now_s)
        self._notices.drop()
        self._parts.because(why)

    def wants_way(self, now_s: float) -> bool:
        """Say whether to look for a live way now: something waits, and the next try is due."""
        owes = self._notices.owes_receipt or self._voice.must_begin
        waits = owes or not self._outbox.empty
        return waits and not self._flight.open and self._flight.retries.due(now_s)

    def unreachable(self, why: str, now_s: float) -> None:
        """Note that there is no live way now: the next try is put off."""
        self.closed(why, now_s)

    def due(self, now_s: float) -> list[Outgoing]:
        """Return the parcels to hand over now, at most BATCH and the notices; call it again."""
        return self._speaking.due(now_s)

    def handed(self, outgoing: Outgoing) -> list[Event]:
        """Note that a parcel was taken and kept by the contact, or lies in the network."""
        return self._speaking.handed(outgoing)

    def refused(self, outgoing: Outgoing, code: str, now_s: float) -> None:
        """Note that a parcel was not taken, and by which code.

        If the contact cannot open it, all goes out in a new session.
        """
        self._speaking.refused(outgoing, code, now_s)

    # --- what the contact says

    def hear(self, parcel: bytes, now_s: float) -> list[Event]:
        """Take a parcel from the contact; return what it brings.

        What it returns of a piece, it keeps: the answer to a parcel that
        raises nothing is as good as a receipt.

        Raises:
            ContactFloods, BadParcel, ParcelTooFarAhead, UnknownSession
            PrekeyGone, UnknownContent, PieceOutOfPlace
            ParcelRepeated: it was opened before; a receipt is owed again.
        """
        return self._hearing.hear(parcel, now_s)

    def fetched(self, place: int, parcel: bytes | None, now_s: float) -> list[Event]:
        """Take what was at a place that the contact announced; None where nothing was.

        Raises:
            ParcelRefused: as `hear`; nothing is to be done about it.
        """
        if parcel is None:
            self.taking.absent(place, now_s)
            return []
        try:
            events = self.hear(parcel, now_s)
        except ContactFloods:
            self.taking.absent(place, now_s)
            raise
        except ParcelRefused:
            self.taking.taken(place)
            raise
        self.taking.taken(place)
        return events

    # --- parcels left in the network

    def deposit(self, now_s: float) -> list[Outgoing]:
        """Return the parcels to leave in the network now, at most BATCH; call it again.

        There are some only while no way is live, and only of the last 72 hours.
        """
        return self._speaking.deposit(now_s)

    # --- keys

    @property
    def needs_card(self) -> bool:
        """Whether nothing can be said before the contact's prekeys are known."""
        return not self._voice.can_speak

    def bundle(self, now_s: float) -> bytes:
        """Return our prekeys for the contact; commit before they are published."""
        return self._voice.bundle(now_s)

    def learn(self, bundle: bytes, now_s: float) -> list[Event]:
        """Take the contact's prekeys; raise BadPrekeys."""
        return self._hearing.learn(bundle, now_s)

    def start_anew(self, now_s: float) -> list[Event]:
        """Use nothing any more that a copy of this state may have used; keep the history.

        What did not arrive is sent once more; the contact shows nothing twice.
        """
        self._voice.renew(now_s, self._parts.draw())
        self._parts.send_anew(now_s)
        self.left.renew(now_s, self._parts.draw())
        self._hearing.tell_prekeys(now_s)
        self._notices.owes_receipt = True
        return [BegunAnew(True)]

    def change_keys(self, now_s: float) -> None:
        """Go on under another identity of ours or of the contact's: once, when it has changed.

        What did not arrive is sent once more. Nothing can be said before
        the contact's prekeys for the new pair are known.
        """
        self._voice.end()
        self._parts.send_anew(now_s)
        self._notices.owes_receipt = True

    def end(self, why: str = REMOVED) -> list[Event]:
        """Forget all keys and fail all that waits, for this: the contact was ended."""
        self._voice.end()
        self.left.take_back_all()
        return self._parts.moved(self._outbox.give_up_all(), "failed", why)

    # --- upkeep

    def tick(self, now_s: float) -> list[Event]:
        """Give up what waited for too long, here and in the network."""
        self.left.expire(now_s)
        over = self._outbox.expire(now_s)
        if over:
            self._flight.again()  # what says so has a number that went out before
            self.left.arrived(n for n in self._outbox.missing() if n != self._outbox.void)
        return self._parts.moved(over, "failed", EXPIRED)

    def next_s(self, now_s: float) -> float | None:
        """Return when to come again if nothing happens before; None for never."""
        waits = [self._outbox.next_expiry_s(), self._flight.next_s(now_s)]
        return min((each for each in waits if each is not None), default=None)

    def changes(self) -> list[Change]:
        """Return the rows to commit, all or none of them, before anything else is done."""
        self._voice.save()
        return self._parts.rows.changes()

    # --- what there is to see

    @property
    def queued(self) -> int:
        """How many of our messages did not arrive yet."""
        return len(self._outbox)

    @property
    def oldest_s(self) -> int | None:
        """When the oldest of our messages that did not arrive was written."""
        return self._outbox.oldest_s

    @property
    def unread(self) -> int:
        """How many of their messages the user has not read."""
        return self._history.unread

    @property
    def tries(self) -> int:
        """How many tries in a row brought nothing."""
        return self._flight.retries.failures

    def entry(self, number: int) -> Entry | None:
        """Return a message, with `why` it did not arrive yet."""
        entry = self._history.get(number)
        return None if entry is None else self._explained(entry)

    def find(self, name: str) -> int | None:
        """Return the number of the message with this id."""
        return self._history.find(name)

    def page(self, before: int | None, limit: int) -> list[Entry]:
        """Return up to `limit` committed messages below a number (None: all), newest first."""
        return [self._explained(entry) for entry in self._history.page(before, limit)]

    def _explained(self, entry: Entry) -> Entry:
        if entry.number not in self._outbox:
            return entry
        if self.needs_card:
            return replace(entry, why=NO_PREKEYS)
        why = self.left.by_mail(self._outbox.pieces_of(entry.number))
        if not why and entry.state == "sent" and self.left.standing():
            why = IN_THE_NETWORK
        return replace(entry, why=why or self._parts.why)
