"""The processes of a local network: each a twistd with its own home, key and log."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, cast

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from streembit.api.caller import CallerReactor
from streembit.client import Client
from streembit.disk.home import Home

END_WITHIN_S: Final = 8.0  # a node ends within 5 s of SIGTERM
LOOPBACK: Final = "127.0.0.0/8"
FREE_PORT: Final = "tcp:0:interface=127.0.0.1"
NOWHERE: Final = "none"  # of --listen
OPEN: Final = ("--no-passcode", "--exempt", LOOPBACK)

Role = Literal["seed", "node", "hub"]


@dataclass
class Member:
    """One node of the network: its process while it runs, and the way to its API."""

    name: str
    role: Role
    home: Path
    log: Path
    public_key: str
    api: Client
    command: list[str]
    ended: Deferred[str] = field(default_factory=Deferred)
    transport: IProcessTransport | None = None

    @property
    def runs(self) -> bool:
        """Whether the process was started and has not ended."""
        return self.transport is not None and not self.ended.called

    @property
    def listens(self) -> bool:
        """Whether it is to have a port."""
        return NOWHERE not in self.command

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, if it runs."""
        if self.transport is not None and self.runs:
            self.transport.signalProcess(number)

    @property
    def pid(self) -> int:
        """The id of its process, which runs."""
        assert self.transport is not None and self.transport.pid is not None
        return int(self.transport.pid)

    def log_tail(self, lines: int) -> list[str]:
        """Return the last lines that the process wrote."""
        return self.log.read_text(errors="replace").splitlines()[-lines:]


class _Watched(ProcessProtocol):
    """Tells the member how its process ended."""

    def __init__(self, member: Member) -> None:
        self._member = member

    def processEnded(self, reason: Failure) -> None:
        """Keep how it ended as text: a status or a signal."""
        self._member.ended.callback(reason.getErrorMessage())


class Members:
    """All processes of one network, below one folder; `end` leaves none of them."""

    def __init__(self, reactor: PosixReactorBase, folder: Path, network: str, twistd: str) -> None:
        self.all: list[Member] = []
        self._reactor = reactor
        self._folder = folder
        self._network = network
        self._twistd = twistd

    def start(
        self,
        name: str,
        role: Role,
        seeds: Sequence[str] = (),
        *,
        options: Sequence[str] = OPEN,
        passcode: str | None = None,
        within: Sequence[str] = (),
    ) -> Member:
        """Make a home with a key of its own and start its twistd on a free loopback port.

        `within` is the command of a program that runs the one that follows it.
        """
        home = Home.create(self._folder / name)
        identity = home.accounts.create(name, passcode)
        member = Member(
            name,
            role,
            home.path,
            self._folder / f"{name}.log",
            identity.public.hex,
            api_of(self._reactor, home.path),
            [*within, *self._command(role, home, [*options, *_each("--seed", seeds)])],
        )
        self.run(member)
        return member

    def run(self, member: Member, *more: str) -> None:
        """Start the process of a member that does not run, with more options than before."""
        if member not in self.all:
            self.all.append(member)
        member.ended = Deferred()
        command = member.command + list(more)
        with member.log.open("ab") as log, Path("/dev/null").open("rb") as nothing:
            files = {0: nothing.fileno(), 1: log.fileno(), 2: log.fileno()}
            member.transport = self._reactor.spawnProcess(
                _Watched(member), command[0], command, env=None, path=None, childFDs=files
            )

    async def end(self) -> None:
        """End every process: asked first, killed when it does not listen."""
        for member in self.all:
            member.signal(signal.SIGTERM)
        late = self._reactor.callLater(END_WITHIN_S, self.kill)
        await self.ended()
        if late.active():
            late.cancel()

    def kill(self) -> None:
        """Kill every process."""
        for member in self.all:
            member.signal(signal.SIGKILL)

    def ended(self) -> Deferred[None]:
        """Fire when no process runs any more."""
        running = [member.ended for member in self.all if member.runs]
        return DeferredList(running).addCallback(lambda _: None)

    def _command(self, role: Role, home: Home, options: Sequence[str]) -> list[str]:
        command = [self._twistd, "--nodaemon", "--pidfile=", f"streembit-{role}"]
        command += ["--home", str(home.path), "--network", self._network]
        return [*command, *_listening(options), *options]


def api_of(reactor: PosixReactorBase, home: Path, account: str | None = None) -> Client:
    """Return the way to a node's local API, whether it runs yet or not."""
    return Client(cast("CallerReactor", reactor), home, account)


def _listening(options: Sequence[str]) -> list[str]:
    """Return where to listen, unless the options say so."""
    return [] if "--listen" in options else ["--listen", FREE_PORT]


def _each(option: str, values: Sequence[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
