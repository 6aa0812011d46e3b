"""Driving a look-up or a put with real requests: it decides, this sends and reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from streembit.dht.disjoint import DisjointLookup
from streembit.dht.lookup import Ask, Done, Found, Lookup, Wait
from streembit.dht.peer import Node
from streembit.dht.put import Ended, Outcome, Put, Send
from streembit.errors import StreembitError
from streembit.jose.envelope import Verified
from streembit.wire.message import Rpc

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")

Reply = Deferred[Verified[Rpc]]

SLACK_S: Final = 0.002  # so late may a plan be woken: a clock that runs on would move each timer


@dataclass(frozen=True, slots=True)
class Over(Generic[T_co]):
    """The plan is over, with this."""

    result: T_co


class Plan(Protocol[T_co]):
    """A look-up or a put, as `Crawl` drives it."""

    def next(self, now_s: float) -> Send | Wait | Over[T_co]:
        """Return what to do now; `Send` names all nodes that can be asked at once."""

    def failed(self, node: Node, now_s: float) -> None:
        """Take note that a node, as it was asked, gave no answer, or not what was asked for."""


class LookupPlan:
    """A look-up whose requests of one moment about one place go out together."""

    def __init__(self, lookup: Lookup | DisjointLookup) -> None:
        self._lookup = lookup
        self._ahead: Ask | None = None  # the first one about another place than those before it

    def next(self, now_s: float) -> Send | Wait | Over[Found]:
        """See `Plan`."""
        asks: list[Node] = []
        about: int | None = None
        while isinstance(step := self._ahead or self._lookup.next(now_s), Ask):
            self._ahead = None
            if about not in (None, step.target):
                self._ahead = step
                break
            about = step.target
            asks.append(step.node)
        if about is not None:
            return Send(tuple(asks), (), about)
        assert not isinstance(step, Ask)
        return Over(step.found) if isinstance(step, Done) else step

    def failed(self, node: Node, now_s: float) -> None:
        """See `Plan`."""
        self._lookup.failed(node, now_s)


class PutPlan:
    """A put."""

    def __init__(self, put: Put) -> None:
        self._put = put

    def next(self, now_s: float) -> Send | Wait | Over[Outcome]:
        """See `Plan`."""
        step = self._put.next(now_s)
        return Over(step.outcome) if isinstance(step, Ended) else step

    def failed(self, node: Node, now_s: float) -> None:
        """See `Plan`."""
        self._put.failed(node, now_s)


class Crawl(Generic[T]):
    """One plan on its way.

    Args:
        plan: what says whom to ask.
        ask: sends the plan's request to all these nodes at once; one reply for each.
        take: reports an answer to the plan; a StreembitError that it raises counts as a failure.
        failed: told of each node that gave no answer of use, before the plan is.
        refused: told of each answer that `take` did not take, before `failed` is.
    """

    def __init__(
        self,
        plan: Plan[T],
        ask: Callable[[Send], Sequence[Reply]],
        take: Callable[[Node, Verified[Rpc]], None],
        clock: IReactorTime,
        failed: Callable[[Node, StreembitError], None],
        refused: Callable[[Node, StreembitError], None],
    ) -> None:
        self._plan = plan
        self._ask = ask
        self._take = take
        self._clock = clock
        self._note_failure = failed
        self._note_refusal = refused
        self._timer: IDelayedCall | None = None
        self._driving = False
        self._over = False
        self._done: Deferred[T] = Deferred(lambda _: self._cancel())

    def start(self) -> Deferred[T]:
        """Begin; fire with what the plan ended with. Cancelling stops asking."""
        self._drive()
        return self._done

    def _drive(self) -> None:
        """Do all that can be done now; answers that are there at once are taken in this loop."""
        if self._driving or self._over:
            return
        self._driving = True
        try:
            while isinstance(step := self._plan.next(self._clock.seconds()), Send):
                for node, reply in zip(step.nodes, self._ask(step), strict=True):
                    reply.addCallbacks(
                        self._answered, self._failed, callbackArgs=(node,), errbackArgs=(node,)
                    )
        finally:
            self._driving = False
        self._rest(step)

    def _rest(self, step: Wait | Over[T]) -> None:
        if self._over:
            return
        if isinstance(step, Over):
            self._cancel()
            self._done.callback(step.result)
        else:
            self._wake_at(step.until_s, self._clock.seconds())

    def _wake_at(self, until_s: float, now_s: float) -> None:
        if self._timer is not None:
            if self._timer.getTime() <= until_s + SLACK_S:  # if it is early it looks again
                return
            self._timer.cancel()
        self._timer = self._clock.callLater(max(0.0, until_s - now_s), self._wake)

    def _wake(self) -> None:
        self._timer = None
        self._drive()

    def _answered(self, verified: Verified[Rpc], node: Node) -> None:
        if self._over:
            return
        try:
            self._take(node, verified)
        except StreembitError as error:
            self._note_refusal(node, error)
            self._give_up(node, error)
        self._drive()

    def _failed(self, failure: Failure, node: Node) -> None:
        error = failure.value
        if self._over:
            return
        if isinstance(error, StreembitError):
            self._give_up(node, error)
            self._drive()
        else:  # a defect of ours: whoever waits has to hear of it
            self._cancel()
            self._done.errback(failure)

    def _give_up(self, node: Node, error: StreembitError) -> None:
        self._note_failure(node, error)
        self._plan.failed(node, self._clock.seconds())

    def _cancel(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
