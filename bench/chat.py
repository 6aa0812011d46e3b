"""A message from one node to another, beside a bare round trip on the link between them.

Two whole nodes on loopback, each a process with its home on the disk: one is
`twistd streembit-node`, the other the same service run by this process, so
that no client's asking is measured. A message takes from the call of
`send_message`, which the local API makes too, to the event that says that it
was delivered: the receiver has it on the medium then. A bare round trip is a
signed `ping` request on the same link, from its sending to its verified
answer. Both are measured in turn, one at a time. A message waits twice for
the disk: before it is sent, and before it is answered. What such a wait takes
on this disk is measured in turn with them, and is shown for information.

    python -m bench.chat [--messages 400] [--folder FOLDER] [--json]
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from twisted.application.service import IService, MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

from bench.figure import Figure, report
from bench.file_nodes import befriend, start, until
from bench.wormhole import free_port
from streembit.client import Client
from streembit.rpc.peer import Peer
from streembit.service.people.desk import PeopleDesk
from streembit.service.people.people import People
from streembit.service.people_events import Changed
from streembit.tap.node import Options, makeService
from streembit.tap.people import LatePeople
from streembit.wire.message import Ping

MESSAGES: Final = 400
WARM_UP: Final = 40  # messages that do not count
BAR: Final = 5.0
TEXT: Final = "See you at noon, where the two rivers meet."
WAIT_S: Final = 20.0
REST_S: Final = 0.005  # so that both ends are done with the one before
SETTLE_S: Final = 7.0  # a second link between the two is closed by then
COMMIT_BYTES: Final = 4 * 4096  # of the log: about what a commit writes
NO_KEY_FILE: Final[Any] = None  # sending needs none
HERE: Final = "127.0.0.0/8"


@dataclass(frozen=True)
class Times:
    """What each round took, in seconds."""

    ping: list[float]
    accepted: list[float]
    delivered: list[float]
    disk: list[float]


class Sender:
    """The node of this process: its people, and the link to the contact."""

    def __init__(self, people: People) -> None:
        self.desk = PeopleDesk(people, NO_KEY_FILE)
        self._people = people

    @property
    def peer(self) -> Peer:
        """The contact at the other end of the link."""
        (friend,) = self._people.friends.values()
        peer = self._people.node.network.roster.get(friend.key)
        assert peer is not None
        return peer

    async def ping(self) -> float:
        """Return the seconds of a bare round trip."""
        began_s = time.perf_counter()
        await self.peer.request(Ping())
        return time.perf_counter() - began_s

    async def send(self) -> tuple[float, float]:
        """Send a message; return the seconds until it was accepted and until it was delivered."""
        position = (await self.desk.events("", 0)).next
        began_s = time.perf_counter()
        row = await self.desk.send_message("bob", TEXT)
        accepted_s = time.perf_counter() - began_s
        while True:
            found = await self.desk.events(position, WAIT_S)
            position = found.next
            for happened in found.events:
                event = happened.event
                if (
                    isinstance(event, Changed)
                    and event.message.id == row.id
                    and event.message.state == "delivered"
                ):
                    return accepted_s, time.perf_counter() - began_s
            if not found.events:
                raise SystemExit("a message was not delivered")


@asynccontextmanager
async def sender(folder: Path, port: int, seed_port: int) -> AsyncIterator[Sender]:
    """Run a node in this process while the block lasts."""
    options = Options()
    options.parseOptions(
        [
            *("--home", str(folder / "ann"), "--no-passcode", "--create", "--account", "ann"),
            *("--network", "bench", "--exempt", HERE),
            *("--listen", f"tcp:{port}:interface=127.0.0.1", "--seed", f"127.0.0.1:{seed_port}"),
        ]
    )
    service = cast(Service, makeService(options))
    service.privilegedStartService()
    service.startService()
    try:
        yield Sender(people_of(service))
    finally:
        await service.stopService()


def people_of(service: IService) -> People:
    """Return the people of a node's service, wherever they are in it; they are made now."""
    for each in within(service):
        if isinstance(each, LatePeople):
            each.desk()
    for each in within(service):
        if isinstance(each, People):
            return each
    raise SystemExit("the service has no people")


def within(service: IService) -> Iterator[IService]:
    """Yield a service and all below it."""
    yield service
    if isinstance(service, MultiService):
        for each in list(service):
            yield from within(each)


class Disk:
    """Writes and syncs as much as a commit does, in a file beside the nodes' homes."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / "disk", os.O_WRONLY | os.O_CREAT, 0o600)
        self._block = os.urandom(COMMIT_BYTES)

    def take(self) -> float:
        """Return the seconds of one."""
        began_s = time.perf_counter()
        os.write(self._fd, self._block)
        os.fdatasync(self._fd)
        return time.perf_counter() - began_s

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


async def measure(reactor: Any, folder: Path, messages: int) -> Times:
    """Start both nodes, let them meet, and send so many messages."""
    port, other = free_port(), free_port()
    bob = start(reactor, folder, "bob", other, port)
    disk, times = Disk(folder), Times([], [], [], [])
    try:
        async with sender(folder, port, other) as ann:
            await befriend(reactor, Client(reactor, folder / "ann"), bob.client)

            async def linked() -> bool:
                return all(row.linked for row in await bob.client.contact.list())

            await until(reactor, linked)
            await deferLater(reactor, SETTLE_S)
            for number in range(WARM_UP + messages):
                await deferLater(reactor, REST_S)
                ping = await ann.ping()
                await deferLater(reactor, REST_S)
                accepted, delivered = await ann.send()
                if number >= WARM_UP:
                    times.ping.append(ping)
                    times.accepted.append(accepted)
                    times.delivered.append(delivered)
                    times.disk.append(disk.take())
    finally:
        disk.close()
        bob.process.terminate()
        bob.process.wait()
    return times


def figures(times: Times) -> list[Figure]:
    """Return the medians, and the ratio that has the bar."""
    ping, accepted, delivered, disk = (
        statistics.median(each) * 1000
        for each in (times.ping, times.accepted, times.delivered, times.disk)
    )
    slow = statistics.quantiles(times.delivered, n=10)[-1] * 1000
    return [
        Figure("a bare round trip on the link, ms", ping),
        Figure("a message until it is accepted, ms", accepted),
        Figure("a message until it is delivered, ms", delivered),
        Figure("  nine of ten within, ms", slow),
        Figure("one write of a commit's size, synced to this disk, ms", disk),
        Figure(
            "delivered, without two such waits, beside a round trip", (delivered - 2 * disk) / ping
        ),
        Figure("delivered beside a bare round trip", delivered / ping, BAR, least=False),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures; return 1 when the bar is missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.chat")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--folder", help="where the homes are made")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found: list[Figure] = []

    async def run(reactor: Any) -> None:
        with tempfile.TemporaryDirectory(prefix="streembit-", dir=options.folder) as name:
            found.extend(figures(await measure(reactor, Path(name), options.messages)))

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as end:
        if end.code:
            raise
    return report(found, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
