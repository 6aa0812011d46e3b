"""Operations of contacts: requests, and the book."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.api.offers import OF_OFFER, OWN_CHEST, NoteText, OfferText
from streembit.api.operation import Ask, Operation, Parameter
from streembit.service import people_rows as rows
from streembit.service.facade import HIDDEN
from streembit.service.people_facade import PeopleFacade
from streembit.service.people_rows import (
    MAX_NAME_CHARS,
)

MAX_PROOF_CHARS: Final = 512  # a fingerprint has 69; 24 words, to be refused as such, some 200
MAX_NODE_CHARS: Final = 96  # a fingerprint with its spaces has 69

PERSON_PATTERN: Final = rf"^[^\s./{HIDDEN}][^/{HIDDEN}]{{0,95}}$"

NameText = Annotated[str, Meta(min_length=1, max_length=MAX_NAME_CHARS)]
NoName = Annotated[str, Meta(max_length=MAX_NAME_CHARS)]


class AddContact(Struct, frozen=True, forbid_unknown_fields=True):
    """A text with an offer in it, what to call its maker, and a remark for them."""

    text: OfferText
    name: NoName = ""
    note: NoteText = ""


class RequestContact(Struct, frozen=True, forbid_unknown_fields=True):
    """A key, fingerprint or node id, what to call its owner, and a remark for them."""

    node: Annotated[str, Meta(min_length=1, max_length=MAX_NODE_CHARS)]
    name: NameText
    note: NoteText = ""


class AcceptRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """What to call who asks; "" takes the name that they gave."""

    name: NoName = ""


class RenameContact(Struct, frozen=True, forbid_unknown_fields=True):
    """The new name."""

    name: NameText


class VerifyContact(Struct, frozen=True, forbid_unknown_fields=True):
    """The fingerprint or the number that the contact told; of a `former` key, to go back to it."""

    proof: Annotated[str, Meta(min_length=1, max_length=MAX_PROOF_CHARS)]
    former: bool = False


class Decide(Struct, frozen=True, forbid_unknown_fields=True):
    """What is decided for one contact; null: as the settings say."""

    on: bool | None


class Contacts(Struct, frozen=True):
    """The book."""

    contacts: list[rows.ContactRow]


class Requests(Struct, frozen=True):
    """The requests that wait for an answer."""

    requests: list[rows.RequestRow]


CONTACT: Final = Parameter(
    "contact",
    "a contact's name, public key in hexadecimal, or fingerprint",
    PERSON_PATTERN,
    "Bob",
)
ASKER: Final = Parameter(
    "asker", "a request's id, or the name or key of who asks", PERSON_PATTERN, "Bob"
)


async def _contacts(people: PeopleFacade, _ask: Ask) -> Contacts:
    return Contacts(await people.list_contacts())


async def _add_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.add_contact(ask.body.text, ask.body.name, ask.body.note)


async def _contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.show_contact(ask.checked(CONTACT))


async def _remove_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.remove_contact(ask.checked(CONTACT))


async def _rename_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.rename_contact(ask.checked(CONTACT), ask.body.name)


async def _verify_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    body = ask.body
    return await people.verify_contact(ask.checked(CONTACT), body.proof, body.former)


async def _set_receipts(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.set_receipts(ask.checked(CONTACT), ask.body.on)


async def _show_presence(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.show_presence(ask.checked(CONTACT), ask.body.on)


async def _block_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.block_contact(ask.checked(CONTACT))


async def _unblock_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.unblock_contact(ask.checked(CONTACT))


async def _requests(people: PeopleFacade, _ask: Ask) -> Requests:
    return Requests(await people.list_requests())


async def _request_contact(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.request_contact(ask.body.node, ask.body.name, ask.body.note)


async def _accept_request(people: PeopleFacade, ask: Ask) -> rows.ContactRow:
    return await people.accept_request(ask.checked(ASKER), ask.body.name)


async def _deny_request(people: PeopleFacade, ask: Ask) -> rows.RequestRow:
    return await people.deny_request(ask.checked(ASKER))


OF_CONTACT: Final = (
    *("ambiguous-contact", "bad-key", "bad-name", "no-such-contact", "secret-words"),
    *OWN_CHEST,
)
_OF_NAME = ("book-full", "key-alarm", "key-refused", "key-revoked", "name-taken", "wrong-state")
_OF_REQUEST = ("ambiguous-contact", "bad-key", "bad-name", "not-found", *OWN_CHEST)

OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation("contacts", "GET", "/v1/contacts", "The book, by name.", Contacts, _contacts),
    Operation(
        "add_contact",
        "POST",
        "/v1/contacts",
        "Ask the maker of an offer to be a contact.",
        rows.ContactRow,
        _add_contact,
        body=AddContact,
        errors=("request-quota", *OF_OFFER, *_OF_NAME, *OWN_CHEST),
    ),
    Operation(
        "contact",
        "GET",
        "/v1/contacts/{contact}",
        "One contact.",
        rows.ContactRow,
        _contact,
        (CONTACT,),
        errors=OF_CONTACT,
    ),
    Operation(
        "remove_contact",
        "DELETE",
        "/v1/contacts/{contact}",
        "End a contact: its key is refused from now on.",
        rows.ContactRow,
        _remove_contact,
        (CONTACT,),
        errors=("wrong-state", *OF_CONTACT),
    ),
    Operation(
        "rename_contact",
        "PUT",
        "/v1/contacts/{contact}/name",
        "Call a contact otherwise.",
        rows.ContactRow,
        _rename_contact,
        (CONTACT,),
        RenameContact,
        ("key-alarm", "name-taken", *OF_CONTACT),
    ),
    Operation(
        "verify_contact",
        "PUT",
        "/v1/contacts/{contact}/verified",
        "Mark a contact as verified if the fingerprint or the number is right.",
        rows.ContactRow,
        _verify_contact,
        (CONTACT,),
        VerifyContact,
        ("fingerprint-differs", "key-revoked", *OF_CONTACT),
    ),
    Operation(
        "set_receipts",
        "PUT",
        "/v1/contacts/{contact}/receipts",
        "Tell a contact what the user reads, or not, or as the settings say.",
        rows.ContactRow,
        _set_receipts,
        (CONTACT,),
        Decide,
        OF_CONTACT,
    ),
    Operation(
        "show_presence",
        "PUT",
        "/v1/contacts/{contact}/presence",
        "Tell a contact when the user is here and types, or not, or as the settings say.",
        rows.ContactRow,
        _show_presence,
        (CONTACT,),
        Decide,
        OF_CONTACT,
    ),
    Operation(
        "block_contact",
        "PUT",
        "/v1/contacts/{contact}/block",
        "Refuse a contact's key without telling it.",
        rows.ContactRow,
        _block_contact,
        (CONTACT,),
        errors=("wrong-state", *OF_CONTACT),
    ),
    Operation(
        "unblock_contact",
        "DELETE",
        "/v1/contacts/{contact}/block",
        "Take a blocked contact back.",
        rows.ContactRow,
        _unblock_contact,
        (CONTACT,),
        errors=("wrong-state", *OF_CONTACT),
    ),
    Operation(
        "requests",
        "GET",
        "/v1/requests",
        "The requests that wait for an answer, oldest first.",
        Requests,
        _requests,
    ),
    Operation(
        "request_contact",
        "POST",
        "/v1/requests",
        "Ask the owner of a key to be a contact.",
        rows.ContactRow,
        _request_contact,
        body=RequestContact,
        errors=(
            *("bad-key", "bad-name", "not-found", "request-quota", *_OF_NAME, *OWN_CHEST),
            *("no-peers", "not-ready", "own-offer", "request-timeout", "secret-words"),
        ),
    ),
    Operation(
        "accept_request",
        "POST",
        "/v1/requests/{asker}/accept",
        "Take who asks as a contact.",
        rows.ContactRow,
        _accept_request,
        (ASKER,),
        AcceptRequest,
        (*_OF_NAME, *_OF_REQUEST),
    ),
    Operation(
        "deny_request",
        "POST",
        "/v1/requests/{asker}/deny",
        "Refuse who asks.",
        rows.RequestRow,
        _deny_request,
        (ASKER,),
        errors=("wrong-state", *_OF_REQUEST),
    ),
)
