"""The service manager hears the truth, over a real datagram socket."""

from __future__ import annotations

import os
import socket
import tempfile

from twisted.trial.unittest import SynchronousTestCase

from streembit.service.notify import MAX_STATUS_CHARS, Notifier


class NotifierTests(SynchronousTestCase):
    """Datagrams as sd_notify(3) says."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()  # below /tmp: the path of a socket is short
        self.addCleanup(folder.cleanup)
        self.path = os.path.join(folder.name, "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.bind(self.path)
        self.manager.setblocking(False)

    def heard(self) -> list[bytes]:
        """Return the datagrams that came."""
        datagrams = []
        try:
            while True:
                datagrams.append(self.manager.recv(4096))
        except BlockingIOError:
            return datagrams

    def from_environment(self, **environ: str) -> Notifier:
        return Notifier.from_environment({"NOTIFY_SOCKET": self.path, **environ}, pid=77)

    def test_the_life_of_a_service(self) -> None:
        """Ready, alive, stopping: one datagram each, in this order."""
        notifier = self.from_environment()
        notifier.ready()
        notifier.alive()
        notifier.stopping()
        self.assertEqual(self.heard(), [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"])

    def test_the_same_status_is_said_once(self) -> None:
        """A status that did not change costs nothing."""
        notifier = self.from_environment()
        for text in ("waiting", "waiting", "ready", "waiting"):
            notifier.status(text)
        self.assertEqual(self.heard(), [b"STATUS=waiting", b"STATUS=ready", b"STATUS=waiting"])

    def test_a_status_cannot_add_an_assignment(self) -> None:
        """A line feed would start another variable: it becomes a space, and the text is cut."""
        notifier = self.from_environment()
        notifier.status("a\nWATCHDOG=1\r\x00b" + "x" * 1000)
        (datagram,) = self.heard()
        self.assertTrue(datagram.startswith(b"STATUS=a WATCHDOG=1  bxx"))
        self.assertEqual(len(datagram), len("STATUS=") + MAX_STATUS_CHARS)

    def test_the_watchdog_of_this_process(self) -> None:
        """The period is read in microseconds, and only if it is meant for us."""
        for environ, expected in (
            ({"WATCHDOG_USEC": "30000000"}, 30.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "77"}, 30.0),
            ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "78"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "-5"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({}, None),
        ):
            self.assertEqual(self.from_environment(**environ).watchdog_s, expected, environ)

    def test_without_a_manager_nothing_is_said(self) -> None:
        """No socket, or one of a form that does not exist: silence, no error."""
        for address in ("", "vsock:2:1", "relative/path"):
            notifier = Notifier.from_environment(
                {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000"}, pid=77
            )
            notifier.ready()
            self.assertIsNone(notifier.watchdog_s)
        self.assertEqual(self.heard(), [])

    def test_an_abstract_socket(self) -> None:
        """A name that begins with @ lies in the abstract namespace."""
        name = f"streembit-test-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind("\0" + name)
            manager.setblocking(False)
            Notifier("@" + name).ready()
            self.assertEqual(manager.recv(100), b"READY=1")

    def test_a_manager_that_went_away(self) -> None:
        """A socket that is gone or full is no error of ours."""
        notifier = self.from_environment()
        for _ in range(2000):
            notifier.alive()  # until the socket's queue is full, and on
        os.unlink(self.path)
        notifier.stopping()
        self.assertNotIn(b"STOPPING=1", self.heard())
