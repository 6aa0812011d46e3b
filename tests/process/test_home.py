"""Rows S2, S4, L6 and L7: damaged files, two processes in one home, passcodes."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred

from demo.members import LOOPBACK, Member
from streembit.disk.home import Home
from streembit.errors import WrongPasscode
from tests.rig.procnet import TTL_S, ProcessCase, events, reactor, tried

PASSCODE: Final = "Canary-Secret-1!"
GUESS: Final = "Canary-Guess-22!"
CACHES: Final = ("records.sqlite", "peers.json", "published.sqlite")
GUESS_S: Final = 0.25


class HomeTests(ProcessCase):
    """One process and its home."""

    async def refused(self, member: Member) -> str:
        """Start a member; it ends with status 1: return the one line beside those of the log."""
        size = member.log.stat().st_size if member.log.exists() else 0
        self.net.members.run(member)
        ended = await member.ended
        written = member.log.read_bytes()[size:].decode().splitlines()
        (line,) = (line for line in written if not line.startswith("{"))
        self.assertIn("exit code 1", ended)
        return line

    async def settled(self) -> tuple[Member, Member]:
        """Return a node and its peer, which has files of every kind; both were ended."""
        peer = await self.net.start("peer")
        node = await self.net.start("node", seeds=[self.net.places["peer"]])
        await self.put(node, "a/name")
        node.signal(signal.SIGTERM)
        self.assertIn("exit code 0", await node.ended)
        for name in CACHES:
            self.assertTrue((node.home / name).stat().st_size, name)
        return node, peer

    # --- S2
    async def test_S2_damaged_caches(self) -> None:
        """Truncated, emptied or garbage: moved aside, said, and the node works."""
        node, peer = await self.settled()
        key = (node.home / "accounts" / "node" / "key.json").read_bytes()
        for number, damage in enumerate((halved, garbled, emptied)):
            aside = self.aside(node)
            for name in CACHES:
                path = node.home / name
                for rest in node.home.glob(f"{name}-*"):
                    rest.unlink()
                path.write_bytes(damage(path.read_bytes()))
            said = len(events(node))
            await self.net.again(node)
            moved = self.aside(node) - aside
            self.assertEqual({name.partition(".corrupt-")[0] for name in moved}, set(CACHES))
            told = "".join(e["msg"] for e in events(node)[said:] if e["level"] == "error")
            for name in moved:
                self.assertIn(name, told)
            name = f"a/after-{number}"
            put = await self.put(node, name, b"works")
            self.assertEqual((await peer.api.record.get(node.public_key, name)).value, b"works")
            self.assertEqual(put.seq, 1)
            self.assertGreater((await self.put(node, "a/name", b"newer")).seq, number + 1)
            node.signal(signal.SIGTERM)
            self.assertIn("exit code 0", await node.ended)
        self.assertEqual((node.home / "accounts" / "node" / "key.json").read_bytes(), key)

    def aside(self, member: Member) -> set[str]:
        """Return the names of what was moved aside in a home."""
        return {path.name for path in member.home.glob("*.corrupt-*")}

    async def test_S2_a_damaged_key_file(self) -> None:
        """The start is refused with advice, each time, and the file stays as it is."""
        node = await self.net.start("node")
        await self.net.kill(node)
        key = node.home / "accounts" / "node" / "key.json"
        good = key.read_bytes()
        for damage in (good[:-40], b"", garbled(good)):
            key.write_bytes(damage)
            line = await self.refused(node)
            self.assertIn(str(key), line)
            self.assertIn("restore", line)
            self.assertEqual(key.read_bytes(), damage)
        key.write_bytes(good)
        await self.net.again(node)
        self.assertEqual((await node.api.status()).public_key, node.public_key)

    # --- S4
    async def test_S4_started_twice(self) -> None:
        """The second ends with 1 and one line that names the first, which goes on."""
        node = await self.net.start("node")
        second = replace(node, log=self.net.folder / "second.log", ended=Deferred())
        line = await self.refused(second)
        self.assertIn(f"pid: {node.pid}", line)
        self.assertTrue(node.runs)
        self.assertTrue((await node.api.status()).listening)

    # --- L
    async def locked(self) -> tuple[Member, Path]:
        """Return a node that runs with a passcode, and the passcode's file."""
        file = self.net.folder / "passcode"
        file.touch(0o600)
        file.write_text(PASSCODE)
        options = ["--passcode-file", str(file), "--exempt", LOOPBACK]
        node = self.net.members.start("node", "node", options=options, passcode=PASSCODE)
        await self.net.answers(node)
        return node, file

    async def test_L6_a_guess_takes_its_time(self) -> None:
        """A wrong passcode is refused by the process, after a quarter of a second or more."""
        node, file = await self.locked()
        await self.net.kill(node)
        file.write_text(GUESS)
        began_s = reactor.seconds()
        line = await self.refused(node)
        self.assertGreater(reactor.seconds() - began_s, GUESS_S)
        self.assertIn("wrong", line)
        self.assertNotIn(GUESS, line)
        accounts = Home.open(node.home).accounts
        began_s = reactor.seconds()
        self.assertRaises(WrongPasscode, accounts.load, "node", GUESS)
        self.assertGreaterEqual(reactor.seconds() - began_s, GUESS_S)

    async def test_L7_the_passcode_is_nowhere(self) -> None:
        """Not in any process's arguments or environment, no log and no file; nor are the keys."""
        node, file = await self.locked()
        await tried(
            node.api.record.put("a/name", b"signed, though there is nobody to keep it", ttl_s=TTL_S)
        )
        identity = Home.open(node.home).accounts.load("node", PASSCODE)
        secrets = [PASSCODE.encode(), GUESS.encode()]
        for raw in (identity.seed, identity.signing.scalar, identity.agreement.scalar):
            secrets += [raw, raw.hex().encode()]
        places = [path for name in ("cmdline", "environ") for path in proc_files(name)]
        self.assertIn(Path(f"/proc/{node.pid}/environ"), places)
        self.check_absent(secrets, places)
        await self.net.kill(node)
        file.write_text(GUESS)
        await self.refused(node)
        file.unlink()
        written = [path for path in self.net.folder.rglob("*") if path.is_file()]
        self.assertIn(node.log, written)
        self.check_absent(secrets, written)

    def check_absent(self, secrets: list[bytes], places: list[Path]) -> None:
        """Assert that none of the secrets is in any of the places."""
        for place in places:
            text = contents(place)
            found = [secret for secret in secrets if secret in text]
            self.assertEqual(found, [], str(place))


def halved(data: bytes) -> bytes:
    """Return the first half."""
    return data[: len(data) // 2]


def emptied(data: bytes) -> bytes:
    """Return as many zeros: what a file is after some crashes."""
    return bytes(len(data))


def garbled(data: bytes) -> bytes:
    """Return as many bytes that mean nothing."""
    return bytes((byte * 7 + 13) % 256 for byte in data)


def proc_files(name: str) -> list[Path]:
    """Return this file of each process."""
    return [entry / name for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def contents(path: Path) -> bytes:
    """Return a file's bytes; a process that has just gone has none."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
