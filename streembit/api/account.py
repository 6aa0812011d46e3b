"""Operations of the account itself: its settings, its key, its history, its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.api.files import PathText
from streembit.api.offers import OWN_CHEST
from streembit.api.operation import Ask, Done, Operation
from streembit.service import people_rows as rows
from streembit.service.people_facade import PeopleFacade

MAX_PASSCODE_CHARS: Final = 1024  # jose.passcode refuses longer ones
MAX_ACCOUNT_CHARS: Final = 64  # disk.accounts


class ChangeSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is to be otherwise; what is left out or null stays."""

    read_receipts: bool | None = None
    downloads: PathText | None = None
    presence: bool | None = None
    user_type: rows.UserType | None = None


class UnlockKey(Struct, frozen=True, forbid_unknown_fields=True):
    """The passcode of the key file, null where it has none."""

    passcode: Annotated[str, Meta(max_length=MAX_PASSCODE_CHARS)] | None = None


class WipeAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """The name of the account that is to be destroyed."""

    account: Annotated[str, Meta(min_length=1, max_length=MAX_ACCOUNT_CHARS)]


async def _settings(people: PeopleFacade, _ask: Ask) -> rows.PeopleSettings:
    return await people.settings()


async def _change_settings(people: PeopleFacade, ask: Ask) -> rows.PeopleSettings:
    body = ask.body
    return await people.change_settings(
        body.read_receipts, body.downloads, body.presence, body.user_type
    )


async def _rotate_key(people: PeopleFacade, ask: Ask) -> rows.KeyChanged:
    return await people.rotate_key(ask.body.passcode)


async def _revoke_key(people: PeopleFacade, ask: Ask) -> rows.KeyChanged:
    return await people.revoke_key(ask.body.passcode)


async def _export(people: PeopleFacade, _ask: Ask) -> Iterator[rows.ExportLine]:
    return people.export()


async def _wipe(people: PeopleFacade, ask: Ask) -> Done:
    await people.wipe(ask.body.account)
    return Done()


_OF_KEY = ("key-revoked", "wrong-passcode", "wrong-state", *OWN_CHEST)

OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation(
        "settings",
        "GET",
        "/v1/settings",
        "What the user decided.",
        rows.PeopleSettings,
        _settings,
    ),
    Operation(
        "change_settings",
        "PUT",
        "/v1/settings",
        "Decide otherwise.",
        rows.PeopleSettings,
        _change_settings,
        body=ChangeSettings,
        errors=("bad-name", "not-found", *OWN_CHEST),
    ),
    Operation(
        "rotate_key",
        "POST",
        "/v1/key/rotate",
        "Take a new identity key, signed by the old one, and tell the contacts.",
        rows.KeyChanged,
        _rotate_key,
        body=UnlockKey,
        errors=_OF_KEY,
    ),
    Operation(
        "revoke_key",
        "POST",
        "/v1/key/revoke",
        "Declare our key void; there is no way back.",
        rows.KeyChanged,
        _revoke_key,
        body=UnlockKey,
        errors=_OF_KEY,
    ),
    Operation(
        "export",
        "GET",
        "/v1/export",
        "Contacts and history as JSON Lines: a head, then contacts, then messages.",
        rows.ExportLine,
        _export,
        errors=OWN_CHEST,
        streams=True,
    ),
    Operation(
        "wipe",
        "POST",
        "/v1/wipe",
        "Destroy the account on this machine, its keys first, and stop its node.",
        Done,
        _wipe,
        body=WipeAccount,
        errors=("bad-name", *OWN_CHEST),
    ),
)
