"""Every limit that an operator can change, with its default."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

_Count = Annotated[int, Meta(ge=1, le=1_000_000)]
_Bytes = Annotated[int, Meta(ge=64 * 1024, le=2**40)]
_Rate = Annotated[float, Meta(gt=0, le=1_000_000)]


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table [limits] of the configuration; names end with their unit where it is no count.

    connections_*: links in all, from one address, from one group of
    addresses (/24, IPv6 /48), and those that have not said who they are.
    new_connections_*: how fast one address may come, and how many at once.
    checks_*: signatures checked for one stranger, and for all of them.
    store_bytes, records_per_owner, bytes_per_*: what the record store takes,
    in all and from one owner, address or group of addresses.
    queue_bytes, queue_bytes_total: what waits for a peer that reads slowly,
    and for all of them.
    """

    connections_total: _Count = 2000
    connections_per_address: _Count = 8
    connections_per_group: _Count = 64
    connections_unknown: _Count = 64
    new_connections_per_s: _Rate = 0.2
    new_connections_burst: _Count = 16
    checks_per_peer_per_s: _Rate = 200.0
    checks_per_node_per_s: _Rate = 4000.0
    store_bytes: _Bytes = 64 * 1024 * 1024
    records_per_owner: _Count = 64
    bytes_per_address: _Bytes = 4 * 1024 * 1024
    bytes_per_group: _Bytes = 16 * 1024 * 1024
    queue_bytes: _Bytes = 1024 * 1024
    queue_bytes_total: _Bytes = 64 * 1024 * 1024
