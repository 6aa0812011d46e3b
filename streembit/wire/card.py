"""What somebody tells one contact alone: addresses, prekeys, waiting parcels."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.wire.offer import Addresses, NoPort
from streembit.wire.terms import NetText, Whole

MAX_PREKEYS_CHARS: Final = 1_500  # a signed prekey and eight one-time ones take about 1,200
MAX_ROTATION_CHARS: Final = 1_500  # a rotation takes about 1,000
MAX_AGREEMENT_CHARS: Final = 512  # a statement takes about 400
MAX_WAITING: Final = 1_024  # parcels announced at once: 8 MiB in the table


class Card(Struct, frozen=True):
    """The contents of a pair record.

    `number` grows with each card of a publisher for one contact. `port`
    is where the publisher listens (0: nowhere). `prekeys` is base64url
    of a bundle of prekeys. Parcels `first` to `last` wait for the
    contact; both are 0 when none does. `rotation` is the token of a
    change of keys, `agreement` that of the publisher's agreement key, ""
    for the first one. `yours` is the contact's agreement key that the
    publisher uses. With `removed`, the publisher ended the contact.
    """

    number: Whole
    made_s: Whole
    net: NetText
    addresses: Addresses
    port: NoPort
    prekeys: Annotated[str, Meta(pattern=rf"^[A-Za-z0-9_-]{{0,{MAX_PREKEYS_CHARS}}}\Z")] = ""
    first: Whole = 0
    last: Whole = 0
    rotation: Annotated[str, Meta(pattern=rf"^[A-Za-z0-9._-]{{0,{MAX_ROTATION_CHARS}}}\Z")] = ""
    removed: bool = False
    agreement: Annotated[str, Meta(pattern=rf"^[A-Za-z0-9._-]{{0,{MAX_AGREEMENT_CHARS}}}\Z")] = ""
    yours: Annotated[str, Meta(max_length=44)] = ""
