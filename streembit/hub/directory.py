"""Entries of a hub's directory: what a member may publish, and what a searcher may believe.

The two sides ask the same questions, so a hub that shows what nobody
signed, or to whoever searched for something else, shows it in vain.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Final

from streembit.errors import (
    BadEntry,
    BadName,
    EntryExpired,
    WrongIssuer,
    WrongNetwork,
)
from streembit.hub.mail import Listing
from streembit.jose import envelope
from streembit.jose.keys import Identity, PublicKey
from streembit.wire import texts
from streembit.wire.hub import EntryClaims
from streembit.wire.offer import UserType

LIFE_S: Final = 7 * 24 * 3600  # an entry is published anew each day or at each joining
MAX_LIFE_S: Final = 30 * 24 * 3600  # who stays away longer is not found any more
CLOCK_SKEW_S: Final = 3_600  # how far the publisher's clock may be ahead of ours
MIN_PREFIX_CHARS: Final = 2  # of a name that is searched: one letter would list everybody


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory entry whose signature and contents have been checked."""

    token: str
    claims: EntryClaims
    key: PublicKey
    agreement: PublicKey


def make(
    identity: Identity,
    *,
    network: str,
    now_unix_s: int,
    user_type: UserType = "human",
    life_s: int = LIFE_S,
    note: str = "",
) -> Entry:
    """Return a new signed entry of this identity, by its name.

    Raises:
        BadName, BadEntry: it is not one that `judge` would take.
    """
    claims = EntryClaims(
        identity.public.text,
        identity.name,
        user_type,
        identity.agreement.public.text,
        network,
        now_unix_s,
        now_unix_s + life_s,
        note,
    )
    texts.check_name(identity.name)
    texts.check_note(note)
    return judge(envelope.sign_entry(identity.signing, claims), network, now_unix_s)


def judge(token: str, network: str, now_unix_s: float) -> Entry:
    """Return the entry of a token, if it may be shown here and now.

    Raises:
        BadToken, BadHeader, BadJson, BadKey, BadSignature
        WrongNetwork, EntryExpired
        BadEntry: a name or note that must not be shown, a life longer
            than MAX_LIFE_S, or one key for two purposes.
    """
    verified = envelope.verify_entry(token)
    claims = verified.claims
    _check(claims, network, now_unix_s)
    agreement = PublicKey.from_text(claims.agreement)
    if agreement == verified.key:
        raise BadEntry("one key for two purposes")
    return Entry(token, claims, verified.key, agreement)


def publish(token: str, member: PublicKey, network: str, now_unix_s: float) -> Listing:
    """Return how a hub keeps an entry that a member wants to publish.

    Raises:
        WrongIssuer: it is somebody else's.
        As `judge` says.
    """
    entry = judge(token, network, now_unix_s)
    if entry.key != member:
        raise WrongIssuer("members publish their own entries only")
    return Listing(member.text, folded(entry.claims.name), entry.claims.exp, token)


def publisher(listed: str) -> str:
    """Return whose a published entry is: the text of the key that signed it."""
    return envelope.parse_entry(listed).claims.iss


def found(token: str, searched: str, network: str, now_unix_s: float) -> Entry:
    """Return an entry that a hub showed to who searched for this beginning of a name.

    Raises:
        BadEntry: nobody searched for it.
        As `judge` says.
    """
    entry = judge(token, network, now_unix_s)
    if not folded(entry.claims.name).startswith(prefix(searched)):
        raise BadEntry("not what was searched for")
    return entry


def prefix(searched: str) -> str:
    """Return the beginning that names must have, in the form of `folded`.

    Raises:
        BadName: shorter than MIN_PREFIX_CHARS.
    """
    beginning = folded(searched)
    if len(beginning) < MIN_PREFIX_CHARS:
        raise BadName(f"search for at least {MIN_PREFIX_CHARS} characters")
    return beginning


def folded(name: str) -> str:
    """Return the form by which names are found: without case, marks of width, or outer spaces."""
    return unicodedata.normalize("NFKC", name.casefold()).strip()


def _check(claims: EntryClaims, network: str, now_unix_s: float) -> None:
    if claims.net != network:
        raise WrongNetwork("the entry belongs to another network")
    if claims.exp <= now_unix_s:
        raise EntryExpired(expired_s=round(now_unix_s - claims.exp))
    if claims.iat > now_unix_s + CLOCK_SKEW_S:
        raise BadEntry("from the future", limit_s=CLOCK_SKEW_S)
    if not claims.iat < claims.exp <= claims.iat + MAX_LIFE_S:
        raise BadEntry("lives too long, or ends before it begins", limit_s=MAX_LIFE_S)
    try:
        texts.check_name(claims.name)
        texts.check_note(claims.note)
    except BadName as e:
        raise BadEntry(e.detail) from None
