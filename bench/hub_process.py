"""Servers under measurement: a hub, or a bare relay on autobahn, in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from streembit.net.certificate import self_signed

HOST: Final = "127.0.0.1"
START_S: Final = 30.0
_PIN: Final = re.compile(r"wss?://[^\s\"]+#[0-9a-f]{66}")
# Whoever measures is one address with as many members as a town.
LIMITS: Final = """[limits]
connections_total = 19_000
connections_unknown = 1_000
checks_per_peer_per_s = 1_000_000
checks_per_node_per_s = 1_000_000
"""


class Server:
    """One process that listens on a port of loopback.

    Args:
        core: the only one that it may compute on; None for any.
    """

    def __init__(self, command: Sequence[str], port: int, log: Path, core: int | None) -> None:
        self.port = port
        self.log = log
        self._command, self._core = command, core
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        if self._core is not None:
            os.sched_setaffinity(self.pid, {self._core})
        wait_for(self.port)

    def stop(self, how: int = signal.SIGTERM) -> None:
        """End it, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait()
            self._process = None

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process is not None
        return self._process.pid

    @property
    def cpu_s(self) -> float:
        """How long it has computed, all threads, the kernel's work for it included."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_kib(self) -> float:
        """How much memory it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def hub(
    folder: Path, port: int, *options: str, core: int | None = None, config: str = LIMITS
) -> Server:
    """Return `twistd streembit-hub` with its home in this folder."""
    home = folder / "hub"
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "hub.toml").write_text(config)
    command = [
        *(str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "streembit-hub"),
        *("--home", str(home), "--no-passcode", "--create", "--exempt", "127.0.0.0/8"),
        *("--listen", f"tcp:{port}:interface={HOST}", *options),
    ]
    return Server(command, port, folder / "hub.log", core)


def pin(server: Server) -> str:
    """Return how members know a hub, once it has said so."""
    until_s = time.monotonic() + START_S
    while (found := _PIN.findall(server.log.read_text())) == []:
        if time.monotonic() > until_s:
            raise TimeoutError("the hub tells no address")
        time.sleep(0.02)
    return str(found[-1])


def bare(folder: Path, port: int, *, tls: bool = False, core: int | None = None) -> Server:
    """Return the bare relay."""
    command = [sys.executable, "-m", "bench.hub_bare", str(port)]
    if tls:
        certificate, key = self_signed(datetime.now(UTC))
        for name, data in (("certificate", certificate), ("key", key)):
            (folder / name).write_bytes(data)
            command.append(str(folder / name))
    return Server(command, port, folder / "bare.log", core)


def wait_for(port: int) -> None:
    """Return when somebody listens there; raise TimeoutError when nobody does."""
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        with socket.socket() as probe:
            if probe.connect_ex((HOST, port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on port {port}")
