"""A member of a real hub in the hands of a test, over TCP."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred

from streembit.errors import PeerGone, StreembitError
from streembit.hub.admission import MemberAdmission
from streembit.hub.session import MemberSession
from streembit.jose.keys import Identity
from streembit.net.carrier import Carrier
from streembit.net.dial import Connect, over_tcp
from streembit.net.hubdial import Unnamed, dial_hub
from streembit.wire.hub import Command, Envelope, HubClaims, Reply
from tests.rig.procnet import reactor

HOST = "127.0.0.1"


class HubGuest:
    """Joins when it is challenged, unless told otherwise.

    Attributes:
        answers, envelopes: what came, each verified; the Challenge and the Welcome left out.
        refused_s: when the hub's refusal of the Join came.
        gone: fires with the time when the connection has ended.
    """

    def __init__(self, who: Identity, started_ms: int, *, joins: bool = True) -> None:
        self.who, self.started_ms, self.joins = who, started_ms, joins
        self.carrier: Carrier | None = None
        self.session: MemberSession | None = None
        self.answers: list[Reply] = []
        self.envelopes: list[Envelope] = []
        self.refused_s: Deferred[float] = Deferred()
        self.challenged: Deferred[HubGuest] = Deferred()
        self.joined: Deferred[HubGuest] = Deferred()
        self.gone: Deferred[float] = Deferred()
        self._admission: MemberAdmission | None = None
        self._challenge = b""

    def connect(
        self, port: int, *, tls: bool = False, host: str = HOST, connect: Connect | None = None
    ) -> HubGuest:
        """Begin to connect."""
        dialled = dial_hub(
            connect or over_tcp(reactor), host, port, Unnamed(host) if tls else None, reactor, self
        )
        dialled.addErrback(self._not_there)
        return self

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        self.carrier = carrier
        self._admission = MemberAdmission(
            self.who.signing,
            None,
            own=os.urandom(32),
            started_ms=self.started_ms,
            binding=carrier.exporter or None,
        )

    def received(self, carrier: Carrier, token: bytes) -> None:
        assert self._admission is not None
        if not self._challenge:
            self._challenge = token
            self.challenged.callback(self)
            if self.joins:
                carrier.send(self.join())
        elif self.session is not None:
            claims = self.session.verify(self.session.read(token)).claims
            self._take(claims)
        elif not self.joins:
            self.refused_s.callback(reactor.seconds())
        else:
            self.session = self._admission.finish(token).session
            carrier.welcomed()
            self.joined.callback(self)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        self._not_there(reason)

    def refused(self, host: str, error: StreembitError) -> None:
        """`lost` follows."""

    # --- what a test does
    def join(self) -> bytes:
        """Return the Join that answers the challenge."""
        assert self._admission is not None
        return self._admission.join(self._challenge)

    def send(self, token: bytes) -> None:
        """Send a frame."""
        assert self.carrier is not None
        self.carrier.send(token)

    def ask(self, body: Command) -> None:
        """Send a command."""
        self.send(self.own.command(body)[1])

    def begin(self, to: Identity) -> None:
        """Send half of a frame."""
        token = self.own.live(to.public, bytes(1000))[1]
        header = b"\x81\xfe" + len(token).to_bytes(2, "big") + bytes(4)
        transport: Any = self.carrier.transport  # type: ignore[union-attr]
        transport.write(header + token[: len(token) // 2])

    @property
    def own(self) -> MemberSession:
        """The session; the test fails where there is none."""
        assert self.session is not None
        return self.session

    def _take(self, claims: HubClaims | Envelope) -> None:
        if isinstance(claims, Envelope):
            self.envelopes.append(claims)
        else:
            self.answers.append(claims.body)  # type: ignore[arg-type]

    def _not_there(self, _reason: object) -> None:
        if not self.gone.called:
            self.gone.callback(reactor.seconds())
        for waiting in (self.challenged, self.joined, self.refused_s):
            if not waiting.called:
                waiting.errback(PeerGone("the hub hung up"))
                waiting.addErrback(lambda _: None)
