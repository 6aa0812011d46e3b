"""A joined member's session: its frames in their order of work, and what holds them up."""

from __future__ import annotations

from typing import Final, Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from streembit.errors import BadSignature, NotAdmitted, PeerGone, RateLimited, StreembitError
from streembit.hub.admission import Applicant
from streembit.hub.grant import Grant
from streembit.hub.session import Parsed, ServedSession
from streembit.net.carrier import Carrier
from streembit.service.hub.backplane import Claim
from streembit.service.hub.delivery import Delivery
from streembit.service.hub.parked import Parked
from streembit.service.hub.settings import BAD_SIGNATURES, CROWDED_BYTES, MAX_BUSY
from streembit.wire.hub import Envelope, HubClaims, Refused, Reply

# Why nothing is read of a member: each reason goes by itself.
BUDGET: Final = 1  # its frames come faster than they may
BUSY: Final = 2  # too much that it asked for is under way
RECIPIENT: Final = 4  # it sends on and on to one that reads slowly
OWN: Final = 8  # it does not read what it asked for


class House(Protocol):
    """What a session needs of its hub."""

    @property
    def clock(self) -> IReactorTime:
        """By which frames wait for their budget."""

    def now_unix_s(self) -> float:
        """Return the time by which permissions end."""

    def wait_s(self, session: Session) -> float:
        """Return how long the next frame waits for its check: 0.0 for not at all."""

    def serve(self, session: Session, claims: HubClaims | Envelope, token: bytes) -> None:
        """Serve a frame whose signature was checked."""

    def crowded(self, session: Session) -> None:
        """Take note that too much waits for the member to read."""

    def freed(self, session: Session) -> None:
        """Take note that the member has read all that there was."""

    def left(self, session: Session, reason: StreembitError) -> None:
        """Forget the session: it has ended."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Count a refusal."""

    def misbehaved(self, host: str) -> None:
        """Refuse an address for a while that sent too many bad signatures."""


class Session:
    """One member, joined over one carrier; it is the carrier's owner.

    The order of work on a frame: its length (the carrier), a cheap parse,
    session and counter, the budget, the signature, then what it asks for.

    Attributes:
        key: the member's, as text.
        since_s: when it joined, by the hub's clock.
        parked: envelopes that wait for it to read; None for none, as the
            next two.
        kept: numbers of mails that are to be receipted.
        delivery: how far it was given its mail.
    """

    __slots__ = (
        "_bad",
        "_busy",
        "_held",
        "_holds",
        "_hub",
        "_timer",
        "agent",
        "carrier",
        "delivery",
        "ended",
        "frames_in",
        "frames_out",
        "grant",
        "kept",
        "key",
        "parked",
        "served",
        "since_s",
    )

    def __init__(
        self, hub: House, carrier: Carrier, applicant: Applicant, served: ServedSession
    ) -> None:
        self._hub = hub
        self.carrier = carrier
        self.served = served
        self.grant: Grant = applicant.grant
        self.key = applicant.key.text
        self.agent = applicant.join.agent
        self.since_s = hub.clock.seconds()
        self.frames_in = self.frames_out = 0
        self.ended = False
        self.parked: Parked[Session] | None = None
        self.kept: list[int] | None = None
        self.delivery: Delivery | None = None
        self._bad = self._busy = self._holds = 0
        self._held: tuple[Parsed, bytes] | None = None  # a frame that waits for its budget
        self._timer: IDelayedCall | None = None
        carrier.when_free(self._freed)

    @property
    def claim(self) -> Claim:
        """What this session says of itself to the other processes."""
        return Claim(self.key, self.served.name, self.served.started_ms)

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Need not be told: the session began later."""

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Take a frame; raise RemoteError where the session has to end for it."""
        parsed = self.served.read(token)
        self.frames_in += 1
        self._pay(parsed, token)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Leave the hub."""
        self._stop()
        self._hub.left(self, reason)

    def refused(self, host: str, error: StreembitError) -> None:
        """Pass on that the session ends for an error."""
        self._hub.refused(host, error)

    # --- what the hub does
    def say(self, body: Reply, re: int = 0) -> None:
        """Send a frame of the hub's, unless the session is over."""
        if not self.ended:
            self.pass_on(self.served.say(body, re))

    def pass_on(self, token: bytes) -> None:
        """Send a frame, whoever signed it, unless the session is over."""
        if self.ended or not self.carrier.can_send:
            return
        self.frames_out += 1
        self.carrier.send(token)
        if self.carrier.queued_bytes > CROWDED_BYTES:
            self._hub.crowded(self)

    def refuse(self, error: StreembitError, re: int) -> None:
        """Count a refusal, and tell the member which of its frames is not served."""
        self._hub.refused(self.carrier.host, error)
        self.say(Refused(error.code, error.detail[:200]), re)

    def end(self, error: StreembitError) -> None:
        """End at once: no frame is served any more, also none that is half received."""
        self._stop()
        self.carrier.refuse(error)

    def supersede(self) -> None:
        """End because the member joined anew: it is nobody's fault."""
        self._stop()
        self.carrier.close(PeerGone("joined anew"))

    def broke(self, failure: Failure) -> None:
        """Take the failure of something that was under way: the session pays for it."""
        self.carrier.guard(failure.raiseException)

    # --- what holds it up
    def hold(self, reason: int) -> None:
        """Read nothing more of this member for now."""
        self._holds |= reason
        self.carrier.pause()

    def release(self, reason: int) -> None:
        """Read again, unless something else holds it up."""
        self._holds &= ~reason
        if not self._holds and not self.ended:
            self.carrier.resume()

    def began(self) -> None:
        """Note that something that was asked for is under way."""
        self._busy += 1
        if self._busy == MAX_BUSY:
            self.hold(BUSY)

    def finished(self) -> None:
        """Note that it is done."""
        self._busy -= 1
        if self._holds & BUSY and self._busy < MAX_BUSY:
            self.release(BUSY)

    # --- a frame
    def _pay(self, parsed: Parsed, token: bytes) -> None:
        """Take a check from the budget, or come back when it is there: nothing is lost."""
        wait_s = self._hub.wait_s(self)
        if wait_s <= 0:
            self._check(parsed, token)
            return
        self._hub.refused(self.carrier.host, RateLimited())
        self.hold(BUDGET)
        self._held = (parsed, token)
        self._timer = self._hub.clock.callLater(wait_s, self._paid)

    def _paid(self) -> None:
        held, self._held, self._timer = self._held, None, None
        if held is not None:
            self.carrier.guard(self._pay, *held)
        if self._held is None:
            self.release(BUDGET)

    def _check(self, parsed: Parsed, token: bytes) -> None:
        try:
            verified = self.served.verify(parsed)
        except BadSignature as error:
            self._forged(error, parsed.claims.n)
            return
        if self.grant.is_over(self._hub.now_unix_s()):
            raise NotAdmitted(reason="expired")
        self._hub.serve(self, verified.claims, token)

    def _forged(self, error: BadSignature, number: int) -> None:
        self._bad += 1
        if self._bad >= BAD_SIGNATURES:
            self._hub.misbehaved(self.carrier.host)
            raise error
        self.refuse(error, number)

    def _freed(self) -> None:
        self._hub.freed(self)

    def _stop(self) -> None:
        self.ended = True
        self._held = None
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None
