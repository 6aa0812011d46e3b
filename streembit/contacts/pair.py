"""What two contacts share without a word: places, keys and seals that only they can compute.

Each of them computes the pair's secret from its own agreement key and
the other's. From it follow, for each side and UTC day, where that side
publishes its card, and under which key; and the same for each parcel
that it leaves for the other. All values have one size and one form, so
that they tell neither whose nor what they are.
"""

from __future__ import annotations

import hmac
from typing import Final, Literal, NoReturn

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from streembit.contacts.padding import LENGTH_BYTES, pad, unpad
from streembit.errors import BadKey, BadMessage, WrongIssuer, WrongNetwork
from streembit.jose import base64url, jwe
from streembit.jose.keys import Identity, ParsedKeys, PrivateKey, PublicKey, derive_scalar
from streembit.wire import codec
from streembit.wire.card import MAX_WAITING, Card
from streembit.wire.message import MAX_VALUE_BYTES

RECORD_KIND: Final = "sealed"  # of all records between contacts
TYP: Final = "sealed"  # in the header of all values
CARD_BYTES: Final = 3_072  # padded; signed and sealed, the most that stays below a record's 8 KiB
SIGNED_BYTES: Final = 5_770  # a card with its signature: what is sealed in each value
PARCEL_BYTES: Final = SIGNED_BYTES - LENGTH_BYTES  # the longest parcel
VALUE_BYTES: Final = 8_041  # each value, whatever it holds
DAY_S: Final = 24 * 3600
HOUR_S: Final = 3600
VERSION_S: Final = 1800  # parcels are renewed 45 minutes apart at the least: never twice in one
SECRET_BYTES: Final = 32

assert VALUE_BYTES <= MAX_VALUE_BYTES

Side = Literal["ours", "theirs"]


def day_of(unix_s: float) -> int:
    """Return the number of the UTC day: 0 is the first of 1970."""
    return int(unix_s // DAY_S)


def days_to_publish(unix_s: float) -> tuple[int, int]:
    """Return today and tomorrow: a reader's clock may be ahead, and a publisher asleep."""
    today = day_of(unix_s)
    return today, today + 1


def days_to_read(unix_s: float) -> tuple[int, ...]:
    """Return today, and in its last hour tomorrow too: the publisher's clock may be ahead."""
    today = day_of(unix_s)
    return (today,) if day_of(unix_s + HOUR_S) == today else (today, today + 1)


def expiry(unix_s: float) -> int:
    """Return the end of life of what is published now: between 23 and 24 hours ahead.

    It is a full hour, the same for everybody, so that no two records
    can be told to be one person's by it.
    """
    return int(unix_s // HOUR_S) * HOUR_S + DAY_S


def parcel_version(unix_s: float) -> int:
    """Return the version of a parcel's record that is made now; a tombstone's is one more."""
    return int(unix_s // VERSION_S)


class Pair:
    """One contact's places, keys and seals, as one side of the pair computes them."""

    __slots__ = ("_agreement", "_keys", "_points", "_secret", "contact", "own")

    def __init__(self, own: Identity, contact: PublicKey, agreement: PublicKey) -> None:
        """Take our identity, and the contact's signing and agreement keys.

        Raises:
            BadKey: the contact's key is our own.
        """
        if own.public == contact or own.agreement.public == agreement:
            raise BadKey("nobody is a contact of its own")
        self.contact = contact
        self.own, self._agreement = own, agreement
        self._keys = ParsedKeys(2)
        self._points: dict[Side, bytes] = {"ours": own.public.point, "theirs": contact.point}
        info = b"streembit 1 pair" + b"".join(sorted(self._points.values()))
        wide = HKDF(SHA256(), SECRET_BYTES, salt=None, info=info)
        self._secret = wide.derive(own.agreement.exchange(agreement))

    # --- where, and under which key

    def place_salt(self, side: Side, day: int) -> str:
        """Return the salt of the card that this side publishes on this day."""
        return self._salt(b"streembit 1 card", side, day)

    def record_key(self, side: Side, day: int) -> PrivateKey:
        """Return the key that signs the record of this side's card on this day."""
        return self._key(b"streembit 1 card", side, day)

    def parcel_salt(self, side: Side, number: int) -> str:
        """Return the salt of the parcel with this number that this side left."""
        return self._salt(b"streembit 1 parcel", side, number)

    def parcel_key(self, side: Side, number: int) -> PrivateKey:
        """Return the key that signs the record of this parcel."""
        return self._key(b"streembit 1 parcel", side, number)

    # --- what lies there

    def seal(self, card: Card) -> bytes:
        """Return the value of our card's record: VALUE_BYTES, sealed to the contact alone.

        Raises:
            TooLarge: the card is longer than CARD_BYTES less two.
            BadMessage: it announces parcels that cannot be.
        """
        _check_waiting(card)
        body = pad(codec.encode(card), CARD_BYTES)
        token = jwe.sign_then_seal(body, self.own, self.contact, self._agreement, typ=TYP)
        return _sized(token)

    def open(self, value: bytes, network: str) -> Card:
        """Return the card that the contact sealed to us.

        Raises:
            BadToken, BadHeader, DecryptFailed, BadJson, BadKey
            BadSignature, WrongAudience, BadMessage, WrongNetwork
            WrongIssuer: somebody else than the contact wrote it.
        """
        _check_size(value)
        letter = jwe.open_then_verify(value, self.own, self._keys, typ=TYP)
        if letter.key != self.contact:
            raise WrongIssuer("the card is another's")
        body = unpad(base64url.decode(letter.claims.val), CARD_BYTES)
        card = codec.decode(body, Card)
        if card.net != network:
            raise WrongNetwork("the card belongs to another network")
        _check_waiting(card)
        return card

    def seal_parcel(self, parcel: bytes) -> bytes:
        """Return the value of a parcel's record; raise TooLarge beyond PARCEL_BYTES.

        The seal hides what the parcel is and where it belongs; who
        wrote it, the parcel itself must prove.
        """
        return _sized(jwe.seal(pad(parcel, SIGNED_BYTES), self._agreement, typ=TYP))

    def open_parcel(self, value: bytes) -> bytes:
        """Return the parcel that was sealed to us; nothing says by whom.

        Raises:
            BadToken, BadHeader, DecryptFailed, BadMessage
        """
        _check_size(value)
        return unpad(jwe.open_(value, self.own.agreement, typ=TYP), SIGNED_BYTES)

    def __repr__(self) -> str:
        return f"<Pair with {self.contact.hex}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pair's secret is never pickled")

    def _salt(self, label: bytes, side: Side, number: int) -> str:
        name = label + self._points[side] + number.to_bytes(8)
        return base64url.encode(hmac.digest(self._secret, b"salt " + name, "sha256"))

    def _key(self, label: bytes, side: Side, number: int) -> PrivateKey:
        name = label + self._points[side] + number.to_bytes(8)
        return PrivateKey.from_scalar(derive_scalar(self._secret, b"key " + name))


def _check_waiting(card: Card) -> None:
    """Raise BadMessage unless the parcels announced are none, or a run of numbers from 1 up."""
    if (card.first, card.last) == (0, 0):
        return
    if not 0 < card.first <= card.last < card.first + MAX_WAITING:
        raise BadMessage("the card announces parcels that cannot be")


def _check_size(value: bytes) -> None:
    if len(value) != VALUE_BYTES:
        raise BadMessage("not of the one size", size_bytes=len(value), due_bytes=VALUE_BYTES)


def _sized(token: str) -> bytes:
    value = token.encode("ascii")
    assert len(value) == VALUE_BYTES, len(value)
    return value
