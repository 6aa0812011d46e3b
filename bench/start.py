"""How long `twistd streembit-node` takes until it serves, beside a twistd that serves nothing.

Both are told by the service manager's protocol when they are ready, so the
same datagram ends both times. The key file has no passcode: opening one with
a passcode takes a fixed 0.2 s by design.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

ROUNDS: Final = 9
BAR: Final = 2.0
READY_WITHIN_S: Final = 60.0
TWISTD: Final = str(Path(sys.executable).with_name("twistd"))

EMPTY: Final = """
import os, socket
from twisted.application.service import Application, Service
from twisted.internet import reactor

class Empty(Service):
    def startService(self):
        super().startService()
        reactor.callWhenRunning(self.ready)

    def ready(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])

application = Application("empty")
Empty().setServiceParent(application)
"""


def time_to_ready(folder: Path, command: Sequence[str]) -> float:
    """Return the seconds from the start of a process to its READY=1; then end it."""
    path = folder / "notify"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(READY_WITHIN_S)
        began_s = time.perf_counter()
        process = subprocess.Popen(
            command,
            env={**os.environ, "NOTIFY_SOCKET": str(path)},
            cwd=folder,
            stdout=subprocess.DEVNULL,
        )
        try:
            while manager.recv(4096) != b"READY=1":
                pass
            return time.perf_counter() - began_s
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def main() -> None:
    """Start both in turn and print the medians and their ratio."""
    with tempfile.TemporaryDirectory(prefix="streembit-") as name:
        folder = Path(name)
        (folder / "empty.py").write_text(EMPTY)
        (folder / "home").mkdir(mode=0o700)
        plain = [TWISTD, "--nodaemon", "--pidfile="]
        empty = [*plain, "--no_save", "--python", "empty.py"]
        node = [*plain, "streembit-node", "--home", "home", "--no-passcode"]
        node += ["--listen", "tcp:0:interface=127.0.0.1", "--network", "bench"]
        for command in (empty, node):  # warm the caches of files and bytecode
            time_to_ready(folder, command)
        rounds = [
            (time_to_ready(folder, empty), time_to_ready(folder, node)) for _ in range(ROUNDS)
        ]
    empty_s, node_s = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(node / empty for empty, node in rounds)
    print(f"empty twistd ready after {empty_s * 1000:.0f} ms (median of {ROUNDS})")
    print(f"streembit-node ready after {node_s * 1000:.0f} ms")
    print(f"ratio {ratio:.2f} (bar: under {BAR:g})")
    sys.exit(ratio >= BAR)


if __name__ == "__main__":
    main()
