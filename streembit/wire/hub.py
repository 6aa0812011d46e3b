"""The frames between a hub and its members, as bounded immutable types."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from streembit.wire.message import Item, ItemKind
from streembit.wire.offer import NameText, NoteText, UserType
from streembit.wire.terms import DigestText, IdText, KeyText, LinkText, NetText, Port, Whole

SUBPROTOCOL: Final = "streembit.hub.v1"
MAX_FRAME_MEMBER: Final = 65_536  # characters of a frame; as on a link
MAX_FRAME_STRANGER: Final = 16_384  # before the welcome; as on a link
MAX_CARGO_BYTES: Final = 32_768  # base64url twice over, with its claims, stays below 64 KiB
MAX_CARGO_CHARS: Final = 43_691
MAX_KEYS: Final = 1_000  # of a list of contacts; as many take 47 KB
MAX_MAILS: Final = 64  # acknowledged or receipted in one frame
MAX_FOUND: Final = 20  # entries that a search answers with: a screen
MAX_ENTRY_CHARS: Final = 2_048  # an entry takes about 700
MAX_PERMISSIONS: Final = 5

Permission = Literal["relay", "mailbox", "dht", "directory", "admin"]
Permissions = Annotated[list[Permission], Meta(max_length=MAX_PERMISSIONS)]
MailId = LinkText  # 16 bytes that name one mail of a sender
Keys = Annotated[list[KeyText], Meta(max_length=MAX_KEYS)]
Code = Annotated[str, Meta(min_length=1, max_length=64)]
Observed = Annotated[str, Meta(max_length=263)]
Binding = Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]{42}[AEIMQUYcgkosw048])?\Z")]


# --- who is who ----------------------------------------------------------------------------


class Challenge(Struct, frozen=True, tag_field="t", tag="challenge"):
    """The hub's first frame: prove your key by signing this.

    `nonce` is 32 bytes of chance. With `bound` the answer must carry
    the exporter of the TLS connection (RFC 9266); a hub behind a proxy
    cannot ask for that. `low` to `high` are the versions spoken, `now_ms`
    is the hub's clock: its members' sessions are ordered by that one, for
    not each of them has one.
    """

    nonce: DigestText
    bound: bool
    low: int = 1
    high: int = 1
    now_ms: Whole = 0


class Join(Struct, frozen=True, tag_field="t", tag="join"):
    """A member's first frame: the answer to the Challenge, quoting its nonce.

    `own` is 32 bytes of the member's chance, `binding` the TLS exporter
    of 32 bytes or "", `started_ms` unix time in milliseconds by the hub's
    clock, by which a member's sessions are ordered.
    """

    nonce: DigestText
    own: DigestText
    binding: Binding
    started_ms: Whole
    version: int = 1
    agent: Annotated[str, Meta(max_length=64)] = ""


class Quota(Struct, frozen=True):
    """What a mailbox holds at most, and how long."""

    messages: Whole
    bytes: Whole
    days: Whole


class Welcome(Struct, frozen=True, tag_field="t", tag="welcome"):
    """The hub's answer to a Join that it takes.

    `join` is the SHA-256 of the Join's signed part; `session` names the
    session, and is the audience of all that follows. `observed` is the
    member's "host:port" as the hub sees it; `waiting` counts the mails
    that come now.
    """

    join: DigestText
    session: LinkText
    observed: Observed
    permissions: Permissions
    quota: Quota
    waiting: Whole
    name: Annotated[str, Meta(max_length=64)] = ""


class Refused(Struct, frozen=True, tag_field="t", tag="refused"):
    """Answers a frame that is not served; `re` of the claims says which."""

    code: Code
    detail: Annotated[str, Meta(max_length=200)] = ""


# --- mail ----------------------------------------------------------------------------------


class MailName(Struct, frozen=True, array_like=True):
    """One mail of a mailbox: by whom, and which of theirs."""

    sender: KeyText
    id: MailId


class Ack(Struct, frozen=True, tag_field="t", tag="ack"):
    """Says that these mails are kept by the recipient: the mailbox deletes them."""

    mails: Annotated[list[MailName], Meta(min_length=1, max_length=MAX_MAILS)]


class Kept(Struct, frozen=True, tag_field="t", tag="kept"):
    """Receipt for the mails in these frames of the member: they are on the hub's medium."""

    numbers: Annotated[list[Whole], Meta(min_length=1, max_length=MAX_MAILS)]


class Gone(Struct, frozen=True, tag_field="t", tag="gone"):
    """Says that a live envelope's recipient is not here; it went nowhere."""

    key: KeyText


class Busy(Struct, frozen=True, tag_field="t", tag="busy"):
    """Says that a member reads slowly: what we say to it live waits, and no more should come."""

    key: KeyText


class Ready(Struct, frozen=True, tag_field="t", tag="ready"):
    """Says that a member who was busy takes more."""

    key: KeyText


# --- the table -----------------------------------------------------------------------------


class Put(Struct, frozen=True, tag_field="t", tag="put"):
    """Asks to put a record or a blob into the table."""

    item: Item
    kind: ItemKind


