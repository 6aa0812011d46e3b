"""What a hub's processes share, by SQLite in one process and by Redis for several: mail, routes.

No bar: `python -m bench.hub_backplane`. Both put each mail on the medium
before they call it kept; Redis is Debian's, on a Unix socket, in a folder on
the same disk.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

from streembit.disk.mailbox import Mailbox, MailLimits
from streembit.hub.mail import Mail
from streembit.service.hub.backplane import Backplane, Claim, Routed
from streembit.service.hub.local import LocalBackplane
from streembit.service.hub.redis.address import RedisAddress
from streembit.service.hub.redis.backplane import RedisBackplane

reactor: Any = installed

TOKEN_BYTES = 2_300  # an envelope of 1 KiB of cargo, signed
MAILS = 4_000
ENVELOPES = 8_000
IN_FLIGHT = 64
ROUNDS = 3
LIMITS = MailLimits(box_messages=10**6, box_bytes=2**40, sender_messages=10**6, sender_bytes=2**40)
KEEPS = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


class Nobody:
    """Takes what comes."""

    def routed(self, recipient: str, token: bytes) -> Routed:
        return "taken"

    def superseded(self, session: str) -> None:
        pass

    def kicked(self, key: str) -> None:
        pass

    def changed(self, key: str) -> None:
        pass

    def mailed(self, recipient: str) -> None:
        pass

    def eased(self, key: str) -> None:
        pass

    def relisted(self) -> None:
        pass


async def per_s(count: int, work: Callable[[int], Deferred[Any]]) -> float:
    """Return how many are done in a second, with so many in flight."""
    numbers = iter(range(count))
    begun_s = time.perf_counter()

    async def worker() -> None:
        for number in numbers:
            await work(number)

    workers = [Deferred.fromCoroutine(worker()) for _ in range(IN_FLIGHT)]
    for each in workers:
        await each
    return count / (time.perf_counter() - begun_s)


async def mails_per_s(plane: Backplane, turn: int) -> float:
    """Return how many mails are kept in a second, for 100 members."""
    token = os.urandom(TOKEN_BYTES // 2).hex().encode()

    def keep(number: int) -> Deferred[None]:
        return plane.keep(Mail(f"to {number % 100}", "by", f"{turn} {number}", token, 0))

    return await per_s(MAILS, keep)


def shown(what: str, figures: list[float]) -> None:
    """Print the median of the rounds, and how far they lie apart."""
    print(f"{what:<44} {median(figures):>9,.0f}/s  ({min(figures):,.0f} to {max(figures):,.0f})")


async def local(folder: Path) -> list[float]:
    """Measure mail of one process."""
    box = Mailbox(folder / "mailbox.sqlite", LIMITS)
    pool = ThreadPool(0, 1, "mailbox")
    pool.start()
    plane = LocalBackplane(box, partial(deferToThreadPool, reactor, pool))
    plane.events = Nobody()
    figures = [await mails_per_s(plane, turn) for turn in range(ROUNDS)]
    pool.stop()
    box.close()
    return figures


async def process(socket: Path, name: str) -> RedisBackplane:
    """Return one process of a hub that has found Redis."""
    address = RedisAddress(path=socket)
    plane = RedisBackplane(reactor, address, "", "bench:", name, Random(1).random, LIMITS)
    plane.events = Nobody()
    plane.startService()
    while not plane.link.is_ready:
        await deferLater(reactor, 0.01)
    return plane


async def shared(socket: Path) -> tuple[list[float], list[float]]:
    """Measure mail, and envelopes from one process to another."""
    one, other = await process(socket, "one"), await process(socket, "other")
    mails = [await mails_per_s(one, turn) for turn in range(ROUNDS)]
    await other.claim(Claim("member", "session", 1))
    token = os.urandom(TOKEN_BYTES // 2).hex().encode()
    routes = [
        await per_s(ENVELOPES, lambda _number: one.route("member", token)) for _ in range(ROUNDS)
    ]
    await one.stopService()
    await other.stopService()
    return mails, routes


async def main(_reactor: Any) -> None:
    """Measure both, one after the other."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        shown("mail kept, SQLite in one process", await local(folder))
        tool = shutil.which("redis-server")
        if tool is None:
            print("redis-server is missing: apt-get install redis-server")
            return
        socket = Path(tempfile.mkdtemp()) / "redis.sock"
        options = ["--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
        server = subprocess.Popen([tool, *options, *KEEPS], stdout=subprocess.DEVNULL)
        try:
            mails, routes = await shared(socket)
            shown("mail kept, Redis", mails)
            shown("live envelopes between two processes, Redis", routes)
        finally:
            server.kill()
            server.wait()
            shutil.rmtree(socket.parent)


if __name__ == "__main__":
    react(main)
