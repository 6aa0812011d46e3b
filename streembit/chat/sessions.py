"""The sessions with one contact: which ratchet a parcel belongs to, and which one we speak on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct

from streembit.chat import agreement
from streembit.chat.agreement import Agreed, Contact
from streembit.chat.prekeys import Prekeys
from streembit.chat.ratchet import Ratchet
from streembit.errors import BadParcel, NoSession, UnknownContent, UnknownSession
from streembit.jose.keys import Identity, PrivateKey
from streembit.wire import parcel as parcels
from streembit.wire.bundle import Bundle
from streembit.wire.content import Content, pack, pad, unpack, unpad
from streembit.wire.parcel import SESSION_BYTES, Initial, Message, Parcel

MAX_SESSIONS: Final = 4  # with one contact: both began at once, or one side lost its state

_Name = Annotated[bytes, Meta(min_length=SESSION_BYTES, max_length=SESSION_BYTES)]


class _Row(Struct, array_like=True, frozen=True):
    """A session on the medium; `turn` is higher the later it was heard on."""

    version: int
    name: _Name
    ad: bytes
    turn: int
    initial: Initial | None
    answered: bool
    ratchet: bytes


class Sealed(NamedTuple):
    """A parcel ready to be handed over, and the session that it belongs to."""

    session: bytes
    parcel: bytes


class Change(NamedTuple):
    """A session's row to keep, or with None to delete."""

    session: bytes
    row: bytes | None


class _Session:
    """A ratchet, its name, and how we began it."""

    __slots__ = ("ad", "answered", "initial", "name", "ratchet", "turn")

    def __init__(self, agreed: Agreed, ratchet: Ratchet, initial: Initial | None) -> None:
        self.name, self.ad = agreed.session, agreed.ad
        self.ratchet = ratchet
        self.initial = initial
        self.answered = initial is None
        self.turn = 0

    def parcel(self, message: Message) -> Sealed:
        initial = None if self.answered else self.initial
        return Sealed(self.name, parcels.pack(Parcel(self.name, initial, message)))

    def row(self) -> bytes:
        state = self.ratchet.state()
        row = _Row(1, self.name, self.ad, self.turn, self.initial, self.answered, state)
        return msgspec.msgpack.encode(row)


