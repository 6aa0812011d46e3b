"""Write the vectors of contacts.md: `python -m tests.contacts.make_vectors`.

Tokens and seals are others each time, for signatures and seals are drawn; all else is the same.
"""

from __future__ import annotations

import json
from typing import Any, Final

from streembit.contacts import offer, rotation
from streembit.contacts.pair import CARD_BYTES, Pair, Side, day_of, expiry
from streembit.jose import base64url, envelope
from streembit.wire import codec, texts
from streembit.wire.card import Card
from streembit.wire.offer import Address, AgreementClaims, ContactAnswer, ContactRequest
from tests.contacts.hostile import NAMES, TEXTS, cases
from tests.contacts.people import CAT, NETWORK, NOW_S, offer_of
from tests.jose.people import ANN, BOB
from tests.sources import ROOT

PATH: Final = ROOT / "docs/protocol/vectors/contacts.json"
MAX_TOKEN_CHARS: Final = 5_000  # of a refused offer that is printed
SIDES: Final[tuple[Side, Side]] = ("ours", "theirs")
GOOD_NAMES: Final = (
    "ann",
    "Ann Lee",
    "o'Brien-Smith",
    "Jos\u00e9",
    "\u041e\u043b\u044c\u0433\u0430",
    "\u674e\u5c0f\u9f99",
    "sensor_7.b",
)
LOOK_ALIKE: Final = (
    ("ann", "ANN"),
    ("paypal", "PAYPA1"),
    ("bob", "b0b"),
    ("modern", "modem"),
    ("vvalt", "walt"),
    ("ann", "\u0391\u039d\u039d"),
    ("Stra\u00dfe", "STRASSE"),
)
CARD: Final = Card(
    number=7,
    made_s=NOW_S,
    net=NETWORK,
    addresses=[Address("192.0.2.7", 32319), Address("hub.example.org", 443, "wss", CAT.public.hex)],
    port=32319,
    prekeys="cHJla2V5cw",
    first=3,
    last=9,
    yours=BOB.agreement.public.text,
)
PARCEL: Final = bytes(range(256)) * 11


def main() -> None:
    """Write the file."""
    PATH.write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")


def document() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "about": (
            "Contacts (docs/protocol/contacts.md). Keys and bytes are hex unless a token holds"
            " them. `now` is the reader's time. Ann makes the offer, the card and the parcel; Bob"
            " reads them; Ann's key is followed by Cat's."
        ),
        "now": NOW_S,
        "network": NETWORK,
        "identities": [
            {
                "name": identity.name,
                "seed": identity.seed.hex(),
                "signing": identity.public.hex,
                "agreement": identity.agreement.public.hex,
            }
            for identity in (ANN, BOB, CAT)
        ],
        "names": names(),
        "offers": offers(),
        "letters": letters(),
        "pair": pair(),
        "rotation": changes(),
        "agreement": renewals(),
    }


def names() -> dict[str, Any]:
    """Return names and notes that are taken or refused, and names that look alike."""
    return {
        "taken": list(GOOD_NAMES),
        "refused": [*TEXTS.values(), *NAMES.values()],
        "refused_notes": list(TEXTS.values()),
        "look_alike": [list(two) for two in LOOK_ALIKE],
        "differ": [["ann", "anna"], ["ann.b", "ann-b"], ["Jos\u00e9", "Jose"]],
        "skeletons": {name: texts.skeleton(name) for name in GOOD_NAMES},
    }


def offers() -> dict[str, Any]:
    """Return an offer, the texts in which it is found, and those that nobody may accept."""
    made = offer_of()
    text = offer.to_text(made)
    first, *body, last = text.strip().split("\n")
    plain = f"- {first.strip('- ').lower()} -\n{made.token}\n-END STREEMBIT\nCONTACT OFFER-"
    mangled = {
        "as it is written": text,
        "quoted": "".join(f"> > {line}\n" for line in text.splitlines()),
        "quoted as HTML": "".join(f"&gt; {line}\n" for line in text.splitlines()),
        "long dashes": text.replace("---", "\u2014"),
        "one dash, small letters": plain,
        "wrapped elsewhere": "\r\n".join([first, *(c + " " for c in _cut(made.token, 40)), last]),
        "quoted-printable": "\n".join([first, *(line + "=" for line in body), last]),
        "in a mail": f"Hello,\n\nhere is my offer:\n\n{text}\n-- \nann@example.org\n",
        "behind a beginning without an end": f"{first}\nno token\n{text}",
        "bare": f"  {made.token}\n",
    }
    return {
        "claims": json.loads(codec.encode(made.claims)),
        "token": made.token,
        "texts": mangled,
        "refused": [
            {"why": why, "token": token, "error": kind.code}
            for why, token, kind in cases()
            if len(token) <= MAX_TOKEN_CHARS
        ],
    }


