"""Operations of a hub: its state, its allowlist, its sessions."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streembit.api.operation import Ask, Operation, Parameter
from streembit.service import facade
from streembit.service.hub import rows
from streembit.service.hub.facade import HubFacade


class Members(Struct, frozen=True):
    """The members of the allowlist."""

    members: list[rows.MemberRow]


class Sessions(Struct, frozen=True):
    """The sessions of this process."""

    sessions: list[rows.SessionRow]


MEMBER: Final = Parameter(
    "member",
    "an account of the allowlist, a public key in hexadecimal, or a fingerprint",
    r"^[^/]{1,128}$",
    "alice",
)


async def _status(hub: HubFacade, _ask: Ask) -> facade.Status:
    return await hub.status()


async def _ready(hub: HubFacade, _ask: Ask) -> facade.Readiness:
    return await hub.ready()


async def _members(hub: HubFacade, _ask: Ask) -> Members:
    return Members(await hub.members())


async def _add(hub: HubFacade, ask: Ask) -> rows.Reloaded:
    return await hub.add_member(ask.body)


async def _remove(hub: HubFacade, ask: Ask) -> rows.Reloaded:
    return await hub.remove_member(ask.checked(MEMBER))


async def _reload(hub: HubFacade, _ask: Ask) -> rows.Reloaded:
    return await hub.reload()


async def _sessions(hub: HubFacade, _ask: Ask) -> Sessions:
    return Sessions(await hub.sessions())


async def _kick(hub: HubFacade, ask: Ask) -> rows.Kicked:
    return await hub.kick(ask.checked(MEMBER))


_NO_LIST: Final = ("no-allowlist",)
_ITS_FILE: Final = (*_NO_LIST, "bad-allowlist", "disk-full", "disk-failed")

OPERATIONS: Final[tuple[Operation[HubFacade], ...]] = (
    Operation("hub_status", "GET", "/v1/status", "The state of the hub.", facade.Status, _status),
    Operation(
        "hub_ready",
        "GET",
        "/v1/ready",
        "Whether members can join: 200 if so, else 503.",
        facade.Readiness,
        _ready,
    ),
    Operation(
        "members",
        "GET",
        "/v1/hub/members",
        "The members of the allowlist in use.",
        Members,
        _members,
        errors=_NO_LIST,
    ),
    Operation(
        "add_member",
        "POST",
        "/v1/hub/members",
        "Write a member into the allowlist, and let it in.",
        rows.Reloaded,
        _add,
        body=rows.NewMember,
        errors=("bad-name", "bad-key", *_ITS_FILE),
    ),
    Operation(
        "remove_member",
        "DELETE",
        "/v1/hub/members/{member}",
        "Take a member out of the allowlist, and end its sessions.",
        rows.Reloaded,
        _remove,
        (MEMBER,),
        errors=("bad-name", "not-found", *_ITS_FILE),
    ),
    Operation(
        "reload",
        "POST",
        "/v1/hub/reload",
        "Read the allowlist's file again; one that is not sound changes nothing.",
        rows.Reloaded,
        _reload,
        errors=_ITS_FILE,
    ),
    Operation(
        "sessions",
        "GET",
        "/v1/hub/sessions",
        "Who is joined to this process, the newest first.",
        Sessions,
        _sessions,
    ),
    Operation(
        "kick",
        "DELETE",
        "/v1/hub/sessions/{member}",
        "End the sessions of a member on all processes; it may join again.",
        rows.Kicked,
        _kick,
        (MEMBER,),
        errors=("bad-name", "not-found", "mailbox-degraded"),
    ),
)
