"""How we speak to one contact: on the session there is, or on a new one that a bundle begins."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.chat import agreement
from streembit.chat.agreement import Contact
from streembit.chat.prekeys import NUMBERS_APART, Prekeys
from streembit.chat.rows import Rows
from streembit.chat.sessions import Sealed, Sessions
from streembit.errors import BadPrekeys, ChestDamaged
from streembit.jose.keys import Identity
from streembit.wire import bundle as bundles
from streembit.wire import parcel as parcels
from streembit.wire.bundle import Bundle
from streembit.wire.content import Content

BEGIN_EVERY_S: Final = 60.0  # sessions begun because the contact's parcels do not open

_SESSIONS: Final = "sessions"
_HEAD: Final = "talk"
_PREKEYS: Final = b"prekeys"
_BUNDLE: Final = b"bundle"


class _Known(Struct, array_like=True, frozen=True):
    """The contact's bundle (b"": none), and the highest one-time prekey that was used.

    `begin`: the contact is to hear of us in a new session, for its parcels
    do not open.
    """

    bundle: Annotated[bytes, Meta(max_length=bundles.MAX_BYTES)] = b""
    used: int = 0
    begin: bool = False


class Voice:
    """Sessions, our prekeys for the contact, and the contact's for us."""

    __slots__ = (
        "_begin",
        "_begun_s",
        "_bundle",
        "_learned",
        "_own",
        "_prekeys",
        "_rows",
        "_used",
        "contact",
        "sessions",
    )

    def __init__(self, own: Identity, contact: Contact, rows: Rows) -> None:
        self._own, self.contact, self._rows = own, contact, rows
        prekeys = rows.get(_HEAD, _PREKEYS)
        known = rows.read(_HEAD, _BUNDLE, _Known) or _Known()
        try:
            self.sessions = Sessions(own, contact, rows.kept(_SESSIONS))
            self._prekeys = Prekeys.load(prekeys) if prekeys else Prekeys()
            self._bundle = bundles.unpack(known.bundle) if known.bundle else None
        except (ValueError, BadPrekeys) as e:
            raise ChestDamaged(f"sessions with a contact: {e}") from None
        self._used = known.used
        self._learned = b""  # what was checked last
        self._begin = known.begin
        self._begun_s: float | None = None

    @property
    def can_speak(self) -> bool:
        """Whether `seal` has what it needs."""
        return self.sessions.can_speak or self._bundle is not None

    def bundle(self, now_s: float) -> bytes:
        """Return our prekeys for the contact, of which fresh ones are made as needed."""
        if self._prekeys.refresh(int(now_s)):
            self._save_prekeys()
        return bundles.pack(self._prekeys.bundle(self._own, self.contact.public))

    def learn(self, data: bytes) -> bool:
        """Take the contact's prekeys; say whether they show that its old ones are void.

        Older ones than those that are known change nothing.

        Raises:
            BadPrekeys: not of the due form, or not signed by the contact for us.
        """
        if data == self._learned:
            return False
        fresh, known = bundles.unpack(data), self._bundle
        if known is not None and fresh.signed_id < known.signed_id:
            return False
        agreement.check(fresh, self._own, self.contact)
        self._keep(fresh)
        self._learned = data
        return known is not None and fresh.signed_id - known.signed_id >= NUMBERS_APART

    def seal(self, content: Content, now_s: float) -> Sealed:
        """Seal a parcel; raise NoSession where `can_speak` says that it cannot be."""
        if self._bundle is not None and (self.begins(now_s) or not self.sessions.can_speak):
            self._begin, self._begun_s = False, now_s
            sealed = self.sessions.begin(content, self._bundle)
            self._spend(self._bundle, sealed.parcel)
            return sealed
        return self.sessions.seal(content)

    def open(self, parcel: bytes) -> tuple[Content, bool]:
        """Return what a parcel says, and whether it used up prekeys of ours.

        Raises:
            ParcelRefused: see Sessions.open.
        """
        before = self._prekeys.state()
        try:
            content = self.sessions.open(parcel, self._prekeys)
        finally:
            used = self._prekeys.state() != before
            if used:
                self._save_prekeys()
        return content, used

    def begin_anew(self) -> None:
        """Let a new session begin as soon as it can: the contact's parcels do not open."""
        if not self._begin:
            self._begin = True
            self._keep(self._bundle)

    @property
    def must_begin(self) -> bool:
        """Whether the contact does not know yet that its parcels do not open."""
        return self._begin

    def begins(self, now_s: float) -> bool:
        """Say whether the next parcel begins a session for that reason; not too often."""
        passed_s = BEGIN_EVERY_S if self._begun_s is None else abs(now_s - self._begun_s)
        return self._begin and self._bundle is not None and passed_s >= BEGIN_EVERY_S

    def forget(self, session: bytes) -> bool:
        """Drop a session that the contact cannot open; say whether it was here."""
        known = session in self.sessions.names
        self.sessions.forget(session)
        return known

    def forget_all(self) -> None:
        """Drop all sessions."""
        for name in self.sessions.names:
            self.sessions.forget(name)

    def forget_bundle(self) -> None:
        """Drop the contact's prekeys: they are gone on its side, numbers and all."""
        self._used, self._learned = 0, b""
        self._keep(None)

    def renew(self, now_s: float, chance: int) -> None:
        """Use nothing any more that an older copy of the state has: keys, numbers, prekeys."""
        self.forget_all()
        self._prekeys.renew(chance)
        self._prekeys.refresh(int(now_s))
        self._save_prekeys()
        if self._bundle is not None:
            self._keep(self._bundle._replace(one_time=()))

    def end(self) -> None:
        """Forget all keys."""
        self.forget_all()
        self.forget_bundle()
        self._prekeys.renew()
        self._save_prekeys()

    def save(self) -> None:
        """Put the sessions that changed among the rows."""
        for name, row in self.sessions.changes():
            if row is None:
                self._rows.delete(_SESSIONS, name)
            else:
                self._rows.put(_SESSIONS, name, row)

    def _spend(self, bundle: Bundle, parcel: bytes) -> None:
        """Never begin another session with the same one-time prekey."""
        initial = parcels.unpack(parcel).initial
        assert initial is not None  # each parcel of a session that was just begun has it
        self._used = max(self._used, initial.one_time_id)
        self._keep(bundle)

    def _keep(self, bundle: Bundle | None) -> None:
        """Keep the contact's bundle without what was used of it."""
        if bundle is not None:
            left = tuple(key for key in bundle.one_time if key.id > self._used)
            bundle = bundle._replace(one_time=left)
        self._bundle = bundle
        packed = bundles.pack(bundle) if bundle else b""
        self._rows.put(_HEAD, _BUNDLE, _Known(packed, self._used, self._begin))

    def _save_prekeys(self) -> None:
        self._rows.put(_HEAD, _PREKEYS, self._prekeys.state())
