"""What a hub is set to, and the limits that it keeps to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streembit.net.budget import Rate
from streembit.net.carrier import DEAD_S, CarrierLimits
from streembit.net.gate import GateLimits
from streembit.wire.codec import MAX_DEPTH
from streembit.wire.hub import Quota

Figures = dict[str, int | float]

MAX_BUSY: Final = 64  # commands and mails of one session that wait for disk or network
BAD_SIGNATURES: Final = 3  # the third of a session ends it
CROWDED_BYTES: Final = 256 * 1024  # that wait for a member: a stream's window; a fourth of all
# Beyond it, what one sender has under way to a member: a stream's window as tokens, 466,000 bytes
# and what stands around them. Who goes on sending is read no more.
PARKED_BYTES: Final = 512 * 1024
# And of all senders to one member, of whom sixteen do so; then each has one envelope there.
PARKED_BYTES_TOTAL: Final = 8 * 1024 * 1024
# The same for what comes through other processes, whose senders cannot be held: the window of a
# stream more, as tokens; the longest token then still has room in the queue.
ROUTED_BYTES: Final = 896 * 1024

# A core verifies some 10,000 signatures a second.
MEMBER_FRAMES: Final = Rate(per_s=2000.0, burst=2000.0)
ALL_FRAMES: Final = Rate(per_s=20_000.0, burst=20_000.0)
# Whoever connects costs three signatures and a check; half a core's worth of it for all.
STRANGER_JOINS: Final = Rate(per_s=10.0, burst=20.0)
ALL_JOINS: Final = Rate(per_s=1000.0, burst=1000.0)
# A put costs a look-up and twenty stores, a get a look-up.
MEMBER_PUTS: Final = Rate(per_s=1.0, burst=20.0)
MEMBER_GETS: Final = Rate(per_s=10.0, burst=50.0)
BOX: Final = Quota(messages=128, bytes=8 * 1024 * 1024, days=14)


def joins_of(per_s: float) -> Rate:
    """Return the rate of joins of one address; at once as many may come as in two seconds."""
    return Rate(per_s, max(1.0, 2 * per_s))


@dataclass(frozen=True, slots=True)
class HubSettings:
    """Immutable settings of one hub.

    Attributes:
        network: the network's id, which every frame names.
        name: the hub's, for people to read.
        private: whether only the members of a list are let in.
        quota: what a mailbox holds, as members are told.
        member_frames, all_frames: frames whose signatures are checked,
            of one member and of all; who is above it is read more slowly.
        address_joins, all_joins: the same for those who join.
        slow_s: how long senders wait for a recipient that does not read
            before it is dropped.
        origins: pages whose scripts may connect.
    """

    network: str
    name: str = ""
    private: bool = False
    quota: Quota = BOX
    member_frames: Rate = MEMBER_FRAMES
    all_frames: Rate = ALL_FRAMES
    address_joins: Rate = STRANGER_JOINS
    all_joins: Rate = ALL_JOINS
    slow_s: float = 10.0
    origins: frozenset[str] = field(default_factory=frozenset)


def in_force(settings: HubSettings, gate: GateLimits, carrier: CarrierLimits) -> Figures:
    """Return the limits of a hub by name: what `streembit status` shows."""
    return {
        "connections_total": gate.total,
        "connections_per_address": gate.per_address,
        "connections_per_group": gate.per_group,
        "connections_unknown": gate.strangers,
        "new_connections_per_s": gate.new_per_address.per_s,
        "new_connections_burst": gate.new_per_address.burst,
        "joins_per_address_per_s": settings.address_joins.per_s,
        "joins_per_s": settings.all_joins.per_s,
        "frames_per_member_per_s": settings.member_frames.per_s,
        "frames_per_s": settings.all_frames.per_s,
        "frame_bytes": carrier.member_bytes,
        "frame_bytes_unknown": carrier.stranger_bytes,
        "frame_fragments": carrier.fragments,
        "control_frames_per_s": carrier.controls.per_s,
        "http_head_bytes": carrier.head_bytes,
        "json_depth": MAX_DEPTH,
        "queue_bytes": carrier.queue_bytes,
        "queue_bytes_total": carrier.queue_bytes_total,
        "parked_bytes_per_sender": PARKED_BYTES,
        "parked_bytes_per_member": PARKED_BYTES_TOTAL,
        "under_way_per_member": MAX_BUSY,
        "mailbox_messages": settings.quota.messages,
        "mailbox_bytes": settings.quota.bytes,
        "mailbox_days": settings.quota.days,
        "discouraged_s": gate.discouraged_s,
        "upgrade_s": carrier.upgrade_s,
        "join_s": carrier.join_s,
        "frame_s": carrier.frame_s,
        "silence_s": DEAD_S,
        "slow_reader_s": settings.slow_s,
    }
