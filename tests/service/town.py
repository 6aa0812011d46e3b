"""Real nodes on the in-memory network, each at its own address and with its own clock and disk."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from streembit.dht.grouping import Grouping
from streembit.dht.memory import MemoryShelf
from streembit.dht.shelf import Shelf
from streembit.disk.published import PublishedRecords
from streembit.jose.keys import Identity
from streembit.service.desk import Desk
from streembit.service.membership import Address
from streembit.service.node import Node
from streembit.service.publishing import OwnRecords
from streembit.service.settings import NetworkSettings
from streembit.testing import MemoryClock, MemoryHost, MemoryNetwork
from tests.disk.places import a_folder

PORT = 8905
NETWORK = "town"
WITHIN_S = 120.0
# Hubs of a town stand on loopback addresses, where they may speak without TLS.
SETTINGS = NetworkSettings(network=NETWORK, grouping=Grouping(exempt=["127.0.0.0/8"]))

T = TypeVar("T")


@implementer(IDelayedCall)
class _Call:
    """A delayed call whose time is told by a wrong clock."""

    def __init__(self, clock: WrongClock, call: IDelayedCall) -> None:
        self._clock, self._call = clock, call

    def getTime(self) -> float:  # noqa: N802 - Twisted's name
        return self._call.getTime() + self._clock.ahead_s

    def cancel(self) -> None:
        self._call.cancel()

    def delay(self, secondsLater: float) -> None:
        self._call.delay(secondsLater)

    def reset(self, secondsFromNow: float) -> None:
        self._call.reset(secondsFromNow)

    def active(self) -> bool:
        return self._call.active()


@implementer(IReactorTime)
class WrongClock:
    """The network's clock as a machine tells it that is `ahead_s` seconds ahead of all others."""

    def __init__(self, clock: MemoryClock, ahead_s: float = 0.0) -> None:
        self.ahead_s = ahead_s
        self._clock = clock

    def seconds(self) -> float:
        return self._clock.seconds() + self.ahead_s

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - Twisted's name
        *args: object,
        **kwargs: object,
    ) -> IDelayedCall:
        return _Call(self, self._clock.callLater(delay, callable, *args, **kwargs))

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:  # noqa: N802 - Twisted's name
        return self._clock.getDelayedCalls()


class Town:
    """Nodes of one test: `add` them, `join` them; they are gone after it."""

    def __init__(self, test: SynchronousTestCase, seed: int = 7) -> None:
        self.memory = MemoryNetwork(seed=seed, latency_s=(0.001, 0.01))
        self.nodes: list[Node] = []
        self._test = test
        self.folder: Path = a_folder(test)
        self._owns: dict[int, PublishedRecords] = {}
        self._shelves: dict[int, Shelf] = {}
        self._numbers: dict[Node, int] = {}
        self._hosts: dict[Node, MemoryHost] = {}
        test.addCleanup(self._end)

    def add(
        self,
        address: str,
        *,
        listen: bool = True,
        shelf: Shelf | None = None,
        clock: IReactorTime | None = None,
        settings: NetworkSettings | None = None,
        seeds: Sequence[Address] | None = None,
        kind: type[Node] = Node,
        own: OwnRecords | None = None,
        number: int | None = None,
        identity: Identity | None = None,
        **more: Any,
    ) -> Node:
        """Make a node; without `listen` nobody can connect to it, though it says that it listens.

        Its seed is the first node, unless other `seeds` are given; `more` is for `Node`.
        """
        number = len(self.nodes) if number is None else number
        host = self.memory.host(address)
        node = kind(
            identity or Identity.from_seed(bytes([number + 1]) * 32, f"node{number}"),
            settings or SETTINGS,
            self._shelf(number, shelf),
            self._own(number) if own is None else own,
            more.pop("connect", host.connect),
            self.memory.clock if clock is None else clock,
            Random(number),
            seeds=self._first() if seeds is None else seeds,
            **more,
        )
        if listen:
            host.listen(PORT, node.carriers.factory)
        node.reach.listening_on(PORT, [f"{address}:{PORT}"])
        self.nodes.append(node)
        self._numbers[node], self._hosts[node] = number, host
        return node

    def again(self, node: Node, **more: Any) -> Node:
        """Make a node anew that has ended: the same key, records and address; `more` as `add`."""
        address = self.host(node).address
        self.memory.revive(address)
        return self.add(address, number=self._numbers[node], **more)

    def end(self, *nodes: Node) -> None:
        """Kill the hosts of these nodes: nothing leaves them any more."""
        for node in nodes:
            self.memory.kill(self.host(node).address)
            node.stopService()

    def grow(self, count: int) -> list[Node]:
        """Add so many nodes, each in a network of its own."""
        return [self.add(f"10.0.{len(self.nodes)}.1") for _ in range(count)]

    def join(self, *nodes: Node) -> None:
        """Start nodes (all that do not run), and let them join."""
        starting = nodes or [node for node in self.nodes if not node.running]
        for node in starting:
            node.startService()
        joined = self.run_until(lambda: all(node.dht.membership.joined for node in starting))
        self._test.assertTrue(joined, [len(node.network.table) for node in starting])
        self.run(5)

    def host(self, node: Node) -> MemoryHost:
        """Return the host that a node lives on."""
        return self._hosts[node]

    def shelf(self, node: Node) -> Shelf:
        """Return where a node keeps records."""
        return self._shelves[self._numbers[node]]

    def desk(self, node: Node) -> Desk:
        """Return a node's front desk."""
        return Desk(node)

    def run(self, seconds: float) -> None:
        """Let so much time go by."""
        self.memory.clock.advance(seconds)

    def run_until(self, done: Callable[[], bool], within_s: float = WITHIN_S) -> bool:
        """Let time go by until `done`, at most `within_s`; return whether it is."""
        return self.memory.clock.run_until(done, within_s)

    def result(self, work: Coroutine[Deferred[Any], Any, T] | Deferred[T]) -> T:
        """Return what this comes to, letting as much time go by as it needs."""
        done = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
        results: list[T | Failure] = []
        done.addBoth(results.append)
        self._test.assertTrue(self.run_until(lambda: bool(results)), "it takes too long")
        result = results[0]
        if isinstance(result, Failure):
            result.raiseException()
        return result

    def _first(self) -> list[Address]:
        if not self.nodes:
            return []
        return [Address(self.host(self.nodes[0]).address, PORT)]

    def _shelf(self, number: int, shelf: Shelf | None) -> Shelf:
        if shelf is not None or number not in self._shelves:
            self._shelves[number] = MemoryShelf() if shelf is None else shelf
        return self._shelves[number]

    def _own(self, number: int) -> PublishedRecords:
        if number not in self._owns:
            path = self.folder / f"{number}.sqlite"
            self._owns[number] = PublishedRecords(path, unix_s=self.memory.clock.seconds)
        return self._owns[number]

    def _end(self) -> None:
        """Stop all nodes; nothing of theirs is left on the clock."""
        for node in self.nodes:
            if node.running:
                node.stopService()
        self.run(30)
        for own in self._owns.values():
            own.close()
        self._test.assertEqual([str(c) for c in self.memory.clock.getDelayedCalls()], [])
