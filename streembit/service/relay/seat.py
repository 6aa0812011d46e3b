"""Our place at a hub while we are joined: what is sent there and heard from there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from streembit.errors import BadKey, BadSignature, PeerGone, RemoteError, StreembitError
from streembit.hub import answers
from streembit.hub import cargo as cargoes
from streembit.hub.admission import Joined
from streembit.hub.session import Parsed
from streembit.hub.witness import Finding, Witness
from streembit.jose.keys import PublicKey
from streembit.net.budget import Rate, TokenBucket
from streembit.net.carrier import Carrier
from streembit.service.relay.asked import Asked
from streembit.wire.hub import (
    MAX_MAILS,
    Ack,
    Busy,
    Command,
    Envelope,
    Gone,
    HubClaims,
    Kept,
    MailName,
    Presence,
    Ready,
    Reply,
)

ACK_S: Final = 0.05  # so long an acknowledgement waits for others to go with it
CHECKS: Final = Rate.a_second(2_000.0)  # frames; a fifth of a core, whoever fills the hub


@dataclass(frozen=True, slots=True)
class Mailed:
    """A mail that has come, its signature checked."""

    claims: Envelope
    sender: PublicKey
    cargo: bytes


class SeatEvents(Protocol):
    """Who takes what comes from a hub.

    A RemoteError that `live` or `mailed` raises refuses that cargo, and no more; a mail that is
    refused is done with. Raised by any other, it ends the session.
    """

    def live(self, sender: PublicKey, session: str, cargo: bytes) -> None:
        """A member says something now, in a session of its own; it was not said before."""

    def mailed(self, mail: Mailed) -> None:
        """A mail has come; it comes again until it is acknowledged by `Seat.ack`."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Something was refused: of the hub at this host, or of a member."""

    def gone(self, key: str) -> None:
        """What we said to the holder of this key went nowhere: it is not at the hub."""

    def busy(self, key: str) -> None:
        """The holder of this key reads slowly: nothing live should be said to it until `ready`."""

    def ready(self, key: str) -> None:
        """The holder of this key takes more."""

    def present(self, here: list[str], away: list[str]) -> None:
        """Members whom we watch came and went."""

    def noticed(self, finding: Finding) -> None:
        """The hub, or somebody behind it, did what an honest one does not do."""


