"""Operations of the node itself: its state, its records, its peers."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.api.operation import Ask, Done, Operation, Parameter
from streembit.errors import NotFound, TooLarge
from streembit.service import facade
from streembit.service.facade import (
    DEFAULT_TTL_S,
    MAX_TTL_S,
    MAX_VALUE_BYTES,
    MIN_TTL_S,
    NAME_PATTERN,
    NodeFacade,
)
from streembit.service.hub.rows import KEY_PATTERN
from streembit.service.relay.rows import HubRow

MAX_VALUE_CHARS: Final = (MAX_VALUE_BYTES + 2) // 3 * 4  # base64 with padding
# Not one group more than 8 KiB need, then groups of four of which the last may be padded.
VALUE_PATTERN: Final = (
    rf"^(?!.{{{MAX_VALUE_CHARS - 1}}}[^=])([A-Za-z0-9+/]{{4}})*"
    r"([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
)
OWNER_PATTERN: Final = r"^[0-9A-Za-z]([0-9A-Za-z -]{0,94}[0-9A-Za-z])?$"
NODE_ID_PATTERN: Final = r"^[0-9a-f]{40}$"


class PutRecord(Struct, frozen=True, forbid_unknown_fields=True):
    """What to store, and how many whole seconds it is to live."""

    value: Annotated[
        bytes,
        Meta(
            description="The value in base64 with padding, at most 8 KiB.",
            extra_json_schema={"maxLength": MAX_VALUE_CHARS, "pattern": VALUE_PATTERN},
        ),
    ]
    ttl_s: Annotated[float, Meta(ge=MIN_TTL_S, le=MAX_TTL_S)] = DEFAULT_TTL_S


class Records(Struct, frozen=True):
    """Our own records."""

    records: list[facade.RecordRow]


class Peers(Struct, frozen=True):
    """The peers we know."""

    peers: list[facade.PeerRow]


class Hubs(Struct, frozen=True):
    """The hubs that the node uses, its own first."""

    hubs: list[HubRow]


class Checks(Struct, frozen=True):
    """What the doctor found; `ok` when every check is."""

    ok: bool
    checks: list[facade.Check]


NAME: Final = Parameter(
    "name",
    "a path such as BusinessName/Usecase/AppName, at most 255 bytes",
    NAME_PATTERN,
    "BusinessName/Usecase/AppName",
    spans=True,
)
OWNER: Final = Parameter(
    "owner",
    "a public key or node id in hexadecimal, or a fingerprint",
    OWNER_PATTERN,
    "0a" * 20,
)
NODE: Final = Parameter("node", OWNER.doc, OWNER_PATTERN, "0a" * 20)
NODE_ID: Final = Parameter(
    "node_id", "40 lower-case hexadecimal digits", NODE_ID_PATTERN, "0a" * 20
)


_KEY = "a public key in hexadecimal"
HUB: Final = Parameter("hub", _KEY, KEY_PATTERN, "02" + "0a" * 32)
MEMBER: Final = Parameter("member", _KEY, KEY_PATTERN, "02" + "0a" * 32)


async def _ready(node: NodeFacade, _ask: Ask) -> facade.Readiness:
    return await node.ready()


async def _status(node: NodeFacade, _ask: Ask) -> facade.Status:
    return await node.status()


async def _doctor(node: NodeFacade, _ask: Ask) -> Checks:
    checks = await node.doctor()
    return Checks(all(check.ok for check in checks), checks)


async def _records(node: NodeFacade, _ask: Ask) -> Records:
    return Records(await node.list_records())


async def _put_record(node: NodeFacade, ask: Ask) -> facade.PutResult:
    name, body = ask.checked(NAME), ask.body
    facade.check_name(name)
    if len(body.value) > MAX_VALUE_BYTES:
        raise TooLarge("value", size_bytes=len(body.value), limit_bytes=MAX_VALUE_BYTES)
    return await node.put_record(name, body.value, int(body.ttl_s))


async def _delete_record(node: NodeFacade, ask: Ask) -> facade.PutResult:
    name = ask.checked(NAME)
    facade.check_name(name)
    return await node.delete_record(name)


async def _get_record(node: NodeFacade, ask: Ask) -> facade.GetResult:
    owner, name = ask.checked(OWNER), ask.checked(NAME)
    facade.check_name(name)
    found = await node.get_record(owner, name)
    if found is None:
        raise NotFound("no record of this owner and name")
    return found


async def _hubs(node: NodeFacade, _ask: Ask) -> Hubs:
    return Hubs(await node.hubs())


async def _kick_member(node: NodeFacade, ask: Ask) -> Done:
    await node.kick_member(ask.checked(HUB), ask.checked(MEMBER))
    return Done()


async def _dismiss_member(node: NodeFacade, ask: Ask) -> Done:
    await node.dismiss_member(ask.checked(HUB), ask.checked(MEMBER))
    return Done()


async def _peers(node: NodeFacade, _ask: Ask) -> Peers:
    return Peers(await node.peers())


async def _ping(node: NodeFacade, ask: Ask) -> facade.PingResult:
    return await node.ping(ask.checked(NODE))


async def _find(node: NodeFacade, ask: Ask) -> facade.FindResult:
    return await node.find(ask.checked(NODE_ID))


_OWN_DISK = ("disk-full", "disk-failed")
_ASKS_HUB = (
    *("bad-key", "bad-name", "no-hub", "not-permitted", "not-there", "not-ready"),
    *("peer-gone", "request-timeout", "too-many-requests"),
)
_ASKS_PEERS = ("no-peers", "not-ready", "request-timeout")

OPERATIONS: Final[tuple[Operation[NodeFacade], ...]] = (
    Operation("status", "GET", "/v1/status", "The state of the node.", facade.Status, _status),
    Operation(
        "ready",
        "GET",
        "/v1/ready",
        "Whether the canary's put and get succeeded lately: 200 if so, else 503.",
        facade.Readiness,
        _ready,
    ),
    Operation(
        "doctor",
        "GET",
        "/v1/doctor",
        "Check clock, port, seeds, reachability and disk, and say what to do.",
        Checks,
        _doctor,
    ),
    Operation("records", "GET", "/v1/records", "Our own records.", Records, _records),
    Operation(
        "put_record",
        "PUT",
        "/v1/records/{name}",
        "Sign a value and store it in the network.",
        facade.PutResult,
        _put_record,
        (NAME,),
        PutRecord,
        ("bad-name", "too-large", "record-refused", *_OWN_DISK, *_ASKS_PEERS),
    ),
    Operation(
        "delete_record",
        "DELETE",
        "/v1/records/{name}",
        "Put a tombstone over one of our own records.",
        facade.PutResult,
        _delete_record,
        (NAME,),
        errors=("bad-name", "not-found", "record-refused", *_OWN_DISK, *_ASKS_PEERS),
    ),
    Operation(
        "get_record",
        "GET",
        "/v1/owners/{owner}/records/{name}",
        "Find the newest record of an owner, checked against the owner's key.",
        facade.GetResult,
        _get_record,
        (OWNER, NAME),
        errors=("bad-name", "bad-key", "not-found", *_ASKS_PEERS),
    ),
    Operation("hubs", "GET", "/v1/hubs", "The hubs that the node uses, and how.", Hubs, _hubs),
    Operation(
        "kick_member",
        "DELETE",
        "/v1/hubs/{hub}/sessions/{member}",
        "End a member's session at a hub of ours, as one of its admins.",
        Done,
        _kick_member,
        (HUB, MEMBER),
        errors=_ASKS_HUB,
    ),
    Operation(
        "dismiss_member",
        "DELETE",
        "/v1/hubs/{hub}/members/{member}",
        "Take a member off the allowlist of a hub of ours, as one of its admins.",
        Done,
        _dismiss_member,
        (HUB, MEMBER),
        errors=_ASKS_HUB,
    ),
    Operation("peers", "GET", "/v1/peers", "The peers we know, nearest first.", Peers, _peers),
    Operation(
        "ping",
        "POST",
        "/v1/peers/{node}/ping",
        "Ask one node for a signed answer.",
        facade.PingResult,
        _ping,
        (NODE,),
        errors=("bad-name", "bad-key", "not-found", "peer-gone", *_ASKS_PEERS),
    ),
    Operation(
        "find",
        "GET",
        "/v1/find/{node_id}",
        "Look for the nodes nearest to an id, and show the way.",
        facade.FindResult,
        _find,
        (NODE_ID,),
        errors=("bad-name", *_ASKS_PEERS),
    ),
)
