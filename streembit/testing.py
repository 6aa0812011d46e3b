"""An in-memory network for tests: many hosts, one clock, one seeded source of chance.

Real service trees run on it: give each one a `MemoryHost` in the place of the reactor's TCP.  The
same seed and the same calls give the same trace, so a failure found once is found again.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from twisted.internet import error
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from streembit.disk.published import Published, Slot
from streembit.errors import DiskFailed, TooLarge
from streembit.jose.atrest import MAX_POSITION, MAX_ROW_BYTES

START_S = 1_800_000_000.0  # a fixed moment, so that dates in traces are the same each run
CONNECT_TIMEOUT_S = 10.0
MAX_TRACE = 200_000  # events kept, so a long simulation cannot eat the machine
INSTANT_S = 1e-6  # what sums of times may be off
SEND_BUFFER = 64 * 1024  # bytes in flight before a registered producer is paused, as a kernel would


@implementer(IReactorTime)
class MemoryClock:
    """A clock that moves when told, over a heap: cheap with 100,000 pending calls.

    `twisted.internet.task.Clock` sorts its list at each call, which a network of hundreds of nodes
    cannot afford.
    """

    def __init__(self, start_s: float = START_S) -> None:
        self._now_s = start_s
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._order = itertools.count()

    def seconds(self) -> float:
        """Return the simulated time, in seconds."""
        return self._now_s

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - the interface's name
        *args: object,
        **kwargs: object,
    ) -> DelayedCall:
        """Run something after so many simulated seconds."""
        call = DelayedCall(
            self._now_s + delay, callable, args, kwargs, _nothing, self._moved, self.seconds
        )
        self._push(call)
        return call

    def getDelayedCalls(self) -> Sequence[IDelayedCall]:  # noqa: N802 - Twisted's name
        """Return what is still to run."""
        live = {id(call): call for _, _, call in self._heap if call.active()}
        return cast("Sequence[IDelayedCall]", list(live.values()))

    def advance(self, seconds: float) -> None:
        """Move the clock, running what falls due in order of its time."""
        until_s = self._now_s + seconds
        while self._heap and self._heap[0][0] <= until_s:
            self._run_next()
        self._now_s = max(self._now_s, until_s)

    def run_until(self, done: Callable[[], bool], limit_s: float) -> bool:
        """Run events until `done()` or `limit_s` simulated seconds passed; return `done()`."""
        until_s = self._now_s + limit_s
        while not done():
            if not self._heap or self._heap[0][0] > until_s:
                self._now_s = max(self._now_s, until_s)
                return done()
            self._run_next()
        return True

    def _push(self, call: DelayedCall) -> None:
        heapq.heappush(self._heap, (call.getTime(), next(self._order), call))

    def _moved(self, call: DelayedCall) -> None:
        self._push(call)  # an entry at the old time stays behind and is passed over

    def _run_next(self) -> None:
        due_s, _, call = heapq.heappop(self._heap)
        if not call.active():
            return
        if call.getTime() > due_s:  # it was put off
            self._push(call)
            return
        self._now_s = max(self._now_s, due_s)
        call.called = 1
        call.func(*call.args, **call.kw)


def _nothing(_call: DelayedCall) -> None:
    """A cancelled call stays in the heap and is passed over there."""


def address_of(host: str, port: int) -> IPv4Address | IPv6Address:
    """Return the Twisted address of a host and port."""
    kind = IPv6Address if ":" in host else IPv4Address
    return kind("TCP", host, port)


@implementer(ITCPTransport, IPushProducer)
class MemoryTransport:
    """One end of an in-memory connection: ordered bytes, delivered after the pair's latency."""

    def __init__(
        self, network: MemoryNetwork, host: MemoryHost, port: int, peer: MemoryHost, peer_port: int
    ) -> None:
        self._network = network
        self.local, self.remote = host, peer
        self._host_address = address_of(host.address, port)
        self._peer_address = address_of(peer.address, peer_port)
        self.protocol: IProtocol | None = None
        self.other: MemoryTransport | None = None
        self.connected = True
        self.disconnecting = False
        self._inbox: deque[bytes] = deque()
        self._paused = False
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._unread = 0  # bytes written by us that the other side has not taken
        self._closing: Failure | None = None
        self._wire: deque[tuple[float, bytes | None]] = deque()  # when it arrives; None: the end
        self._last_due_s = 0.0
        self._latency_s = network.latency_s(host, peer)

    # --- ITransport, ITCPTransport
    def write(self, data: bytes) -> None:
        if not self.connected or self.disconnecting or not data:
            return
        self._network.sent(self, len(data))
        if self._network.resets(self):
            self._reset()
            return
        self._unread += len(data)
        self._carry(bytes(data))
        self._press()

    def writeSequence(self, data: Iterable[bytes]) -> None:  # noqa: N802
        self.write(b"".join(data))

    def loseConnection(self) -> None:  # noqa: N802
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._carry(None)
            self._network.soon(self._lost, Failure(error.ConnectionDone()))

    def abortConnection(self) -> None:  # noqa: N802
        if self.connected:
            self._reset()

    def getPeer(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return self._peer_address

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return self._host_address

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802
        """There is no Nagle here."""

    def getTcpNoDelay(self) -> bool:  # noqa: N802
        return True

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802
        """There is no kernel here."""

    def getTcpKeepAlive(self) -> bool:  # noqa: N802
        return False

    def loseWriteConnection(self) -> None:  # noqa: N802
        self.loseConnection()

    # --- the transport as a producer of received bytes
    def pauseProducing(self) -> None:  # noqa: N802
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802
        self._paused = False
        self._network.soon(self._drain)

    def stopProducing(self) -> None:  # noqa: N802
        self.loseConnection()

    # --- the transport as a consumer of bytes to send
    def registerProducer(self, producer: IPushProducer, streaming: bool) -> None:  # noqa: N802
        self._producer = producer

    def unregisterProducer(self) -> None:  # noqa: N802
        self._producer = None

    # --- the wire
    def hold(self) -> bool:
        """Say whether nothing gets through now: a partition, or a host that fell silent."""
        return self._network.blocked(self.local, self.remote)

    def release(self) -> None:
        """Carry what waited, as TCP's retransmission does after an outage."""
        if not self._wire or self.hold():
            return
        if not self.connected:
            self._network.forget(self)
        again_s = self._network.clock.seconds() + self._latency_s
        self._wire = deque((max(due_s, again_s), item) for due_s, item in self._wire)
        self._last_due_s = max(self._last_due_s, again_s)
        self._network.after(self._latency_s, self._arrive)

    def reset(self) -> None:
        """Break the connection at this end, at once and without a word to the other."""
        self._wire.clear()
        self._network.forget(self)
        self._lost(Failure(error.ConnectionLost()))

    def _reset(self) -> None:
        other = self.other
        self._network.soon(self._lost, Failure(error.ConnectionLost()))
        self.disconnecting = True
        if other is not None and not self.hold():
            due_s = self._due_s()
            self._network.at(due_s, other._lost, Failure(error.ConnectionLost()))

    def _carry(self, item: bytes | None) -> None:
        due_s = self._due_s()
        self._wire.append((due_s, item))
        self._network.at(due_s, self._arrive)

    def _due_s(self) -> float:
        """Return when what is written now arrives: never before what was written earlier."""
        self._last_due_s = max(self._last_due_s, self._network.clock.seconds() + self._latency_s)
        return self._last_due_s

    def _arrive(self) -> None:
        if self.hold():  # TCP keeps what it could not deliver, also for a socket that was closed
            self._network.keep(self)
            return
        now_s = self._network.clock.seconds() + INSTANT_S
        while self._wire and self._wire[0][0] <= now_s:
            self._hand_over(self._wire.popleft()[1])

    def _hand_over(self, item: bytes | None) -> None:
        other = self.other
        if other is None:
            return
        if not other.connected:  # nobody is there any more, and says so
            self._network.after(self._latency_s, self._lost, Failure(error.ConnectionLost()))
        elif item is None:
            other._closing = Failure(error.ConnectionDone())
            other._drain()
        else:
            other._inbox.append(item)
            other._drain()

    def _drain(self) -> None:
        while self._inbox and not self._paused and self.connected:
            data = self._inbox.popleft()
            self._took(len(data))
            assert self.protocol is not None
            self.protocol.dataReceived(data)
        if self._closing is not None and not self._inbox and self.connected:
            self._lost(self._closing)

    def _took(self, size: int) -> None:
        if self.other is not None:
            self.other._unread -= size
            self.other._press()

    def _press(self) -> None:
        full = self._unread > SEND_BUFFER
        if self._producer is None or full == self._producer_paused:
            return
        self._producer_paused = full
        if full:
            self._producer.pauseProducing()
        else:
            self._network.soon(self._producer.resumeProducing)

    def _lost(self, reason: Failure) -> None:
        if not self.connected:
            return
        self.connected = False
        self._inbox.clear()
        if self.hold() and reason.check(error.ConnectionLost):
            self._wire.clear()
        self._network.forget(self)
        if self.protocol is not None:
            self.protocol.connectionLost(reason)


class MemoryPort:
    """A listening port of a memory host; `stopListening` closes it."""

    def __init__(self, host: MemoryHost, port: int, factory: IProtocolFactory) -> None:
        self.host, self.port, self.factory = host, port, factory

    def getHost(self) -> IPv4Address | IPv6Address:  # noqa: N802
        return address_of(self.host.address, self.port)

    def stopListening(self) -> None:  # noqa: N802
        self.host.ports.pop(self.port, None)
        self.factory.doStop()


class MemoryHost:
    """One host of the memory network: it listens and it connects."""

    def __init__(self, network: MemoryNetwork, address: str) -> None:
        self.network, self.address = network, address
        self.ports: dict[int, MemoryPort] = {}
        self.alive = True
        self._ephemeral = itertools.count(40_000)

    def listen(self, port: int, factory: IProtocolFactory) -> MemoryPort:
        """Listen on a port; a taken one raises `ValueError`."""
        if port in self.ports:
            raise ValueError(f"port {port} is taken")
        self.ports[port] = MemoryPort(self, port, factory)
        factory.doStart()
        return self.ports[port]

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect as an `IStreamClientEndpoint` does: the protocol, or a connection error."""
        return self.network.connect(self, host, port, factory, next(self._ephemeral))


class MemoryNetwork:
    """Hosts joined by streams with latency, loss as reset, partitions and silence.

    Args:
        seed: the only source of chance.
        latency_s: least and greatest one-way delay of a pair of hosts; a pair keeps what it drew.
        loss: probability that a write resets its connection.
    """

    def __init__(
        self,
        seed: int = 0,
        latency_s: tuple[float, float] = (0.005, 0.05),
        loss: float = 0.0,
        clock: MemoryClock | None = None,
    ) -> None:
        self.clock = clock or MemoryClock()
        self.random = random.Random(seed)
        self._seed = seed
        self._latency = latency_s
        self.loss = loss
        self.hosts: dict[str, MemoryHost] = {}
        self.trace: deque[tuple[float, str, str, int]] = deque(maxlen=MAX_TRACE)
        self.bytes_sent = 0
        self._open: dict[int, MemoryTransport] = {}
        self._sides: dict[str, int] = {}
        self._silent: set[str] = set()

    def host(self, address: str) -> MemoryHost:
        """Return the host with this IP address, made at its first mention."""
        return self.hosts.setdefault(address, MemoryHost(self, address))

    def connect(
        self, source: MemoryHost, host: str, port: int, factory: IProtocolFactory, from_port: int
    ) -> Deferred[IProtocol]:
        """Connect two hosts; see `MemoryHost.connect`."""
        target = self.host(host)
        done: Deferred[IProtocol] = Deferred()
        if not source.alive:
            return fail(error.ConnectError())
        if self.blocked(source, target):
            self.after(CONNECT_TIMEOUT_S, done.errback, error.TimeoutError())
            return done
        round_trip_s = 2 * self.latency_s(source, target)
        self.after(round_trip_s, self._connected, done, source, target, port, factory, from_port)
        return done

    def _connected(
        self,
        done: Deferred[IProtocol],
        source: MemoryHost,
        target: MemoryHost,
        port: int,
        factory: IProtocolFactory,
        from_port: int,
    ) -> None:
        listening = target.ports.get(port)
        if listening is None or not target.alive or not source.alive:
            done.errback(error.ConnectionRefusedError())
            return
        ours = MemoryTransport(self, source, from_port, target, port)
        theirs = MemoryTransport(self, target, port, source, from_port)
        ours.other, theirs.other = theirs, ours
        self._open[id(ours)], self._open[id(theirs)] = ours, theirs
        self.trace.append((self.clock.seconds(), source.address, f"{target.address}:{port}", -1))
        client = factory.buildProtocol(ours.getPeer())
        if client is None:
            ours.abortConnection()
            done.errback(error.ConnectError())
            return
        server = listening.factory.buildProtocol(theirs.getPeer())
        ours.protocol = client
        client.makeConnection(ours)
        if server is None:
            theirs.abortConnection()
        else:
            theirs.protocol = server
            server.makeConnection(theirs)
        done.callback(client)

    # --- faults
    def partition(self, *sides: Iterable[str]) -> None:
        """Split the hosts: those of different sides hear nothing of each other; `heal` ends it."""
        self._sides = {address: n for n, side in enumerate(sides) for address in side}

    def heal(self) -> None:
        """End partition and silence: what waited is delivered, as TCP would."""
        self._sides = {}
        self._silent = set()
        for transport in list(self._open.values()):
            transport.release()

    def silence(self, *addresses: str) -> None:
        """Let hosts fall silent: no reset, no answer, as a stopped process or a pulled cable."""
        self._silent.update(addresses)

    def kill(self, *addresses: str) -> None:
        """Kill hosts: their ports close and their connections are reset at both ends."""
        gone = set(addresses)
        for address in addresses:
            self.host(address).alive = False
            self.host(address).ports.clear()
        for transport in list(self._open.values()):
            if transport.local.address in gone or transport.remote.address in gone:
                transport.reset()

    def revive(self, address: str) -> MemoryHost:
        """Let a killed or silent host live again; it has no ports and no connections."""
        self._silent.discard(address)
        host = self.host(address)
        host.alive = True
        return host

    def blocked(self, one: MemoryHost, other: MemoryHost) -> bool:
        """Say whether bytes between two hosts are being dropped."""
        if not self._silent and not self._sides:
            return False
        if one.address in self._silent or other.address in self._silent:
            return True
        return self._sides.get(one.address, -1) != self._sides.get(other.address, -1)

    def latency_s(self, one: MemoryHost, other: MemoryHost) -> float:
        """Return the one-way delay of a pair: drawn from the seed and the pair, and kept."""
        least_s, most_s = self._latency
        low, high = sorted((one.address, other.address))
        if least_s == most_s:
            return least_s
        return random.Random(f"{self._seed} {low} {high}").uniform(least_s, most_s)

    # --- used by the transports
    def soon(self, call: Callable[..., object], *args: object) -> None:
        """Run in the next turn of the clock."""
        self.clock.callLater(0, call, *args)

    def after(self, delay_s: float, call: Callable[..., object], *args: object) -> None:
        """Run after a delay in simulated seconds."""
        self.clock.callLater(delay_s, call, *args)

    def at(self, time_s: float, call: Callable[..., object], *args: object) -> None:
        """Run at a simulated time."""
        self.clock.callLater(time_s - self.clock.seconds(), call, *args)

    def sent(self, transport: MemoryTransport, size: int) -> None:
        """Note a write in the trace."""
        self.bytes_sent += size
        peer = transport.remote.address
        self.trace.append((self.clock.seconds(), transport.local.address, peer, size))

    def resets(self, transport: MemoryTransport) -> bool:
        """Draw whether this write breaks its connection."""
        return self.loss > 0 and self.random.random() < self.loss

    def keep(self, transport: MemoryTransport) -> None:
        """Remember a transport until what it holds has got through."""
        self._open[id(transport)] = transport

    def forget(self, transport: MemoryTransport) -> None:
        """Drop a closed transport."""
        self._open.pop(id(transport), None)

    @property
    def connections(self) -> int:
        """How many connections are open, both ends counted as one."""
        return len(self._open) // 2


class MemoryChest:
    """An account's rows, kept nowhere; see `streembit.disk.chest`.

    `restored` can be set, as if the chest had been put back from a backup.
    `commits` counts, `refusal`, when set, is raised by every commit, and
    `locks` are the keys that would open it, where any were named.
    """

    def __init__(self, key: bytes = b"", *, restored: bool = False) -> None:
        self.restored = restored
        self.locks = {key} if key else set()
        self.commits = 0
        self.refusal: Exception | None = None
        self._rows: dict[tuple[str, bytes | int], bytes] = {}
        self._closed = False

    def get(self, room: str, key: bytes | int) -> bytes | None:
        """Return a row, or None where there is none."""
        self._check_open()
        return self._rows.get((room, key))

    def all(self, room: str) -> list[bytes]:
        """Return the rows of a room: by number, where the keys are numbers, else in any order."""
        self._check_open()
        found = [(key, row) for (there, key), row in self._rows.items() if there == room]
        return [row for _, row in sorted(found, key=lambda pair: (str(type(pair[0])), pair[0]))]

    def page(self, room: str, before: int | None, limit: int) -> list[tuple[int, bytes]]:
        """Return up to `limit` rows with numbers below `before` (None: all), highest first."""
        self._check_open()
        numbers = [key for there, key in self._rows if there == room and isinstance(key, int)]
        below = sorted((key for key in numbers if before is None or key < before), reverse=True)
        return [(key, self._rows[room, key]) for key in below[:limit]]

    def commit(self, changes: Iterable[tuple[str, bytes | int, bytes | None]]) -> None:
        """Make the changes, in their order, all or none."""
        self._check_open()
        if self.refusal is not None:
            raise self.refusal
        checked = [(room, key, _checked_row(key, row)) for room, key, row in changes]
        for room, key, row in checked:
            self._rows.pop((room, key), None)
            if row is not None:
                self._rows[room, key] = row
        self.commits += 1

    def renew(self, changes: Iterable[tuple[str, bytes | int, bytes | None]]) -> None:
        """Commit what makes up for a restore, and end `restored` with it."""
        self.commit(changes)
        self.restored = False

    def add_lock(self, key: bytes) -> None:
        """Let this key open the chest too."""
        self._check_open()
        if self.refusal is not None:
            raise self.refusal
        self.locks.add(key)

    def drop_other_locks(self, key: bytes) -> None:
        """Let no other key open the chest; raise ValueError unless this one does."""
        self._check_open()
        if self.locks and key not in self.locks:
            raise ValueError("the key has no lock")
        self.locks = {key}

    def close(self) -> None:
        """Refuse every later use."""
        self._closed = True

    def wipe(self) -> None:
        """Forget all rows, and close."""
        self._rows.clear()
        self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise DiskFailed("the chest is closed")


def _checked_row(key: bytes | int, row: bytes | None) -> bytes | None:
    if isinstance(key, int) and not 0 <= key <= MAX_POSITION:
        raise ValueError(f"no position: {key}")
    if row is not None and len(row) > MAX_ROW_BYTES:
        raise TooLarge("a row", size_bytes=len(row), limit_bytes=MAX_ROW_BYTES)
    return row


class MemoryOwnRecords:
    """Our own records and their numbers, kept nowhere; see `streembit.disk.published`."""

    def __init__(self) -> None:
        self._numbers: dict[Slot, int] = {}
        self._kept: dict[Slot, Published] = {}

    def reserve(self, slot: Slot, seen: int = 0) -> int:
        """Return a number above all reserved before and above `seen`."""
        self._numbers[slot] = max(self._numbers.get(slot, 0), seen) + 1
        return self._numbers[slot]

    def keep(self, record: Published) -> None:
        """Remember the record to publish again."""
        self._kept[record.slot] = record

    def get(self, slot: Slot) -> Published | None:
        """Return the record kept for the slot, or None."""
        return self._kept.get(slot)

    def all(self, owner: bytes) -> list[Published]:
        """Return the records kept for the owner, by kind and salt."""
        return [kept for slot, kept in sorted(self._kept.items()) if slot.owner == owner]

    def forget(self, slot: Slot) -> None:
        """Publish the slot's record no more; its counter stays."""
        self._kept.pop(slot, None)
