"""How a member is let in by a hub, both sides: Challenge, Join, and Welcome or refusal.

docs/protocol/hub.md says why the answer to a stranger tells it nothing.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from streembit.errors import (
    BadBinding,
    BadKey,
    BadMessage,
    BadSignature,
    NotAdmitted,
    RemoteError,
    SelfConnect,
    VersionMismatch,
    WrongAudience,
    WrongIdentity,
    WrongNetwork,
)
from streembit.hub.grant import Grant
from streembit.hub.session import MemberSession, ServedSession
from streembit.jose import base64url, envelope
from streembit.jose.envelope import ParsedFrame, Verified
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.wire.hub import Challenge, HubClaims, Join, Quota, Refused, Reply, Welcome

VERSIONS: Final = (1, 1)  # lowest and highest that this code speaks
NONCE_BYTES: Final = 32
SESSION_BYTES: Final = 16
BINDING_BYTES: Final = 32

FindGrant = Callable[[str], Grant | None]


@dataclass(frozen=True, slots=True)
class Applicant:
    """A member that is let in and has not been told so yet.

    Attributes:
        digest: SHA-256 of the signed part of its Join.
    """

    key: PublicKey
    grant: Grant
    join: Join
    digest: bytes


class HubAdmission:
    """The hub's side of one connection: `challenge`, `judge`, then `welcome` or `refusal`.

    Args:
        key: the hub's own.
        network: the hub's network.
        nonce: 32 bytes of chance, for this connection only.
        binding: the TLS exporter of the connection (32 bytes), None
            where there is no TLS or a proxy ends it.
        inside: whether the connection comes from the hub's own machine,
            so that the hub's own node may join, with the hub's key.
        now_ms: unix time in milliseconds, by which members date their
            sessions; 0 to let them use their own clocks.
    """

    def __init__(
        self,
        key: PrivateKey,
        network: str,
        *,
        nonce: bytes,
        binding: bytes | None,
        inside: bool = False,
        now_ms: int = 0,
        versions: tuple[int, int] = VERSIONS,
    ) -> None:
        _check_sizes(nonce, binding)
        self._now_ms = now_ms
        self._key = key
        self._network = network
        self._inside = inside
        self._nonce = base64url.encode(nonce)
        self._binding = "" if binding is None else base64url.encode(binding)
        self._versions = versions
        self._claimed = ""  # the key that the Join names: the refusal's audience

    def challenge(self) -> bytes:
        """Return the connection's first frame."""
        bound, (low, high) = bool(self._binding), self._versions
        return self._sign("", 1, 0, Challenge(self._nonce, bound, low, high, self._now_ms))

    def judge(self, token: bytes, find: FindGrant, now_unix_s: float) -> Applicant:
        """Return who is let in.

        The cheap checks say nothing of who is a member; after them a
        key that is unknown, one whose time is over, and a signature
        that is wrong cost the same work: the key is parsed afresh, the
        signature verified and the key looked up, whatever the outcome.

        Args:
            find: returns what a key (its text) may do, None for a
                stranger; called once, for every outcome.

        Raises:
            BadToken, BadHeader, BadJson, BadMessage, WrongAudience,
            WrongNetwork, VersionMismatch, BadBinding, SelfConnect: the
                frame is no answer to this connection's challenge.
            NotAdmitted: `reason` says to the operator, never to the
                other side, which it was: bad-key, bad-signature,
                unknown-key or expired.
        """
        parsed = envelope.parse_hub_frame(token)
        join = self._check_claims(parsed.claims)
        grant, verified, fault = _prove(parsed, find, now_unix_s)
        if grant is None or verified is None or fault:
            raise NotAdmitted(reason=fault)
        return Applicant(verified.key, grant, join, verified.digest)

    def welcome(
        self,
        applicant: Applicant,
        *,
        observed: str,
        quota: Quota,
        waiting: int,
        name: str = "",
    ) -> tuple[bytes, ServedSession]:
        """Return the frame that lets an applicant in, and its session from now on.

        Args:
            observed: the member's "host:port" as seen here.
            waiting: mails that come now.
            name: the hub's, for people to read.
        """
        session = session_name(applicant.digest)
        body = Welcome(
            base64url.encode(applicant.digest),
            session,
            observed,
            applicant.grant.listed(),
            quota,
            waiting,
            name,
        )
        token = self._sign(applicant.key.text, 2, 1, body)
        served = ServedSession(
            self._key, applicant.key, self._network, session, applicant.join.started_ms
        )
        return token, served

    def refusal(self, error: RemoteError) -> bytes:
        """Return the frame that tells the other side of a `judge` that raised."""
        return self._sign(self._claimed, 2, 1, Refused(error.code))

    def _check_claims(self, claims: HubClaims) -> Join:
        """Return the Join, which answers this connection's challenge as far as it says itself."""
        if not isinstance(claims.body, Join):
            raise BadMessage("not a join")
        self._claimed = claims.iss
        join, own = claims.body, self._key.public.text
        if claims.iss == own and not self._inside:
            raise SelfConnect
        if claims.aud != own or (claims.n, claims.re) != (1, 1) or join.nonce != self._nonce:
            raise WrongAudience("the join answers another challenge")
        if claims.net != self._network:
            raise WrongNetwork
        if not self._versions[0] <= join.version <= self._versions[1]:
            raise VersionMismatch(version=join.version)
        if not hmac.compare_digest(join.binding, self._binding):
            raise BadBinding
        return join

    def _sign(self, audience: str, number: int, re: int, body: Reply) -> bytes:
        own = self._key.public.text
        return envelope.sign_frame(
            self._key, HubClaims(own, audience, self._network, number, body, re)
        )


