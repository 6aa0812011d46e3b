"""The prekeys made for one contact: signed ones that change weekly, and ones that serve once."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from streembit.chat.agreement import signed_bytes
from streembit.errors import PrekeyGone
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.wire.bundle import MAX_ONE_TIME, Bundle, OneTime
from streembit.wire.parcel import NO_PREKEY, Initial

ROTATE_S: Final = 7 * 86_400
KEEP_S: Final = 14 * 86_400  # as long as a message is on its way at most
MAX_SIGNED: Final = 4  # kept at once: of two weeks, and one for a clock that went back
NUMBERS_APART: Final = 2**16  # more than were used since any copy of the state was made
MAX_BEGUN: Final = 256  # sessions begun with a signed prekey alone, remembered against repetition

_Secret = Annotated[bytes, Meta(min_length=32, max_length=32)]
_Id = Annotated[int, Meta(ge=1, le=2**32 - 1)]


class _Signed(Struct, array_like=True):
    id: _Id
    secret: _Secret
    made_s: int
    begun: Annotated[list[bytes], Meta(max_length=MAX_BEGUN)]


class _State(Struct, array_like=True):
    version: int
    next_id: _Id
    signed: Annotated[list[_Signed], Meta(max_length=MAX_SIGNED)]
    one_time: Annotated[dict[_Id, _Secret], Meta(max_length=MAX_ONE_TIME)]


class Prekeys:
    """Our prekeys for one contact.

    Keep `state()` on the medium before a bundle is published, and in one
    commit with the session that used a prekey.
    """

    __slots__ = ("_points", "_state")

    def __init__(self, state: _State | None = None) -> None:
        self._state = state or _State(1, 1, [], {})
        self._points: dict[int, bytes] = {}  # of the keys that are here, as far as they were needed

    def refresh(self, now_unix_s: int) -> bool:
        """Make what is missing and forget what is too old; say whether anything changed.

        A signed prekey serves for a week and is kept for two; there are
        MAX_ONE_TIME one-time prekeys to publish.
        """
        state = self._state
        before = state.next_id, len(state.signed), len(state.one_time)
        fresh = [each for each in state.signed if 0 <= now_unix_s - each.made_s < KEEP_S]
        # A clock that went back makes a prekey look young for ever: it is kept, not published.
        future = [each for each in state.signed if each.made_s > now_unix_s]
        state.signed = [*future, *fresh]
        if not fresh or now_unix_s - fresh[-1].made_s >= ROTATE_S:
            number, secret = self._made()
            state.signed.append(_Signed(number, secret, now_unix_s, []))
        del state.signed[:-MAX_SIGNED]
        while len(state.one_time) < MAX_ONE_TIME:
            number, secret = self._made()
            state.one_time[number] = secret
        return before != (state.next_id, len(state.signed), len(state.one_time))

    def renew(self, chance: int = 0) -> None:
        """Forget all of them, and go on with numbers that were never used: after a restore.

        `chance` lets two that were renewed from one copy have other numbers.
        """
        apart = NUMBERS_APART * (1 + chance % 256)
        self._state = _State(1, self._state.next_id + apart, [], {})

    def bundle(self, own: Identity, contact: PublicKey) -> Bundle:
        """Return what the contact needs to begin sessions; `refresh` came before."""
        newest = self._state.signed[-1]
        point = self._point(newest.id, newest.secret)
        signature = own.signing.sign(signed_bytes(own.public, contact, newest.id, point))
        one_time = sorted(self._state.one_time.items())
        public = tuple(OneTime(number, self._point(number, key)) for number, key in one_time)
        self._points = {newest.id: point, **dict(public)}
        return Bundle(newest.id, point, signature, public)

    def find(self, initial: Initial, session: bytes) -> tuple[PrivateKey, PrivateKey | None]:
        """Return the signed and the one-time prekey that a session begins with.

        Raises:
            PrekeyGone: one of them is not there any more, the session
                began before, or MAX_BEGUN sessions began with this
                signed prekey and no other.
        """
        signed = next((each for each in self._state.signed if each.id == initial.signed_id), None)
        if signed is None:
            raise PrekeyGone("the signed one")
        key = PrivateKey.from_scalar(signed.secret)
        if initial.one_time_id != NO_PREKEY:
            return key, self._find_one_time(initial.one_time_id)
        if session in signed.begun or len(signed.begun) >= MAX_BEGUN:
            raise PrekeyGone("it began sessions enough")
        return key, None

    def use(self, initial: Initial, session: bytes) -> None:
        """Never let another session begin with this one-time prekey, nor this one again."""
        if initial.one_time_id != NO_PREKEY:
            self._state.one_time.pop(initial.one_time_id, None)
            return
        for signed in self._state.signed:
            if signed.id == initial.signed_id:
                signed.begun.append(session)

    def state(self) -> bytes:
        """Return all that `load` needs, secret keys among it."""
        return msgspec.msgpack.encode(self._state)

    @classmethod
    def load(cls, state: bytes) -> Prekeys:
        """Return the prekeys of a state; raise ValueError for anything else."""
        found = msgspec.msgpack.decode(state, type=_State)
        if found.version != 1:
            raise ValueError("prekeys of another version")
        return cls(found)

    def _made(self) -> tuple[int, bytes]:
        """Return the number and the secret of a new key."""
        number, key = self._state.next_id, PrivateKey.generate()
        self._state.next_id += 1
        self._points[number] = key.public.point
        return number, key.scalar

    def _point(self, number: int, secret: bytes) -> bytes:
        return self._points.get(number) or PrivateKey.from_scalar(secret).public.point

    def _find_one_time(self, number: int) -> PrivateKey:
        secret = self._state.one_time.get(number)
        if secret is None:
            raise PrekeyGone("the one-time one")
        return PrivateKey.from_scalar(secret)
