"""What goes out to a contact: sealed for a live way, or to be left in the network."""

from __future__ import annotations

from itertools import islice
from typing import Final

from streembit.chat.events import Event, Outgoing
from streembit.chat.flight import BATCH
from streembit.chat.hearing import Hearing
from streembit.chat.left import LIFE_S, MAX_LEFT
from streembit.chat.parts import Parts
from streembit.errors import (
    BadParcel,
    ParcelRepeated,
    ParcelTooFarAhead,
    PieceOutOfPlace,
    PrekeyGone,
    UnknownContent,
    UnknownSession,
)
from streembit.wire.content import Content

# Codes of a receiver who cannot open what we say: a new session helps.
_LOST: Final = frozenset(
    kind.code for kind in (UnknownSession, PrekeyGone, ParcelTooFarAhead, BadParcel)
)

# Codes of one who opened it: another session helps nothing, and its receipt says what it has.
_OPENED: Final = frozenset(kind.code for kind in (ParcelRepeated, UnknownContent, PieceOutOfPlace))


class Speaking:
    """Our parcels to one contact: which are due, and what became of each."""

    __slots__ = ("_hearing", "_parts")

    def __init__(self, parts: Parts, hearing: Hearing) -> None:
        self._parts = parts
        self._hearing = hearing

    def due(self, now_s: float) -> list[Outgoing]:
        """Return the parcels for the live way; see Conversation.due."""
        parts = self._parts
        if not parts.flight.free(now_s) or not parts.voice.can_speak:
            return []
        self._tell_why_anew(now_s)
        out = [self._seal(notice, 0, now_s) for notice in parts.notices.take()]
        for number, message in parts.flight.ready(now_s):
            out.append(self._seal(parts.outbox.piece(number, message), number, now_s))
            parts.flight.sent(number, now_s)
        return out

    def handed(self, outgoing: Outgoing) -> list[Event]:
        """Note that a parcel was taken; see Conversation.handed."""
        parts = self._parts
        if outgoing.place:
            number = parts.outbox.ending(outgoing.piece)
            return parts.moved([number], "sent") if number is not None else []
        if outgoing.piece:
            return self._hearing.arrived(outgoing.stream, outgoing.piece)
        parts.left.take_back(parts.left.notices())
        return []

    def refused(self, outgoing: Outgoing, code: str, now_s: float) -> None:
        """Note that a parcel was not taken; see Conversation.refused."""
        parts = self._parts
        if code in _OPENED:
            return
        if not outgoing.piece:
            parts.notices.owes_receipt = True
        if code in _LOST and not parts.voice.forget(outgoing.session):
            return
        if code == PrekeyGone.code:
            parts.voice.forget_bundle()
        parts.because(code)
        parts.flight.refused(now_s, at_once=code in _LOST)

    def deposit(self, now_s: float) -> list[Outgoing]:
        """Return the parcels to leave in the network; see Conversation.deposit."""
        parts, left = self._parts, self._parts.left
        if parts.flight.open or not parts.voice.can_speak:
            return []
        left.take_back(left.of_others(parts.voice.sessions.names))
        self._tell_why_anew(now_s)
        out = self._leave_notice(now_s)
        lying = left.pieces()
        for number, message in islice(parts.outbox.window(MAX_LEFT), MAX_LEFT):
            if len(out) >= BATCH or not left.room():
                break
            young = message is None or now_s - message.written_s < LIFE_S
            if young and number not in lying:
                out.append(self._leave(parts.outbox.piece(number, message), number, now_s))
        return out

    def _tell_why_anew(self, now_s: float) -> None:
        """Say what the contact must know, if the next parcel begins a session for its sake."""
        if self._parts.voice.begins(now_s):
            self._hearing.tell_prekeys(now_s)
            self._parts.notices.owes_receipt = True

    def _seal(self, content: Content, piece: int, now_s: float) -> Outgoing:
        sealed = self._parts.voice.seal(content, now_s)
        return Outgoing(sealed.parcel, sealed.session, piece, 0, self._parts.outbox.stream)

    def _leave(self, content: Content, piece: int, now_s: float) -> Outgoing:
        parts = self._parts
        sealed = parts.voice.seal(content, now_s)
        place = parts.left.leave(sealed.parcel, sealed.session, piece, now_s)
        return Outgoing(sealed.parcel, sealed.session, piece, place, parts.outbox.stream)

    def _leave_notice(self, now_s: float) -> list[Outgoing]:
        """Leave a receipt in place of older ones, or our prekeys."""
        parts = self._parts
        notice = parts.notices.take_lasting() if parts.left.room() else None
        if notice is None:
            return []
        parts.left.take_back(parts.left.notices())
        return [self._leave(notice, 0, now_s)]
