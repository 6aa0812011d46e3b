"""Networks of real processes for tests: started, watched, attacked, killed; none is left."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from demo.members import OPEN, Member, Members, Role
from demo.steps import Stage, address
from streembit.errors import BadAnswer, NodeNotRunning, NodeRefusal
from streembit.net.dial import over_tcp
from streembit.service.facade import PutResult
from tests.rig.evil import EvilLink, EvilPeer
from tests.tap.twistd import TWISTD

NETWORK: Final = "test"
LONG: Final = bool(os.environ.get("STREEMBIT_LONG"))  # the rows in full: hours, not minutes
LOOK_EVERY_S: Final = 0.05
TTL_S: Final = 3600
AT_ONCE: Final = 4  # works side by side, some of which wait: on two cores no more are quicker

reactor: PosixReactorBase = installed  # type: ignore[assignment]

# How a request ends whose node does not run, or is killed meanwhile.
_GONE: Final = (NodeNotRunning, BadAnswer)

T = TypeVar("T")


class Net:
    """Processes of one network in one folder.

    Attributes:
        places: where each member listened last, by its name.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="streembit-"))
        self.members = Members(reactor, self.folder, NETWORK, TWISTD)
        self.places: dict[str, str] = {}
        self._stage = Stage(self.members, reactor, lambda _: None)

    async def start(
        self,
        name: str,
        role: Role = "node",
        seeds: Sequence[str] = (),
        options: Sequence[str] = OPEN,
        within: Sequence[str] = (),
    ) -> Member:
        """Start a member with a new home and wait until its API answers."""
        member = self.members.start(name, role, seeds, options=options, within=within)
        await self.answers(member)
        return member

    async def again(self, member: Member, *, same_port: bool = True) -> None:
        """Start a member that has ended, with its home, and wait until its API answers."""
        more = []
        if same_port:
            host, port = self.place(member)
            more = ["--listen", f"tcp:{port}:interface={host}"]
        self.members.run(member, *more)
        await self.answers(member)

    async def answers(self, member: Member) -> None:
        """Wait until the member's API answers; note where it listens."""
        self.places[member.name] = await address(self._stage, member)

    async def kill(self, member: Member) -> None:
        """Kill a member without notice."""
        member.signal(signal.SIGKILL)
        await member.ended

    async def end(self) -> None:
        """Kill every member and leave nothing on the disk."""
        self.members.kill()
        await self.members.ended()
        shutil.rmtree(self.folder)

    def place(self, member: Member) -> tuple[str, int]:
        """Return where it listens."""
        host, _, port = self.places[member.name].rpartition(":")
        return host, int(port)

    def defects(self) -> list[str]:
        """Return the lines of all logs that tell of a defect in the program."""
        marks = ("Traceback", '"trace"', '"level":"critical"')
        lines = [line for path in self.folder.glob("*.log") for line in read_lines(path)]
        return [line for line in lines if any(mark in line for mark in marks)]


