"""What an account's people service answers: immutable rows of contacts, messages and files.

Times are whole Unix seconds of this machine's clock, unless a name says
otherwise; `_s` ends a length of time in seconds. Keys are 66 lower-case
hexadecimal digits, fingerprints as people compare them. Ids of offers,
requests, messages and transfers are 22 characters of base64url. Texts of
contacts come as they were written: who shows them makes them harmless.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

DEFAULT_OFFER_S: Final = 7 * 24 * 3600  # long enough for a letter by post
MIN_OFFER_S: Final = 60
MAX_OFFER_S: Final = 366 * 24 * 3600  # contacts.offer: a year
MAX_TEXT_CHARS: Final = 16_384  # wire.content: a message
MAX_NAME_CHARS: Final = 64  # wire.offer: one column of a list
MAX_NOTE_CHARS: Final = 200  # wire.offer: a sentence or two
MAX_PAGE: Final = 500  # messages of one answer: 500 of the longest are 32 MiB at the very most
DEFAULT_PAGE: Final = 50
MAX_PATHS: Final = 256  # files and folders named in one call

ContactState = Literal["contact", "asked", "asks", "blocked", "removed"]
UserType = Literal["human", "device", "service"]
PresenceState = Literal["here", "away", "gone"]
Told = Literal["receipts", "presence"]
MessageState = Literal["queued", "sent", "delivered", "read", "failed"]
TransferState = Literal["offered", "accepted", "denied", "running", "paused", "done", "failed"]
Count = Annotated[int, Meta(ge=0)]


class OfferRow(Struct, frozen=True):
    """A contact offer of our own.

    `used` counts the requests that quoted it; with `once`, one is the most.
    """

    id: str
    created: int
    expires: int
    once: bool
    note: str
    used: Count
    revoked: bool


class OfferMade(Struct, frozen=True):
    """A new offer: `text` is the block for people, `token` what a QR code holds."""

    offer: OfferRow
    text: str
    token: str


class OfferShown(Struct, frozen=True):
    """What somebody's offer contains, its signature checked.

    `host` is "" and `port` 0 where no address is known. `known_as` is the
    name of the contact who has this key already, "" for none; `alarm` says
    why to be careful (a known name with another key), "" for no reason. With
    the transport "wss" or "ws" they are reached by a hub there, and `hub` is
    its key, "" where its certificate says who it is.
    """

    account: str
    public_key: str
    fingerprint: str
    agreement: str
    user_type: UserType
    transport: str
    host: str
    port: int
    network: str
    expires: int
    once: bool
    note: str
    known_as: str = ""
    alarm: str = ""
    hub: str = ""


class ContactRow(Struct, frozen=True):
    """A contact, or somebody who is about to be one.

    `name` is what we call them, one of a kind in the book. `state` is
    "contact"; "asked", where we wait for their answer; "asks", where they
    wait for ours; "blocked" or "removed". `linked` says that a link is open,
    `via` how: "direct", "hub NAME", or "" without one; `presence` is what
    they last said, "gone" without a link.
    `last_seen` is when we last heard them, None before the first time;
    `addresses` are "host:port", or "wss://host:port" of a hub, the best
    first. `unread` counts messages that were not marked as read, `queued`
    ours that are not delivered.
    `alarm` is "" or why to compare fingerprints; `number` is the form of the
    fingerprint to read out: 8 groups of five digits. `told` is what
    they are told of the user: what was read ("receipts"), and whether the
    user is here and types ("presence"); `receipts` and `shows_presence` are
    what was decided for this contact, None where the settings hold.
    `ended` says that they have ended it, as far as the node heard since it
    was started; nothing can be said until there is a new request or offer.
    `why` is "" or the code with which our last request was refused.
    """

    name: str
    public_key: str
    fingerprint: str
    state: ContactState
    user_type: UserType
    verified: bool
    linked: bool
    presence: PresenceState
    added: int
    last_seen: int | None
    addresses: list[str]
    unread: Count
    queued: Count
    note: str = ""
    alarm: str = ""
    number: str = ""
    told: list[Told] = []
    receipts: bool | None = None
    shows_presence: bool | None = None
    via: str = ""
    ended: bool = False
    why: str = ""


class RequestRow(Struct, frozen=True):
    """A request to be contacts, theirs (`incoming`) or ours.

    `name` is what they call themselves, or what we call them where the
    request is ours; `invited` says that it quotes an offer of ours, or is
    made upon one of theirs. `alarm` and `why` are as in ContactRow.
    """

    id: str
    incoming: bool
    name: str
    public_key: str
    fingerprint: str
    user_type: UserType
    at: int
    invited: bool
    note: str = ""
    alarm: str = ""
    why: str = ""


class MessageRow(Struct, frozen=True):
    """A message of a conversation.

    `number` is its place in the conversation on this machine, from 1 and
    growing, never used twice; `contact` is the other one's key. `sent` is
    what the writer's clock said, `arrived` what ours did (None for our own).
    Ours goes from "queued" by "sent" (it lies in the network, or is on its
    way) to "delivered" (the contact's machine has it) and "read", or to
    "failed"; theirs is "delivered" until it is marked as "read". `why` is ""
    or the code of why it is not delivered, also while it waits; `tries`
    counts the attempts, `next_try` is the time of the next, None when none
    is planned. `transfer` is the id of the files that the message offers, ""
    for a text; `text` is then their name.
    """

    id: str
    number: Annotated[int, Meta(ge=1)]
    contact: str
    outgoing: bool
    text: str
    sent: int
    arrived: int | None
    state: MessageState
    why: str = ""
    tries: Count = 0
    next_try: int | None = None
    transfer: str = ""


class TransferRow(Struct, frozen=True):
    """Files on their way from or to a contact.

    `name` is what to call them; `done_bytes` of `total_bytes` are sent and
    acknowledged, or received and proven; `rate_bytes_s` is of the last
    seconds, 0 where nothing runs. `why` is "" or the code of why it failed
    or pauses ("paused" by this side's user, "sender-paused" by the other's).
    `folder` is where incoming files lie or will lie, "" before they are
    accepted; `paths` are what we send. `left_out` are lines for people, in
    the answer to sending only: what below the paths is not sent, and why.
    """

    id: str
    contact: str
    outgoing: bool
    name: str
    files: Count
    total_bytes: Count
    done_bytes: Count
    state: TransferState
    at: int
    why: str = ""
    rate_bytes_s: float = 0.0
    folder: str = ""
    paths: list[str] = []
    left_out: list[str] = []


class NoticeRow(Struct, frozen=True):
    """Something that the user was told besides messages; `code` is for programs."""

    at: float
    code: str
    text: str


class PeopleStatus(Struct, frozen=True):
    """How it stands with the people of an account.

    `online` are the contacts with an open link. `requests` wait for the
    user's answer, `offers` are ours that somebody may still take. `outbox` counts our
    messages that have not arrived, `oldest_s` is how long the first of them
    has waited (None where there is none). `transfers` move or are about to,
    `transfers_offered` wait for somebody to accept them. `cards_age_s` is
    how long ago the network last took a card of ours, None before the first
    one since the start; `agreement_age_s` how long our agreement key has
    been in use. `notices` are the latest ones since the start, oldest first:
    whoever was not listening to events reads them here.
    """

    contacts: Count
    online: Count
    requests: Count
    offers: Count
    unread: Count
    outbox: Count
    oldest_s: float | None
    transfers: Count
    transfers_offered: Count
    cards_age_s: float | None
    agreement_age_s: float
    notices: list[NoticeRow] = []


class KeyChanged(Struct, frozen=True):
    """Our new key after `rotate`, or the void one after `revoke` (`public_key` is then "").

    `told` counts the contacts who have acknowledged it so far, `untold`
    those who will be told when they are reached; `offers` the open ones that
    ended, for they lead to the old key.
    """

    old_key: str
    public_key: str
    fingerprint: str
    told: Count
    untold: Count
    offers: Count = 0


class PeopleSettings(Struct, frozen=True):
    """What the user decided.

    `read_receipts`: whether contacts are told what was read; `presence`:
    whether they are told when the user is here, and types. Both hold for
    whom nothing else was decided. `downloads` is the absolute path of the
    folder for incoming files. `user_type` is what our offers, requests and
    entries at hubs say of whose account it is.
    """

    read_receipts: bool
    downloads: str
    presence: bool = True
    user_type: UserType = "human"


class ExportHead(Struct, frozen=True, tag_field="kind", tag="head"):
    """The first line of an export: whose it is, and when it was made."""

    version: int
    account: str
    public_key: str
    at: int


class ExportContact(Struct, frozen=True, tag_field="kind", tag="contact"):
    """One contact in an export."""

    contact: ContactRow


class ExportMessage(Struct, frozen=True, tag_field="kind", tag="message"):
    """One message in an export; those of one contact come oldest first."""

    message: MessageRow


ExportLine = ExportHead | ExportContact | ExportMessage
