"""A session between a hub and a member: frames counted and signed, both sides.

A frame is read, which is cheap, and later verified, which is not: who
receives many of them charges a budget between the two.
"""

from __future__ import annotations

from typing import Final

from streembit.errors import (
    BadMessage,
    OutOfTurn,
    SessionUsedUp,
    TooLarge,
    WrongAudience,
    WrongIssuer,
    WrongNetwork,
)
from streembit.jose import base64url, envelope
from streembit.jose.envelope import ParsedFrame, Verified
from streembit.jose.keys import ParsedKeys, PrivateKey, PublicKey
from streembit.wire.hub import (
    MAX_CARGO_BYTES,
    Challenge,
    Command,
    Envelope,
    HubClaims,
    Join,
    Reply,
    Welcome,
)

MAX_RECIPIENTS: Final = 16_384  # of live envelopes in one session; some 2 MB of counters

_FIRST_FRAMES: Final = Challenge | Welcome  # what a hub says before there is a session

Claims = HubClaims | Envelope
Parsed = ParsedFrame[Claims]


class ServedSession:
    """A member's session as the hub holds it, from the Welcome on.

    Attributes:
        member: whose it is.
        name: its name, 22 characters.
        started_ms: what the member's Join said.
    """

    __slots__ = ("_heard", "_network", "_own", "_said", "member", "name", "started_ms")

    def __init__(
        self, own: PrivateKey, member: PublicKey, network: str, name: str, started_ms: int
    ) -> None:
        self.member = member
        self.name = name
        self.started_ms = started_ms
        self._own = own
        self._network = network
        self._said = 2  # Challenge and Welcome
        self._heard = 1  # the Join

    def read(self, token: bytes) -> Parsed:
        """Return the member's next frame, unverified: a command or an envelope.

        Each error but those of `verify` ends the session: what comes
        after a frame that was not the next one cannot be told apart.

        Raises:
            BadToken, BadHeader, BadJson: it is no frame.
            WrongIssuer, WrongAudience, WrongNetwork: it belongs to
                another member, hub, session or network.
            OutOfTurn: one before it is missing, or it came already.
            BadMessage: well formed, and not a member's to say here.
        """
        parsed = envelope.parse_frame(token)
        claims = parsed.claims
        if isinstance(claims, Envelope):
            _check_form(claims)
            self._check_envelope(claims)
        else:
            _check_frame(claims, self.member, self.name, self._network)
            if not isinstance(claims.body, Command) or isinstance(claims.body, Join):
                raise BadMessage("not a command that is due here")
        self._heard = _next(self._heard, claims.n)
        return parsed

    def verify(self, parsed: Parsed) -> Verified[Claims]:
        """Return what was read, once the member's signature holds; raise BadSignature."""
        return envelope.verify_frame(parsed, self.member)

    def say(self, body: Reply, re: int = 0) -> bytes:
        """Return the hub's next frame; `re` is the `n` of the command that it answers."""
        self._said += 1
        own = self._own.public.text
        claims = HubClaims(own, self.name, self._network, self._said, body, re)
        return envelope.sign_frame(self._own, claims)

    def _check_envelope(self, claims: Envelope) -> None:
        if claims.iss != self.member.text:
            raise WrongIssuer("the envelope names another sender")
        if claims.hub != self._own.public.text or claims.session != self.name:
            raise WrongAudience("the envelope is of another session")
        if claims.started_ms != self.started_ms:
            raise WrongAudience("the session began at another time")


