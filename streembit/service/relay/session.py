"""One hub and we: joined, and joined again when the session ends, for as long as it is wanted."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit._version import __version__
from streembit.dht.backoff import Backoff
from streembit.errors import NotAdmitted, PeerGone, StreembitError, WrongIdentity
from streembit.hub.admission import NONCE_BYTES, MemberAdmission
from streembit.hub.witness import Witness
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.net.carrier import Carrier, CarrierEvents
from streembit.net.dial import Connect
from streembit.net.events import Traffic
from streembit.service.relay.rows import HubState
from streembit.service.relay.seat import Seat, SeatEvents
from streembit.wire.hubtext import LOOPBACK
from streembit.wire.offer import Address

FIRST_S: Final = 0.5  # the greatest wait before the second try; then it doubles, with full jitter
MOST_S: Final = 25.0  # a hub that was started again has all back in 30 s, joins of a herd included
STEADY_S: Final = 30.0  # a session that ends sooner is no reason to hurry back
REFUSED_S: Final = 300.0  # the greatest wait where we are not let in: people have to act first


DialHub = Callable[[Address, CarrierEvents], Deferred[Carrier]]

_log = Logger()


def over(
    connect: Connect, clock: IReactorTime, traffic: Traffic | None = None, trust: Any = None
) -> DialHub:
    """Return what dials hubs over the streams that `connect` opens.

    A hub whose key is known proves itself by that, any other by its certificate.

    Args:
        trust: whose certificates are believed; by default the system's.
    """

    def dial(address: Address, events: CarrierEvents) -> Deferred[Carrier]:
        from streembit.net.hubdial import Unnamed, dial_hub, named  # a node without hubs needs none

        host, port = address.host, address.port
        if address.transport != "ws":
            tls = Unnamed(host) if address.hub else named(host, trust)
            return dial_hub(connect, host, port, tls, clock, events, traffic=traffic)
        if not LOOPBACK.match(host):
            return fail(PeerGone("without TLS a hub is used on this machine only"))
        return dial_hub(connect, host, port, None, clock, events, traffic=traffic)

    return dial


class SessionEvents(SeatEvents, Protocol):
    """Who is told of a hub that is there, or not, beside what comes from it."""

    def joined(self, seat: Seat) -> None:
        """We are joined."""

    def left(self, error: StreembitError) -> None:
        """We are joined no more, or could not be; called for each try."""


class HubSession(Service):
    """Keeps one session with one hub while the service runs.

    Args:
        network: the only network that the hub may be of.
        address: where the hub is; `address.hub` is the only key that it may have, "" for the one
            that it shows first.
        dial: connects to it.
        keys: parsed keys of those who send us envelopes.
        may_join: asked before a hub learns our key, with that of the hub; a second session with
            one hub would end the first.

    Attributes:
        seat: our place while we are joined, else None.
        state: how it stands: "refused" if the hub did not let us in at the last try.
        why: the code of why we are not joined, "" while we are.
        joins: how many times we were let in.
    """

    def __init__(
        self,
        identity: PrivateKey,
        network: str,
        address: Address,
        dial: DialHub,
        clock: IReactorTime,
        random: Callable[[], float],
        keys: ParsedKeys,
        events: SessionEvents,
        may_join: Callable[[PublicKey], bool] = lambda _hub: True,
    ) -> None:
        self.address = address
        self.seat: Seat | None = None
        self.state: HubState = "off"
        self.why = ""
        self.joins = 0
        self._identity, self._network, self._keys = identity, network, keys
        self._dial, self._clock, self._events = dial, clock, events
        self._may_join = may_join
        self._joined_s = 0.0
        self._hub = PublicKey.from_hex(address.hub) if address.hub else None
        self._witness: Witness | None = None
        self._backoff = Backoff(random, first_s=FIRST_S, most_s=MOST_S)
        self._refusals = Backoff(random, first_s=FIRST_S, most_s=REFUSED_S)
        self._started_ms = 0
        self._dialling: Deferred[Carrier] | None = None
        self._carrier: Carrier | None = None
        self._admission: MemberAdmission | None = None
        self._challenged = False
        self._again: IDelayedCall | None = None
        self._stopped: Deferred[None] | None = None

    @property
    def hub(self) -> PublicKey | None:
        """The hub's key: pinned, or shown at the first join; it never changes after that."""
        return self._hub

    # --- the service
    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Join."""
        super().startService()
        self._try()

    def stopService(self) -> Deferred[None] | None:  # noqa: N802 - Twisted's name
        """Leave; fire when the connection is gone."""
        super().stopService()
        self.state = "off"
        if self._again is not None and self._again.active():
            self._again.cancel()
        if self._dialling is not None:
            self._dialling.cancel()
        if self._carrier is None:
            return None
        self._stopped = Deferred()
        self._carrier.close(PeerGone("we are leaving"))
        return self._stopped

    # --- joining
    def _try(self) -> None:
        self._again = None
        self.state = "joining"
        dialling = self._dialling = self._dial(self.address, self)
        dialling.addBoth(self._dialled)

    def _dialled(self, result: Carrier | Failure) -> None:
        """Take note that a try to connect is over; `lost` comes for one that was `opened`."""
        self._dialling = None
        if isinstance(result, Failure) and self.running:
            error = result.value
            if isinstance(error, StreembitError):
                self._failed(error)
            elif not isinstance(error, CancelledError):
                _log.failure("a hub could not be dialled", result)
                self._failed(PeerGone())

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Wait for the hub's challenge."""
        if not self.running:
            carrier.abort(PeerGone("we are leaving"))
            return
        self._carrier = carrier
        self._challenged = False
        binding = carrier.exporter or None
        named = not self.address.hub  # its certificate was checked, for its key is not known
        self._admission = MemberAdmission(
            self._identity,
            self._network,
            own=os.urandom(NONCE_BYTES),
            started_ms=int(self._clock.seconds() * 1000),
            after_ms=self._started_ms,
            binding=binding,
            pinned=self._hub,
            must_bind=binding is not None and not named,
            agent=f"streembit/{__version__}",
            keys=self._keys,
        )

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Take a frame; raise RemoteError for one that ends the session."""
        if self.seat is not None:
            self.seat.received(token)
        elif self._admission is not None and not self._challenged:
            self._challenged = True
            self._join(carrier, self._admission, token)
        elif self._admission is not None:
            self._finish(carrier, self._admission, token)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Take note that the connection is gone, and try again if we are to."""
        if carrier is not self._carrier:
            return
        seat, self.seat, self._carrier, self._admission = self.seat, None, None, None
        if seat is not None:
            seat.lost(reason)
            if self._clock.seconds() - self._joined_s >= STEADY_S:
                self._backoff.reset()
        if self.running:
            self._failed(reason)
        else:
            self._events.left(reason)
        stopped, self._stopped = self._stopped, None
        if stopped is not None:
            stopped.callback(None)

    def refused(self, host: str, error: StreembitError) -> None:
        """Pass on why a connection is dropped."""
        self._events.refused(host, error)

    # --- how
    def _join(self, carrier: Carrier, admission: MemberAdmission, challenge: bytes) -> None:
        token = admission.join(challenge)
        assert admission.hub is not None  # its challenge was good
        if self._may_join(admission.hub):
            carrier.send(token)
        else:
            carrier.close(PeerGone("joined to this hub already"))

    def _finish(self, carrier: Carrier, admission: MemberAdmission, token: bytes) -> None:
        joined = admission.finish(token)
        carrier.welcomed()
        self._hub, self._started_ms = joined.session.hub, joined.session.started_ms
        if self._witness is None:
            self._witness = Witness(self._identity.public.text, self._hub.text)
        self._witness.begin()
        self.seat = Seat(joined, carrier, self._witness, self._clock, self._events)
        self.state, self.why = "joined", ""
        self.joins += 1
        self._joined_s = self._clock.seconds()
        self._refusals.reset()
        self._events.joined(self.seat)

    def _failed(self, error: StreembitError) -> None:
        """Plan the next try."""
        refused = isinstance(error, NotAdmitted | WrongIdentity)
        self.state = "refused" if refused else "waiting"
        self.why = error.code
        wait_s = (self._refusals if refused else self._backoff).next_s()
        self._again = self._clock.callLater(wait_s, self._try)
        self._events.left(error)
