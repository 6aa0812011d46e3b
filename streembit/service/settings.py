"""What a node's part in the network is set to: names, limits and times, all with their units."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streembit.dht.grouping import Grouping
from streembit.rpc.peer import REQUEST_TIMEOUT_S
from streembit.wire.message import Scheme

PUBLIC_NETWORK: Final = "streembit"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Immutable settings of one `Network`.

    Attributes:
        network: the network's id; links to nodes of another one are refused.
        role: "node" or "seed", only shown.
        client_only: use the network without being a storage target.
        scheme: how the node id is made; "address" is for nodes in a seed list, which never store.
        grouping: which addresses count as one hand; the exempt ones are a setting of the network.
        kept_links: links opened by us that are kept; beyond it the least used are closed.
        checks_per_peer_per_s, checks_per_node_per_s: signatures of requests that are verified; a
            peer above it is read more slowly.
        relayed_members: whether nodes that are reached through a hub have a part in the network;
            so it is in a private one, where all of them are.
    """

    network: str = PUBLIC_NETWORK
    role: str = "node"
    client_only: bool = False
    relayed_members: bool = False
    scheme: Scheme = "key"
    advertise: str = ""  # "host:port", for the scheme "address"
    request_timeout_s: float = REQUEST_TIMEOUT_S
    grouping: Grouping = field(default_factory=Grouping)
    kept_links: int = 128
    checks_per_peer_per_s: float = 200.0
    checks_per_node_per_s: float = 4000.0
    keepalive_s: float = 30.0  # silence after which a peer is asked for a sign of life
    dead_after_s: float = 60.0  # and after which its link is given up
    refresh_every_s: float = 3600.0  # Kademlia, section 2.3: each bucket once an hour
    replicate_every_s: float = 3600.0
    replicate_jitter_s: float = 600.0
    canary_every_s: float = 120.0
    membership_every_s: float = 5.0
    dials_at_once: int = 8  # handshakes that upkeep starts in one round
