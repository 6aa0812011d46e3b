"""Contact offers: signed invitations that travel as text by mail, on paper, or as a QR code."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from streembit.errors import (
    BadJson,
    BadKey,
    BadName,
    BadOffer,
    OfferExpired,
    OwnOffer,
    WrongNetwork,
)
from streembit.jose import base64url, envelope, fingerprint
from streembit.jose.keys import Identity, PublicKey
from streembit.wire import texts
from streembit.wire.offer import OfferClaims

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streembit.wire.offer import Transport, UserType

NONCE_BYTES: Final = 16
MAX_LIFE_S: Final = 366 * 24 * 3600  # a year; printed on a card it may be found later still
CLOCK_SKEW_S: Final = 3600  # how far the clock of who made it may be ahead of ours
MAX_OFFER_CHARS: Final = 4_096  # all members at their longest take about 3,500
MAX_TEXT_CHARS: Final = 64 * 1024  # a long mail; what comes later is not looked at
MAX_BLOCKS: Final = 16  # offers in one text

_LINE_CHARS: Final = 64
_BEGIN: Final = "--- BEGIN STREEMBIT CONTACT OFFER ---"
_END: Final = "--- END STREEMBIT CONTACT OFFER ---"
# Hyphen, dashes, minus, and their small and wide forms: programs "improve" two hyphens.
_DASH: Final = "[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]"
_MARK: Final = re.compile(
    rf"{_DASH}{{1,8}}\s{{0,4}}(BEGIN|END)\s{{1,4}}STREEMBIT\s{{1,4}}CONTACT\s{{1,4}}OFFER"
    rf"\s{{0,4}}{_DASH}{{1,8}}",
    re.IGNORECASE,
)
_QUOTING: Final = re.compile(r"^[ \t\xa0>|]+", re.MULTILINE)
_SOFT_BREAK: Final = re.compile(r"=\r?\n")  # of mails in quoted-printable
_TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,1000}>")  # of mails in HTML; a link is long
_NOT_IN_TOKENS: Final = re.compile(r"[\s>|*`\u00ad\u200b\u2060\ufeff]+")
_TOKEN: Final = re.compile(r"-*(eyJ[\w-]{1,4000}\.[\w-]{1,4000}\.[\w-]{86})-*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer whose signature and contents have been checked, or that was just made."""

    token: str
    claims: OfferClaims
    key: PublicKey
    agreement: PublicKey


def make(
    identity: Identity,
    *,
    network: str,
    now_unix_s: int,
    life_s: int,
    nonce: bytes,
    host: str = "",
    port: int = 0,
    transport: Transport = "tcp",
    user_type: UserType = "human",
    once: bool = False,
    note: str = "",
    hub: str = "",
) -> Offer:
    """Return a new signed offer of this identity; `nonce` is 16 bytes of chance.

    Raises:
        BadName, BadOffer, TooLarge: a member is not one that `read`
            would take.
    """
    claims = OfferClaims(
        identity.name,
        identity.public.hex,
        identity.agreement.public.hex,
        transport,
        host,
        port,
        user_type,
        network,
        now_unix_s + life_s,
        base64url.encode(nonce),
        once,
        note,
        hub,
    )
    texts.check_name(claims.account)
    texts.check_note(note)
    token = envelope.sign_offer(identity.signing, claims)
    return _judged(token, network, now_unix_s)


def read(token: str, own: PublicKey | None, network: str, now_unix_s: float) -> Offer:
    """Return the offer of a token, if it may be accepted here and now.

    Raises:
        BadOffer: longer than MAX_OFFER_CHARS, a member that no offer
            has, a name or note that must not be shown, or a life longer
            than MAX_LIFE_S.
        BadToken, BadHeader, BadSignature
        WrongNetwork, OfferExpired
        OwnOffer: it was made by `own`, who is None where nobody accepts it.
    """
    offer = _judged(token, network, now_unix_s)
    if offer.key == own:
        raise OwnOffer("the offer is your own: give it to somebody else")
    return offer


def to_text(offer: Offer) -> str:
    """Return the block of text that people send each other."""
    token = offer.token
    lines = [token[at : at + _LINE_CHARS] for at in range(0, len(token), _LINE_CHARS)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def find(text: str) -> list[str]:
    """Return the tokens of the offers in a text, at most MAX_BLOCKS, unread.

    Liberal: dashes of all kinds, line breaks anywhere, quoting by `>`,
    tags and character references of HTML, any text around. A text that is
    nothing but a token, as a QR code holds it, is one too. What stands in a
    block is returned even if it is no token, for `read` to say so.
    """
    bare_of_tags = html.unescape(_TAG.sub("\n", _SOFT_BREAK.sub("", text[:MAX_TEXT_CHARS])))
    plain = _QUOTING.sub("", bare_of_tags)
    blocks = list(islice(_blocks(plain), MAX_BLOCKS))
    bare = _TOKEN.fullmatch(_NOT_IN_TOKENS.sub("", plain))
    return [bare[1]] if bare and not blocks else blocks


def shown(offer: Offer) -> dict[str, str | int | bool]:
    """Return what an offer contains, for a user to judge; each text can be printed as it is."""
    claims = offer.claims
    return {
        "account": claims.account,
        "fingerprint": fingerprint.of(offer.key),
        "public_key": claims.public_key,
        "agreement": claims.agreement,
        "user_type": claims.user_type,
        "transport": claims.transport,
        "host": claims.host,
        "port": claims.port,
        "network": claims.net,
        "expires": claims.exp,
        "once": claims.once,
        "note": claims.note,
        "hub": claims.hub,
    }


def _blocks(text: str) -> Iterator[str]:
    """Yield what stands between each BEGIN and the END that follows it."""
    start: int | None = None
    for mark in _MARK.finditer(text):
        if mark[1].upper() == "BEGIN":
            start = mark.end()
        elif start is not None:
            inside = _NOT_IN_TOKENS.sub("", text[start : mark.start()])
            token = _TOKEN.fullmatch(inside)
            yield token[1] if token else inside
            start = None


def _judged(token: str, network: str, now_unix_s: float) -> Offer:
    """Return an offer that anybody but its maker may accept."""
    if len(token) > MAX_OFFER_CHARS:
        raise BadOffer("too long", size_chars=len(token), limit_chars=MAX_OFFER_CHARS)
    try:
        verified = envelope.verify_offer(token)
        agreement = PublicKey.from_hex(verified.claims.agreement)
    except (BadJson, BadKey) as e:
        raise BadOffer(e.detail) from None
    _check(verified.claims, network, now_unix_s)
    if agreement == verified.key:
        raise BadOffer("one key for two purposes")
    return Offer(token, verified.claims, verified.key, agreement)


def _check(claims: OfferClaims, network: str, now_unix_s: float) -> None:
    if claims.net != network:
        raise WrongNetwork("the offer belongs to another network")
    if claims.exp <= now_unix_s:
        raise OfferExpired(expired_s=round(now_unix_s - claims.exp))
    if claims.exp > now_unix_s + MAX_LIFE_S + CLOCK_SKEW_S:
        raise BadOffer("lives too long", limit_s=MAX_LIFE_S)
    if bool(claims.host) != bool(claims.port):
        raise BadOffer("an address is a host and a port")
    if claims.hub and claims.transport == "tcp":
        raise BadOffer("a hub is reached by WebSocket")
    try:
        texts.check_name(claims.account)
        texts.check_note(claims.note)
    except BadName as e:
        raise BadOffer(e.detail) from None
