"""A hub that lets everybody in honestly, and whose every other word a test decides."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from streembit.errors import PeerGone, StreembitError
from streembit.hub.admission import NONCE_BYTES, HubAdmission
from streembit.hub.answers import due
from streembit.hub.grant import EVERYBODY
from streembit.hub.session import ServedSession
from streembit.jose import envelope
from streembit.jose.keys import Identity, PrivateKey
from streembit.net.carrier import Carrier, CarrierLimits
from streembit.net.gate import Gate, GateLimits
from streembit.net.hublisten import HubFactory
from streembit.wire.hub import (
    Ack,
    Command,
    Done,
    Entries,
    Envelope,
    Gone,
    HubClaims,
    Join,
    Kept,
    Publish,
    Quota,
    Refused,
    Reply,
    Seen,
)
from streembit.wire.offer import Address
from tests.service.hubs import PORT
from tests.service.town import NETWORK, Town

# What a liar has waiting for a member is its own affair.
MUCH: Final = CarrierLimits(queue_bytes=64 * 1024 * 1024)
Passed = Iterable[tuple[str, bytes]]  # to which keys, and which tokens
PassOn = Callable[[Envelope, bytes], Passed]
Answer = Callable[[str, Command, int], Iterable[tuple[Reply, int]]]


def honestly(claims: Envelope, token: bytes) -> Passed:
    """Pass an envelope on to whom it is for."""
    return [(claims.aud, token)]


class Joiner:
    """One member who has joined."""

    def __init__(self, carrier: Carrier, served: ServedSession) -> None:
        self.carrier, self.served = carrier, served

    def say(self, body: Reply, re: int = 0) -> None:
        """Send a frame of the hub's."""
        self.send(self.served.say(body, re))

    def send(self, token: bytes) -> None:
        """Send anything."""
        if self.carrier.can_send:
            self.carrier.send(token)


class LyingHub:
    """Stands in a town as a hub does; see `tests.service.hubs.TownHub`.

    Attributes:
        pass_on: what becomes of each envelope, live or mail.
        answer: what is answered to each command of a member: bodies, and to which number.
        ahead_s: how far its clock is ahead.
        keeps: whether mail is said to be kept, and waits for who is away.
        seen: all envelopes that came, in order.
        mail: what waits, by recipient.
        refused_codes: why connections were dropped.
    """

    def __init__(self, town: Town, *, host: str = "127.0.0.1", number: int = 210) -> None:
        self.town = town
        self.identity = Identity.from_seed(bytes([number]) * 32, "liar")
        self.address = Address(host, PORT, "ws")
        self.pass_on: PassOn = honestly
        self.answer: Answer = self.truly
        self.keeps = True
        self.ahead_s = 0.0
        self.seen: list[tuple[Envelope, bytes]] = []
        self.mail: dict[str, list[tuple[Envelope, bytes]]] = {}
        self.refused_codes: list[str] = []
        self.joined: dict[str, Joiner] = {}
        self._doors: dict[Carrier, HubAdmission] = {}
        self._entries: dict[str, str] = {}
        gate = Gate(GateLimits(exempt=("0.0.0.0/0",)))
        clock = town.memory.clock
        self.factory = HubFactory(self, gate, clock, self.refused, private=False, limits=MUCH)
        town.memory.host(host).listen(PORT, self.factory)

    def end(self) -> None:
        """Leave, as at the end of a test."""
        for seat in list(self.joined.values()):
            seat.carrier.abort(PeerGone("the liar leaves"))
        self.factory.stopFactory()

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Challenge."""
        self._doors[carrier] = HubAdmission(
            self.identity.signing,
            NETWORK,
            nonce=os.urandom(NONCE_BYTES),
            binding=None,
            now_ms=int((self.town.memory.clock.seconds() + self.ahead_s) * 1000),
        )
        carrier.send(self._doors[carrier].challenge())

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Let in, or do with a frame what the test says."""
        door = self._doors.pop(carrier, None)
        if door is not None:
            self._let_in(carrier, door, token)
            return
        seat = next(each for each in self.joined.values() if each.carrier is carrier)
        parsed = seat.served.read(token)
        seat.served.verify(parsed)
        if isinstance(parsed.claims, Envelope):
            self._envelope(seat, parsed.claims, token)
        elif isinstance(parsed.claims.body, Command):
            self._command(seat, parsed.claims)

    def lost(self, carrier: Carrier, reason: StreembitError) -> None:
        """Forget a member."""
        self._doors.pop(carrier, None)
        self.joined = {k: seat for k, seat in self.joined.items() if seat.carrier is not carrier}

    def refused(self, host: str, error: StreembitError) -> None:
        """Remember why."""
        self.refused_codes.append(error.code)

    # --- what it does
    def give(self, key: str, token: bytes) -> None:
        """Send a token to a member, if it is there."""
        if (seat := self.joined.get(key)) is not None:
            seat.send(token)

    def truly(self, key: str, body: Command, number: int) -> Iterable[tuple[Reply, int]]:
        """Return what an honest hub answers."""
        if isinstance(body, Ack):
            acked = {(each.sender, each.id) for each in body.mails}
            waiting = self.mail.get(key, [])
            self.mail[key] = [m for m in waiting if (m[0].iss, m[0].id) not in acked]
        if isinstance(body, Publish):
            self._entries[key] = body.entry
        kind = due(body)
        if kind is Done:
            return [(Done(), number)]
        if kind is Seen:
            return [(Seen("192.0.2.1:1"), number)]
        if kind is Entries:
            return [(Entries(list(self._entries.values())), number)]
        return [(Refused("not-ready"), number)]

    def forged(self, claims: Envelope, **changes: object) -> bytes:
        """Return an envelope with other claims, signed by the hub in its sender's name."""
        return resigned(claims, self.identity.signing, **changes)

    def _let_in(self, carrier: Carrier, door: HubAdmission, token: bytes) -> None:
        now_s = self.town.memory.clock.seconds()
        applicant = door.judge(token, lambda _key: EVERYBODY, now_s)
        key = applicant.key.text
        welcome, served = door.welcome(
            applicant,
            observed=f"{carrier.host}:{carrier.port}",
            quota=Quota(1, 1, 1),
            waiting=len(self.mail.get(key, ())),
        )
        carrier.welcomed()
        carrier.send(welcome)
        before, self.joined[key] = self.joined.get(key), Joiner(carrier, served)
        if before is not None:
            before.carrier.abort(PeerGone("superseded"))
        for claims, mail in self.mail.get(key, ()):
            self._pass(claims, mail)

    def _envelope(self, seat: Joiner, claims: Envelope, token: bytes) -> None:
        self.seen.append((claims, token))
        if claims.id and self.keeps:
            self.mail.setdefault(claims.aud, []).append((claims, token))
            seat.say(Kept([claims.n]))
        if not claims.id and claims.aud not in self.joined:
            seat.say(Gone(claims.aud), claims.n)
            return
        self._pass(claims, token)

    def _pass(self, claims: Envelope, token: bytes) -> None:
        for key, each in list(self.pass_on(claims, token)):
            self.give(key, each)

    def _command(self, seat: Joiner, claims: HubClaims) -> None:
        assert isinstance(claims.body, Command) and not isinstance(claims.body, Join)
        for body, re in self.answer(claims.iss, claims.body, claims.n):
            seat.say(body, re)


def resigned(claims: Envelope, key: PrivateKey, **changes: object) -> bytes:
    """Return an envelope with other claims, signed by this key."""
    return envelope.sign_envelope(key, msgspec.structs.replace(claims, **changes))
