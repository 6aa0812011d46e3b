"""What happens among people, as a stream that a client can follow and take up again."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.service.people_rows import (
    ContactRow,
    MessageRow,
    PresenceState,
    RequestRow,
    TransferRow,
)
from streembit.wire.message import Step

MAX_WAIT_S: Final = 25  # proxies and clients give up on a silent answer after 30 s
POSITION_PATTERN: Final = r"^([0-9a-f]{8}-[0-9]{1,15})?$"


class Arrived(Struct, frozen=True, tag_field="kind", tag="arrived"):
    """A contact's message is in the history now."""

    message: MessageRow


class Changed(Struct, frozen=True, tag_field="kind", tag="changed"):
    """A message is in another state, or was tried again in vain."""

    message: MessageRow


class Deleted(Struct, frozen=True, tag_field="kind", tag="deleted"):
    """A message was deleted from the history on this machine."""

    contact: str
    id: str


class Typing(Struct, frozen=True, tag_field="kind", tag="typing"):
    """A contact began or stopped to write; who said nothing for 10 s has stopped."""

    contact: str
    on: bool


class Presence(Struct, frozen=True, tag_field="kind", tag="presence"):
    """A contact is here, away, or gone."""

    contact: str
    state: PresenceState
    linked: bool


class Asked(Struct, frozen=True, tag_field="kind", tag="asked"):
    """Somebody asks to be a contact."""

    request: RequestRow


class ContactChanged(Struct, frozen=True, tag_field="kind", tag="contact"):
    """A contact was added, renamed, verified, accepted, removed, blocked, or has an alarm."""

    contact: ContactRow


class KeyReplaced(Struct, frozen=True, tag_field="kind", tag="key"):
    """A contact has another key, signed by the old one; `new_key` "" says that it is void."""

    name: str
    old_key: str
    new_key: str


class Transferred(Struct, frozen=True, tag_field="kind", tag="transfer"):
    """A transfer is in another state, or came on: at most two events a second of each."""

    transfer: TransferRow


class Signal(Struct, frozen=True, tag_field="kind", tag="signal"):
    """A contact's program says something of a call; `text` is as that program wrote it.

    Programs that know nothing of calls pass it over.
    """

    contact: str
    call: str
    step: Step
    text: str


class Notice(Struct, frozen=True, tag_field="kind", tag="notice"):
    """Something that the user has to know.

    `code` is for programs, such as "sessions-renewed" (the history was
    restored from a copy: all conversations begin with new keys).
    """

    code: str
    text: str


Event = (
    Arrived
    | Changed
    | Deleted
    | Typing
    | Presence
    | Asked
    | ContactChanged
    | KeyReplaced
    | Transferred
    | Signal
    | Notice
)


class Happened(Struct, frozen=True):
    """An event; `position` is its place in the stream, `at` when it happened (Unix seconds)."""

    position: str
    at: float
    event: Event


class Events(Struct, frozen=True):
    """What happened behind a position.

    `next` is the position to ask for next. `lost` says that events in
    between are not known any more (too many, or the node was started again):
    whoever keeps lists of contacts, messages and transfers reads them anew.
    """

    next: Annotated[str, Meta(pattern=POSITION_PATTERN)]
    lost: bool
    events: list[Happened]
