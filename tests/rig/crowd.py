"""Many hostile peers at one process, each from a loopback address of its own."""

from __future__ import annotations

from typing import Final

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IProtocol, IProtocolFactory

from streembit.net.dial import Connect
from tests.rig.evil import EvilLink, EvilPeer
from tests.rig.procnet import NETWORK, reactor

CONNECT_WITHIN_S: Final = 10.0


def over_tcp_from(address: str) -> Connect:
    """Return what connects from this address, 127.x.y.z."""

    def connect(host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        endpoint = TCP4ClientEndpoint(reactor, host, port, CONNECT_WITHIN_S, (address, 0))
        connected: Deferred[IProtocol] = endpoint.connect(factory)
        return connected

    return connect


class Crowd:
    """Hostile peers that come to one place.

    Args:
        host, port: where the process listens.
    """

    def __init__(self, host: str, port: int) -> None:
        self.place = host, port
        self._peers: list[EvilPeer] = []

    def peer(self, address: str) -> EvilPeer:
        """Return a new hostile peer at an address."""
        peer = EvilPeer(over_tcp_from(address), reactor, NETWORK)
        self._peers.append(peer)
        return peer

    def open(self, address: str) -> Deferred[EvilLink]:
        """Fire with an open link of a new peer at an address."""
        return self.peer(address).open(*self.place)

    def dial(self, address: str) -> Deferred[EvilLink]:
        """Fire with a connection of a new peer that has said nothing yet."""
        return self.peer(address).dial(*self.place)

    def forget(self, link: EvilLink) -> None:
        """End a connection, and remember its peer no more."""
        link.leave()
        self._peers.remove(link.peer)

    @property
    def links(self) -> list[EvilLink]:
        """The connections that are there now."""
        return [link for peer in self._peers for link in peer.links]

    def leave(self) -> Deferred[None]:
        """End every connection; fire when all are gone."""
        gone = [link.when_gone() for link in self.links]
        for peer in self._peers:
            peer.leave()
        return DeferredList(gone).addCallback(lambda _: None)
