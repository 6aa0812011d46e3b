"""A role starts whole or says in one line why not, and ends in order and in time."""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from twisted.application.service import Application, IService, Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.lock import Lock
from streembit.errors import HomeLocked, ListenFailed, StreembitError
from streembit.tap.role import STOP_WITHIN_S, Launch, RoleReactor, RoleService, in_one_line
from tests.tap.heard import Heard


class Reactor(MemoryReactorClock):
    """A reactor in memory that threads and signals can call."""

    def callFromThread(self, function: Callable[[], object]) -> None:
        """Call it soon."""
        self.callLater(0, function)


class Part(Service):
    """A service that notes what is done with it, and stops when told."""

    def __init__(self, notes: list[str], refuses: StreembitError | None = None) -> None:
        self.notes = notes
        self.refuses = refuses
        self.stopping: Deferred[None] = Deferred()

    def privilegedStartService(self) -> None:
        """Open a port, or refuse."""
        self.notes.append("port")
        if self.refuses is not None:
            raise self.refuses

    def startService(self) -> None:
        """Start."""
        super().startService()
        self.notes.append("start")

    def stopService(self) -> Deferred[None]:
        """Take as long as the test likes."""
        self.notes.append("stop")
        return self.stopping


class Defective(Part):
    """A service with a defect."""

    def startService(self) -> None:
        """Fail as nobody meant it to."""
        raise TypeError("a defect")


class RoleTests(SynchronousTestCase):
    """The service of one twistd command."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.lock = Lock(self.folder / "lock")
        self.addCleanup(self.lock.release)
        self.addCleanup(signal.signal, signal.SIGTERM, signal.getsignal(signal.SIGTERM))
        self.reactor = Reactor()
        self.notifier = Heard()
        self.notes: list[str] = []

    def role(self, *parts: Part, foreground: bool = True) -> RoleService:
        """Return a role of these parts, with a database among them."""

        def grow(held: ExitStack) -> Iterable[IService]:
            self.notes.append("grow")
            held.callback(self.notes.append, "database closed")
            return cast("Iterable[IService]", parts)

        launch = Launch("streembit-node", foreground, str(self.folder / "twistd.pid"), None)
        return RoleService(launch, self.lock, grow, self.notifier, cast(RoleReactor, self.reactor))

    def started(self, *parts: Part) -> RoleService:
        """Return a role that runs."""
        role = self.role(*parts)
        role.privilegedStartService()
        role.startService()
        self.reactor.run()
        return role

    def refusal(self, act: Callable[[], object]) -> tuple[int | str | None, str]:
        """Return the exit status and what was said on the real standard error."""
        said = io.StringIO()
        self.patch(sys, "__stderr__", said)
        with self.assertRaises(SystemExit) as ended:
            act()
        return ended.exception.code, said.getvalue()

    def test_lock_then_ports_then_the_rest(self) -> None:
        """Nothing is opened before the home is ours; the manager hears when the reactor runs."""
        part = Part(self.notes)
        role = self.role(part)
        role.privilegedStartService()
        self.assertEqual(self.notes, ["grow", "port"])
        self.assertTrue(self.lock.held)
        role.startService()
        self.assertEqual(self.notes, ["grow", "port", "start"])
        self.assertEqual(self.notifier.words, [])
        self.reactor.run()
        self.assertEqual(self.notifier.words, ["READY=1"])

    def test_the_end_goes_backwards(self) -> None:
        """Services, then databases, then the lock."""
        part = Part(self.notes)
        role = self.started(part)
        done = role.stopService()
        self.assertEqual(self.notifier.words[-1], "STOPPING=1")
        self.assertNoResult(done)
        self.assertTrue(self.lock.held)
        self.assertNotIn("database closed", self.notes)
        part.stopping.callback(None)
        self.successResultOf(done)
        self.assertEqual(self.notes[-2:], ["stop", "database closed"])
        self.assertFalse(self.lock.held)
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_S5_an_end_that_hangs_is_cut_off(self) -> None:
        """A service that does not stop holds nobody up for more than the time."""
        part = Part(self.notes)
        done = self.started(part).stopService()
        self.reactor.advance(STOP_WITHIN_S)
        self.successResultOf(done)
        self.failureResultOf(part.stopping, CancelledError)
        self.assertFalse(self.lock.held)
        self.assertEqual(len(self.flushLoggedErrors()), 1)

    def test_S4_a_locked_home_is_one_line_and_status_1(self) -> None:
        """The line names the process that holds it; nothing of ours was opened."""
        with Lock(self.lock.path):
            status, said = self.refusal(self.role(Part(self.notes)).privilegedStartService)
        self.assertEqual(status, 1)
        self.assertEqual(said.count("\n"), 1)
        self.assertIn(f"pid: {os.getpid()}", said)
        self.assertEqual(self.notes, [])

    def test_a_port_that_cannot_be_had_is_one_line_and_status_1(self) -> None:
        """twistd's pid file is taken away, as twistd does it at a good end."""
        pidfile = self.folder / "twistd.pid"
        pidfile.write_text("1")
        part = Part(self.notes, ListenFailed("tcp:1: it is\ntaken"))
        status, said = self.refusal(self.role(part).privilegedStartService)
        self.assertEqual(status, 1)
        self.assertTrue(said.startswith("streembit-node: "), said)
        self.assertTrue(said.endswith(" (listen-failed)\n"), said)
        self.assertEqual(said.count("\n"), 1)
        self.assertFalse(pidfile.exists())

    def test_a_daemon_hands_its_reason_to_twistd(self) -> None:
        """Its standard error is nobody's: twistd tells who started it, and logs."""
        role = self.role(Part(self.notes, ListenFailed("taken")), foreground=False)
        self.assertRaises(ListenFailed, role.privilegedStartService)

    def test_a_defect_is_no_refusal(self) -> None:
        """What nobody raised on purpose keeps its trace."""
        role = self.role(Defective(self.notes))
        role.privilegedStartService()
        self.assertRaises(TypeError, role.startService)

    def test_S5_sigterm_ends_the_reactor_and_not_the_process(self) -> None:
        """So the exit status is 0; twistd's own answer is to die of the signal."""
        self.started(Part(self.notes))
        signal.raise_signal(signal.SIGTERM)
        self.reactor.advance(0)
        self.assertTrue(self.reactor.hasStopped)

    def test_the_application_gets_our_log(self) -> None:
        """Unless twistd was told another one."""
        for log in (None, lambda event: None):
            launch = Launch("x", True, "", cast("ILogObserver | None", log))
            role = RoleService(
                launch, self.lock, lambda _: [], self.notifier, cast(RoleReactor, Reactor())
            )
            application = Application("x")
            role.setServiceParent(application)
            self.assertIs(application.getComponent(ILogObserver, None), log)

    def test_one_line_is_one_line(self) -> None:
        """Whatever the fields hold."""
        text = in_one_line(HomeLocked("a\nb\x1b[31m", home="/x\r\n/y"))
        self.assertTrue(text.isprintable(), text)
        self.assertTrue(text.endswith("(home-locked)"))
