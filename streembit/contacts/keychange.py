"""What becomes of a contact's entry when its keys change: values made of values."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from streembit.contacts.entry import MAX_FORMER, Entry, Former, Renewal
from streembit.errors import BadRotation, FingerprintDiffers
from streembit.jose import fingerprint
from streembit.jose.keys import PublicKey


def succeeded(entry: Entry, new: PublicKey, agreement: PublicKey, statement: bytes) -> Entry:
    """Return the entry with a new key, announced by a statement with this SHA-256.

    The name stays. That the old key was compared says nothing of the
    new one, which only its signature ties to it: a thief of the old key
    could have made it. So `verified` ends, and where it was set an
    alarm says so until the new key is compared.

    Raises:
        BadRotation: there were too many.
    """
    if len(entry.former) >= MAX_FORMER:
        raise BadRotation("too many changes of key", limit=MAX_FORMER)
    return replace(
        entry,
        key=new.point,
        agreement=agreement.point,
        verified=False,
        alarm="new-key" if entry.verified else entry.alarm,
        renewal=None,
        former=[*entry.former, Former(entry.key, statement)],
    )


def former_key(entry: Entry, proof: str) -> PublicKey:
    """Return the key that a contact had, and that `proof` is told of.

    Raises:
        FingerprintDiffers: it had no such key.
        BadName: neither a fingerprint nor a number, or one with a mistake in it.
        SecretWords: words that may be the secret of a key.
    """
    for each in entry.former:
        found = PublicKey.parse(each.key)
        if fingerprint.proves(proof, found):
            return found
    raise FingerprintDiffers(name=entry.name)


def restored(entry: Entry, key: PublicKey, agreement: bytes) -> Entry:
    """Return the entry with a key that it had, compared by now, and with nothing that came later.

    `agreement` is the agreement key that went with it, b"" where that is not known: then the
    contact has to be asked again.
    """
    return replace(
        entry,
        key=key.point,
        state=entry.state if agreement else "asked",
        agreement=agreement,
        verified=True,
        alarm="",
        former=entry.former[: _index(entry, key)],
        renewal=None,
        knows=b"",
    )


def refused_after(entry: Entry, key: PublicKey, now_s: int) -> Iterator[Entry]:
    """Yield an entry that refuses each key that came after one that the contact had."""
    later = [each.key for each in entry.former[_index(entry, key) + 1 :]]
    for point in (*later, entry.key):
        gone = Entry(point, entry.name, "removed", entry.user_type, now_s, ended_s=now_s)
        yield replace(gone, alarm="revoked")  # it never comes back, as the removed may


def renewed(entry: Entry, agreement: PublicKey, made_s: int, now_s: int) -> Entry:
    """Return the entry with another agreement key; itself, if that is older than the known one."""
    known = entry.renewal
    if agreement.point == entry.agreement or (known is not None and made_s <= known.made_s):
        return entry
    origin = entry.agreement if known is None else known.origin
    renewal = Renewal(origin, entry.agreement, made_s, now_s)
    return replace(entry, agreement=agreement.point, renewal=renewal)


def _index(entry: Entry, key: PublicKey) -> int:
    return [each.key for each in entry.former].index(key.point)