@dataclass(frozen=True, slots=True)
class Joined:
    """A hub has let us in.

    Attributes:
        network: the hub's.
        now_ms: the hub's clock when it challenged us, 0 where it does
            not tell.
    """

    session: MemberSession
    welcome: Welcome
    network: str
    now_ms: int


class MemberAdmission:
    """The member's side of one connection: `join`, then `finish`.

    Args:
        key: the member's own.
        network: the network that the hub must be of, None to take the
            hub's, as its signed challenge names it.
        own: 32 bytes of chance, for this connection only.
        started_ms: unix time in milliseconds by our own clock, for a hub
            that does not tell its own.
        after_ms: what dated our session before with this hub, 0 for
            none: who gets our envelopes takes none of an older session.
        binding: the TLS exporter of the connection (32 bytes), None
            without TLS.
        pinned: the only key that the hub may have, None for any. Who
            pins its own is the hub's own node.
        must_bind: whether a challenge that asks for no binding is
            refused. Where nobody has checked the certificate, it must
            be, or somebody could stand in the middle.
        agent: program and version, for statistics only.
        keys: parsed keys of those who send us envelopes.
    """

    def __init__(
        self,
        key: PrivateKey,
        network: str | None,
        *,
        own: bytes,
        started_ms: int,
        after_ms: int = 0,
        binding: bytes | None = None,
        pinned: PublicKey | None = None,
        must_bind: bool = False,
        agent: str = "",
        keys: ParsedKeys | None = None,
        versions: tuple[int, int] = VERSIONS,
    ) -> None:
        _check_sizes(own, binding)
        self._key = key
        self._network = network
        self._own = base64url.encode(own)
        self._started_ms = started_ms
        self._after_ms = after_ms
        self._binding = "" if binding is None else base64url.encode(binding)
        self._pinned = pinned
        self._must_bind = must_bind
        self._agent = agent
        self._keys = keys
        self._versions = versions
        self._hub: PublicKey | None = None
        self._digest = b""  # of our Join
        self._now_ms = 0  # by the hub's clock, at its challenge

    @property
    def hub(self) -> PublicKey | None:
        """The hub's key, None before its challenge has been answered."""
        return self._hub

    def join(self, token: bytes) -> bytes:
        """Return the answer to the hub's first frame.

        Raises:
            BadToken, BadHeader, BadJson, BadMessage, WrongAudience: it
                is no challenge.
            WrongIdentity: by another key than the pinned one.
            BadKey, BadSignature, SelfConnect
            WrongNetwork, VersionMismatch
            BadBinding: what it says of TLS is not so on our side.
        """
        verified = self._verified(token, self._pinned, aud="", number=1, re=0)
        challenge = verified.claims.body
        if not isinstance(challenge, Challenge):
            raise BadMessage("not a challenge")
        if self._network is not None and verified.claims.net != self._network:
            raise WrongNetwork
        if challenge.bound and not self._binding:
            raise BadBinding("the hub asks for TLS, and here is none")
        if self._must_bind and not challenge.bound:
            raise BadBinding("somebody may stand between us and the hub")
        self._started_ms = max(self._after_ms + 1, challenge.now_ms or self._started_ms)
        body = Join(
            challenge.nonce,
            self._own,
            self._binding if challenge.bound else "",
            self._started_ms,
            self._version(challenge),
            self._agent,
        )
        self._hub, self._network = verified.key, verified.claims.net
        self._now_ms = challenge.now_ms
        claims = HubClaims(self._key.public.text, self._hub.text, self._network, 1, body, 1)
        signed = envelope.sign_frame(self._key, claims)
        self._digest = sha256(signed.rpartition(b".")[0]).digest()
        return signed

    def finish(self, token: bytes) -> Joined:
        """Return the session that the hub's second frame opens.

        Raises:
            NotAdmitted: the hub refuses; `reason` is the code it gave.
            WrongIdentity, WrongAudience, WrongNetwork, BadSignature, BadToken, BadHeader, BadJson,
            BadMessage: it is not this hub's answer to this Join.
        """
        hub, network = self._hub, self._network
        if hub is None or network is None:
            raise BadMessage("a welcome before the challenge")
        verified = self._verified(token, hub, aud=self._key.public.text, number=2, re=1)
        if verified.claims.net != network:
            raise WrongNetwork
        match verified.claims.body:
            case Refused(code=code):
                raise NotAdmitted(reason=code)
            case Welcome() as welcome:
                self._check_welcome(welcome)
                session = MemberSession(
                    self._key, hub, network, welcome.session, self._started_ms, self._keys
                )
                return Joined(session, welcome, network, self._now_ms)
            case _:
                raise BadMessage("neither welcome nor refusal")

    def _verified(
        self, token: bytes, hub: PublicKey | None, *, aud: str, number: int, re: int
    ) -> Verified[HubClaims]:
        """Return a frame of this hub, or of any where that is None, checked but for its body."""
        parsed = envelope.parse_hub_frame(token)
        claims = parsed.claims
        if claims.iss == self._key.public.text and self._pinned != self._key.public:
            raise SelfConnect
        if hub is not None and claims.iss != hub.text:
            raise WrongIdentity(expected=hub.text, found=claims.iss)
        if (claims.aud, claims.n, claims.re) != (aud, number, re):
            raise WrongAudience("the frame is of another session")
        key = hub or PublicKey.from_text(claims.iss)
        return envelope.verify_frame(parsed, key)

    def _check_welcome(self, welcome: Welcome) -> None:
        if welcome.join != base64url.encode(self._digest):
            raise WrongAudience("the welcome is for another join")
        if welcome.session != session_name(self._digest):
            raise BadMessage("a session has another name")

    def _version(self, challenge: Challenge) -> int:
        """Return the highest version that both sides speak."""
        low, high = self._versions
        version = min(high, challenge.high)
        if version < max(low, challenge.low):
            raise VersionMismatch(ours=self._versions, theirs=(challenge.low, challenge.high))
        return version


