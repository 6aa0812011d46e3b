"""Members of real hubs in real processes: they join, talk, get their mail, and come back."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.interfaces import IDelayedCall, IProtocol, IProtocolFactory
from twisted.internet.ssl import Certificate, trustRootFromCertificates

from streembit.errors import PeerGone, StreembitError
from streembit.hub.admission import MemberAdmission
from streembit.hub.session import MemberSession
from streembit.jose import base64url
from streembit.jose.keys import Identity, PublicKey
from streembit.net.carrier import Carrier
from streembit.net.hubdial import dial_hub, named
from streembit.wire.hub import Ack, Envelope, Gone, HubClaims, Kept, MailName, Refused, Welcome

reactor: Any = installed

LOOPBACK: Final = "127.0.0.1"
RETRY_S: Final = (0.1, 1.0)  # at any moment between, so that they do not come together


class HubMember:
    """One member, which comes back whenever it is lost until `leave`.

    Attributes:
        heard: what came live, as (sender's key text, bytes), in order.
        mailed: the ids of mails that came, in order.
        kept, refused: the ids of mails that the hub said it keeps, or not.
        gone: how many live envelopes it said nobody took.
    """

    def __init__(
        self, number: int, port: int, *, host: str = LOOPBACK, trust: Path | None = None
    ) -> None:
        self.identity = Identity.from_seed(number.to_bytes(32, "big"), f"member{number}")
        self.port = port
        self.heard: list[tuple[str, bytes]] = []
        self.mailed: list[str] = []
        self.kept: set[str] = set()
        self.refused: dict[str, str] = {}
        self.gone = 0
        self.welcome: Welcome | None = None
        self.joins = 0
        self._host = host
        self._tls = partial(named, LOOPBACK, _trust(trust)) if trust is not None else None
        self._chance = Random(number)
        self._asked: dict[int, str] = {}
        self._admission: MemberAdmission | None = None
        self._session: MemberSession | None = None
        self._carrier: Carrier | None = None
        self._challenged = self._leaving = False
        self._after_ms = 0
        self._dialling: Deferred[Carrier] | None = None
        self._retry: IDelayedCall | None = None
        self._waiting: list[Deferred[None]] = []

    @property
    def key(self) -> PublicKey:
        """Its key."""
        return self.identity.public

    @property
    def is_joined(self) -> bool:
        """Whether it has a session."""
        return self._session is not None

    def join(self) -> Deferred[None]:
        """Begin to join; fire when it has for the first time from now on."""
        joined: Deferred[None] = Deferred()
        self._waiting.append(joined)
        self._dial()
        return joined

    def leave(self) -> None:
        """Go away for good."""
        self._leaving = True
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        if self._dialling is not None:
            self._dialling.cancel()
        if self._carrier is not None:
            self._carrier.abort(PeerGone("we leave"))

    def say(self, to: PublicKey, data: bytes) -> bool:
        """Send something live; return whether there was a session to send it in."""
        if self._session is None or self._carrier is None or not self._carrier.can_send:
            return False
        self._carrier.send(self._session.live(to, data)[1])
        return True

    def mail(self, to: PublicKey, id_: bytes, data: bytes = b"mail") -> bool:
        """Send a mail; `kept` or `refused` tell what became of it."""
        if self._session is None or self._carrier is None or not self._carrier.can_send:
            return False
        number, token = self._session.mail(to, id_, data)
        self._asked[number] = base64url.encode(id_)
        self._carrier.send(token)
        return True

    # --- CarrierEvents
    def opened(self, carrier: Carrier) -> None:
        """Wait for the challenge."""
        self._carrier, self._challenged = carrier, False
        self._admission = MemberAdmission(
            self.identity.signing,
            None,
            own=os.urandom(32),
            started_ms=int(reactor.seconds() * 1000),
            after_ms=self._after_ms,
            binding=carrier.exporter or None,
        )

    def received(self, carrier: Carrier, token: bytes) -> None:
        """Join, or take what came."""
        assert self._admission is not None
        if self._session is not None:
            self._take(self._session, token)
        elif not self._challenged:
            self._challenged = True
            carrier.send(self._admission.join(token))
        else:
            joined = self._admission.finish(token)
            carrier.welcomed()
            self._session, self.welcome = joined.session, joined.welcome
            self._after_ms = joined.session.started_ms
            self.joins += 1
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def lost(self, _carrier: Carrier, _reason: StreembitError) -> None:
        """Come back."""
        self._carrier = self._session = None
        self._asked.clear()
        self._again()

    # --- how
    def _dial(self) -> None:
        if self._leaving:
            return
        tls = None if self._tls is None else self._tls()
        self._dialling = dial_hub(self._connect, LOOPBACK, self.port, tls, reactor, _Events(self))
        self._dialling.addCallbacks(lambda _: None, lambda _: self._again())

    def _again(self) -> None:
        if not self._leaving:
            self._retry = reactor.callLater(self._chance.uniform(*RETRY_S), self._dial)

    def _connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        endpoint = TCP4ClientEndpoint(reactor, host, port, 5.0, (self._host, 0))
        connected: Deferred[IProtocol] = endpoint.connect(factory)
        return connected

    def _take(self, session: MemberSession, token: bytes) -> None:
        parsed = session.read(token)
        session.verify(parsed)
        match parsed.claims:
            case Envelope() as envelope if envelope.id:
                self.mailed.append(envelope.id)
                _, frame = session.command(Ack([MailName(envelope.iss, envelope.id)]))
                assert self._carrier is not None
                self._carrier.send(frame)
            case Envelope() as envelope:
                self.heard.append((envelope.iss, base64url.decode(envelope.val)))
            case HubClaims(body=Kept(numbers=numbers)):
                self.kept.update(self._asked.pop(number) for number in numbers)
            case HubClaims(body=Refused(code=code), re=number):
                self.refused[self._asked.pop(number, "")] = code
            case HubClaims(body=Gone()):
                self.gone += 1
            case HubClaims():
                pass


class _Events:
    """Passes on what a carrier tells: a member has another attribute named `refused`."""

    def __init__(self, member: HubMember) -> None:
        self.opened, self.received, self.lost = member.opened, member.received, member.lost

    def refused(self, host: str, error: StreembitError) -> None:
        """Need not be told."""


def _trust(path: Path) -> Any:
    return trustRootFromCertificates([Certificate.loadPEM(path.read_bytes())])


def certificate_for_loopback(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of 127.0.0.1, and its key; return where they are."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, LOOPBACK)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(LOOPBACK))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .sign(key, SHA256())
    )
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret
