"""`make run`: what it proves, what it shows, and that it leaves nothing running."""

from __future__ import annotations

import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from demo.__main__ import options
from demo.steps import NODES, REACHABLE, SEEDS, way
from demo.table import COLUMNS, cells
from streembit.service.facade import GetResult, Readiness, Status, StoreHealth
from tests.tap.twistd import Process, TwistdCase


def status(*, ready: bool = True) -> Status:
    """Return what some node says of itself."""
    return Status(
        version="0",
        role="node",
        network="demo",
        account="node",
        public_key="02" * 33,
        node_id="0a" * 20,
        fingerprint="",
        listening=["127.0.0.1:1"],
        observed="",
        reachability="unknown",
        peers=7,
        links=6,
        records=5,
        bytes=400,
        limits={},
        refusals={"bad-signature": 2, "rate-limited": 1},
        readiness=Readiness(ready, 1.0, ""),
        clock_skew_s=None,
        uptime_s=1.0,
        signed_checked=42,
        store=StoreHealth(True, ""),
    )


def found(hops: int, requests: int) -> GetResult:
    """Return a record found so far away."""
    return GetResult("o", "n", b"v", 1, 2, "s", hops, 1, 0.5, requests)


class TableTests(SynchronousTestCase):
    """The live table's rows."""

    def test_a_row(self) -> None:
        """Figures stand under their names; refusals of all reasons are one figure."""
        row = cells(status())
        self.assertEqual(len(row), len(COLUMNS) + 2)
        shown = dict(zip(COLUMNS, row[1:], strict=False))
        self.assertEqual(
            shown,
            {"peers": "7", "links": "6", "records": "5", "signed checked": "42", "refused": "3"},
        )
        self.assertIn("yes", row[-1])
        self.assertIn("not yet", cells(status(ready=False))[-1])

    def test_a_dead_node_has_an_empty_row(self) -> None:
        """It says so, and has as many cells as the others."""
        self.assertEqual(len(cells(None)), len(cells(status())))
        self.assertIn("ended", cells(None)[0])

    def test_how_far_away(self) -> None:
        """One hop is one hop, and what lay here needed none."""
        self.assertIn("own store", way(found(0, 0)))
        self.assertIn("1 hop away, with 2 requests", way(found(1, 2)))
        self.assertIn("2 hops away", way(found(2, 5)))

    def test_options(self) -> None:
        """Once, or until Ctrl-C."""
        self.assertTrue(options(["--once"]).once)
        self.assertFalse(options([]).once)


class RunTests(TwistdCase):
    """The whole thing, with its processes."""

    timeout = 300

    def demo(self, *arguments: str) -> Process:
        """Start it with its folders below the test's, so that what is left can be seen."""
        command = [sys.executable, "-m", "demo", *arguments]
        return self.spawn(command, {"TMPDIR": str(self.folder)})

    def left(self) -> list[str]:
        """Return the folders of the demonstration and the processes that use them."""
        folders = [path.name for path in self.folder.glob("streembit-*")]
        mark = str(self.folder).encode()
        processes = [
            entry.name
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and mark in read(entry / "cmdline")
        ]
        return folders + processes

    async def test_once(self) -> None:
        """A record outlives its publisher, two meet through the hub, mail waits; status 0."""
        process = self.demo("--once")
        self.assertEqual(await process.ended, 0, process.out + process.err)
        said = " ".join(process.out.decode().split())
        for words in (
            f"{SEEDS} seeds, a hub and {NODES} nodes run",
            f"each of them knows the {REACHABLE} that can be connected to",
            "gave signed receipts",
            "node-2 read 'Hello",
            "node-1 was killed without notice",
            "node-3 read 'Hello",
            "via hub Harbour",
            "node-5 read",
            "What node-4 says to it now waits in its mailbox at the hub.",
            "It was started again, and read",
        ):
            self.assertIn(words, said)
        self.assertEqual(said.count("the key of node-1: verified"), 2)
        self.assertEqual(self.left(), [])

    async def test_interrupted(self) -> None:
        """Ctrl-C in the middle: everything ends, and it is no failure."""
        process = self.demo()
        await process.said(b"nodes run")
        process.signal("INT")
        self.assertEqual(await process.ended, 0, process.out + process.err)
        self.assertEqual(self.left(), [])

    async def test_a_node_that_does_not_start(self) -> None:
        """It says which, shows its log, ends with 1, and leaves nothing."""
        process = self.demo("--once", "--twistd", "/bin/ls")
        self.assertEqual(await process.ended, 1)
        self.assertIn(b"FAILED: seed-1 ended", process.out)
        self.assertIn(b"the last lines of seed-1", process.out)
        self.assertIn(b"unrecognized option", process.out)
        self.assertEqual(self.left(), [])


def read(path: Path) -> bytes:
    """Return a file of /proc; a process that has just gone has none."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
