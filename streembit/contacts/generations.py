"""The agreement keys of an identity, one after the other, and which of them two contacts use.

The first one follows from the seed; each later one is drawn, kept for as
long as somebody may still use it, and then erased. Who copied it opens
nothing that was sealed after. It is announced by a statement that the
identity key signs, and of two statements the one made later counts.

For a while two keys of a side are good, since the other one may not have
heard yet. A side writes where the other can read by what it said last
(`Card.yours`), and reads wherever the other can have written: so both
may change at once, and neither has to wait for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from streembit.contacts.entry import Entry
from streembit.contacts.offer import CLOCK_SKEW_S
from streembit.contacts.pair import DAY_S, Pair
from streembit.errors import BadRotation, StaleLetter, WrongNetwork
from streembit.jose import envelope
from streembit.jose.keys import SCALAR_BYTES, Identity, PrivateKey, PublicKey
from streembit.wire.offer import AgreementClaims

EVERY_S: Final = 90 * DAY_S  # how long a key is in use; a setting
SPREAD: Final = 0.1  # of that, drawn for each key: not all change on one day
OVERLAP_S: Final = 30 * DAY_S  # a key is good for so long after it was replaced
MAX_KEPT: Final = 4  # good at once: two, and two more that a restored state made anew

_Scalar = Annotated[bytes, Meta(max_length=SCALAR_BYTES)]


class Generation(Struct, array_like=True, frozen=True):
    """One agreement key; `scalar` is b"" for the one that follows from the seed.

    `spread`, from -1 to 1, says how much of SPREAD its life is longer than
    usual. `until_s` is when another took its place, 0 while it is the newest.
    """

    scalar: _Scalar
    made_s: int
    spread: float
    until_s: int = 0


class _Row(Struct, array_like=True, frozen=True):
    version: int
    kept: Annotated[tuple[Generation, ...], Meta(min_length=1, max_length=MAX_KEPT)]


class Generations:
    """The agreement keys of one identity that are good now; a value: changes make another one."""

    __slots__ = ("_identity", "_kept", "owns")

    def __init__(self, identity: Identity, kept: Sequence[Generation]) -> None:
        """Take the identity, and its generations, oldest first; there is at least one."""
        self._identity = identity
        self._kept = tuple(kept)
        self.owns = tuple(_owned(identity, each) for each in reversed(self._kept))

    @classmethod
    def first(cls, identity: Identity, now_s: int, spread: float) -> Generations:
        """Return those of an identity that has but the one of its seed."""
        return cls(identity, [Generation(b"", now_s, spread)])

    @classmethod
    def load(cls, identity: Identity, row: bytes) -> Generations:
        """Return those of a row; raise ValueError for anything else."""
        found = msgspec.msgpack.decode(row, type=_Row)
        if found.version != 1:
            raise ValueError("agreement keys of another version")
        return cls(identity, found.kept)

    def row(self) -> bytes:
        """Return all that `load` needs, secret keys among it."""
        return msgspec.msgpack.encode(_Row(1, self._kept))

    @property
    def newest(self) -> Identity:
        """The identity with the key that is in use."""
        return self.owns[0]

    @property
    def made_s(self) -> int:
        """When the key in use was made, or first used."""
        return self._kept[-1].made_s

    def due_s(self, every_s: float) -> float:
        """Return when the newest key has been in use for long enough."""
        newest = self._kept[-1]
        return newest.made_s + every_s * (1 + SPREAD * newest.spread)

    def renewed(self, key: PrivateKey, now_s: int, spread: float) -> Generations:
        """Return them with another key in use from now on."""
        newest = self._kept[-1]
        before = [*self._kept[:-1], replace(newest, until_s=now_s)]
        made_s = max(now_s, newest.made_s + 1)
        kept = [*before[1 - MAX_KEPT :], Generation(key.scalar, made_s, spread)]
        return Generations(self._identity, kept)

    def expired(self, now_s: float) -> Generations:
        """Return them without those that nobody can use any more; themselves if there are none."""
        kept = [each for each in self._kept if not each.until_s or _is_good(each.until_s, now_s)]
        return self if len(kept) == len(self._kept) else Generations(self._identity, kept)

    def statement(self, network: str) -> str:
        """Return what announces the newest key; "" for the one of the seed, which needs none."""
        newest = self._kept[-1]
        if not newest.scalar:
            return ""
        own = self._identity
        agreement = self.newest.agreement.public.text
        claims = AgreementClaims(own.public.text, agreement, network, newest.made_s)
        return envelope.sign_agreement(own.signing, claims)


class Announced(NamedTuple):
    """An agreement key of somebody, as its identity key has signed it."""

    key: PublicKey
    agreement: PublicKey
    made_s: int


def read(token: str, network: str, now_s: float) -> Announced:
    """Return what a statement announces.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
        WrongNetwork, StaleLetter: made in the future.
        BadRotation: one key for two purposes.
    """
    verified = envelope.verify_agreement(token)
    claims = verified.claims
    if claims.net != network:
        raise WrongNetwork("the statement belongs to another network")
    if claims.iat > now_s + CLOCK_SKEW_S:
        raise StaleLetter("made in the future", ahead_s=round(claims.iat - now_s))
    agreement = PublicKey.from_text(claims.agreement)
    if agreement == verified.key:
        raise BadRotation("one key for two purposes")
    return Announced(verified.key, agreement, claims.iat)


class Pairs(NamedTuple):
    """The pairs of us and one contact.

    Our cards lie in all of `ours`, our parcels in the first of them. The
    contact's may lie in any of `theirs`.
    """

    ours: tuple[Pair, ...]
    theirs: tuple[Pair, ...]


def spoken(owns: Sequence[Identity], knows: bytes) -> Identity:
    """Return ourselves as a contact knows us that used this key of ours; else the newest."""
    return next((own for own in owns if own.agreement.public.point == knows), owns[0])


def keys_of(entry: Entry, now_s: float) -> tuple[PublicKey, ...]:
    """Return the agreement keys under which a contact may write, the newest first."""
    newest, renewal = PublicKey.parse(entry.agreement), entry.renewal
    if renewal is None or not _is_good(renewal.at_s, now_s):
        return (newest,)
    return newest, PublicKey.parse(renewal.former)


def pairs(owns: Sequence[Identity], entry: Entry, now_s: float) -> Pairs:
    """Return the pairs with a contact; raise BadKey where it has a key of ours."""
    key, agreements = entry.public(), keys_of(entry, now_s)
    known = spoken(owns, entry.knows)
    newer = owns[: owns.index(known)]  # the contact may have heard of any
    return Pairs(
        tuple(Pair(own, key, agreements[0]) for own in (known, *newer)),
        tuple(Pair(own, key, agreement) for own in owns for agreement in agreements),
    )


def _owned(identity: Identity, generation: Generation) -> Identity:
    if not generation.scalar:
        return identity
    return identity.agreeing_by(PrivateKey.from_scalar(generation.scalar))


def _is_good(until_s: int, now_s: float) -> bool:
    return now_s - until_s < OVERLAP_S