def session_name(digest: bytes) -> str:
    """Return the name of the session that a Join opens, by the SHA-256 of its signed part.

    Nobody chooses it, so that a frame of one hub's session is never one of another's.
    """
    return base64url.encode(digest[:SESSION_BYTES])


def _prove(
    parsed: ParsedFrame[HubClaims], find: FindGrant, now_unix_s: float
) -> tuple[Grant | None, Verified[HubClaims] | None, str]:
    """Return what the issuer may do, the proof that it is the issuer, and what is wrong or ""."""
    verified, fault = None, ""
    try:
        verified = envelope.verify_frame(parsed, PublicKey.from_text(parsed.claims.iss))
    except (BadKey, BadSignature) as e:
        fault = e.code
    grant = find(parsed.claims.iss)
    if grant is None:
        fault = fault or "unknown-key"
    elif grant.is_over(now_unix_s):
        fault = fault or "expired"
    return grant, verified, fault


def _check_sizes(nonce: bytes, binding: bytes | None) -> None:
    """Raise ValueError for chance or a binding of another size than it must have."""
    bound_bytes = BINDING_BYTES if binding is None else len(binding)
    if len(nonce) != NONCE_BYTES or bound_bytes != BINDING_BYTES:
        raise ValueError("32 bytes of chance, and 32 of the TLS exporter or none")
