"""The API's Unix socket: whose it is, what it replaces, and what it leaves behind."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

import streembit
from streembit.api import unixpath
from streembit.api.desks import Settled
from streembit.api.server import ApiService
from streembit.cli.client import Client
from streembit.errors import HomeMissing, ListenFailed, NodeNotRunning
from streembit.service.facade import Readiness
from tests.api.fake import FakeNode


class ServerTestCase(TestCase):
    timeout = 120

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name) / "home"
        self.home.mkdir(mode=0o700)
        self.path = self.home / unixpath.SOCKET_NAME

    def service(self) -> ApiService:
        clock: Any = reactor
        return ApiService(clock, self.path, Settled(FakeNode(), lambda _: None))

    def start(self) -> ApiService:
        service = self.service()
        service.startService()
        self.addCleanup(service.stopService)
        return service

    async def ask(self) -> Readiness:
        client = Client(self.home)
        answer: Readiness = await deferToThread(client.ask, "GET", "/v1/ready", Readiness)
        return answer


class ApiServiceTests(ServerTestCase):
    async def test_L4_the_socket_is_its_owners(self) -> None:
        """Nobody else may connect, whatever the umask is, and the umask stays."""
        before = os.umask(0o002)
        try:
            self.start()
            self.assertEqual(os.umask(0o002), 0o002)
        finally:
            os.umask(before)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertTrue((await self.ask()).ready)

    async def test_S1_a_socket_left_by_a_dead_process_is_replaced(self) -> None:
        """A node that was killed starts again."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.path))
        self.start()
        self.assertTrue((await self.ask()).ready)

    async def test_S4_a_socket_that_is_served_is_left_alone(self) -> None:
        """A second node is refused, and the first goes on."""
        self.start()
        with self.assertRaises(ListenFailed):
            self.service().startService()
        self.assertTrue((await self.ask()).ready)

    def test_what_is_no_socket_is_never_removed(self) -> None:
        """A file or a link of that name is somebody's."""
        target = self.home / "precious"
        target.write_text("kept")
        self.path.symlink_to(target)
        with self.assertRaises(ListenFailed):
            self.service().startService()
        self.assertTrue(self.path.is_symlink())
        self.assertEqual(target.read_text(), "kept")

    async def test_stopping_removes_the_socket_and_may_be_repeated(self) -> None:
        """After the end the file is gone; a service that never started stops too."""
        service = self.start()
        await service.stopService()
        self.assertFalse(self.path.exists())
        await service.stopService()
        await self.service().stopService()
        with self.assertRaises(NodeNotRunning):
            await self.ask()

    async def test_stopping_ends_although_somebody_removed_the_socket(self) -> None:
        """A cleaner of temporary files does not make the node hang at its end."""
        service = self.start()
        self.path.unlink()
        await service.stopService()
        self.assertFalse(self.path.exists())
        self.assertNotIn(str(self.path), Path("/proc/net/unix").read_text())

    async def test_a_home_deep_in_the_tree(self) -> None:
        """Paths longer than a socket's address are served, asked and cleaned up."""
        for depth in range(3):
            self.home = self.home / (str(depth) * 60)
            self.home.mkdir()
        self.path = self.home / unixpath.SOCKET_NAME
        service = self.start()
        self.assertTrue((await self.ask()).ready)
        await service.stopService()
        self.assertFalse(self.path.exists())
        self.assertNotIn(str(self.home), [os.path.realpath(fd) for fd in open_files()])

    def test_a_missing_home_is_said(self) -> None:
        """The service raises, and the client tells it from a node that is not running."""
        self.home.rmdir()
        with self.assertRaises(ListenFailed):
            self.service().startService()
        with self.assertRaises(HomeMissing):
            Client(self.home).ask("GET", "/v1/ready", Readiness)


def open_files() -> list[str]:
    """Return the descriptors of this process as paths."""
    return [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]


class LateTests(SynchronousTestCase):
    def test_nothing_of_the_web_is_loaded_before_the_first_request(self) -> None:
        """Start and memory of a node that nobody asks are spared the web framework."""
        code = "import streembit.api.server, sys; print(*sys.modules)"
        root = Path(streembit.__file__).parents[1]
        told = subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True)
        loaded = told.split()
        for name in ("klein", "werkzeug", "twisted.web", "prometheus_client"):
            self.assertNotIn(name, loaded)
