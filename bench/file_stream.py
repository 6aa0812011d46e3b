"""A file of 1 GiB from disk to disk between two nodes, beside the same bytes in a bare stream.

The nodes are two `twistd streembit-node`, contacts of each other. The bare stream is
one Twisted TCP connection that carries AES-256-GCM frames of the same size from the
file to a file: no digests, no resuming, nothing put on the medium. Both ways are run in
turn, several times, with their files in the page cache; the bytes a second are compared.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from subprocess import PIPE
from typing import Any, Final

SIZE_BYTES: Final = int(os.environ.get("STREEMBIT_BENCH_FILE_BYTES", str(2**30)))
ROUNDS: Final = 5
BAR: Final = 0.5
BAR_GROWN_KIB: Final = 32 * 1024
WAIT_S: Final = 120.0


@dataclass(frozen=True)
class Run:
    """One file moved; `seconds` by the receiver's clock, CPU of both processes."""

    seconds: float
    cpu_s: float
    grown_kib: int

    @property
    def mib_s(self) -> float:
        """The bytes of the file a second."""
        return SIZE_BYTES / self.seconds / 2**20


def make_file(path: Path, size_bytes: int = SIZE_BYTES) -> bytes:
    """Write a file without a pattern, and return its digest."""
    chance = random.Random(1)
    with path.open("wb") as file:
        left = size_bytes
        while left:
            left -= file.write(chance.randbytes(min(left, 2**20)))
    return digest_of(path)


def digest_of(path: Path) -> bytes:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()


def start(role: str, home: Path, port: int, path: Path) -> subprocess.Popen[str]:
    """Start an end."""
    command = [sys.executable, "-m", "bench.file_ends", role, str(home), str(port), str(path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def port_of(home: Path) -> int:
    """Return where the receiving end listens, once it does."""
    for _ in range(2000):
        if (home / "port").exists():
            return int((home / "port").read_text())
        time.sleep(0.005)
    raise SystemExit("the receiving end did not come up")


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what an end says when it is through."""
    out, _ = process.communicate(timeout=WAIT_S)
    lines = out.splitlines()
    if not lines:
        raise SystemExit("an end died")
    found: dict[str, Any] = json.loads(lines[-1])
    if found["state"] != "done":
        raise SystemExit(f"the transfer failed: {found}")
    return found


def move(folder: Path, roles: tuple[str, str], path: Path, digest: bytes) -> Run:
    """Move the file once, and check that it is what it was."""
    homes = [Path(tempfile.mkdtemp(dir=folder)) for _ in roles]
    receiver = start(roles[0], homes[0], 0, path)
    sender = start(roles[1], homes[1], port_of(homes[0]), path)
    ends = [said(receiver), said(sender)]
    if digest_of(Path(ends[0]["path"])) != digest:
        raise SystemExit("the file is not what was sent")
    for home in homes:
        shutil.rmtree(home)
    grown_kib = max(end.get("grown_kib", 0) for end in ends)
    return Run(ends[0]["seconds"], sum(end["cpu_s"] for end in ends), grown_kib)


@contextmanager
def nodes(folder: Path, path: Path, digest: bytes, times: int) -> Iterator[Callable[[], Run]]:
    """Run two nodes while the block lasts; give what moves the file between them once."""
    command = [sys.executable, "-m", "bench.file_nodes", str(folder), str(path), str(times)]
    process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    orders, answers = process.stdin, process.stdout

    def once() -> Run:
        orders.write("\n")
        orders.flush()
        line = answers.readline()
        found: dict[str, Any] = json.loads(line) if line else {"state": "dead"}
        if found["state"] != "done":
            raise SystemExit(f"the transfer failed: {found}")
        received = Path(found["path"])
        if digest_of(received) != digest:
            raise SystemExit("the file is not what was sent")
        received.unlink()
        return Run(found["seconds"], found["cpu_s"], found["grown_kib"])

    try:
        yield once
    finally:
        orders.close()
        process.wait()


def measure(folder: Path) -> tuple[list[Run], list[Run]]:
    """Move a file both ways in turn; return the runs of the bare stream, and of the nodes."""
    path = folder / "file"
    digest = make_file(path)
    bare, ours = [], []
    with nodes(folder, path, digest, ROUNDS + 1) as between_nodes:
        for _ in range(ROUNDS + 1):
            one = move(folder, ("plain-receive", "plain-send"), path, digest)
            two = between_nodes()
            bare.append(one)
            ours.append(two)
    return bare, ours


def main() -> int:
    """Run both in turn; return whether a bar was missed."""
    with tempfile.TemporaryDirectory(prefix="streembit-") as name:
        bare, ours = measure(Path(name))
    grown_kib = max(run.grown_kib for run in ours)
    del bare[0], ours[0]  # the first round warmed the page cache
    for what, runs in (("a bare sealed stream", bare), ("a file between nodes", ours)):
        speed = statistics.median(run.mib_s for run in runs)
        cpu = statistics.median(run.cpu_s for run in runs)
        print(f"{what}: {speed:.0f} MiB/s (median of {ROUNDS}), {cpu:.2f} s of CPU at both ends")
    ratio = statistics.median(two.mib_s / one.mib_s for one, two in zip(bare, ours, strict=True))
    print(f"ratio {ratio:.2f} (bar: at least {BAR:g})")
    print(f"resident sets grew by at most {grown_kib / 1024:.1f} MiB (bar: under 32)")
    return int(ratio < BAR or grown_kib >= BAR_GROWN_KIB)


if __name__ == "__main__":
    sys.exit(main())