class MemberSession:
    """A session as the member holds it, from the Welcome on.

    Attributes:
        hub: whom it is with.
        name: its name, 22 characters.
        started_ms: what our Join said.
    """

    __slots__ = (
        "_heard",
        "_keys",
        "_max_recipients",
        "_network",
        "_own",
        "_said",
        "_seqs",
        "hub",
        "name",
        "started_ms",
    )

    def __init__(
        self,
        own: PrivateKey,
        hub: PublicKey,
        network: str,
        name: str,
        started_ms: int,
        keys: ParsedKeys | None = None,
        *,
        max_recipients: int = MAX_RECIPIENTS,
    ) -> None:
        self.hub = hub
        self.name = name
        self.started_ms = started_ms
        self._own = own
        self._network = network
        self._keys = ParsedKeys() if keys is None else keys
        self._said = 1  # the Join
        self._heard = 2  # Challenge and Welcome
        self._max_recipients = max_recipients
        self._seqs: dict[str, int] = {}  # of live envelopes, by recipient

    def command(self, body: Command) -> tuple[int, bytes]:
        """Return the number and the frame of a command; its answer names the number."""
        self._said += 1
        own = self._own.public.text
        claims = HubClaims(own, self.name, self._network, self._said, body)
        return self._said, envelope.sign_frame(self._own, claims)

    def live(self, to: PublicKey, cargo: bytes) -> tuple[int, bytes]:
        """Return the number and the frame of a live envelope.

        Raises:
            TooLarge: longer than MAX_CARGO_BYTES.
            SessionUsedUp: it has counted for so many recipients already.
        """
        seq = self._seqs.get(to.text, 0) + 1
        if seq == 1 and len(self._seqs) >= self._max_recipients:
            raise SessionUsedUp(limit=self._max_recipients)
        sealed = self._sealed(to, cargo, seq, "")
        self._seqs[to.text] = seq
        return sealed

    def mail(self, to: PublicKey, id: bytes, cargo: bytes) -> tuple[int, bytes]:  # noqa: A002
        """Return the number and the frame of a mail; `id` is 16 bytes, the same for a second try.

        Raises:
            TooLarge: longer than MAX_CARGO_BYTES.
        """
        return self._sealed(to, cargo, 0, base64url.encode(id))

    def read(self, token: bytes) -> Parsed:
        """Return what comes next from the hub, unverified: its own frame, or somebody's envelope.

        Whether an envelope is for us and should come now is for a
        Witness to say.

        Raises:
            BadToken, BadHeader, BadJson: it is neither.
            WrongIssuer, WrongAudience, WrongNetwork: it belongs to
                another hub, member, session or network.
            OutOfTurn: a frame of the hub before it is missing, or it
                came already.
            BadMessage: well formed, and not a hub's to say here.
        """
        parsed = envelope.parse_frame(token)
        claims = parsed.claims
        if isinstance(claims, Envelope):
            _check_form(claims)
            return parsed
        _check_frame(claims, self.hub, self.name, self._network)
        if not isinstance(claims.body, Reply) or isinstance(claims.body, _FIRST_FRAMES):
            raise BadMessage("not an answer that is due here")
        if claims.re > self._said:
            raise BadMessage("answers what was not asked")
        self._heard = _next(self._heard, claims.n)
        return parsed

    def verify(self, parsed: Parsed) -> Verified[Claims]:
        """Return what was read, once its signature holds; raise BadKey or BadSignature."""
        passed_on = isinstance(parsed.claims, Envelope)
        key = self._keys.get(parsed.claims.iss) if passed_on else self.hub
        return envelope.verify_frame(parsed, key)

    def _sealed(self, to: PublicKey, cargo: bytes, seq: int, name: str) -> tuple[int, bytes]:
        if len(cargo) > MAX_CARGO_BYTES:
            raise TooLarge("cargo", size_bytes=len(cargo), limit_bytes=MAX_CARGO_BYTES)
        self._said += 1
        claims = Envelope(
            self._own.public.text,
            to.text,
            self.hub.text,
            self.name,
            self.started_ms,
            self._said,
            seq,
            name,
            base64url.encode(cargo),
        )
        return self._said, envelope.sign_envelope(self._own, claims)


def _check_form(claims: Envelope) -> None:
    if bool(claims.id) == bool(claims.seq):
        raise BadMessage("an envelope is mail or live")


def _check_frame(claims: HubClaims, sender: PublicKey, session: str, network: str) -> None:
    if claims.iss != sender.text:
        raise WrongIssuer("the frame names another sender")
    if claims.aud != session:
        raise WrongAudience("the frame is of another session")
    if claims.net != network:
        raise WrongNetwork("the frame is of another network")


def _next(last: int, number: int) -> int:
    if number != last + 1:
        raise OutOfTurn(due=last + 1, found=number)
    return number
