"""One hub as a node uses it: the session, the streams through it, and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final, Protocol

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime
from twisted.logger import Logger

from streembit.errors import BadCargo, BadName, PeerGone, StreembitError
from streembit.hub import cargo as cargoes
from streembit.hub.witness import Finding
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.service.relay.lines import Lines
from streembit.service.relay.rows import HubRow
from streembit.service.relay.seat import Mailed, Seat
from streembit.service.relay.session import DialHub, HubSession
from streembit.wire import texts
from streembit.wire.hub import Command, Reply
from streembit.wire.hubtext import write
from streembit.wire.offer import Address

LABEL_DIGITS: Final = 16  # hex digits of the digest of its address by which we know a hub
MAX_JOINING: Final = 256  # dials that wait for us to be joined; as many as a node has at once

_log = Logger()


class HubEvents(Protocol):
    """Who is told what hubs bring."""

    def may_join(self, hub: Hub, key: PublicKey) -> bool:
        """Tell whether to join a hub that has this key."""

    def hub_joined(self, hub: Hub) -> None:
        """We are joined to a hub."""

    def hub_left(self, hub: Hub) -> None:
        """We are joined to it no more."""

    def mailed(self, hub: Hub, mail: Mailed, parcel: bytes) -> None:
        """A parcel has come; it comes again until `hub.ack`."""

    def present(self, hub: Hub, here: list[str], away: list[str]) -> None:
        """Keys that we watch there came and went."""

    def refused(self, host: str, error: StreembitError) -> None:
        """Something was refused, of a hub or of a member."""


class Hub(MultiService):
    """One hub: ours, or one that a contact is at.

    Args:
        address: where it is, and which key it must have.
        factory: makes the protocols of streams that come to us.

    Attributes:
        own: whether we are always to be found there; else it is left when it is not used.
        label: what hosts of its members name it by.
        used_s: when it was last of use.
        findings: what the hub or somebody behind it did that no honest one does, by kind.
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
        factory: Callable[[], IProtocolFactory],
        events: HubEvents,
        *,
        own: bool,
    ) -> None:
        super().__init__()
        self.address, self.own = address, own
        self.url = write(address)
        self.label = sha256(self.url.encode()).hexdigest()[:LABEL_DIGITS]
        self.used_s = clock.seconds()
        self.findings: dict[str, int] = {}  # at most one of each kind
        self._clock, self._events = clock, events
        self._waiting: list[Deferred[None]] = []  # at most MAX_JOINING
        self._lines = Lines(identity.public, self.label, factory, clock)
        self.session = HubSession(
            identity, network, address, dial, clock, random, keys, self, self._may_join
        )
        self.session.setServiceParent(self)

    @property
    def seat(self) -> Seat | None:
        """Our place there while we are joined."""
        return self.session.seat

    @property
    def title(self) -> str:
        """What it calls itself, or where it is."""
        seat = self.seat
        shown = _shown(seat.welcome.name) if seat is not None else ""
        return shown or f"{self.address.host}:{self.address.port}"

    @property
    def is_used(self) -> bool:
        """Whether something goes through it, or waits to."""
        return bool(self._lines or self._waiting)

    def row(self) -> HubRow:
        """Return how it stands."""
        seat = self.seat
        return HubRow(
            url=self.url,
            name=self.title,
            key=self.session.hub.hex if self.session.hub is not None else "",
            state=self.session.state,
            own=self.own,
            why=self.session.why,
            observed=seat.welcome.observed if seat is not None else "",
            links=len(self._lines),
            findings=dict(self.findings),
            permissions=list(seat.welcome.permissions) if seat is not None else [],
        )

    # --- using it
    def when_joined(self) -> Deferred[None]:
        """Fire once we are joined; errback PeerGone where that fails now. It can be cancelled."""
        self.used_s = self._clock.seconds()
        done: Deferred[None] = Deferred(self._waiting_no_more)
        if self.seat is not None:
            done.callback(None)
        elif not self.running or self.session.state == "refused":
            done.errback(PeerGone("the hub does not let us in", hub=self.title))
        elif len(self._waiting) >= MAX_JOINING:
            done.errback(PeerGone("too many wait for the hub", hub=self.title))
        else:
            self._waiting.append(done)
        return done

    def connect(self, key: PublicKey, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Open a stream to a member as soon as we are joined; see `Lines.connect`."""
        joined = self.when_joined()
        connected: Deferred[IProtocol] = joined.addCallback(
            lambda _: self._lines.connect(key, factory)
        )
        return connected

    def ask(self, body: Command) -> Deferred[Reply]:
        """Send a command as soon as we are joined; see `Seat.ask`."""
        asked: Deferred[Reply] = self.when_joined().addCallback(lambda _: self._there().ask(body))
        return asked

    def mail(self, to: PublicKey, id: bytes, cargo: bytes) -> Deferred[Reply]:  # noqa: A002
        """Send a mail as soon as we are joined; see `Seat.mail`."""
        sent: Deferred[Reply] = self.when_joined().addCallback(
            lambda _: self._there().mail(to, id, cargo)
        )
        return sent

    def ack(self, mail: Mailed) -> None:
        """Have the hub delete a mail; one that is not deleted comes again."""
        if self.seat is not None:
            self.seat.ack(mail.claims)

    # --- SessionEvents
    def joined(self, seat: Seat) -> None:
        """Let those go on who waited for it."""
        _log.info("joined to the hub {name}", name=self.title)
        self._lines.begin(seat)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(None)
        self._events.hub_joined(self)

    def left(self, error: StreembitError) -> None:
        """End what went through it."""
        self._lines.end(error)
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.errback(PeerGone("the hub cannot be reached", hub=self.title, why=error.code))
        self._events.hub_left(self)

    def live(self, sender: PublicKey, session: str, cargo: bytes) -> None:
        """Take a piece of a stream; raise BadCargo for what is none."""
        self.used_s = self._clock.seconds()
        kind, _ = cargoes.unpack(cargo)
        if kind != cargoes.STREAM:
            raise BadCargo("of a kind that is not known")
        self._lines.heard(sender, session, cargo)

    def mailed(self, mail: Mailed) -> None:
        """Pass a parcel on; raise BadCargo for what is none."""
        self.used_s = self._clock.seconds()
        kind, parcel = cargoes.unpack(mail.cargo)
        if kind != cargoes.PARCEL:
            raise BadCargo("of a kind that is not known")
        self._events.mailed(self, mail, parcel)

    def gone(self, key: str) -> None:
        """End what went to somebody who is not there."""
        self._lines.gone(key)

    def busy(self, key: str) -> None:
        """Send nothing more to somebody who reads slowly; others are sent to as before."""
        self._lines.busy(key)

    def ready(self, key: str) -> None:
        """Go on with somebody who was busy."""
        self._lines.ready(key)

    def present(self, here: list[str], away: list[str]) -> None:
        """Pass on who came and went."""
        self._events.present(self, here, away)

    def noticed(self, finding: Finding) -> None:
        """Count what no honest hub does, and say so: of each kind once which hub it was."""
        if finding.kind not in self.findings:
            _log.warn("at the hub {name}: {what}", name=self.title, what=finding.error.sentence())
        self.findings[finding.kind] = self.findings.get(finding.kind, 0) + finding.count
        self._events.refused("", finding.error)

    def refused(self, host: str, error: StreembitError) -> None:
        """Pass on what was refused."""
        self._events.refused(host, error)

    # --- how
    def _may_join(self, key: PublicKey) -> bool:
        return self._events.may_join(self, key)

    def _there(self) -> Seat:
        if self.seat is None:
            raise PeerGone("the session with the hub ended", hub=self.title)
        return self.seat

    def _waiting_no_more(self, done: Deferred[None]) -> None:
        if done in self._waiting:
            self._waiting.remove(done)


def _shown(name: str) -> str:
    """Return a hub's name, "" for one that would not show what it holds."""
    try:
        return texts.check_note(name)
    except BadName:
        return ""
