"""A change of identity key, announced by the old key, and a key's end.

Two signatures make a rotation: the old key names the new one, and the new
key says that it succeeds the old and which agreement key goes with it.
So nobody can claim a key that is not his own as his successor.

Whoever has stolen a key can announce a successor as well as its owner. So
a contact's new key counts as not compared (`Book.replace_key`), two
different successors of one key stop all words with both until the user
has compared one, and a revocation, once signed by any key of the line,
ends the line for ever: a thief gains nothing by it, and the owner can
always stop a thief. No order in which these statements come matters, but
for a dispute about a line that somebody has ended by comparing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from streembit.contacts.book import Book
from streembit.contacts.entry import Entry
from streembit.contacts.offer import CLOCK_SKEW_S
from streembit.errors import (
    BadRotation,
    KeyAlarm,
    KeyRevoked,
    NoSuchContact,
    StaleLetter,
    WrongNetwork,
)
from streembit.jose import envelope
from streembit.jose.keys import Identity, PublicKey
from streembit.wire.offer import RevocationClaims, RotationClaims, SuccessorClaims

MAX_STEPS: Final = 8  # in one line of rotations: each costs two checks of a signature


@dataclass(frozen=True, slots=True)
class Rotation:
    """A change of keys whose two signatures have been checked.

    `digest` is the SHA-256 of what the old key signed.
    """

    old: PublicKey
    new: PublicKey
    agreement: PublicKey
    made_s: int
    digest: bytes


def make(old: Identity, new: Identity, network: str, now_s: int) -> str:
    """Return the statement that `new` succeeds `old`: a token of about 1,000 characters."""
    agreement = new.agreement.public.text
    successor = SuccessorClaims(new.public.text, old.public.text, agreement, network, now_s)
    token = envelope.sign_successor(new.signing, successor)
    rotation = RotationClaims(old.public.text, token, network, now_s)
    return envelope.sign_rotation(old.signing, rotation)


def read(token: str, network: str, now_s: float) -> Rotation:
    """Return the change of keys of a token.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
        WrongNetwork, StaleLetter: made in the future.
        BadRotation: the two statements do not belong together, or a key
            would have two purposes.
    """
    rotation = envelope.verify_rotation(token)
    successor = envelope.verify_successor(rotation.claims.next)
    _check_life(rotation.claims.net, rotation.claims.iat, network, now_s)
    _check_life(successor.claims.net, successor.claims.iat, network, now_s)
    agreement = PublicKey.from_text(successor.claims.agreement)
    if successor.claims.old != rotation.key.text:
        raise BadRotation("the successor names another key than its own predecessor")
    if len({rotation.key, successor.key, agreement}) != 3:
        raise BadRotation("one key for two purposes")
    return Rotation(rotation.key, successor.key, agreement, rotation.claims.iat, rotation.digest)


def revoke(identity: Identity, network: str, now_s: int) -> str:
    """Return the statement that this identity's key is void."""
    claims = RevocationClaims(identity.public.text, network, now_s)
    return envelope.sign_revocation(identity.signing, claims)


def read_revocation(token: str, network: str, now_s: float) -> PublicKey:
    """Return the key that a token declares void.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
        WrongNetwork, StaleLetter: made in the future.
    """
    revocation = envelope.verify_revocation(token)
    _check_life(revocation.claims.net, revocation.claims.iat, network, now_s)
    return revocation.key


def apply(book: Book, rotations: Sequence[Rotation]) -> Entry:
    """Let a contact go on with the last key of a line; return the entry as it is now.

    The line begins with a key that the contact has or had. What was
    applied before is passed over; steps before one that is refused stay
    applied. Somebody whose keys are refused goes on being refused.

    Raises:
        NoSuchContact: it begins with nobody's key.
        BadRotation: empty, longer than MAX_STEPS, not one line, it leads to
            a key that is known already, or past one that the user compared.
        KeyAlarm: a key of it has another successor: neither is followed,
            and the contact waits for the user (`Book.dispute`).
        KeyRevoked
    """
    _check_line(rotations)
    for rotation in rotations:
        entry = _owner(book, rotation.old)
        if entry.alarm == "revoked":
            raise KeyRevoked(key=rotation.old.hex)
        if entry.key == rotation.old.point:
            _check_undisputed(entry)
            entry = book.replace_key(
                rotation.old, rotation.new, rotation.agreement, rotation.digest
            )
        elif not _is_applied(entry, rotation):
            _check_unsettled(book, entry, rotation.new)
            raise _disputed(book, entry, rotation)
    return entry


def apply_revocation(book: Book, key: PublicKey) -> Entry:
    """Refuse for ever whoever has or had this key, with all keys that followed it.

    Raises:
        NoSuchContact: it is nobody's.
    """
    return book.revoke(_owner(book, key).public())


def _check_life(net: str, made_s: int, network: str, now_s: float) -> None:
    if net != network:
        raise WrongNetwork("the statement belongs to another network")
    if made_s > now_s + CLOCK_SKEW_S:
        raise StaleLetter("made in the future", ahead_s=round(made_s - now_s))


def _check_line(rotations: Sequence[Rotation]) -> None:
    if not 1 <= len(rotations) <= MAX_STEPS:
        raise BadRotation("a line has 1 to 8 steps", count=len(rotations))
    keys = [rotations[0].old, *(rotation.new for rotation in rotations)]
    if [rotation.old for rotation in rotations] != keys[:-1]:
        raise BadRotation("the steps are not one line")
    if len(set(keys)) != len(keys):
        raise BadRotation("the line comes back to a key")


def _owner(book: Book, key: PublicKey) -> Entry:
    """Return whose key this is or was."""
    entry = book.get(key) or book.successor(key)
    if entry is None:
        raise NoSuchContact(key=key.hex)
    return entry


def _check_undisputed(entry: Entry) -> None:
    if entry.alarm == "two-successors":
        raise KeyAlarm("two keys claim to be the new one: compare fingerprints", name=entry.name)


def _check_unsettled(book: Book, entry: Entry, new: PublicKey) -> None:
    refused = book.get(new)
    if refused is not None and refused.is_refused:
        raise BadRotation("the user has refused this successor", name=entry.name)
    if entry.verified:
        raise BadRotation("the user has compared another successor's key", name=entry.name)


def _is_applied(entry: Entry, rotation: Rotation) -> bool:
    """Return whether the key that followed `rotation.old` is `rotation.new`."""
    keys = [*(former.key for former in entry.former), entry.key]
    return keys[keys.index(rotation.old.point) + 1] == rotation.new.point


def _disputed(book: Book, entry: Entry, rotation: Rotation) -> KeyAlarm:
    """Stop all words with a contact, and return the alarm that says so."""
    book.dispute(entry.public())
    return KeyAlarm(
        "two keys claim to be the new one: compare fingerprints",
        name=entry.name,
        key=rotation.new.hex,
    )
