"""Runs the command line in this process, beside a node's API on a real Unix socket."""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from streembit.api.desks import Settled
from streembit.api.server import ApiService
from streembit.api.unixpath import SOCKET_NAME
from streembit.cli.main import run
from tests.api.fake import FakeNode
from tests.api.people import FakePeople

PASSCODE = "Canary-Passcode-7"


@dataclass
class Ended:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def code(self) -> str:
        """The code at the end of the one line of an error."""
        return self.err.rstrip().rpartition("(")[2].removesuffix(")")


def invoke(*arguments: str | Path, typed: bytes = b"") -> Ended:
    """Run `streembit` with these arguments and this standard input."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    given = io.TextIOWrapper(io.BytesIO(typed), encoding="utf-8")
    before, sys.stdin = sys.stdin, given
    try:
        with redirect_stdout(out), redirect_stderr(err):
            status = run([str(argument) for argument in arguments])
    finally:
        sys.stdin = before
    return Ended(status, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    data: bytes = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return data.decode("utf-8")


def private_file(path: Path, text: str) -> Path:
    """Write a file that only its owner can read."""
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


class NodeTestCase(TestCase):
    """A test beside a running node; its home has no account."""

    timeout = 180
    clock: Any = reactor

    def setUp(self) -> None:
        self.home = Path(mkdtemp(dir=self._folder()))
        self.node = self.make_node()
        self.people = FakePeople(self.clock)
        self.start_node()

    def start_node(self) -> None:
        """Start the API of the node."""
        path = self.home / SOCKET_NAME
        self._api = ApiService(
            self.clock, path, Settled(self.node, lambda _: None, lambda: self.people)
        )
        self._api.startService()
        self.addCleanup(self.stop_node)

    async def stop_node(self) -> None:
        """Stop the API; who waits for events is answered."""
        self.people.feed.stop()
        await self._api.stopService()

    async def streembit(self, *arguments: str | Path, typed: bytes = b"") -> Ended:
        """Run a command with this home."""
        ended: Ended = await deferToThread(invoke, "--home", self.home, *arguments, typed=typed)
        return ended

    def in_background(self, *arguments: str | Path, typed: bytes = b"") -> Deferred[Ended]:
        """Begin a command with this home, whose end fires."""
        return Deferred.fromCoroutine(self.streembit(*arguments, typed=typed))

    def turn(self) -> Deferred[None]:
        """Let the reactor have a turn."""
        return deferLater(self.clock, 0)

    def make_node(self) -> FakeNode:
        """Return the node that runs."""
        return FakeNode()

    def _folder(self) -> str:
        folder = str(self.mktemp())
        os.makedirs(folder)
        return folder
