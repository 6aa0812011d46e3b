"""Real twistd processes for tests, watched by what they say and how they end."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.interfaces import IProcessTransport
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.protocol import DatagramProtocol, ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from tests.sources import ROOT

TWISTD: Final = str(Path(sys.executable).with_name("twistd"))

reactor: PosixReactorBase = installed  # type: ignore[assignment]


@dataclass
class Process(ProcessProtocol):
    """One process: what it says, and how it ends (an exit status, or minus its signal)."""

    out: bytes = b""
    err: bytes = b""
    ended: Deferred[int] = field(default_factory=Deferred)
    spawned: IProcessTransport | None = None
    _awaited: list[tuple[bytes, Deferred[None]]] = field(default_factory=list)

    def outReceived(self, data: bytes) -> None:
        """Keep standard output."""
        self.out += data
        for words, waiting in self._awaited:
            if words in self.out and not waiting.called:
                waiting.callback(None)

    def errReceived(self, data: bytes) -> None:
        """Keep standard error."""
        self.err += data

    def processEnded(self, reason: Failure) -> None:
        """Fire with the end."""
        value = reason.value
        signal = value.signal if isinstance(value, ProcessTerminated) else None
        status = getattr(value, "exitCode", 0) or 0
        for words, waiting in self._awaited:
            if not waiting.called:
                waiting.errback(AssertionError(f"never said {words!r}\n{self.out!r}{self.err!r}"))
        self.ended.callback(status if signal is None else -signal)

    def said(self, words: bytes) -> Deferred[None]:
        """Fire when standard output gets these words; an end before is a failure."""
        waiting: Deferred[None] = Deferred()
        self._awaited.append((words, waiting))
        return waiting

    def signal(self, name: str) -> None:
        """Send a signal, unless it has ended."""
        if self.spawned is not None and not self.ended.called:
            self.spawned.signalProcess(name)

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.spawned is not None and self.spawned.pid is not None
        return int(self.spawned.pid)

    def complaint(self) -> str:
        """Return the one line on standard error; more or fewer is an AssertionError."""
        lines = self.err.decode().splitlines()
        assert len(lines) == 1, f"{lines}\n{self.out.decode()}"
        assert b"Traceback" not in self.out, self.out.decode()
        return lines[0]


class Manager(DatagramProtocol):
    """A service manager's socket: fires when a process says a word."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._waiting: list[tuple[str, Deferred[None]]] = []

    def datagramReceived(self, datagram: bytes, addr: object) -> None:
        """Keep the word, and tell who waits for it."""
        said = datagram.decode()
        self.words.append(said)
        fired = [waiting for word, waiting in self._waiting if word == said]
        self._waiting = [(word, waiting) for word, waiting in self._waiting if word != said]
        for waiting in fired:
            waiting.callback(None)

    def forget(self, unwanted: Deferred[None]) -> None:
        """Take note that nobody waits for this any more."""
        self._waiting = [(word, waiting) for word, waiting in self._waiting if waiting != unwanted]

    def heard(self, word: str) -> Deferred[None]:
        """Fire when the word is said, at once if it was."""
        waiting: Deferred[None] = Deferred()
        if word in self.words:
            waiting.callback(None)
        else:
            self._waiting.append((word, waiting))
        return waiting


class TwistdCase(TestCase):
    """A short folder for homes and sockets, and processes that do not outlive the test."""

    timeout = 180

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="streembit-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.manager = Manager()
        self.notify = str(self.folder / "notify")
        port = reactor.listenUNIXDatagram(self.notify, self.manager)
        self.addCleanup(port.stopListening)

    def spawn(
        self,
        command: Sequence[str],
        environ: Mapping[str, str] | None = None,
        files: Mapping[int, int | str] | None = None,
    ) -> Process:
        """Start a process that is killed at the latest when the test ends."""
        process = Process()
        env = {**os.environ, "NOTIFY_SOCKET": self.notify, "PYTHONPATH": str(ROOT)}
        process.spawned = reactor.spawnProcess(
            process,
            command[0],
            list(command),
            env={**env, **(environ or {})},
            path=str(self.folder),
            childFDs=dict(files or {0: "w", 1: "r", 2: "r"}),
        )
        self.addCleanup(self._end, process)
        return process

    def twistd(self, *arguments: str, environ: Mapping[str, str] | None = None) -> Process:
        """Start twistd in the foreground with these arguments."""
        return self.spawn([TWISTD, "--nodaemon", "--pidfile=", *arguments], environ)

    def ready(self, process: Process) -> Deferred[None]:
        """Fire when the process says that it is ready; its end before that is a failure."""
        heard = self.manager.heard("READY=1")

        def early(status: int) -> int:
            if not heard.called:
                self.manager.forget(heard)
                said = (process.out + process.err).decode()
                heard.errback(AssertionError(f"ended with {status} before it was ready\n{said}"))
            return status

        process.ended.addCallback(early)
        return heard

    def address(self, process: Process) -> str:
        """Return where a process that is ready listens, as its log says."""
        events = [json.loads(line) for line in process.out.splitlines()]
        (address,) = (e["addresses"] for e in events if e["msg"].startswith("listening on "))
        return str(address)

    def _end(self, process: Process) -> Deferred[int]:
        process.signal("KILL")
        return process.ended
