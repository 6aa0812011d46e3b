"""What a contact says, and what follows from it."""

from __future__ import annotations

from typing import assert_never

from streembit.chat.events import BegunAnew, Event, ReadTo, Spoke
from streembit.chat.history import understood
from streembit.chat.inbox import Said
from streembit.chat.parts import Parts
from streembit.chat.quota import Quota
from streembit.errors import (
    BadParcel,
    BadPrekeys,
    BadToken,
    ContactFloods,
    ParcelRepeated,
    ParcelTooFarAhead,
    PrekeyGone,
    UnknownSession,
)
from streembit.jose import base64url
from streembit.wire import parcel as parcels
from streembit.wire.content import (
    Content,
    Goodbye,
    Piece,
    Prekeys,
    Presence,
    Receipt,
    Typing,
)


class Hearing:
    """One contact's parcels, opened and understood, as many as its quota allows."""

    __slots__ = ("_parts", "_quota")

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._quota = Quota()

    def hear(self, parcel: bytes, now_s: float) -> list[Event]:
        """Take a parcel; see Conversation.hear."""
        parts = self._parts
        if not self._quota.take(now_s):
            raise ContactFloods
        try:
            content, used = parts.voice.open(parcel)
        except ParcelRepeated:
            parts.notices.owes_receipt = True
            raise
        except (BadParcel, UnknownSession, PrekeyGone, ParcelTooFarAhead):
            parts.voice.begin_anew()
            raise
        if used:
            self.tell_prekeys(now_s)
        return self._take(content, parcels.unpack(parcel).session, now_s)

    def learn(self, bundle: bytes, now_s: float) -> list[Event]:
        """Take the contact's prekeys; raise BadPrekeys."""
        parts = self._parts
        if not parts.voice.learn(bundle):
            return []
        # What arrived in part is lost with the contact's state: it is sent as a whole again.
        parts.voice.forget_all()
        parts.send_anew(now_s)
        parts.notices.owes_receipt = True
        return [BegunAnew(False)]

    def tell_prekeys(self, now_s: float) -> None:
        """Let the contact have our prekeys with the next parcels."""
        bundle = self._parts.voice.bundle(now_s)
        self._parts.notices.add(Prekeys(base64url.encode(bundle)))

    def _take(self, content: Content, session: bytes, now_s: float) -> list[Event]:
        match content:
            case Piece():
                self._parts.notices.owes_receipt = True
                return self._said(self._parts.inbox.take(content), now_s)
            case Receipt():
                return self._acknowledged(content, session, now_s)
            case Prekeys(bundle):
                self._take_back(session)
                return self._told(bundle, now_s)
            case Typing() | Presence() | Goodbye():
                return [content]
            case other:
                assert_never(other)

    def _said(self, messages: list[Said], now_s: float) -> list[Event]:
        history, events = self._parts.history, list[Event]()
        for said in messages:
            number = history.add_theirs(said.stream, said.piece, said.body, int(now_s))
            if number is not None:
                events.append(Spoke(number, understood(said.body)))
        return events

    def _acknowledged(self, receipt: Receipt, session: bytes, now_s: float) -> list[Event]:
        parts = self._parts
        self._take_back(session)
        if parts.outbox.behind(receipt):
            parts.send_anew(now_s, base64url.decode(receipt.stream))
        if not parts.outbox.knows(receipt):
            return []
        events = self._there(receipt)
        read = parts.outbox.read(receipt.read)
        if parts.history.read_upto(read):
            events.append(ReadTo(read))
        return events

    def arrived(self, stream: bytes, piece: int) -> list[Event]:
        """Take note that the contact has kept a piece of ours, whatever it acknowledged."""
        receipt = Receipt(base64url.encode(stream), 0, [piece])
        return self._there(receipt) if self._parts.outbox.knows(receipt) else []

    def _there(self, receipt: Receipt) -> list[Event]:
        parts = self._parts
        news, arrived = parts.outbox.arrived(receipt)
        if news:
            parts.flight.progressed()
            parts.left.arrived(parts.outbox.missing())
            parts.because("")
        return parts.moved(arrived, "delivered")

    def _take_back(self, session: bytes) -> None:
        """Leave nothing in other sessions than the one that the contact speaks on.

        It may have lost those; what is in them goes out again in this one.
        """
        self._parts.left.take_back(self._parts.left.of_others([session]))

    def _told(self, bundle: str, now_s: float) -> list[Event]:
        try:
            return self.learn(base64url.decode(bundle), now_s)
        except (BadPrekeys, BadToken):
            return []
