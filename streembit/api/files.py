"""Operations of files: offered to contacts, taken from them."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.api.contacts import CONTACT, OF_CONTACT
from streembit.api.offers import OWN_CHEST
from streembit.api.operation import ID_PATTERN, Ask, Operation, Parameter
from streembit.service import people_rows as rows
from streembit.service.people_facade import PeopleFacade
from streembit.service.people_rows import MAX_PATHS

MAX_PATH_CHARS: Final = 4096  # PATH_MAX of Linux
PathText = Annotated[str, Meta(pattern="^/[^\x00]*$", max_length=MAX_PATH_CHARS)]
NoPath = Annotated[str, Meta(pattern="^(/[^\x00]*)?$", max_length=MAX_PATH_CHARS)]


class SendFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """Absolute paths of files and folders on the node's machine."""

    paths: Annotated[list[PathText], Meta(min_length=1, max_length=MAX_PATHS)]


class AcceptFiles(Struct, frozen=True, forbid_unknown_fields=True):
    """The absolute path of a folder on the node's machine; "" for the usual one."""

    folder: NoPath = ""


class Transfers(Struct, frozen=True):
    """Files on their way, and those of the last days."""

    files: list[rows.TransferRow]


TRANSFER: Final = Parameter("transfer", "a transfer's id", ID_PATTERN, "A" * 22)


async def _send_files(people: PeopleFacade, ask: Ask) -> rows.TransferRow:
    return await people.send_files(ask.checked(CONTACT), ask.body.paths)


async def _files(people: PeopleFacade, _ask: Ask) -> Transfers:
    return Transfers(await people.list_files())


async def _accept_files(people: PeopleFacade, ask: Ask) -> rows.TransferRow:
    return await people.accept_files(ask.checked(TRANSFER), ask.body.folder)


async def _deny_files(people: PeopleFacade, ask: Ask) -> rows.TransferRow:
    return await people.deny_files(ask.checked(TRANSFER))


async def _cancel_files(people: PeopleFacade, ask: Ask) -> rows.TransferRow:
    return await people.cancel_files(ask.checked(TRANSFER))


async def _pause_files(people: PeopleFacade, ask: Ask) -> rows.TransferRow:
    return await people.pause_files(ask.checked(TRANSFER))


async def _resume_files(people: PeopleFacade, ask: Ask) -> rows.TransferRow:
    return await people.resume_files(ask.checked(TRANSFER))


_OF_TRANSFER = ("bad-name", "no-such-transfer", "transfer-state", *OWN_CHEST)

OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation(
        "send_files",
        "POST",
        "/v1/contacts/{contact}/files",
        "Offer files and folders to a contact.",
        rows.TransferRow,
        _send_files,
        (CONTACT,),
        SendFiles,
        (
            *("not-found", "outbox-full", "too-large", "too-many-transfers", "wrong-state"),
            *OF_CONTACT,
        ),
    ),
    Operation(
        "files", "GET", "/v1/files", "The transfers of files, newest first.", Transfers, _files
    ),
    Operation(
        "accept_files",
        "POST",
        "/v1/files/{transfer}/accept",
        "Take files that a contact offers.",
        rows.TransferRow,
        _accept_files,
        (TRANSFER,),
        AcceptFiles,
        ("not-enough-space", "not-found", *_OF_TRANSFER),
    ),
    Operation(
        "deny_files",
        "POST",
        "/v1/files/{transfer}/deny",
        "Refuse files that a contact offers.",
        rows.TransferRow,
        _deny_files,
        (TRANSFER,),
        errors=_OF_TRANSFER,
    ),
    Operation(
        "cancel_files",
        "POST",
        "/v1/files/{transfer}/cancel",
        "End a transfer for good.",
        rows.TransferRow,
        _cancel_files,
        (TRANSFER,),
        errors=_OF_TRANSFER,
    ),
    Operation(
        "pause_files",
        "POST",
        "/v1/files/{transfer}/pause",
        "Move nothing of a transfer until it is resumed.",
        rows.TransferRow,
        _pause_files,
        (TRANSFER,),
        errors=_OF_TRANSFER,
    ),
    Operation(
        "resume_files",
        "POST",
        "/v1/files/{transfer}/resume",
        "Take up a transfer that failed or pauses, now.",
        rows.TransferRow,
        _resume_files,
        (TRANSFER,),
        errors=("file-changed", "not-enough-space", "not-found", *_OF_TRANSFER),
    ),
)
