"""The direct way to a contact: parcels handed over on the link that is open."""

from __future__ import annotations

from typing import cast

from twisted.internet.defer import Deferred, fail

from streembit.errors import PeerGone
from streembit.jose import base64url
from streembit.jose.envelope import Verified
from streembit.jose.keys import PublicKey
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer
from streembit.service.network import Network
from streembit.wire.message import Hand, Handed, Rpc


class DirectWay:
    """See `talks.Way`: over whichever link to the contact is the one in use."""

    def __init__(self, network: Network, contact: PublicKey) -> None:
        self._network = network
        self._contact = contact

    def carry(self, parcel: bytes) -> Deferred[str]:
        """Hand a parcel over; fire with "" or the code of why it could not be opened."""
        roster = self._network.roster
        peer = roster.get(self._contact)
        if peer is None:
            return fail(PeerGone("the link closed before"))
        roster.expect_answer()
        return peer.request(Hand(base64url.encode(parcel))).addCallback(_code)


def link_of(peer: Peer) -> LinkProtocol:
    """Return the link of a conversation: in a node each has one."""
    return cast("LinkProtocol", peer.carrier)


def _code(answer: Verified[Rpc]) -> str:
    body = answer.claims.body
    assert isinstance(body, Handed)  # Peer lets no other answer through
    return body.code
