"""Operations of the directories of hubs: who wants to be found there, and whether we do."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streembit.api.offers import OWN_CHEST, NoteText
from streembit.api.operation import Ask, Operation, Parameter
from streembit.service.facade import HIDDEN
from streembit.service.people_facade import PeopleFacade
from streembit.service.relay.rows import Entered, Found

BEGINNING: Final = Parameter(
    "beginning",
    "the first characters of a name, at least 2",
    rf"^[^\s./{HIDDEN}][^\s/{HIDDEN}][^/{HIDDEN}]{{0,62}}$",
    "ali",
)


class PublishEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """A remark that everybody sees who finds the account."""

    note: NoteText = ""


async def _search(people: PeopleFacade, ask: Ask) -> Found:
    return await people.search_hubs(ask.checked(BEGINNING))


async def _entry(people: PeopleFacade, _ask: Ask) -> Entered:
    return await people.entry()


async def _publish(people: PeopleFacade, ask: Ask) -> Entered:
    return await people.publish_entry(ask.body.note)


async def _withdraw(people: PeopleFacade, _ask: Ask) -> Entered:
    return await people.withdraw_entry()


_OF_HUBS: Final = ("not-permitted", "peer-gone", "request-timeout", "too-many-requests")

OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation(
        "search",
        "GET",
        "/v1/found/{beginning}",
        "Who wants to be found by a name that begins so, at all hubs of ours.",
        Found,
        _search,
        (BEGINNING,),
        errors=("bad-name", "no-hub", *_OF_HUBS),
    ),
    Operation(
        "entry",
        "GET",
        "/v1/entry",
        "Where we are to be found by our name.",
        Entered,
        _entry,
        errors=OWN_CHEST,
    ),
    Operation(
        "publish",
        "PUT",
        "/v1/entry",
        "Be found by our name at all hubs of ours, from now on.",
        Entered,
        _publish,
        body=PublishEntry,
        errors=("bad-entry", "bad-name", "key-revoked", "no-hub", *OWN_CHEST),
    ),
    Operation(
        "withdraw",
        "DELETE",
        "/v1/entry",
        "Be found no more.",
        Entered,
        _withdraw,
        errors=OWN_CHEST,
    ),
)
