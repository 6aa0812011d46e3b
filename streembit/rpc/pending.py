"""The requests that wait for an answer, each with its deadline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from streembit.errors import PeerGone, RequestTimeout, StreembitError, TooManyRequests
from streembit.jose.envelope import Verified
from streembit.wire.message import Answer, Rpc

MAX_PENDING = 256  # requests a peer: 32 look-ups with three in flight each, and as many of our own


@dataclass(slots=True)
class Waiting:
    """A request on its way: what answers it, until when, and when it left."""

    done: Deferred[Verified[Rpc]]
    expected: type[Answer]
    deadline_s: float
    sent_s: float


class Pending:
    """The requests to one peer, by the `jti` that its answer repeats.

    All requests of one peer share one time limit, so the oldest is always the first to expire.
    """

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: dict[str, Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, jti: str, expected: type[Answer], now_s: float, limit_s: float) -> Waiting:
        """Wait for the answer to `jti` until `now_s + limit_s`.

        Raises:
            TooManyRequests: `MAX_PENDING` wait already; nothing was added.
        """
        if len(self._waiting) >= MAX_PENDING:
            raise TooManyRequests(pending=len(self._waiting), limit=MAX_PENDING)
        waiting = Waiting(Deferred(self._forget(jti)), expected, now_s + limit_s, now_s)
        self._waiting[jti] = waiting
        return waiting

    def get(self, jti: str) -> Waiting | None:
        """Return the request that this answer belongs to; it goes on waiting."""
        return self._waiting.get(jti)

    def take(self, jti: str) -> Waiting | None:
        """Return the request that this answer ends, or None where nothing waits (any more)."""
        return self._waiting.pop(jti, None)

    def expire(self, now_s: float) -> int:
        """Fail what is past its deadline with `RequestTimeout`; return how many."""
        late = [jti for jti, waiting in self._waiting.items() if waiting.deadline_s <= now_s]
        for jti in late:
            if (waiting := self._waiting.pop(jti, None)) is not None:
                waiting.done.errback(RequestTimeout(waited_s=round(now_s - waiting.sent_s, 3)))
        return len(late)

    def fail_all(self, reason: StreembitError | None = None) -> None:
        """Fail everything that waits; by default because the peer is gone."""
        while self._waiting:
            _, waiting = self._waiting.popitem()
            waiting.done.errback(reason or PeerGone("the link closed before the answer"))

    def _forget(self, jti: str) -> Callable[[Deferred[Verified[Rpc]]], None]:
        def cancelled(_done: Deferred[Verified[Rpc]]) -> None:
            self._waiting.pop(jti, None)

        return cancelled