class ProcessCase(TestCase):
    """Tests of real processes; whatever happens, none of them outlives its test.

    No log may tell of a defect when a test ends.
    """

    timeout = 7200 if LONG else 400
    net: Net

    def setUp(self) -> None:
        self.net = Net()
        self.addCleanup(self.net.end)
        self.addCleanup(self._no_defects)

    def _no_defects(self) -> None:
        self.assertEqual(self.net.defects(), [])

    # --- attackers
    def evil(self, **more: Any) -> EvilPeer:
        """Return a hostile peer on TCP that leaves when the test ends."""
        evil = EvilPeer(over_tcp(reactor), reactor, NETWORK, **more)
        self.addCleanup(self._leave, evil)
        return evil

    async def link(self, member: Member, **more: Any) -> EvilLink:
        """Return an open link of a new hostile peer to a member."""
        return await self.evil(**more).open(*self.net.place(member))

    async def dial(self, member: Member, **more: Any) -> EvilLink:
        """Return a connection of a new hostile peer that has said nothing yet."""
        return await self.evil(**more).dial(*self.net.place(member))

    async def _leave(self, evil: EvilPeer) -> None:
        gone = [link.when_gone() for link in evil.links]
        evil.leave()
        await DeferredList(gone)

    # --- waiting
    async def until(
        self, look: Callable[[], Awaitable[bool] | bool], within_s: float, what: str = ""
    ) -> None:
        """Look again and again until it is so; too late is a failure."""
        until_s = reactor.seconds() + within_s
        while True:
            found = look()
            if found if isinstance(found, bool) else await found:
                return
            if reactor.seconds() > until_s:
                self.fail(f"not within {within_s} s: {what or look}")
            await pause(LOOK_EVERY_S)

    async def know(self, members: Iterable[Member], count: int, within_s: float = 60.0) -> None:
        """Wait until each of these knows so many others."""
        until_s = reactor.seconds() + within_s
        for member in members:
            what = f"{count} peers known to {member.name}"
            await self.until(
                lambda m=member: knows(m, count),  # type: ignore[misc]
                until_s - reactor.seconds(),
                what,
            )

    async def gone(self, link: EvilLink, within_s: float = 10.0) -> None:
        """Wait until the member has ended a link."""
        await self.until(lambda: link.gone, within_s, "the end of a link")

    async def put(
        self, member: Member, name: str, value: bytes = b"value", ttl_s: int = TTL_S
    ) -> PutResult:
        """Publish, again and again until somebody gave a receipt."""
        until_s = reactor.seconds() + 30
        while True:
            found = await tried(member.api.record.put(name, value, ttl_s=ttl_s))
            if found is not None and found.replicas:
                return found
            self.assertLess(reactor.seconds(), until_s, f"{member.name} cannot put {name}")
            await pause(LOOK_EVERY_S)

    async def refusals(self, member: Member) -> Counter[str]:
        """Return what the member refused since its start, by reason."""
        return Counter((await member.api.status()).refusals)

    async def rejected(self, member: Member, before: Counter[str], count: int) -> Counter[str]:
        """Wait until so many more refusals are counted; return them by reason."""

        async def enough() -> bool:
            return (await self.refusals(member) - before).total() >= count

        await self.until(enough, 10, f"{count} refusals")
        return await self.refusals(member) - before


class SharedCase(ProcessCase):
    """Tests that attack one and the same member, `target`, one after the other."""

    shared: ClassVar[tuple[type[SharedCase], Net] | None] = None

    async def setUp(self) -> None:  # type: ignore[override]
        """Start the target for the class's first test; it lives through all of them."""
        if SharedCase.shared is None or SharedCase.shared[0] is not type(self):
            await SharedCase.end_shared()
            SharedCase.shared = type(self), Net()
            await SharedCase.shared[1].start("target", options=self.options())
        self.net = SharedCase.shared[1]
        (self.target,) = self.net.members.all
        self.addCleanup(self._unharmed)

    def options(self) -> Sequence[str]:
        """Return how the target is started."""
        return OPEN

    @staticmethod
    async def end_shared() -> None:
        """End the target of the class that had one last."""
        shared, SharedCase.shared = SharedCase.shared, None
        if shared is not None:
            await shared[1].end()

    async def _unharmed(self) -> None:
        self.assertTrue(self.target.runs, "the target has ended")
        self._no_defects()
        await self.target.api.status()


@atexit.register
def leave_nothing() -> None:
    """End the last class's target; with `trial -j` the reactor is never told of the end."""
    shared = SharedCase.shared
    if shared is not None:
        for member in shared[1].members.all:
            if member.runs:
                os.kill(member.pid, signal.SIGKILL)
                os.waitpid(member.pid, 0)
        shutil.rmtree(shared[1].folder)


async def knows(member: Member, count: int) -> bool:
    """Say whether a member runs and knows so many others."""
    status = await tried(member.api.status())
    return status is not None and status.peers >= count


async def tried(work: Awaitable[T]) -> T | None:
    """Return what the API answers, None where it refuses or is gone."""
    try:
        return await work
    except (NodeRefusal, *_GONE):
        return None


async def side_by_side(works: Iterable[Awaitable[None]], at_once: int = AT_ONCE) -> None:
    """Do the works, a few at a time; the first that fails is the failure of all."""
    waiting = iter(works)

    async def worker() -> None:
        for work in waiting:
            await work

    workers: list[Deferred[Any]] = [Deferred.fromCoroutine(worker()) for _ in range(at_once)]
    for success, result in await DeferredList(workers, consumeErrors=True):
        if not success:
            result.raiseException()


async def pause(seconds: float) -> None:
    """Let the others work."""
    await deferLater(reactor, seconds)


def memory_bytes(member: Member) -> int:
    """Return how much memory the member's process has now."""
    return memory_of(member.pid)


def memory_of(pid: int) -> int:
    """Return how much memory a process has now, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def events(member: Member) -> list[dict[str, Any]]:
    """Return the member's log."""
    return [json.loads(line) for line in read_lines(member.log)]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a log, of which the last one may be half written."""
    text = path.read_bytes()
    return text[: text.rfind(b"\n") + 1].decode().split("\n")[:-1]
