"""A node that stands alone: the facade over a dictionary, for tests of what is built on it."""

from __future__ import annotations

from hashlib import sha1

from streembit.errors import BadName, NoHub, NotFound, StreembitError
from streembit.service.facade import (
    Check,
    FindResult,
    GetResult,
    HopRow,
    NearRow,
    PeerRow,
    PingResult,
    PutResult,
    Readiness,
    RecordRow,
    Replica,
    Status,
    StoreHealth,
)
from streembit.service.people_rows import NoticeRow, PeopleStatus
from streembit.service.relay.rows import HubRow

OWN_KEY = "02" + "ab" * 32
OWN_ID = "0c" * 20
PEER_KEY = "03" + "cd" * 32
PEER_ID = "0a" * 20
FINGERPRINT = " ".join(["ABCD"] * 14)
NOW_S = 1_800_000_000
HUB_ROW = HubRow(
    url="wss://hub.example.org:443",
    name="the hub",
    key="02" + "ee" * 32,
    state="joined",
    own=True,
    why="",
    observed="192.0.2.1:40000",
    links=2,
    findings={"repeated": 1},
    permissions=["relay", "mailbox"],
)
RENEWED = NoticeRow(1_800_000_000.5, "sessions-renewed", "all conversations begin anew")
PEOPLE = PeopleStatus(3, 2, 1, 4, 5, 6, 7200.0, 1, 2, 90.0, 864_000.0, [RENEWED])


class FakeNode:
    """Keeps its own records in memory and knows one peer.

    Every call raises `broken` once it is set.
    """

    def __init__(self) -> None:
        self.kept: dict[str, tuple[int, int, bytes | None]] = {}
        self.is_ready = True
        self.has_people = True
        self.checks = [Check("clock", True, "agrees with 3 peers"), Check("disk", True, "9 GiB")]
        self.broken: BaseException | None = None
        self.shut_out: list[tuple[str, str]] = []

    async def ready(self) -> Readiness:
        self._break()
        return Readiness(self.is_ready, 1.5 if self.is_ready else None, "canary")

    async def status(self) -> Status:
        self._break()
        return Status(
            version="0.1.0",
            role="node",
            network="streembit",
            account="alice",
            public_key=OWN_KEY,
            node_id=OWN_ID,
            fingerprint=FINGERPRINT,
            listening=["0.0.0.0:8905"],
            observed="192.0.2.1:8905",
            reachability="reachable",
            peers=1,
            links=1,
            records=len(self.kept),
            bytes=sum(len(value or b"") for _, _, value in self.kept.values()),
            limits={"connections": 2000, "new_connections_per_s": 0.2},
            refusals={"bad-signature": 2},
            readiness=await self.ready(),
            clock_skew_s=None,
            uptime_s=3725.5,
            signed_checked=17,
            store=StoreHealth(True, ""),
            hubs=await self.hubs(),
            people=PEOPLE if self.has_people else None,
        )

    async def doctor(self) -> list[Check]:
        self._break()
        return self.checks

    async def put_record(self, name: str, value: bytes, ttl_s: int) -> PutResult:
        self._break()
        return self._keep(name, value, ttl_s)

    async def delete_record(self, name: str) -> PutResult:
        self._break()
        if name not in self.kept:
            raise NotFound("never published", record=name)
        return self._keep(name, None, self.kept[name][1])

    async def get_record(self, owner: str, name: str) -> GetResult | None:
        self._break()
        if owner == "aa" * 20:
            raise BadName("no such owner")
        seq, ttl_s, value = self.kept.get(name, (0, 0, None))
        if owner not in (OWN_KEY, OWN_ID, FINGERPRINT) or value is None:
            return None
        exp = NOW_S + ttl_s
        return GetResult(owner, name, value, seq, exp, OWN_KEY, 1, 1, 2.5, 1, [PEER_ID])

    async def list_records(self) -> list[RecordRow]:
        self._break()
        return [
            RecordRow(name, _place(name), seq, NOW_S + ttl, len(value or b""), ttl, value is None)
            for name, (seq, ttl, value) in sorted(self.kept.items())
        ]

    async def hubs(self) -> list[HubRow]:
        self._break()
        return [HUB_ROW]

    async def kick_member(self, hub: str, member: str) -> None:
        self._shut_out("kick", hub, member)

    async def dismiss_member(self, hub: str, member: str) -> None:
        self._shut_out("dismiss", hub, member)

    def _shut_out(self, how: str, hub: str, member: str) -> None:
        self._break()
        if hub != HUB_ROW.key:
            raise NoHub("none of ours has this key")
        self.shut_out.append((how, member))

    async def peers(self) -> list[PeerRow]:
        self._break()
        return [
            PeerRow(
                PEER_ID, PEER_KEY, "192.0.2.2", 8905, "", "streembit/0.1.0", True, True, 1.25, 3.0
            )
        ]

    async def ping(self, node: str) -> PingResult:
        self._break()
        if node != PEER_ID:
            raise NotFound("no such node")
        return PingResult(PEER_ID, PEER_KEY, "192.0.2.2", 8905, 1.25, "192.0.2.1:8905")

    async def find(self, node_id: str) -> FindResult:
        self._break()
        hops = [
            HopRow(1, PEER_ID, "192.0.2.2", 8905, 157, 1.25, 20),
            HopRow(2, OWN_ID, "192.0.2.3", 8905, 12, None, 0, "request-timeout"),
        ]
        nearest = [NearRow(PEER_ID, PEER_KEY, "192.0.2.2", 8905, 157)]
        return FindResult(node_id, hops, nearest, 2, 2, 3.75)

    def _keep(self, name: str, value: bytes | None, ttl_s: int) -> PutResult:
        seq = self.kept.get(name, (0, 0, None))[0] + 1
        self.kept[name] = (seq, ttl_s, value)
        replicas = [Replica(PEER_ID, "192.0.2.2", 8905)]
        return PutResult(
            name, _place(name), seq, NOW_S + ttl_s, replicas, {"store-full": 1}, 4.5, 2
        )

    def _break(self) -> None:
        if self.broken is not None:
            raise self.broken


def _place(name: str) -> str:
    return sha1(name.encode()).hexdigest()


def raised(error: StreembitError) -> FakeNode:
    """Return a node that answers every call with an error."""
    node = FakeNode()
    node.broken = error
    return node
