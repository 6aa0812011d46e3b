"""A file of 256 MiB by ours and by magic-wormhole, whose servers run on loopback too.

What is timed is what a user waits for: both ends are started, find each other,
agree on a key, move the file from disk to disk and end. The wormhole has its
code given (nobody types), its own mailbox server and its own transit relay;
once it connects its two ends directly, once through the relay. Ours offers
the file over a link and accepts it, the file's digest checked and the file on
the medium before it counts. Everything runs in turn; medians are compared.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.file_stream import digest_of, make_file, port_of, said, start

SIZE_BYTES: Final = int(os.environ.get("STREEMBIT_BENCH_FILE_BYTES", str(256 * 2**20)))
ROUNDS: Final = 5
BAR: Final = 1.0
WAIT_S: Final = 120.0
NEEDED: Final = ("wormhole", "wormhole_mailbox_server", "wormhole_transit_relay")
BESIDE: Final = Path(sys.executable).parent


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    """Return once somebody listens at a port."""
    for _ in range(1000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise SystemExit("a server did not come up")


@contextmanager
def server(folder: Path, plugin: str) -> Iterator[int]:
    """Run a twistd plugin in a folder of its own while the block lasts; give its port."""
    port = free_port()
    home = Path(tempfile.mkdtemp(dir=folder))
    command = [str(BESIDE / "twistd"), "--nodaemon", "--pidfile=", "--logfile=log", plugin]
    command += [f"--port=tcp:{port}:interface=127.0.0.1"]
    process = subprocess.Popen(command, cwd=home)
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def by_wormhole(folder: Path, path: Path, urls: Sequence[str], code: str, *ways: str) -> float:
    """Move the file by magic-wormhole; return the seconds."""
    home = Path(tempfile.mkdtemp(dir=folder))
    tool = [str(BESIDE / "wormhole"), *urls]
    send = [*tool, "send", "--hide-progress", *ways, "--code", code, str(path)]
    receive = [*tool, "receive", "--hide-progress", *ways, "--accept-file", "-o", "received", code]
    began_s = time.perf_counter()
    ends = [
        subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in (send, receive)
    ]
    codes = [end.wait(WAIT_S) for end in ends]
    seconds = time.perf_counter() - began_s
    check(home / "received", path, codes)
    shutil.rmtree(home)
    return seconds


def by_ours(folder: Path, path: Path) -> float:
    """Move the file by a transfer; return the seconds."""
    homes = [Path(tempfile.mkdtemp(dir=folder)) for _ in range(2)]
    began_s = time.perf_counter()
    receiver = start("receive", homes[0], 0, path)
    sender = start("send", homes[1], port_of(homes[0]), path)
    ends = [said(receiver), said(sender)]
    seconds = time.perf_counter() - began_s
    check(Path(ends[0]["path"]), path, [])
    for home in homes:
        shutil.rmtree(home)
    return seconds


def check(received: Path, sent: Path, codes: Sequence[int]) -> None:
    """End the program unless the file came through."""
    if any(codes) or digest_of(received) != digest_of(sent):
        raise SystemExit(f"the file is not what was sent: {codes}")


def main() -> int:
    """Run all in turn; return whether the bar was missed."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        print("magic-wormhole or one of its servers is not installed: nothing to compare with")
        return 0
    times: dict[str, list[float]] = {"ours": [], "wormhole": [], "wormhole by its relay": []}
    with tempfile.TemporaryDirectory(prefix="streembit-") as name:
        folder = Path(name)
        path = folder / "file"
        make_file(path, SIZE_BYTES)
        with server(folder, "wormhole-mailbox") as mailbox, server(folder, "transitrelay") as relay:
            urls = [f"--relay-url=ws://127.0.0.1:{mailbox}/v1"]
            urls += [f"--transit-helper=tcp:127.0.0.1:{relay}"]
            for number in range(ROUNDS + 1):
                took = {
                    "ours": by_ours(folder, path),
                    "wormhole": by_wormhole(folder, path, urls, f"{2 * number + 1}-a-b"),
                    "wormhole by its relay": by_wormhole(
                        folder, path, urls, f"{2 * number + 2}-a-b", "--no-listen"
                    ),
                }
                if number:  # the first round warms the page cache
                    for what, seconds in took.items():
                        times[what].append(seconds)
    for what, took_s in times.items():
        print(f"{what}: {statistics.median(took_s):.2f} s (median of {ROUNDS})")
    ratios = {
        what: statistics.median(
            theirs / ours for ours, theirs in zip(times["ours"], took_s, strict=True)
        )
        for what, took_s in times.items()
        if what != "ours"
    }
    for what, ratio in ratios.items():
        print(f"ours is faster than {what} {ratio:.2f} times (bar: more than {BAR:g})")
    return int(min(ratios.values()) <= BAR)


if __name__ == "__main__":
    sys.exit(main())
