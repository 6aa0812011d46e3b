"""What the tests of contacts share: a network, a time, and offers that are the same in each run."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from streembit.contacts import offer
from streembit.contacts.offer import Offer
from streembit.jose import envelope
from streembit.jose.keys import Identity
from streembit.wire.offer import OfferClaims
from tests.jose.people import ANN, BOB, EVE

NETWORK: Final = "main"
NOW_S: Final = 1_800_000_000
DAY_S: Final = 24 * 3600
NONCE: Final = bytes(range(16))
CAT: Final = Identity.from_seed(bytes([4]) * 32, "cat")
PEOPLE: Final = (ANN, BOB, EVE, CAT)


def offer_of(identity: Identity = ANN, **changes: Any) -> Offer:
    """Return a good offer, some of its members others."""
    members: dict[str, Any] = {
        "network": NETWORK,
        "now_unix_s": NOW_S,
        "life_s": 7 * DAY_S,
        "nonce": NONCE,
        "host": "192.0.2.7",
        "port": 32319,
        "note": "The one from the harbour",
    }
    return offer.make(identity, **{**members, **changes})


def claims_of(**changes: Any) -> OfferClaims:
    """Return the claims of Ann's offer, some members replaced by anything."""
    return msgspec.structs.replace(offer_of().claims, **changes)


def token_of(**changes: Any) -> str:
    """Return the token of Ann's offer with members that `make` would refuse."""
    return envelope.sign_offer(ANN.signing, claims_of(**changes))
