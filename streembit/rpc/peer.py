"""The signed conversation with one peer over one open link."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from streembit.dht.keyspace import composite_id, node_id, to_text
from streembit.errors import (
    BadFrame,
    BadMessage,
    BadSignature,
    Internal,
    PeerGone,
    RateLimited,
    RemoteRefusal,
    StreembitError,
    TooManyRequests,
    UnknownAnswer,
    WrongAudience,
    WrongIssuer,
    WrongNetwork,
)
from streembit.jose.envelope import ParsedRpc, Verified, parse_rpc
from streembit.jose.keys import PublicKey
from streembit.link.handshake import Link
from streembit.link.hello import Hello
from streembit.rpc.matching import answer_to, fits
from streembit.rpc.pending import MAX_PENDING, Pending, Waiting
from streembit.rpc.scrutiny import Checks, Scrutiny
from streembit.rpc.signer import Signer
from streembit.wire.life import ASKS, SHOWN_EVERY_S, SHOWS, is_sign
from streembit.wire.message import (
    Answer,
    Ping,
    Refused,
    Request,
    Rpc,
)

REQUEST_TIMEOUT_S: Final = (
    4.0  # a living peer answers in one round trip; look-ups hedge long before
)
MAX_SERVING: Final = MAX_PENDING  # answers in the making for one peer: as many as it waits for
RTT_WEIGHT: Final = 0.125  # of a new sample, as in RFC 6298

_log = Logger()


class Carrier(Protocol):
    """What a conversation needs of the link that carries it."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    def send(self, payload: bytes) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def guard(self, call: Callable[..., object], *args: object) -> object: ...
    def close(self, reason: StreembitError) -> None: ...
    def abort(self, reason: StreembitError) -> None: ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What all conversations of one node share.

    serve: makes the answer to a verified request; a StreembitError that it raises is the refusal.
    wait_s: asks the budgets for one check of a signature: 0.0 for yes, else how long to wait.
    refused: told of each message that was refused and did not end the link.
    """

    signer: Signer
    clock: IReactorTime
    checks: Checks
    serve: Callable[[Peer, Verified[Rpc]], Answer | Deferred[Answer]]
    wait_s: Callable[[Peer], float]
    refused: Callable[[str, StreembitError], None]
    timeout_s: float = REQUEST_TIMEOUT_S


class Peer:
    """Requests of both sides over one link: signed, verified, matched, bounded."""

    __slots__ = (
        "_carrier",
        "_id_text",
        "_pending",
        "_rules",
        "_scrutiny",
        "_serving",
        "_shown_s",
        "_stalled",
        "gone",
        "heard_s",
        "hello",
        "initiator",
        "key",
        "link_id",
        "node_id",
        "opened_s",
        "rtt_s",
        "used_s",
    )

    def __init__(self, carrier: Carrier, link: Link, rules: Rules) -> None:
        self._carrier = carrier
        self._rules = rules
        self._pending = Pending()
        self._id_text = ""
        self._serving = 0
        self._shown_s = -SHOWN_EVERY_S
        self._stalled: IDelayedCall | None = None
        self.hello: Hello = link.peer
        self.initiator = link.initiator
        self.key: PublicKey = link.peer.public
        self._scrutiny = Scrutiny(self.key, carrier.host, rules.checks, rules.refused)
        self.link_id: str = link.id_text
        self.node_id: int = _place_of(link.peer)
        self.rtt_s: float | None = None
        self.opened_s = self.heard_s = self.used_s = rules.clock.seconds()
        self.gone = False

    @property
    def spoke(self) -> bool:
        """Whether anything came over this link."""
        return self.heard_s > self.opened_s

    @property
    def id_text(self) -> str:
        """The peer's node id, as messages carry it."""
        if not self._id_text:
            self._id_text = to_text(self.node_id)
        return self._id_text

    @property
    def carrier(self) -> Carrier:
        """The link underneath."""
        return self._carrier

    @property
    def waiting(self) -> int:
        """How many requests wait for their answers."""
        return len(self._pending)

    # --- asking
    def request(self, body: Request) -> Deferred[Verified[Rpc]]:
        """Send one request; fire with its verified answer, of the type that belongs to it.

        Errbacks:
            RemoteRefusal: the peer refused; `code` says why.
            RequestTimeout, PeerGone: no answer came.
            TooManyRequests: too many wait for this peer already; it was not sent.
        """
        jti, token = self._rules.signer.request(body, [self.link_id])
        return self.post(body, jti, token)

    def post(self, body: Request, jti: str, token: bytes) -> Deferred[Verified[Rpc]]:
        """Send a request that was signed for this link, perhaps among others; see `request`."""
        now_s = self._rules.clock.seconds()
        try:
            waiting = self._pending.add(jti, answer_to(body), now_s, self._rules.timeout_s)
        except TooManyRequests as error:
            return fail(error)
        if type(body) is not Ping:  # a sign of life is no use
            self.used_s = now_s
        try:
            self._carrier.send(token)
        except StreembitError as error:
            self._pending.take(jti)
            waiting.done.errback(error)
        return waiting.done

    def expire(self, now_s: float) -> int:
        """Fail the requests whose time is over; return how many."""
        return self._pending.expire(now_s)

    def ask_life(self) -> None:
        """Ask for a sign of life: `heard_s` moves when it comes."""
        with suppress(PeerGone):  # it is gone already, and the link's end tells so
            self._carrier.send(ASKS)

    # --- hearing
    def message(self, payload: bytes) -> None:
        """Take one payload off the link: a request, an answer that we wait for, a sign of life.

        Raises:
            RemoteError: the peer broke the protocol; the link has to end.
        """
        self.heard_s = self._rules.clock.seconds()
        if is_sign(payload):
            self._sign_of_life(payload)
            return
        parsed = parse_rpc(payload)
        rpc = parsed.rpc
        if rpc.iss != self.key.text:
            raise WrongIssuer("the message names another key than the link's")
        if self.link_id not in rpc.aud:
            raise WrongAudience("the message is for other links")
        if rpc.net != self._rules.signer.network:
            raise WrongNetwork("the message is of another network")
        if rpc.re:
            self._answered(parsed)
        elif isinstance(rpc.body, Request):
            self._asked(parsed)
        else:
            raise BadMessage("an answer that names no request")

    def lost(self, reason: StreembitError | None = None) -> None:
        """The link is gone: fail what waits, serve nothing more."""
        self.gone = True
        if self._stalled is not None and self._stalled.active():
            self._stalled.cancel()
        self._stalled = None
        self._pending.fail_all(reason or PeerGone("the link closed before the answer"))

    def close(self, reason: StreembitError) -> None:
        """End the link from our side, once what is on its way has left."""
        self._carrier.close(reason)

    def abort(self, reason: StreembitError) -> None:
        """End the link from our side, at once."""
        self._carrier.abort(reason)

    def _sign_of_life(self, payload: bytes) -> None:
        """Show that we are there; who asks more often than anybody needs to is not answered.

        All others are paid for like requests: they cost their sender nothing at all.
        """
        if payload not in (ASKS, SHOWS):
            raise BadFrame("neither a message nor a sign of life")
        fresh = 0 <= self.heard_s - self._shown_s < SHOWN_EVERY_S  # not so with a clock set back
        if payload == ASKS and not fresh:
            self._shown_s = self.heard_s
            self._carrier.send(SHOWS)
        else:
            self._pay(None)

    def _answered(self, parsed: ParsedRpc) -> None:
        waiting = self._pending.get(parsed.rpc.re)
        if waiting is None:  # too late, or never asked: not worth a verification
            self._rules.refused(self._carrier.host, UnknownAnswer())
            self._pay(None)
            return
        verified = self._scrutiny.verify(parsed)
        if verified is None:
            return
        self._pending.take(parsed.rpc.re)
        self._measure(waiting)
        self._fire(waiting, verified)

    def _fire(self, waiting: Waiting, verified: Verified[Rpc]) -> None:
        body = verified.claims.body
        if isinstance(body, Refused):
            waiting.done.errback(RemoteRefusal(body.code, body.detail))
        elif fits(body, waiting.expected):
            waiting.done.callback(verified)
        else:
            error = BadMessage("an answer of another type than the request's")
            self._rules.refused(self._carrier.host, error)
            waiting.done.errback(error)

    def _measure(self, waiting: Waiting) -> None:
        sample_s = max(0.0, self.heard_s - waiting.sent_s)
        if self.rtt_s is None:
            self.rtt_s = sample_s
        else:
            self.rtt_s += RTT_WEIGHT * (sample_s - self.rtt_s)

    # --- serving
    def _asked(self, parsed: ParsedRpc) -> None:
        if type(parsed.rpc.body) is not Ping:
            self.used_s = self.heard_s
        if not self._pay(parsed):
            return
        verified = self._scrutiny.verify(parsed)
        if verified is not None:
            self._serve(verified)

    def _pay(self, parsed: ParsedRpc | None) -> bool:
        """Take one check from the peer's budget; return whether it was there.

        Where it is not, no more is read of this peer until it is: nothing is lost. The request is
        then taken up again; None for what costs its sender as much, and is done with.
        """
        wait_s = self._rules.wait_s(self)
        if wait_s > 0:
            self._rules.refused(self._carrier.host, RateLimited(wait_s=round(wait_s, 3)))
            self._carrier.pause()
            self._stalled = self._rules.clock.callLater(wait_s, self._unstall, parsed)
        return wait_s <= 0

    def _unstall(self, parsed: ParsedRpc | None) -> None:
        self._stalled = None
        if parsed is None:
            self._pay(None)
        else:
            self._carrier.guard(self._asked, parsed)
        if self._stalled is None:
            self._carrier.resume()

    def _serve(self, verified: Verified[Rpc]) -> None:
        if self._serving >= MAX_SERVING:
            self._reply(self._refusal(RateLimited("answers in the making")), verified)
            return
        try:
            answer = self._rules.serve(self, verified)
        except BadSignature as error:  # an honest peer passes on what it has verified
            self._scrutiny.forged(error)
            answer = Refused(error.code, error.detail)
        except StreembitError as error:
            answer = self._refusal(error)
        if isinstance(answer, Deferred):
            self._serving += 1
            answer.addErrback(self._failed)
            answer.addCallback(self._served, verified)
            answer.addErrback(self._broken)
        else:
            self._reply(answer, verified)

    def _refusal(self, error: StreembitError) -> Refused:
        self._rules.refused(self._carrier.host, error)
        return Refused(error.code, error.detail[:200])

    def _failed(self, failure: Failure) -> Refused:
        if isinstance(failure.value, StreembitError):
            return self._refusal(failure.value)
        _log.failure("a request could not be served", failure)
        return self._refusal(Internal())

    def _served(self, answer: Answer, verified: Verified[Rpc]) -> None:
        self._serving -= 1
        if not self.gone:
            self._reply(answer, verified)

    def _broken(self, failure: object) -> None:
        _log.error("an answer could not be sent: {error!r}", error=failure)

    def _reply(self, answer: Answer, verified: Verified[Rpc]) -> None:
        token = self._rules.signer.answer(answer, self.link_id, verified.claims.jti)
        with suppress(PeerGone):  # it left while the answer was made
            self._carrier.send(token)


def _place_of(hello: Hello) -> int:
    """Return the peer's node id; of one that is known by its address only, that of its key."""
    if hello.scheme == "composite":
        return composite_id(hello.public.point, hello.name)
    return node_id(hello.public.point)
