"""The nodes that will vanish: a second process of the same network, killed or stopped."""

import enum
import os
import signal
import subprocess
import sys
from types import TracebackType
from typing import Self

from bench.swarm import Swarm

POLL_S = 0.05
JOIN_LIMIT_S = 300.0


class Vanishing(enum.Enum):
    """How nodes go away without saying so."""

    KILLED = "killed"  # SIGKILL: the kernel answers for them with resets and unreachables
    SILENT = "silent"  # SIGSTOP: sockets stay open, nothing is ever answered


class Victims:
    """A child process that joins nodes to the network and reports by lines on its output."""

    def __init__(self, module: str, nodes: int, of_nodes: int, seed_port: int) -> None:
        """Start the child, with so many of the network's nodes."""
        command = [sys.executable, "-m", module, "--nodes", str(of_nodes)]
        command += ["--victims", str(nodes), "--seed-port", str(seed_port)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._child.stdout is not None
        self._output = self._child.stdout.fileno()
        os.set_blocking(self._output, False)
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._child.kill()
        self._child.communicate()

    async def wait_for(self, word: str, swarm: Swarm) -> None:
        """Let our own nodes run until the child has said the word.

        Raises:
            RuntimeError: it ended, or did not say it in time."""
        waited_s = 0.0
        while word not in self._said:
            if self._child.poll() is not None or waited_s > JOIN_LIMIT_S:
                raise RuntimeError(f"the victims never said {word!r}, only {self._said!r}")
            await swarm.pause(POLL_S)
            waited_s += POLL_S
            self._said += self._read()

    def _read(self) -> str:
        try:
            return os.read(self._output, 4096).decode()
        except BlockingIOError:
            return ""

    def vanish(self, how: Vanishing) -> None:
        """Make all nodes of the child go away at this moment."""
        if how is Vanishing.SILENT:
            self._child.send_signal(signal.SIGSTOP)
        else:
            self._child.kill()
            self._child.wait()


async def live_as_victims(swarm: Swarm, nodes: int, seed_port: int) -> None:
    """Be the child: join, say so, and live until killed or orphaned."""
    parent = os.getppid()
    print("started", flush=True)
    for _ in range(nodes):
        await swarm.join(seed_port)
    print("joined", flush=True)
    while os.getppid() == parent:
        await swarm.pause(1.0)
