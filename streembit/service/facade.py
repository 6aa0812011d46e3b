"""What a running node answers to its local API: one Protocol and its immutable answers."""

from __future__ import annotations

import re
from typing import Final, Literal, Protocol

from msgspec import Struct, field

from streembit.errors import BadName
from streembit.service.hub.rows import HubStatus
from streembit.service.people_rows import PeopleStatus
from streembit.service.relay.rows import HubRow

MAX_VALUE_BYTES: Final = 8 * 1024  # as the protocol bounds a record (docs/protocol/records.md)
MAX_NAME_BYTES: Final = 255  # wire.message: a record's salt
MAX_TTL_S: Final = 24 * 3600  # a record lives at most a day
MIN_TTL_S: Final = 60  # shorter lives end before a put to slow peers does
DEFAULT_TTL_S: Final = MAX_TTL_S

# Controls, line and paragraph separators, and marks that are not seen or turn text around.
HIDDEN: Final = r"\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
_SEGMENT: Final = rf"[^\s./{HIDDEN}][^/{HIDDEN}]*"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
NAME_PATTERN: Final = rf"^{_SEGMENT}(/{_SEGMENT})*$"

Reachability = Literal["reachable", "unreachable", "unknown"]


class Readiness(Struct, frozen=True):
    """Whether a put and a get through other nodes succeeded lately.

    `canary_age_s` is the age of the last success, None before the first.
    """

    ready: bool
    canary_age_s: float | None
    detail: str


class StoreHealth(Struct, frozen=True):
    """Whether the record store accepts writes, and if not, why."""

    ok: bool
    detail: str


class Status(Struct, frozen=True):
    """All that `streembit status` shows.

    `public_key` is 66, `node_id` 40 lower-case hexadecimal digits;
    `listening` are "host:port"; `observed` is how peers see us ("host:port",
    "" while unknown); `records` and `bytes` are what the store holds for the
    network; `limits` maps a limit's name (its unit at the end) to its value;
    `refusals` counts by reason since the start; `clock_skew_s` is the median
    that at least three peers agree on, None before; `signed_checked` counts
    signatures verified since the start; `people` is None where the node is
    nobody's; `mapped` says where a router leads to us, or why none does, ""
    where none was asked; `lan` says who is seen in the local network, "" where
    nobody looks; `hubs` are those that the node uses.
    """

    version: str
    role: str
    network: str
    account: str
    public_key: str
    node_id: str
    fingerprint: str
    listening: list[str]
    observed: str
    reachability: Reachability
    peers: int
    links: int
    records: int
    bytes: int
    limits: dict[str, int | float]
    refusals: dict[str, int]
    readiness: Readiness
    clock_skew_s: float | None
    uptime_s: float
    signed_checked: int
    store: StoreHealth
    people: PeopleStatus | None = None
    hub: HubStatus | None = None
    hubs: list[HubRow] = []
    mapped: str = ""
    lan: str = ""


class Check(Struct, frozen=True):
    """One finding of the doctor; `advice` says what to do when not `ok`."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


class Replica(Struct, frozen=True):
    """A node that gave a signed receipt (`node_id` in hexadecimal)."""

    node_id: str
    host: str
    port: int


class PutResult(Struct, frozen=True):
    """Where a record (or its tombstone) went.

    `place` is 40 hexadecimal digits, `exp` Unix seconds; `refused` counts
    the refusals by code; `requests` were sent in all.
    """

    name: str
    place: str
    seq: int
    exp: int
    replicas: list[Replica]
    refused: dict[str, int]
    took_ms: float
    requests: int


class GetResult(Struct, frozen=True):
    """A record whose signature was checked against its owner's key.

    `owner` is what was asked for, `signer` the public key in hexadecimal that
    signed; `value` is base64 in JSON; `hops` is the depth of the causal chain
    of requests (0: it lay here); `via` are the ids of the nodes that answered
    with it, in hexadecimal.
    """

    owner: str
    name: str
    value: bytes
    seq: int
    exp: int
    signer: str
    hops: int
    replicas_seen: int
    took_ms: float
    requests: int
    via: list[str] = field(default_factory=list)


class RecordRow(Struct, frozen=True):
    """A record of our own that we keep alive in the network."""

    name: str
    place: str
    seq: int
    exp: int
    size_bytes: int
    ttl_s: int
    deleted: bool


class PeerRow(Struct, frozen=True):
    """A peer in the routing table or on a link.

    `rtt_ms` is None before the first answer; `storage` says that it may hold
    records; `idle_s` is the time since we last heard it.
    """

    node_id: str
    public_key: str
    host: str
    port: int
    name: str
    agent: str
    linked: bool
    storage: bool
    rtt_ms: float | None
    idle_s: float


class PingResult(Struct, frozen=True):
    """A peer's signed answer, and the address at which it sees us."""

    node_id: str
    public_key: str
    host: str
    port: int
    rtt_ms: float
    observed: str


