"""A frame that comes in one packet with the end of the upgrade: what its reader raises."""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import WrongNetwork
from streembit.net.carrier import Carrier
from streembit.net.hubdial import dial_hub
from tests.fuzz.test_upgrade import Owner, Wire, answer_to

FRAME = b"\x81\x05hello"


class Fussy(Owner):
    """An owner who takes nothing."""

    def __init__(self, *, at_once: bool) -> None:
        super().__init__()
        self._at_once = at_once

    def opened(self, carrier: Carrier) -> None:
        """Refuse the carrier, if so it is."""
        if self._at_once:
            raise WrongNetwork

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Refuse the frame."""
        raise WrongNetwork


class FirstFrameTests(SynchronousTestCase):
    def dialled(self, owner: Fussy) -> Wire:
        """Return the wire of a dial that was answered, with a frame behind."""
        clock, wire, made = Clock(), Wire(), []

        def connect(_host: str, _port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
            made.append(factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1)))
            return Deferred()

        dial_hub(connect, "hub.example.org", 1, None, clock, owner).addErrback(lambda _: None)
        protocol: Any = made.pop()
        protocol.makeConnection(wire)
        protocol.dataReceived(answer_to(wire.value()) + FRAME)
        return wire

    def test_a_refusal_ends_the_connection_at_once(self) -> None:
        """As one of any later frame does; nothing is left to be logged."""
        for at_once in (False, True):
            owner = Fussy(at_once=at_once)
            self.assertTrue(self.dialled(owner).disconnecting)
            self.assertEqual(owner.codes, {"wrong-network"})
            gc.collect()
            self.assertEqual(self.flushLoggedErrors(), [])
