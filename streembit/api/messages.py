"""Operations of conversations: messages, typing, presence, and the stream of events."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.api.contacts import CONTACT, OF_CONTACT
from streembit.api.offers import OWN_CHEST
from streembit.api.operation import ID_PATTERN, Ask, Done, Number, Operation, Parameter, Word
from streembit.service import people_rows as rows
from streembit.service.people_events import MAX_WAIT_S, POSITION_PATTERN, Events
from streembit.service.people_facade import PeopleFacade
from streembit.service.people_rows import DEFAULT_PAGE, MAX_PAGE, MAX_TEXT_CHARS

MAX_NUMBER: Final = 2**53 - 1  # integers that JSON keeps


class SendMessage(Struct, frozen=True, forbid_unknown_fields=True):
    """What to say."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_CHARS)]


class MarkRead(Struct, frozen=True, forbid_unknown_fields=True):
    """Up to which number all was read."""

    upto: Annotated[int, Meta(ge=0, le=MAX_NUMBER)]


class SetTyping(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the user writes."""

    on: bool


class SetPresence(Struct, frozen=True, forbid_unknown_fields=True):
    """Whether the user is here."""

    state: rows.PresenceState


class Messages(Struct, frozen=True):
    """A part of a conversation, oldest first."""

    messages: list[rows.MessageRow]


MESSAGE: Final = Parameter("message", "a message's id", ID_PATTERN, "A" * 22)
BEFORE: Final = Number(
    "before", "messages with lower numbers only; without it the newest", 1, MAX_NUMBER, None
)
LIMIT: Final = Number("limit", "how many at most", 1, MAX_PAGE, DEFAULT_PAGE)
AFTER: Final = Word(
    "after", "`next` of the answer before; without it from now on", POSITION_PATTERN
)
WAIT: Final = Number("wait_s", "how long to wait for an event, in seconds", 0, MAX_WAIT_S, 0)


async def _send_message(people: PeopleFacade, ask: Ask) -> rows.MessageRow:
    return await people.send_message(ask.checked(CONTACT), ask.body.text)


async def _messages(people: PeopleFacade, ask: Ask) -> Messages:
    limit = ask.number(LIMIT) or DEFAULT_PAGE
    return Messages(await people.list_messages(ask.checked(CONTACT), ask.number(BEFORE), limit))


async def _delete_message(people: PeopleFacade, ask: Ask) -> Done:
    await people.delete_message(ask.checked(CONTACT), ask.checked(MESSAGE))
    return Done()


async def _mark_read(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.mark_read(ask.checked(CONTACT), ask.body.upto)


async def _set_typing(people: PeopleFacade, ask: Ask) -> Done:
    await people.set_typing(ask.checked(CONTACT), ask.body.on)
    return Done()


async def _set_presence(people: PeopleFacade, ask: Ask) -> Done:
    await people.set_presence(ask.body.state)
    return Done()


async def _events(people: PeopleFacade, ask: Ask) -> Events:
    return await people.events(ask.word(AFTER), ask.number(WAIT) or 0)


OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation(
        "send_message",
        "POST",
        "/v1/contacts/{contact}/messages",
        "Put a text into the outbox and send it as soon as that can be.",
        rows.MessageRow,
        _send_message,
        (CONTACT,),
        SendMessage,
        ("outbox-full", "wrong-state", *OF_CONTACT),
    ),
    Operation(
        "messages",
        "GET",
        "/v1/contacts/{contact}/messages",
        "A part of the conversation, oldest first.",
        Messages,
        _messages,
        (CONTACT,),
        errors=OF_CONTACT,
        query=(BEFORE, LIMIT),
    ),
    Operation(
        "delete_message",
        "DELETE",
        "/v1/contacts/{contact}/messages/{message}",
        "Delete a message here; one that is queued is not sent any more.",
        Done,
        _delete_message,
        (CONTACT, MESSAGE),
        errors=("not-found", *OF_CONTACT),
    ),
    Operation(
        "mark_read",
        "PUT",
        "/v1/contacts/{contact}/read",
        "Mark a contact's messages as read.",
        rows.ContactRow,
        _mark_read,
        (CONTACT,),
        MarkRead,
        OF_CONTACT,
    ),
    Operation(
        "set_typing",
        "PUT",
        "/v1/contacts/{contact}/typing",
        "Tell a linked contact, who may know, that the user writes, or stopped.",
        Done,
        _set_typing,
        (CONTACT,),
        SetTyping,
        ("wrong-state", *OF_CONTACT),
    ),
    Operation(
        "set_presence",
        "PUT",
        "/v1/presence",
        "Tell linked contacts, who may know, whether the user is here; for a minute.",
        Done,
        _set_presence,
        body=SetPresence,
        errors=OWN_CHEST,
    ),
    Operation(
        "events",
        "GET",
        "/v1/events",
        "What happened behind a position; waits for something if nothing did.",
        Events,
        _events,
        errors=("not-ready",),
        query=(AFTER, WAIT),
    ),
)
