"""Offers that nobody may accept, each with the error that says why."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any, Final

from streembit.errors import (
    BadHeader,
    BadOffer,
    BadSignature,
    BadToken,
    OfferExpired,
    StreembitError,
    WrongNetwork,
)
from streembit.jose import base64url, jwe, jws
from streembit.jose.jws import Kind
from streembit.jose.keys import ORDER
from streembit.wire import codec
from tests.contacts.people import CAT, DAY_S, NOW_S, claims_of, offer_of, token_of
from tests.jose.people import ANN, BOB, EVE

Case = tuple[str, str, type[StreembitError]]

# Members that are well-formed text and still not to be shown to anybody.
TEXTS: Final = {
    "a control": "ann\x07",
    "an escape": "\x1b[31mann",
    "a line break": "ann\nbob",
    "a carriage return": "ann\rbob",
    "a tab": "ann\tbob",
    "a zero": "ann\0",
    "a C1 control": "ann\x9b31m",
    "right-to-left override": "ann\u202egnp.exe",
    "an isolate": "ann\u2066bob\u2069",
    "a left-to-right mark": "ann\u200e",
    "an Arabic letter mark": "ann\u061c",
    "zero width space": "an\u200bn",
    "zero width joiner": "an\u200dn",
    "word joiner": "an\u2060n",
    "byte order mark": "\ufeffann",
    "soft hyphen": "an\u00adn",
    "a line separator": "ann\u2028bob",
    "a paragraph separator": "ann\u2029bob",
    "a no-break space": "ann\u00a0bob",
    "a blank letter": "ann\u3164",
    "a blank of Braille": "ann\u2800",
    "a grapheme joiner": "ann\u034f",
    "a variation selector": "ann\ufe0f",
    "a tag": "ann\U000e0041",
    "a private character": "ann\ue000",
    "not a character": "ann\ufffe",
    "not composed": "Jose\u0301",
    "a tower of marks": "a" + "\u0316" * 40,
    "a mark alone": "\u0316ann",
    "space before": " ann",
    "space behind": "ann ",
    "two spaces": "ann  bob",
}
NAMES: Final = {
    "too long": "a" * 65,
    "two scripts": "\u0430nn",
    "Greek among Latin": "an\u03bd",
    "wide letters": "\uff41nn",
    "a ligature": "\ufb01nn",
    "mathematical letters": "\U0001d41ann",
    "a slash": "ann/bob",
    "a path": "../ann",
    "an option": "--help",
    "a dot first": ".ann",
    "a format": "{ann}",
    "a percent": "ann%n",
    "an address": "ann@example.org",
    "quotes": 'ann"',
    "markup": "<b>ann</b>",
    "an emoji": "ann\U0001f600",
    "empty": "",
}
# Members of another form: the claims with these in the place of the good ones.
FORMS: Final[tuple[tuple[str, Any], ...]] = (
    ("public_key", "A" * 66),
    ("public_key", ANN.public.hex.upper()),
    ("public_key", "04" + "00" * 32),
    ("public_key", "02" + "ff" * 32),
    ("public_key", ""),
    ("public_key", None),
    ("agreement", "02" + "ff" * 32),
    ("agreement", ANN.public.hex),
    ("agreement", 7),
    ("transport", "udp"),
    ("transport", "TCP"),
    ("host", "example.org/path"),
    ("host", "exa mple.org"),
    ("host", "b\u00fccher.example"),
    ("host", "a" * 254),
    ("host", "[::1]"),
    ("host", "x\r\nHost: y"),
    ("host", ""),
    ("port", 0),
    ("port", -1),
    ("port", 65536),
    ("port", "32319"),
    ("port", 1.5),
    ("port", True),
    ("hub", CAT.public.hex),  # by TCP
    ("hub", "02" + "AA" * 32),
    ("hub", None),
    ("user_type", "admin"),
    ("user_type", ["human"]),
    ("net", ""),
    ("exp", -1),
    ("exp", 2**53),
    ("exp", 1e300),
    ("exp", "tomorrow"),
    ("exp", NOW_S + 400 * DAY_S),
    ("exp", 2**53 - 1),
    ("nonce", ""),
    ("nonce", "A" * 21),
    ("nonce", "A" * 21 + "B"),
    ("nonce", "A" * 20 + "=="),
    ("once", 1),
    ("once", "true"),
    ("note", "x" * 201),
    ("note", {"a": 1}),
)


def cases() -> Iterator[Case]:
    """Yield name, token and error of each hostile offer."""
    for name, text in TEXTS.items():
        yield f"account: {name}", token_of(account=text), BadOffer
        yield f"note: {name}", token_of(note=text), BadOffer
    for name, text in NAMES.items():
        yield f"account: {name}", token_of(account=text), BadOffer
    for member, value in FORMS:
        claims = {**json.loads(codec.encode(claims_of())), member: value}
        yield f"{member}: {value!r:.40}", signed(json.dumps(claims).encode()), BadOffer
    yield from payloads()
    yield from signatures()
    yield "expired now", token_of(exp=NOW_S), OfferExpired
    yield "expired long ago", token_of(exp=0), OfferExpired
    yield "another network", token_of(net="test"), WrongNetwork


def payloads() -> Iterator[Case]:
    """Yield signed payloads that are no offer."""
    good = codec.encode(claims_of())
    for name, payload in (
        ("nothing", b""),
        ("no object", b"[]"),
        ("null", b"null"),
        ("empty object", b"{}"),
        ("deep", b"[" * 2000 + b"]" * 2000),
        ("a member twice", good[:-1] + b',"host":"192.0.2.8"}'),
        ("a member twice, escaped", good[:-1] + b',"h\\u006fst":"192.0.2.8"}'),
        ("NaN", good[:-1] + b',"x":NaN}'),
        ("a lone surrogate", good[:-1] + b',"x":"\\ud800"}'),
        ("not UTF-8", good[:-1] + b',"x":"\xff"}'),
        ("a byte order mark", b"\xef\xbb\xbf" + good),
        ("two values", good + b"{}"),
        ("too long", good[:-1] + b',"x":"' + b"a" * 4000 + b'"}'),
    ):
        yield f"payload: {name}", signed(payload), BadOffer


def signatures() -> Iterator[Case]:
    """Yield tokens whose form, header or signature is another."""
    token, payload = offer_of().token, codec.encode(claims_of())
    signing_input, _, signature = token.rpartition(".")
    raw = base64url.decode(signature)
    twin = raw[:32] + (ORDER - int.from_bytes(raw[32:])).to_bytes(32)
    yield "signed by another", jws.sign(Kind.OFFER, payload, EVE.signing).decode(), BadSignature
    agreed = jws.sign(Kind.OFFER, payload, ANN.agreement).decode()
    yield "signed by the other key", agreed, BadSignature
    yield "signature of zeros", f"{signing_input}.{'A' * 86}", BadSignature
    yield "the signature's twin", f"{signing_input}.{base64url.encode(twin)}", BadSignature
    foreign = token_of(note="other").rpartition(".")[2]
    yield "another offer's signature", f"{signing_input}.{foreign}", BadSignature
    for kind in set(Kind) - {Kind.OFFER}:
        yield f"signed as {kind.value}", jws.sign(kind, payload, ANN.signing).decode(), BadHeader
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"offer+jwt"}').decode().rstrip("=")
    yield "no algorithm", f"{none}.{signing_input.split('.')[1]}.{signature}", BadHeader
    yield "not signed", f"{signing_input}.", BadToken
    yield "cut", token[:-1], BadToken
    yield "padded", token + "=", BadToken
    yield "four parts", token + ".AAAA", BadToken
    yield "empty", "", BadToken
    yield "beyond ASCII", token[:-1] + "é", BadToken
    yield "very long", token + "A" * 100_000, BadOffer
    yield "sealed", jwe.seal(payload, BOB.agreement.public, typ="offer"), BadToken


def signed(payload: bytes) -> str:
    """Return a token over any payload, signed as an offer by Ann."""
    return jws.sign(Kind.OFFER, payload, ANN.signing).decode()