class Seat:
    """One session from the Welcome to its end.

    Attributes:
        hub: the hub's key.
        welcome: what it said when it let us in.
    """

    def __init__(
        self,
        joined: Joined,
        carrier: Carrier,
        witness: Witness,
        clock: IReactorTime,
        events: SeatEvents,
    ) -> None:
        self.hub = joined.session.hub
        self.welcome = joined.welcome
        self.carrier = carrier
        self._session = joined.session
        self._witness = witness
        self._clock = clock
        # Sessions are dated by the hub's clock, and ours may be far behind it.
        self._behind_s = max(0.0, joined.now_ms / 1000 - clock.seconds())
        self._events = events
        self._asked = Asked(clock)
        self._checks = TokenBucket(CHECKS)
        self._acks: list[Envelope] = []  # at most MAX_MAILS
        self._acking: IDelayedCall | None = None
        self._resuming: IDelayedCall | None = None
        self._over = False

    # --- what we say
    @property
    def is_full(self) -> bool:
        """Whether the hub takes nothing for the moment: what can wait should not be sent."""
        return self.carrier.is_full

    def ask(self, body: Command) -> Deferred[Reply]:
        """Send a command; fire with its answer.

        Errbacks:
            RemoteRefusal, RequestTimeout, TooManyRequests
            PeerGone: the session ended first.
        """
        try:
            self._asked.check()
            number, token = self._session.command(body)
        except StreembitError as error:
            return fail(error)
        return self._send_and_wait(number, token, answers.due(body))

    def mail(self, to: PublicKey, id: bytes, cargo: bytes) -> Deferred[Reply]:  # noqa: A002
        """Send a mail; fire with Kept when it is on the hub's medium.

        Errbacks:
            TooLarge
            RemoteRefusal: its code is that of a MailRefused, or says what is not permitted.
            As `ask`.
        """
        try:
            self._asked.check()
            number, token = self._session.mail(to, id, cargo)
        except StreembitError as error:
            return fail(error)
        return self._send_and_wait(number, token, Kept)

    def live(self, to: PublicKey, cargo: bytes) -> None:
        """Say something to a member who is there now.

        Raises:
            PeerGone: the session has ended.
            TooLarge, SessionUsedUp
        """
        if self._over:
            raise PeerGone("the session with the hub ended")
        _, token = self._session.live(to, cargo)
        self.carrier.send(token)

    def ack(self, claims: Envelope) -> None:
        """Have the hub delete a mail that we keep; soon, together with others."""
        if self._over:
            return
        self._acks.append(claims)
        if len(self._acks) >= MAX_MAILS:
            self._send_acks()
        elif self._acking is None:
            self._acking = self._clock.callLater(ACK_S, self._send_acks)

    def _send_and_wait(self, number: int, token: bytes, expected: type[Reply]) -> Deferred[Reply]:
        if self._over:
            return fail(PeerGone("the session with the hub ended"))
        try:
            self.carrier.send(token)
        except PeerGone as error:  # it is ending, and nobody would wait for the answer
            return fail(error)
        return self._asked.add(number, expected)

    def _send_acks(self) -> None:
        if self._acking is not None and self._acking.active():
            self._acking.cancel()
        self._acking = None
        mails, self._acks = self._acks, []
        done = self.ask(Ack([MailName(claims.iss, claims.id) for claims in mails]))
        done.addCallback(self._acked, mails)
        # What was not deleted comes again with the next session, and is acknowledged again.
        done.addErrback(lambda failure: failure.trap(StreembitError))

    def _acked(self, _done: Reply, mails: list[Envelope]) -> None:
        for claims in mails:
            self._witness.acknowledged(claims)

    # --- what we hear
    def received(self, token: bytes) -> None:
        """Take the next frame of the hub.

        Raises:
            RemoteError: the session has to end.
        """
        parsed = self._session.read(token)
        self._pay()
        claims = parsed.claims
        if isinstance(claims, Envelope):
            self._enveloped(parsed, claims)
        else:
            self._session.verify(parsed)
            self._told(claims)

    def lost(self, error: StreembitError) -> None:
        """End: nothing comes any more, and nobody is waited for."""
        self._over = True
        for timer in (self._acking, self._resuming):
            if timer is not None and timer.active():
                timer.cancel()
        self._asked.fail_all(error)

    def _told(self, claims: HubClaims) -> None:
        match claims.body:
            case Kept(numbers):
                for number in numbers:
                    self._asked.answer(number, claims.body)
            case Gone(key):
                self._events.gone(key)
            case Busy(key):
                self._events.busy(key)
            case Ready(key):
                self._events.ready(key)
            case Presence(here, away):
                self._events.present(here, away)
            case _:
                assert isinstance(claims.body, Reply)  # MemberSession lets nothing else through
                self._asked.answer(claims.re, claims.body)

    def _enveloped(self, parsed: Parsed, claims: Envelope) -> None:
        """Take what a member sent, unless something is not right with it.

        The session goes on then: a member who could be the cause is not to decide which hub we
        are joined to.
        """
        finding = self._witness.judge(claims, self._clock.seconds() + self._behind_s)
        if finding is not None and not finding.takes:
            self._pass_over(finding, claims)
            return
        try:
            sender = self._session.verify(parsed).key
        except (BadKey, BadSignature):
            self._events.noticed(self._witness.forged(claims))
            return
        if finding is not None:
            self._events.noticed(finding)
        self._witness.take(claims)
        self._hand_on(claims, sender)

    def _pass_over(self, finding: Finding, claims: Envelope) -> None:
        self._events.noticed(finding)
        if finding.kind == "repeated" and claims.id:
            self.ack(claims)

    def _hand_on(self, claims: Envelope, sender: PublicKey) -> None:
        """Hand cargo on; what is refused of it ends nothing, for its sender is not the hub."""
        try:
            cargo = cargoes.of(claims)
            if claims.id:
                self._events.mailed(Mailed(claims, sender, cargo))
            else:
                self._events.live(sender, claims.session, cargo)
        except RemoteError as error:
            self._events.refused("", error)  # whoever said it has no address, and is not the hub's
            if claims.id:
                self.ack(claims)

    def _pay(self) -> None:
        """Charge a frame; where there are too many, nothing more is read for a moment."""
        now_s = self._clock.seconds()
        wait_s = self._checks.wait_s(now_s)
        self._checks.spend(1.0)
        if wait_s > 0 and self._resuming is None:
            self.carrier.pause()
            self._resuming = self._clock.callLater(wait_s, self._resume)

    def _resume(self) -> None:
        self._resuming = None
        self.carrier.resume()
