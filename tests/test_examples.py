"""Every example runs, is short, and shows what it says."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.cli.harness import Ended, invoke
from tests.sources import ROOT
from tests.tap.twistd import Process, TwistdCase, reactor

MAX_LINES = 60
LOOK_EVERY_S = 0.05


class ExampleTests(TwistdCase):
    """The programs of examples/."""

    def example(self, name: str, *arguments: str) -> Process:
        """Start an example."""
        return self.spawn([sys.executable, str(ROOT / "examples" / f"{name}.py"), *arguments])

    async def output(self, process: Process) -> str:
        """Return what the example printed; its exit status has to be 0."""
        status = await process.ended
        self.assertEqual(status, 0, process.out.decode() + process.err.decode())
        self.assertEqual(process.err, b"")
        return process.out.decode()

    def test_each_is_short_and_has_a_test(self) -> None:
        """An example that no test runs is not kept."""
        for path in (ROOT / "examples").glob("*.py"):
            self.assertLessEqual(len(path.read_text().splitlines()), MAX_LINES, path.name)
            self.assertTrue(hasattr(self, f"test_{path.stem}"), path.name)

    async def test_sealed_letter(self) -> None:
        """Bob reads, Eve does not."""
        said = await self.output(self.example("sealed_letter"))
        self.assertIn("Bob reads: The key lies under the stone.", said)
        self.assertIn("signed by Alice: True", said)
        self.assertIn("Eve cannot read it: decrypt-failed", said)
        self.assertIn("Eve cannot change it: decrypt-failed", said)

    async def test_two_nodes(self) -> None:
        """A record put by one node is read by the other."""
        said = await self.output(self.example("two_nodes"))
        self.assertIn("b'Hello'", said)

    async def test_echo(self) -> None:
        """Through two nodes: one asks, is taken as a contact, and hears what it said."""
        await self.two_nodes()
        example = self.example("echo", str(self.folder / "echo"))
        await example.said(b"echo listens")
        offer = json.loads(await self.ask("echo", "--json", "offer", "create"))
        await self.ask("ann", "contact", "add", "-", typed=offer["text"].encode())
        await self.until("contact\n", "ann", "contact", "show", "echo")
        await self.ask("ann", "message", "send", "echo", "hello, hello")
        await self.until("echo  delivered", "ann", "message", "list", "echo")
        await self.ask("ann", "message", "send", "echo", "/quit")
        await self.output(example)

    async def test_send_file(self) -> None:
        """The example ends when the other one has all of it."""
        await self.two_nodes()
        offer = json.loads(await self.ask("echo", "--json", "offer", "create"))
        await self.ask("ann", "contact", "add", "-", typed=offer["text"].encode())
        await self.until("contact\n", "ann", "contact", "show", "echo")
        file = self.folder / "plan.pdf"
        file.write_bytes(bytes(100_000))
        example = self.example("send_file", str(self.folder / "ann"), "echo", str(file))
        await example.said(b"offered plan.pdf, 100000 bytes")
        (row,) = json.loads(await self.ask("echo", "--json", "file", "list"))["files"]
        down = self.folder / "down"
        await self.ask("echo", "file", "accept", row["id"], "--folder", down)
        self.assertIn("done: 100000 of 100000 bytes", await self.output(example))
        self.assertEqual((down / "plan.pdf").read_bytes(), bytes(100_000))

    async def test_call(self) -> None:
        """One waits, the other one calls; each hears what the other says of itself."""
        await self.two_nodes()
        offer = json.loads(await self.ask("echo", "--json", "offer", "create"))
        await self.ask("ann", "contact", "add", "-", typed=offer["text"].encode())
        await self.until("contact\n", "ann", "contact", "show", "echo")
        called = self.example("call", str(self.folder / "echo"))
        await called.said(b"echo waits")
        calling = self.example("call", str(self.folder / "ann"), "echo")
        self.assertIn("answered: a description", await self.output(calling))
        self.assertIn("called: a description", await self.output(called))

    async def test_publish_reading(self) -> None:
        """Through a running node, with another one that keeps the record."""
        seed = self.start("seed", "seed")
        await self.ready(seed)
        self.manager.words.clear()
        node = self.start("node", "node", "--seed", self.address(seed))
        await self.ready(node)
        await self.until("127.0.0.1", "node", "peer", "list")
        home = str(self.folder / "node")
        said = await self.output(self.example("publish_reading", home, "Home/Temperature", "21.5"))
        self.assertIn("lies with 1 other nodes", said)
        self.assertIn("Home/Temperature, signed by", said)

    async def two_nodes(self) -> None:
        """Start the nodes of two accounts that know each other's address."""
        echo = self.start("echo", "node", "--account", "echo")
        await self.ready(echo)
        self.manager.words.clear()
        ann = self.start("ann", "node", "--account", "ann", "--seed", self.address(echo))
        await self.ready(ann)
        for name in ("echo", "ann"):
            await self.until("127.0.0.1", name, "peer", "list")

    async def ask(self, name: str, *arguments: str | Path, typed: bytes = b"") -> str:
        """Return what a command of one of them printed; it has to succeed."""
        home = self.folder / name
        ended: Ended = await deferToThread(invoke, "--home", home, *arguments, typed=typed)
        self.assertEqual(ended.status, 0, ended.err)
        return ended.out

    async def until(self, words: str, name: str, *arguments: str) -> None:
        """Ask again and again until the answer has these words."""
        while words not in await self.ask(name, *arguments):
            await deferLater(reactor, LOOK_EVERY_S)

    def start(self, name: str, role: str, *options: str) -> Process:
        """Start a node of its own home on a free loopback port."""
        home = self.folder / name
        home.mkdir(mode=0o700)
        return self.twistd(
            *(f"streembit-{role}", "--home", str(home), "--no-passcode", "--network", "test"),
            *("--listen", "tcp:0:interface=127.0.0.1", "--exempt", "127.0.0.0/8", *options),
        )
