"""Files between two nodes, each a `twistd streembit-node`, driven by their local API.

Run by `bench.file_stream` as `python -m bench.file_nodes FOLDER FILE TIMES`.
The nodes become contacts; then, for each line on standard input, the file is
offered and accepted, and one line of JSON goes to standard output: seconds
from the acceptance to the receiver's `done`, CPU of both nodes, growth of
their resident sets.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.threads import deferToThread

from bench.wormhole import free_port
from streembit.client import Client
from streembit.errors import LocalError
from streembit.service.people_rows import TransferRow

TWISTD: Final = str(Path(sys.executable).with_name("twistd"))
LOOK_EVERY_S: Final = 0.1  # asking costs the nodes something too
WAIT_S: Final = 120.0
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass
class Node:
    """A node in a process, and its local API."""

    process: subprocess.Popen[bytes]
    client: Client
    home: Path

    def rss_kib(self, name: str = "VmRSS") -> int:
        """Return its resident set, or with VmHWM the largest since `forget_peak`."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        raise AssertionError(name)

    def forget_peak(self) -> None:
        """Let VmHWM begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cpu_s(self) -> float:
        """Return the CPU seconds that it has used, all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS


def start(reactor: Any, folder: Path, name: str, port: int, seed_port: int) -> Node:
    """Start a node with a home of its own, or once more with the one it had."""
    home = folder / name
    home.mkdir(mode=0o700, exist_ok=True)
    command = [TWISTD, "--nodaemon", "--pidfile=", f"--logfile={folder / name}.log"]
    command += ["streembit-node", "--home", str(home), "--no-passcode", "--create"]
    command += ["--account", name, "--network", "bench", "--exempt", "127.0.0.0/8"]
    command += ["--listen", f"tcp:{port}:interface=127.0.0.1", "--seed", f"127.0.0.1:{seed_port}"]
    return Node(subprocess.Popen(command), Client(reactor, home), home)


async def until(reactor: Any, look: Callable[[], Any]) -> Any:
    """Return what `look` comes to, once that is true; a node that does not answer yet is asked."""
    end_s = time.monotonic() + WAIT_S
    while time.monotonic() < end_s:
        try:
            found = await look()
        except LocalError:
            found = None
        if found:
            return found
        await deferLater(reactor, LOOK_EVERY_S, lambda: None)
    raise SystemExit("the nodes did not do it in time")


async def befriend(reactor: Any, ann: Client, bob: Client) -> None:
    """Make both contacts of each other."""
    made = await until(reactor, ann.offer.create)
    await until(reactor, lambda: bob.contact.add(made.text, name="ann"))

    async def accepted() -> bool:
        for request in await ann.contact.requests():
            await ann.contact.accept(request.id, name="bob")
        rows = [*await ann.contact.list(), *await bob.contact.list()]
        return len(rows) == 2 and all(row.state == "contact" for row in rows)

    await until(reactor, accepted)


async def move(reactor: Any, ann: Node, bob: Node, path: Path) -> None:
    """Send the file once, and tell how it went."""
    offered = await ann.client.file.send("bob", path)

    async def row() -> TransferRow | None:
        found = [row for row in await bob.client.file.list() if row.id == offered.id]
        return found[0] if found else None

    await until(reactor, row)
    nodes = ann, bob
    for node in nodes:
        node.forget_peak()
    before = [(node.cpu_s(), node.rss_kib()) for node in nodes]
    began_s = time.perf_counter()
    await bob.client.file.accept(offered.id)

    async def ended() -> TransferRow | None:
        found = await row()
        return found if found and found.state in {"done", "failed"} else None

    last = await until(reactor, ended)
    seconds = time.perf_counter() - began_s
    after = [(node.cpu_s(), node.rss_kib("VmHWM")) for node in nodes]
    figures = {
        "state": last.state,
        "why": last.why,
        "seconds": seconds,
        "cpu_s": sum(late[0] - early[0] for early, late in zip(before, after, strict=True)),
        "grown_kib": max(late[1] - early[1] for early, late in zip(before, after, strict=True)),
        "path": str(latest(Path(last.folder))),
    }
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def latest(folder: Path) -> Path:
    """Return what got its name in a download folder last."""
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return max(shown, key=lambda path: path.stat().st_mtime_ns)


async def run(reactor: Any, folder: Path, path: Path, times: int) -> None:
    """Start both nodes, let them meet, and move the file so many times, when told by a line."""
    ports = free_port(), free_port()
    ann = start(reactor, folder, "ann", ports[0], ports[1])
    bob = start(reactor, folder, "bob", ports[1], ports[0])
    try:
        await befriend(reactor, ann.client, bob.client)
        for _ in range(times):
            if not await deferToThread(sys.stdin.readline):
                return  # nobody wants more
            await move(reactor, ann, bob, path)
    finally:
        for node in (ann, bob):
            node.process.terminate()
            node.process.wait()


if __name__ == "__main__":
    react(
        lambda reactor: Deferred.fromCoroutine(
            run(reactor, Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
        )
    )
