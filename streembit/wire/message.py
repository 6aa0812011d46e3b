"""The messages on a link and the claims of a record, as bounded immutable types."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from streembit.wire.card import Card
from streembit.wire.offer import ContactLetter
from streembit.wire.parcel import MAX_PARCEL_BYTES
from streembit.wire.terms import (
    DigestText,
    HostText,
    IdText,
    KeyText,
    LinkText,
    NearIdText,
    NetText,
    Port,
    Whole,
)

MAX_CONTACTS: Final = 20  # k: an answer is as long as a bucket, about 2 KiB
MAX_AUDIENCE: Final = 40  # a store fans out to at most 40 links under one signature
MAX_RADIUS: Final = 40  # the ids of all nodes that one put goes to
MAX_ITEM_CHARS: Final = 16_384  # a value of 8 KiB in base64url twice over, with its claims
MAX_VALUE_BYTES: Final = 8_192
MAX_VALUE_CHARS: Final = 10_923  # base64url of MAX_VALUE_BYTES
MAX_LETTER_CHARS: Final = 32_768  # 24 KiB; signed and sealed it stays below a frame of 64 KiB
MAX_SALT_BYTES: Final = 255
MAX_LEAD_MS: Final = 2_000  # of a way through a hub that is still worth waiting for
MAX_PARCEL_CHARS: Final = -(-MAX_PARCEL_BYTES * 4 // 3)  # base64url of it
MAX_SIGNAL_CHARS: Final = 16_384  # twice what a browser says of sound, picture and screen

IdOfMessage = Annotated[str, Meta(min_length=1, max_length=32)]
IpText = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]{2,45}\Z")]  # an IPv4 or IPv6 address
Item = Annotated[str, Meta(max_length=MAX_ITEM_CHARS)]
ItemKind = Literal["record", "blob"]
Scheme = Literal["key", "address", "composite"]
CallText = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{21}[AQgw]\Z")]  # 16 bytes
Step = Literal["offer", "answer", "candidate", "end"]
SignalText = Annotated[str, Meta(pattern=rf"^[\t\r\n -~]{{0,{MAX_SIGNAL_CHARS}}}\Z")]


class Contact(Struct, frozen=True, array_like=True):
    """How a node is reached: its key, its address, and how its id is made."""

    key: KeyText
    host: HostText
    port: Port
    scheme: Scheme = "key"
    name: Annotated[str, Meta(max_length=64)] = ""


Contacts = Annotated[list[Contact], Meta(max_length=MAX_CONTACTS)]


class Ping(Struct, frozen=True, tag_field="t", tag="ping"):
    """Asks whether the peer is there."""


class FindNode(Struct, frozen=True, tag_field="t", tag="find_node"):
    """Asks for the nodes nearest to a target."""

    target: IdText


class FindValue(Struct, frozen=True, tag_field="t", tag="find_value"):
    """Asks for what lies at a place, or else for the nodes nearest to it."""

    place: IdText


class Store(Struct, frozen=True, tag_field="t", tag="store"):
    """Asks to keep a record or a blob; `radius` names all nodes that are asked to."""

    item: Item
    kind: ItemKind
    radius: Annotated[list[NearIdText], Meta(max_length=MAX_RADIUS)] = []


class DialBack(Struct, frozen=True, tag_field="t", tag="dial_back"):
    """Asks the peer to connect to us, at the address it sees and this port."""

    port: Port


class Hand(Struct, frozen=True, tag_field="t", tag="hand"):
    """Hands a parcel over to a contact."""

    parcel: Annotated[str, Meta(pattern=rf"^[A-Za-z0-9_-]{{1,{MAX_PARCEL_CHARS}}}\Z")]


class Knock(Struct, frozen=True, tag_field="t", tag="knock"):
    """Asks to be a contact, or answers who asked."""

    letter: ContactLetter


class Show(Struct, frozen=True, tag_field="t", tag="show"):
    """Shows a contact our newest card."""

    card: Card


class Punch(Struct, frozen=True, tag_field="t", tag="punch"):
    """Asks a contact to dial us where a hub sees us, while we dial it: `host` is an IP address.

    The contact begins `lead_ms` after its answer has left.
    """

    host: IpText
    port: Port
    lead_ms: Annotated[int, Meta(ge=0, le=MAX_LEAD_MS)]


class Signal(Struct, frozen=True, tag_field="t", tag="signal"):
    """Hands a contact's program what it needs to set up a call: the signalling of WebRTC.

    `call` was drawn by who began the call. `text` is a session description or a candidate; it
    is for programs, and no node looks at it.
    """

    call: CallText
    step: Step
    text: SignalText = ""


class Pong(Struct, frozen=True, tag_field="t", tag="pong"):
    """Answers a Ping; `observed` is the asker's "host:port" as the answerer sees it."""

    observed: Annotated[str, Meta(max_length=263)] = ""


