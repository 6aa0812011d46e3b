"""What is said before two people are contacts: offers, requests, answers, addresses."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from streembit.wire.terms import KeyText, NetText, Whole

MAX_NAME_CHARS: Final = 64  # one column of a list
MAX_NOTE_CHARS: Final = 200  # a sentence or two; fits into a QR code with the rest
MAX_ADDRESSES: Final = 4  # the latest: two networks, each in IPv4 and IPv6

_URL = "A-Za-z0-9_-"
HexKey = Annotated[str, Meta(pattern=r"^0[23][0-9a-f]{64}\Z")]  # 33 bytes: a compressed point
NoHexKey = Annotated[str, Meta(pattern=r"^(0[23][0-9a-f]{64})?\Z")]  # the same, or ""
NonceText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{21}}[AQgw]\Z")]  # 16 bytes
NoNonce = Annotated[str, Meta(pattern=rf"^([{_URL}]{{21}}[AQgw])?\Z")]  # the same, or ""
NameText = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
NoteText = Annotated[str, Meta(max_length=MAX_NOTE_CHARS)]
PlainHost = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:_-]{1,253}\Z")]  # a name or an address
NoHost = Annotated[str, Meta(pattern=r"^[A-Za-z0-9.:_-]{0,253}\Z")]
NoPort = Annotated[int, Meta(ge=0, le=65535)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Transport = Literal["tcp", "ws", "wss"]
UserType = Literal["human", "device", "service"]


class OfferClaims(Struct, frozen=True):
    """The claims of a contact offer: who invites, and how to reach them.

    Keys are hex, as people read them. `host` "" with `port` 0 says that
    no address is known. With the transport `wss` or `ws` it is the address
    of a hub, and `hub` its key, "" where its certificate says who it is.
    `exp` is unix time in seconds. With `once`, the first who quotes the
    nonce has used it up.
    """

    account: NameText
    public_key: HexKey
    agreement: HexKey
    transport: Transport
    host: NoHost
    port: NoPort
    user_type: UserType
    net: NetText
    exp: Whole
    nonce: NonceText
    once: bool = False
    note: NoteText = ""
    hub: NoHexKey = ""


class Address(Struct, frozen=True, array_like=True):
    """Where somebody can be reached: at a place of their own, or by a hub that is there.

    With the transport `wss` or `ws` it is a hub, and `hub` its key, "" where
    its certificate says who it is.
    """

    host: PlainHost
    port: Port
    transport: Transport = "tcp"
    hub: NoHexKey = ""

    @property
    def is_hub(self) -> bool:
        """Whether a hub is at this address."""
        return self.transport != "tcp"


Addresses = Annotated[list[Address], Meta(max_length=MAX_ADDRESSES)]


class ContactRequest(Struct, frozen=True, tag_field="t", tag="request"):
    """Asks somebody to be a contact.

    `id` is drawn by the sender and quoted in the answer; `nonce` is the
    one of the receiver's offer, "" without an offer.
    """

    id: NonceText
    name: NameText
    user_type: UserType
    agreement: KeyText
    addresses: Addresses
    net: NetText
    iat: Whole
    nonce: NoNonce = ""
    note: NoteText = ""


class ContactAnswer(Struct, frozen=True, tag_field="t", tag="answer"):
    """Answers a ContactRequest; `re` is its id."""

    re: NonceText
    accepted: bool
    agreement: KeyText
    addresses: Addresses
    net: NetText
    iat: Whole


ContactLetter = ContactRequest | ContactAnswer


class SuccessorClaims(Struct, frozen=True):
    """A new key says that it succeeds `old`, with a new agreement key."""

    iss: KeyText
    old: KeyText
    agreement: KeyText
    net: NetText
    iat: Whole


class RotationClaims(Struct, frozen=True):
    """An old key names its successor: `next` is the successor's own signed statement."""

    iss: KeyText
    next: Annotated[str, Meta(max_length=1024)]
    net: NetText
    iat: Whole


class RevocationClaims(Struct, frozen=True):
    """A key's owner declares it void, and with it all keys that it named as successors."""

    iss: KeyText
    net: NetText
    iat: Whole


class AgreementClaims(Struct, frozen=True):
    """A key says which agreement key goes with it from `iat` on, instead of the ones before."""

    iss: KeyText
    agreement: KeyText
    net: NetText
    iat: Whole