class Sessions:
    """All sessions with one contact; `rows` are those kept, in any order.

    After each call that seals or opens, keep `changes()` on the medium, in
    one commit with what else follows, before anything is sent or
    acknowledged. After a refusal there are none, and nothing is changed;
    but for UnknownContent: that parcel is not opened again.
    """

    __slots__ = ("_changed", "_contacts", "_owns", "_sessions")

    def __init__(self, own: Identity, contact: Contact, rows: Iterable[bytes] = ()) -> None:
        self._owns: Sequence[Identity] = (own,)
        self._contacts: Sequence[Contact] = (contact,)
        self._changed: dict[bytes, None] = {}
        self._sessions = {each.name: each for each in sorted(map(_loaded, rows), key=_turn)}

    def know(self, owns: Sequence[Identity], contacts: Sequence[Contact]) -> None:
        """Take the agreement keys that are good now, with which sessions begin.

        We begin them with the first of each; the contact may begin them with
        any. Those that have begun go on with the keys that they began with.
        """
        self._owns, self._contacts = owns, contacts

    @property
    def can_speak(self) -> bool:
        """Whether `seal` needs no bundle."""
        return bool(self._sessions)

    @property
    def names(self) -> list[bytes]:
        """The sessions' names, the one that is spoken on last."""
        return list(self._sessions)

    def begin(self, content: Content, bundle: Bundle) -> Sealed:
        """Seal the first parcel of a new session, which is spoken on from now.

        Raises:
            BadPrekeys: the bundle is not signed by the contact for us.
        """
        taken = [each.initial.one_time_id for each in self._sessions.values() if each.initial]
        agreed, initial = agreement.initiate(
            self._owns[0], self._contacts[0], bundle, PrivateKey.generate(), max(taken, default=0)
        )
        ratchet, message = Ratchet.begin(
            agreed.shared, bundle.signed_point, pad(pack(content)), agreed.ad
        )
        session = _Session(agreed, ratchet, initial)
        self._speak_on(session)
        return session.parcel(message)

    def seal(self, content: Content) -> Sealed:
        """Seal the next parcel of the session last heard on or begun.

        Raises:
            NoSession: there is none.
        """
        if not self._sessions:
            raise NoSession
        session = next(reversed(self._sessions.values()))
        message = session.ratchet.seal(pad(pack(content)), session.ad)
        self._changed[session.name] = None
        return session.parcel(message)

    def open(self, parcel: bytes, prekeys: Prekeys) -> Content:
        """Return what a parcel from the contact says.

        `prekeys` are ours for this contact; they are changed when the parcel
        begins a session.

        Raises:
            BadParcel, ParcelRepeated, ParcelTooFarAhead
            UnknownSession: it goes on with a session that is not here.
            PrekeyGone: it begins one with prekeys that are not here.
            UnknownContent: it was opened, and what it says is not known here.
        """
        found = parcels.unpack(parcel)
        session = self._sessions.get(found.session)
        if session is None:
            return self._answer(found, prekeys)
        data = session.ratchet.open(found.message, session.ad)
        session.answered = True
        self._speak_on(session)
        return _content(data)

    def forget(self, session: bytes) -> None:
        """Drop a session that the contact does not know any more."""
        if self._sessions.pop(session, None) is not None:
            self._changed[session] = None

    def changes(self) -> list[Change]:
        """Return what to keep of all that happened since the last time."""
        changed, self._changed = self._changed, {}
        return [Change(name, self._row(name)) for name in changed]

    def _answer(self, parcel: Parcel, prekeys: Prekeys) -> Content:
        initial = parcel.initial
        if initial is None:
            raise UnknownSession
        own, contact = self._ends(parcel.session, initial)
        signed, one_time = prekeys.find(initial, parcel.session)
        agreed = agreement.respond(own, contact, initial, signed, one_time)
        ratchet, data = Ratchet.answer(agreed.shared, signed, parcel.message, agreed.ad)
        prekeys.use(initial, parcel.session)
        self._speak_on(_Session(agreed, ratchet, None))
        return _content(data)

    def _ends(self, session: bytes, initial: Initial) -> tuple[Identity, Contact]:
        """Return the keys with which a session of this name begins; raise BadParcel for none."""
        for own, contact in self._pairs():
            ours = Contact(own.public, own.agreement.public)
            if agreement.session_of(initial, contact, ours) == session:
                return own, contact
        raise BadParcel("its session's name")

    def _pairs(self) -> Iterator[tuple[Identity, Contact]]:
        return ((own, contact) for own in self._owns for contact in self._contacts)

    def _speak_on(self, session: _Session) -> None:
        """Put a session last; the first goes when there are too many."""
        last = next(reversed(self._sessions.values()), None)
        if last is not session:
            session.turn = last.turn + 1 if last else 1
            self._sessions.pop(session.name, None)
            self._sessions[session.name] = session
        self._changed[session.name] = None
        if len(self._sessions) > MAX_SESSIONS:
            self.forget(next(iter(self._sessions)))

    def _row(self, name: bytes) -> bytes | None:
        session = self._sessions.get(name)
        return None if session is None else session.row()


def _content(data: bytes) -> Content:
    try:
        return unpack(unpad(data))
    except BadParcel as e:
        raise UnknownContent(e.detail) from None


def _loaded(row: bytes) -> _Session:
    """Return the session of a row; raise ValueError for anything else."""
    found = msgspec.msgpack.decode(row, type=_Row)
    if found.version != 1:
        raise ValueError("a session of another version")
    ratchet = Ratchet.load(found.ratchet)
    session = _Session(Agreed(found.name, b"", found.ad), ratchet, found.initial)
    session.answered, session.turn = found.answered, found.turn
    return session


def _turn(session: _Session) -> int:
    return session.turn