class Placed(Struct, frozen=True, tag_field="t", tag="placed"):
    """Answers a Put: so many nodes keep it."""

    nodes: Whole


class Get(Struct, frozen=True, tag_field="t", tag="get"):
    """Asks for what lies at a place of the table."""

    place: IdText


class Found(Struct, frozen=True, tag_field="t", tag="found"):
    """Answers a Get with what lies there."""

    item: Item
    kind: ItemKind


# --- the directory -------------------------------------------------------------------------


class EntryClaims(Struct, frozen=True):
    """The claims of a directory entry: who wants to be found, by which name, until when."""

    iss: KeyText
    name: NameText
    user_type: UserType
    agreement: KeyText
    net: NetText
    iat: Whole
    exp: Whole
    note: NoteText = ""


Entry = Annotated[str, Meta(min_length=1, max_length=MAX_ENTRY_CHARS)]


class Publish(Struct, frozen=True, tag_field="t", tag="publish"):
    """Asks to show this entry to who searches; it takes the place of the one before."""

    entry: Entry


class Withdraw(Struct, frozen=True, tag_field="t", tag="withdraw"):
    """Asks to show our entry no more."""


class Search(Struct, frozen=True, tag_field="t", tag="search"):
    """Asks for the entries whose name begins with this."""

    name: NameText


class Entries(Struct, frozen=True, tag_field="t", tag="entries"):
    """Answers a Search; `more` says that there are more than are told."""

    entries: Annotated[list[Entry], Meta(max_length=MAX_FOUND)]
    more: bool = False


# --- presence and addresses ----------------------------------------------------------------


class Show(Struct, frozen=True, tag_field="t", tag="show"):
    """Says who may know that we are here: these, and nobody else."""

    keys: Keys


class Watch(Struct, frozen=True, tag_field="t", tag="watch"):
    """Asks to be told when these come and go, where they show it to us."""

    keys: Keys


class Presence(Struct, frozen=True, tag_field="t", tag="presence"):
    """Tells who of those we watch came, and who went."""

    here: Keys = []
    away: Keys = []


class Observe(Struct, frozen=True, tag_field="t", tag="observe"):
    """Asks for our address as the hub sees it."""


class Seen(Struct, frozen=True, tag_field="t", tag="seen"):
    """Answers an Observe."""

    observed: Observed


class DialBack(Struct, frozen=True, tag_field="t", tag="dial_back"):
    """Asks the hub to connect to us, at the address it sees and this port."""

    port: Port


class Dialled(Struct, frozen=True, tag_field="t", tag="dialled"):
    """Answers a DialBack; `code` says why we were not reached."""

    reachable: bool
    code: Annotated[str, Meta(max_length=64)] = ""


# --- what admins ask ------------------------------------------------------------------------


class Kick(Struct, frozen=True, tag_field="t", tag="kick"):
    """Asks to end a member's session; it may join again."""

    key: KeyText


class Dismiss(Struct, frozen=True, tag_field="t", tag="dismiss"):
    """Asks to take a member off the allowlist, which ends its session too."""

    key: KeyText


class Done(Struct, frozen=True, tag_field="t", tag="done"):
    """Answers a request that has no other answer: it is done."""


Command = (
    Join
    | Ack
    | Put
    | Get
    | Publish
    | Withdraw
    | Search
    | Show
    | Watch
    | Observe
    | DialBack
    | Kick
    | Dismiss
)
Reply = (
    Challenge
    | Welcome
    | Refused
    | Kept
    | Gone
    | Busy
    | Ready
    | Placed
    | Found
    | Entries
    | Presence
    | Seen
    | Dialled
    | Done
)


class HubClaims(Struct, frozen=True):
    """The claims of a signed frame between a hub and a member.

    `aud` is the receiver's key in a Challenge ("" there: nobody is known
    yet), Join, Welcome and the refusal of a Join, and the session's name in
    all other frames. `n` counts the frames of one side in a session from 1,
    envelopes included; `re` is the `n` of the frame that is answered, 0 for
    none.
    """

    iss: KeyText
    aud: Annotated[str, Meta(max_length=44)]
    net: NetText
    n: Whole
    body: Command | Reply
    re: Whole = 0


class Envelope(Struct, frozen=True):
    """The claims of what a member sends another through a hub, which passes it on unchanged.

    `hub` is the key of the hub and `session` the sender's session there,
    which began at `started_ms`. `n` counts the sender's frames of the session
    for the hub; `seq` counts from 1 the live envelopes of the session for
    this recipient, so that it sees what is lost, repeated or moved. A mail
    has an `id` and `seq` 0, and waits in the mailbox until it is
    acknowledged; a live envelope has the `id` "". `val` is base64url of the
    cargo, which only the two can read.
    """

    iss: KeyText
    aud: KeyText
    hub: KeyText
    session: LinkText
    started_ms: Whole
    n: Whole
    seq: Whole
    id: Annotated[str, Meta(pattern=r"^([A-Za-z0-9_-]{22})?\Z")]
    val: Annotated[str, Meta(min_length=1, max_length=MAX_CARGO_CHARS)]
