"""The messages of the DHT and the claims of a record, as bounded immutable types."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

MAX_CONTACTS: Final = 20  # k: an answer is as long as a bucket, about 2 KiB
MAX_AUDIENCE: Final = 40  # a store fans out to at most 40 links under one signature
MAX_RADIUS: Final = 40  # the ids of all nodes that one put goes to
MAX_ITEM_CHARS: Final = 16_384  # a value of 8 KiB in base64url twice over, with its claims
MAX_VALUE_BYTES: Final = 8_192
MAX_VALUE_CHARS: Final = 10_923  # base64url of MAX_VALUE_BYTES
MAX_LETTER_CHARS: Final = 32_768  # 24 KiB; signed and sealed it stays below a frame of 64 KiB
MAX_SALT_BYTES: Final = 255
MAX_INT: Final = 2**53 - 1  # the integers that every JSON reader keeps exactly

_URL = "A-Za-z0-9_-"
# Texts that come in dozens have only their length checked here: whoever decodes one must be
# ready for BadToken or BadKey (a pattern costs a third of a microsecond each).
KeyText = Annotated[str, Meta(min_length=44, max_length=44)]  # 33 bytes: a compressed point
LinkText = Annotated[str, Meta(min_length=22, max_length=22)]  # 16 bytes
NearIdText = Annotated[str, Meta(min_length=27, max_length=27)]  # 20 bytes
IdText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{26}}[AEIMQUYcgkosw048]\Z")]  # 20 bytes
DigestText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{42}}[AEIMQUYcgkosw048]\Z")]  # 32 bytes
HostText = Annotated[str, Meta(min_length=1, max_length=255)]
NetText = Annotated[str, Meta(min_length=1, max_length=64)]
IdOfMessage = Annotated[str, Meta(min_length=1, max_length=32)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Whole = Annotated[int, Meta(ge=0, le=MAX_INT)]
Item = Annotated[str, Meta(max_length=MAX_ITEM_CHARS)]
ItemKind = Literal["record", "blob"]
Scheme = Literal["key", "address", "composite"]


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


class Refused(Struct, frozen=True, tag_field="t", tag="refused"):
    """Answers any request that is not served."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    detail: Annotated[str, Meta(max_length=200)] = ""


Request = Ping | FindNode | FindValue | Store | DialBack
Answer = Pong | Nodes | Value | Stored | Dialled | Refused
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
