"""Those who connect and have not joined: challenged, judged, let in or refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from streembit.errors import BadFrame, RemoteError, StreembitError
from streembit.hub.admission import NONCE_BYTES, Applicant, HubAdmission
from streembit.hub.grant import Grant
from streembit.jose.keys import Identity
from streembit.net.budget import Budgets
from streembit.net.carrier import CLOSE_POLICY, Carrier
from streembit.net.gate import Gate
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.settings import HubSettings

Draw = Callable[[int], bytes]


class House(Protocol):
    """The hub that a lobby leads to."""

    @property
    def identity(self) -> Identity:
        """Who challenges."""

    @property
    def settings(self) -> HubSettings:
        """Of which the network is told."""

    @property
    def gate(self) -> Gate:
        """What a host counts as."""

    @property
    def backplane(self) -> Backplane:
        """Where mail waits."""

    def now_unix_s(self) -> float:
        """Return the time by which permissions end."""

    def grant_of(self, key: str) -> Grant | None:
        """Return what the holder of a key may do, None for a stranger."""

    def join(
        self, carrier: Carrier, admission: HubAdmission, applicant: Applicant, waiting: int
    ) -> None:
        """Begin the session of a member, for whom so many mails wait."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Count a refusal."""


class Lobby:
    """The owner of carriers until their members have joined.

    Args:
        draw: returns so many bytes of chance that nobody can foresee.
    """

    def __init__(self, hub: House, clock: IReactorTime, budgets: Budgets, draw: Draw) -> None:
        self._hub = hub
        self._clock = clock
        self._budgets = budgets
        self._draw = draw

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Challenge who has connected."""
        settings, exporter = self._hub.settings, carrier.exporter
        admission = HubAdmission(
            self._hub.identity.signing,
            settings.network,
            nonce=self._draw(NONCE_BYTES),
            binding=exporter or None,
            inside=not carrier.host,  # by the socket in the home, which has no address
            now_ms=int(self._hub.now_unix_s() * 1000),
        )
        carrier.events = Stranger(self, carrier, admission)
        carrier.send(admission.challenge())

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Hear nothing: a stranger's frames go to the Stranger."""
        raise BadFrame("a frame before the challenge")

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Need not be told."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Pass on what is refused of those who are no members."""
        self._hub.refused(host, error)

    # --- what a stranger does
    def wait_s(self, host: str) -> float:
        """Return how long a join from this host waits for its check."""
        origin = self._hub.gate.origin(host)
        if origin.exempt:
            return 0.0
        return self._budgets.wait_s(origin.address, self._clock.seconds())

    def judge(self, stranger: Stranger, token: bytes) -> None:
        """Let a stranger in, or tell it that it is not: the same to all who prove no right."""
        hub, carrier, admission = self._hub, stranger.carrier, stranger.admission
        try:
            applicant = admission.judge(token, hub.grant_of, hub.now_unix_s())
        except RemoteError as error:
            hub.refused(carrier.host, error)
            carrier.send(admission.refusal(error))
            carrier.close(error, CLOSE_POLICY)
            return
        count = hub.backplane.count(applicant.key.text)
        count.addErrback(lambda _: 0)
        count.addCallback(self._let_in, stranger, applicant)
        count.addErrback(stranger.broke)

    def _let_in(self, waiting: int, stranger: Stranger, applicant: Applicant) -> None:
        if stranger.gone:
            return
        self._hub.join(stranger.carrier, stranger.admission, applicant, waiting)

    def call_later(self, delay_s: float, call: Callable[..., object]) -> IDelayedCall:
        """Have this called by the hub's clock."""
        return self._clock.callLater(delay_s, call)


class Stranger:
    """One connection between its challenge and the answer to its Join."""

    __slots__ = ("_join", "_lobby", "_timer", "admission", "carrier", "gone")

    def __init__(self, lobby: Lobby, carrier: Carrier, admission: HubAdmission) -> None:
        self._lobby = lobby
        self.carrier = carrier
        self.admission = admission
        self.gone = False
        self._join: bytes | None = None
        self._timer: IDelayedCall | None = None

    def opened(self, carrier: Carrier) -> None:
        """Need not be told."""

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Take the one frame that a stranger has to say, when its turn has come.

        Raises:
            BadFrame: it says more before it was answered.
        """
        if self._join is not None:
            raise BadFrame("a frame before the welcome")
        self._join = token
        self._turn()

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Give up waiting."""
        self.gone = True
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def refused(self, host: str, error: StreembitError) -> None:
        """Pass it on."""
        self._lobby.refused(host, error)

    def broke(self, failure: Failure) -> None:
        """Take the failure of letting it in."""
        self.carrier.guard(failure.raiseException)

    def _turn(self) -> None:
        self._timer = None
        wait_s = self._lobby.wait_s(self.carrier.host)
        if wait_s > 0:
            self._timer = self._lobby.call_later(wait_s, self._turn)
        elif self._join is not None:
            self.carrier.guard(self._lobby.judge, self, self._join)
