"""A real Redis of its own for a test: Debian's server, in a folder, on a Unix socket."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Final

from twisted.trial.unittest import SkipTest, SynchronousTestCase

START_S: Final = 10.0
KEEPS: Final = (
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--maxmemory-policy",
    "noeviction",
)


class RedisServer:
    """Started when made, ended with the test; what it was told outlives a kill."""

    def __init__(self, test: SynchronousTestCase, *options: str, port: int = 0) -> None:
        tool = shutil.which("redis-server")
        if tool is None:
            raise SkipTest("redis-server is missing: tools/system, or apt-get install redis-server")
        self._tool = tool
        self._options = options or KEEPS
        self.folder = Path(mkdtemp(prefix="streembit-redis-"))
        self.socket = self.folder / "redis.sock"
        self.port = port
        test.addCleanup(shutil.rmtree, self.folder)
        test.addCleanup(self.kill)
        self.start()

    @property
    def url(self) -> str:
        """How a hub is told of it."""
        return f"redis://127.0.0.1:{self.port}" if self.port else f"unix://{self.socket}"

    def start(self) -> None:
        """Start it, with what it kept, and wait until it answers."""
        places = ["--dir", str(self.folder), "--unixsocket", str(self.socket)]
        network = ["--port", str(self.port), "--bind", "127.0.0.1"]
        self._process = subprocess.Popen(
            [self._tool, *network, *places, "--save", "", *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end_s = time.monotonic() + START_S
        while self.cli("PING") != "PONG":
            if time.monotonic() > end_s:
                raise AssertionError("redis-server does not answer")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, as kill -9 does."""
        self._process.kill()
        self._process.wait()

    def hang(self) -> None:
        """Have it stand still, with its connections open."""
        self._process.send_signal(signal.SIGSTOP)

    def cli(self, *command: str) -> str:
        """Return what Redis answers to a command."""
        done = subprocess.run(
            ["redis-cli", "-s", str(self.socket), *command],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        return done.stdout.strip()
