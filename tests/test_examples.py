"""Every example runs, is short, and shows what it says."""

from __future__ import annotations

import sys

from tests.sources import ROOT
from tests.tap.twistd import Process, TwistdCase

MAX_LINES = 60


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

    async def test_publish_reading(self) -> None:
        """Through a running node, with another one that keeps the record."""
        seed = self.start("seed", "seed")
        await self.ready(seed)
        self.manager.words.clear()
        node = self.start("node", "node", "--seed", self.address(seed))
        await self.ready(node)
        home = str(self.folder / "node")
        said = await self.output(self.example("publish_reading", home, "Home/Temperature", "21.5"))
        self.assertIn("lies with 1 other nodes", said)
        self.assertIn("Home/Temperature, signed by", said)

    def start(self, name: str, role: str, *options: str) -> Process:
        """Start a node of its own home on a free loopback port."""
        home = self.folder / name
        home.mkdir(mode=0o700)
        return self.twistd(
            *(f"streembit-{role}", "--home", str(home), "--no-passcode", "--network", "test"),
            *("--listen", "tcp:0:interface=127.0.0.1", "--exempt", "127.0.0.0/8", *options),
        )