class HopRow(Struct, frozen=True):
    """One request of a look-up.

    `round` is its depth in the causal chain, from 1; `distance_bits` the
    length of its XOR distance to the target (0: the target itself); `gave` the
    number of contacts it answered; `code` is "" or why it failed.
    """

    round: int
    node_id: str
    host: str
    port: int
    distance_bits: int
    rtt_ms: float | None
    gave: int
    code: str = ""


class NearRow(Struct, frozen=True):
    """One of the nodes nearest to a target, nearest first."""

    node_id: str
    public_key: str
    host: str
    port: int
    distance_bits: int


class FindResult(Struct, frozen=True):
    """The way a look-up took and the nodes it ended with."""

    target: str
    hops: list[HopRow]
    nearest: list[NearRow]
    rounds: int
    requests: int
    took_ms: float


class NodeFacade(Protocol):
    """A running node as its local API sees it.

    Every method may raise a `LocalError` (what was asked cannot be: BadName,
    NotReady, NoPeers, NotFound, StoreDegraded) or a `RemoteError` (a peer's
    fault); anything else is a defect. Names and references come unchecked:
    the node refuses them with BadName.
    """

    async def ready(self) -> Readiness:
        """Return the canary's word; cheap, sends nothing."""

    async def status(self) -> Status:
        """Return the state of the node; cheap, sends nothing."""

    async def hubs(self) -> list[HubRow]:
        """Return the hubs that the node uses now, its own first; cheap, sends nothing."""

    async def kick_member(self, hub: str, member: str) -> None:
        """End a member's session at a hub of ours where we are an admin; it may join again.

        Both are named by their public keys in hexadecimal.

        Raises:
            NoHub: none of ours has this key.
            BadKey: not a public key.
            RemoteRefusal: we may not, or it is not there.
            PeerGone, RequestTimeout: the hub cannot be asked.
        """

    async def dismiss_member(self, hub: str, member: str) -> None:
        """Take a member off the allowlist of a hub of ours; as `kick_member`."""

    async def doctor(self) -> list[Check]:
        """Check clock, port, seeds, reachability and disk, asking peers."""

    async def put_record(self, name: str, value: bytes, ttl_s: int) -> PutResult:
        """Sign `value` under our key and store it near its place.

        Raises:
            NoPeers: nobody gave a receipt.
        """

    async def get_record(self, owner: str, name: str) -> GetResult | None:
        """Find the newest record of an owner, None where there is none.

        `owner` is a public key or node id in hexadecimal, or a fingerprint;
        a tombstone is None.

        Raises:
            NotFound: no key record tells the owner's key.
        """

    async def delete_record(self, name: str) -> PutResult:
        """Put a tombstone over a record of our own.

        Raises:
            NotFound: we never published that name.
        """

    async def list_records(self) -> list[RecordRow]:
        """Return our own records, by name."""

    async def peers(self) -> list[PeerRow]:
        """Return the peers of the table and the links, nearest first."""

    async def ping(self, node: str) -> PingResult:
        """Ask one node, given by id, public key or fingerprint.

        Raises:
            NotFound: no such node is known or found.
            RequestTimeout: it does not answer.
        """

    async def find(self, node_id: str) -> FindResult:
        """Look for the nodes nearest to an id (40 hexadecimal digits)."""


def check_name(name: str) -> None:
    """Refuse what cannot be a record's name.

    A name is a path of segments that are not empty and begin with neither
    a dot nor a space, without characters that cannot be seen.

    Raises:
        BadName: of another form, or longer than MAX_NAME_BYTES in UTF-8.
    """
    if not re.fullmatch(NAME_PATTERN, name) or _SURROGATE.search(name):
        raise BadName("a name is a path such as BusinessName/Usecase/AppName")
    if len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise BadName("the name is too long", limit_bytes=MAX_NAME_BYTES)