class Nodes(Struct, frozen=True, tag_field="t", tag="nodes"):
    """Answers with the nearest nodes that the answerer knows."""

    nodes: Contacts


class Value(Struct, frozen=True, tag_field="t", tag="value"):
    """Answers a FindValue with what lies there."""

    item: Item
    kind: ItemKind


class Stored(Struct, frozen=True, tag_field="t", tag="stored"):
    """Receipt for a Store.

    `digest` is the SHA-256 of the item's signed part (of a blob: of its
    bytes); `nearer` are contacts nearer to the place than the farthest
    of the request's `radius`, and not in it.
    """

    place: IdText
    digest: DigestText
    seq: Whole
    exp: Whole
    nearer: Contacts = []


class Dialled(Struct, frozen=True, tag_field="t", tag="dialled"):
    """Answers a DialBack: whether the asker was reached there, or the error's code."""

    reachable: bool
    host: Annotated[str, Meta(max_length=255)]
    port: Port
    code: Annotated[str, Meta(max_length=64)] = ""


class Handed(Struct, frozen=True, tag_field="t", tag="handed"):
    """Answers a Hand: the parcel is kept, or `code` says why it could not be opened."""

    code: Annotated[str, Meta(max_length=64)] = ""


class Knocked(Struct, frozen=True, tag_field="t", tag="knocked"):
    """Answers a Knock: it was heard. What a person decides comes as another Knock."""


class Shown(Struct, frozen=True, tag_field="t", tag="shown"):
    """Answers a Show: the card was read."""


class Punched(Struct, frozen=True, tag_field="t", tag="punched"):
    """Answers a Punch: where a hub sees the answerer, who dials the asker soon."""

    host: IpText
    port: Port


class Signalled(Struct, frozen=True, tag_field="t", tag="signalled"):
    """Answers a Signal: programs that follow the events of the account are told."""


class Refused(Struct, frozen=True, tag_field="t", tag="refused"):
    """Answers any request that is not served."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    detail: Annotated[str, Meta(max_length=200)] = ""


Request = Ping | FindNode | FindValue | Store | DialBack | Hand | Knock | Show | Punch | Signal
Answer = (
    Pong
    | Nodes
    | Value
    | Stored
    | Dialled
    | Handed
    | Knocked
    | Shown
    | Punched
    | Signalled
    | Refused
)
Body = Request | Answer


class Rpc(Struct, frozen=True):
    """The claims of a signed request or answer.

    `aud` names the links that it is valid on, `jti` the message within
    its link, and `re` the `jti` of the request that is answered ("" in
    a request); `iat` is unix time in seconds.
    """

    iss: KeyText
    aud: Annotated[list[LinkText], Meta(min_length=1, max_length=MAX_AUDIENCE)]
    jti: IdOfMessage
    iat: Whole
    net: NetText
    body: Body
    re: Annotated[str, Meta(max_length=32)] = ""


class RecordClaims(Struct, frozen=True):
    """The claims of a record: whose, what, which version, until when, and its value.

    `exp` is unix time in seconds, `val` base64url. `salt` is at most
    255 bytes of UTF-8 without control characters (streembit.dht checks
    the bytes). With `del` set the record is a tombstone.
    """

    iss: KeyText
    net: NetText
    kind: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,32}\Z")]
    salt: Annotated[str, Meta(max_length=MAX_SALT_BYTES)]
    seq: Whole
    exp: Whole
    val: Annotated[str, Meta(max_length=MAX_VALUE_CHARS)]
    del_: bool = field(default=False, name="del")


class Letter(Struct, frozen=True):
    """The claims of what is signed and then sealed: from whom, to whom, what, and its bytes.

    `aud` is the receiver's signing key, `typ` the same word as in the
    sealed token's header, `val` base64url.
    """

    iss: KeyText
    aud: KeyText
    typ: Annotated[str, Meta(pattern=r"^[a-z0-9+-]{1,32}\Z")]
    val: Annotated[str, Meta(max_length=MAX_LETTER_CHARS)]