def letters() -> dict[str, Any]:
    """Return a request and an answer in canonical JSON."""
    agreement, nonce = BOB.agreement.public.text, base64url.encode(bytes(range(16)))
    places = [Address("192.0.2.8", 32319)]
    request = ContactRequest(
        nonce, "bob", "human", agreement, places, NETWORK, NOW_S, nonce, "From the harbour"
    )
    answer = ContactAnswer(nonce, True, agreement, [], NETWORK, NOW_S)
    return {"request": codec.encode(request).decode(), "answer": codec.encode(answer).decode()}


def pair() -> dict[str, Any]:
    """Return what Ann and Bob share: places, keys, a card and a parcel from her to him."""
    shared = Pair(ANN, BOB.public, BOB.agreement.public)
    day = day_of(NOW_S)
    return {
        "ecdh": ANN.agreement.exchange(BOB.agreement.public).hex(),
        "secret": shared._secret.hex(),
        "day": day,
        "expires": expiry(NOW_S),
        "places": [
            {
                "side": "ann" if side == "ours" else "bob",
                "what": what,
                "number": number,
                "salt": salt_of(side, number),
                "scalar": key_of(side, number).scalar.hex(),
                "key": key_of(side, number).public.hex,
            }
            for side in SIDES
            for what, salt_of, key_of, numbers in (
                ("card", shared.place_salt, shared.record_key, (day, day + 1)),
                ("parcel", shared.parcel_salt, shared.parcel_key, (1, 2**53 - 1)),
            )
            for number in numbers
        ],
        "card": codec.encode(CARD).decode(),
        "padded_card_bytes": CARD_BYTES,
        "sealed_card": shared.seal(CARD).decode("ascii"),
        "parcel": PARCEL.hex(),
        "sealed_parcel": shared.seal_parcel(PARCEL).decode("ascii"),
    }


def changes() -> dict[str, Any]:
    """Return a change of keys, a revocation, and what is neither."""
    token = rotation.make(ANN, CAT, NETWORK, NOW_S)
    return {
        "rotation": token,
        "old": ANN.public.hex,
        "new": CAT.public.hex,
        "agreement": CAT.agreement.public.hex,
        "revocation": rotation.revoke(ANN, NETWORK, NOW_S),
        "refused": [
            {"why": why, "token": wrong, "error": code}
            for why, wrong, code in (
                (
                    "a key that succeeds itself",
                    rotation.make(ANN, ANN, NETWORK, NOW_S),
                    "bad-rotation",
                ),
                ("another network", rotation.make(ANN, CAT, "test", NOW_S), "wrong-network"),
                ("from the future", rotation.make(ANN, CAT, NETWORK, NOW_S + 7200), "stale-letter"),
                ("a revocation", rotation.revoke(ANN, NETWORK, NOW_S), "bad-header"),
                ("cut", token[:-1], "bad-token"),
            )
        ],
    }


def renewals() -> dict[str, Any]:
    """Return a statement of another agreement key, and statements that are refused."""

    def token(agreement: str, network: str = NETWORK, made_s: int = NOW_S) -> str:
        claims = AgreementClaims(ANN.public.text, agreement, network, made_s)
        return envelope.sign_agreement(ANN.signing, claims)

    agreement = CAT.agreement.public
    good = token(agreement.text)
    return {
        "statement": good,
        "key": ANN.public.hex,
        "agreement": agreement.hex,
        "made_s": NOW_S,
        "refused": [
            {"why": why, "token": wrong, "error": code}
            for why, wrong, code in (
                ("one key for two purposes", token(ANN.public.text), "bad-rotation"),
                ("another network", token(agreement.text, "test"), "wrong-network"),
                ("from the future", token(agreement.text, made_s=NOW_S + 7200), "stale-letter"),
                ("a revocation", rotation.revoke(ANN, NETWORK, NOW_S), "bad-header"),
                ("cut", good[:-1], "bad-token"),
            )
        ],
    }


def _cut(text: str, length: int) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


if __name__ == "__main__":
    main()
