"""Row S2: killed at each step of a start, and every file of a home damaged in turn."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from twisted.internet.defer import Deferred

from demo.members import FREE_PORT, OPEN, Member, Role, api_of
from streembit.disk.home import Home
from streembit.disk.peers import PeersFile
from tests.rig.cut import TELLS
from tests.rig.procnet import LONG, NETWORK, ProcessCase, events, reactor, read_lines, side_by_side
from tests.sources import ROOT
from tests.tap.twistd import TWISTD

CUT: Final = ROOT / "tests" / "rig" / "cut.py"
KEY: Final = Path("accounts/node/key.json")
CHEST: Final = Path("chest.sqlite")

# What a start goes on from, whatever is in it; a database without its log, which would repair it.
REPAIRED: Final = (
    "home.json",
    "lock",
    "accounts/.default",
    "accounts/.lock",
    "accounts/node/backups.json",
    "peers.json",
    "records.sqlite",
    "published.sqlite",
    "records.sqlite-wal",
    "published.sqlite-wal",
    "chest.sqlite-wal",
    "chest.sqlite.tally",
)
CACHES: Final = ("peers.json", "records.sqlite", "published.sqlite")


def cut(path: Path) -> None:
    """Leave the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """Leave the name."""
    path.write_bytes(b"")


def zero(path: Path) -> None:
    """Leave as many zeros: what a file is after some crashes."""
    path.write_bytes(bytes(path.stat().st_size))


def garble(path: Path) -> None:
    """Leave as many bytes that mean nothing."""
    path.write_bytes(bytes((byte * 7 + 13) % 256 for byte in path.read_bytes()))


def delete(path: Path) -> None:
    """Leave nothing."""
    path.unlink()


Damage = Callable[[Path], None]
DAMAGES: Final[Sequence[Damage]] = (cut, empty, zero, garble, delete)
USUAL: Final[Sequence[Damage]] = DAMAGES if LONG else (zero, delete)


class StartCase(ProcessCase):
    """Members with homes that a test made, started again and again."""

    timeout = 7200 if LONG else 180

    def member(self, home: Path, role: Role = "node") -> Member:
        """Return a member that has not been started, with this home."""
        command = [TWISTD, "--nodaemon", "--pidfile=", f"streembit-{role}", "--home", str(home)]
        command += ["--network", NETWORK, "--listen", FREE_PORT, *OPEN]
        api = api_of(reactor, home)
        log = home.with_name(f"{home.name}.log")
        return Member(home.name, role, home, log, "", api, command)

    def fresh(self, name: str) -> Path:
        """Return an empty folder that is to become a home."""
        home = self.net.folder / name
        home.mkdir(mode=0o700)
        return home

    def copied(self, home: Path, name: str) -> Path:
        """Return a copy of a home that nobody uses; the socket that a kill left stays behind."""
        ignored = shutil.ignore_patterns("*.sock")
        return shutil.copytree(home, self.net.folder / name, ignore=ignored)

    async def used(self) -> Path:
        """Return the home of a node that was killed, with a backup and files of every kind."""
        peer = await self.net.start("peer")
        node = await self.net.start("node", seeds=[self.net.places["peer"]])
        self.backup = self.net.folder / "backup.json"
        Home.open(node.home).accounts.backup(None, self.backup)
        await self.put(node, "a/name")
        saved = PeersFile(node.home / "peers.json")
        await self.until(lambda: bool(saved.load().peers), 40, "a peer that is remembered")
        for member in (node, peer):
            await self.net.kill(member)
        return node.home

    async def steps(self, home: Path, role: Role) -> list[int]:
        """Start with this home, and return the numbers of its steps."""
        member = await self.cut_short(0, self.member(home, role))
        told = [line for line in read_lines(member.log) if line.startswith(TELLS.decode())]
        return [number + 1 for number in range(len(told))]

    async def cut_short(self, step: int, member: Member) -> Member:
        """Start a member and have it killed before the step; with 0 once its API answers."""
        command = [sys.executable, str(CUT), str(step), str(member.home), *member.command[1:]]
        cut = replace(member, command=command, ended=Deferred())
        self.net.members.run(cut)
        if not step:
            await self.net.answers(cut)
            cut.signal(signal.SIGKILL)
        self.assertIn("signal 9", await cut.ended, member.log.read_text())
        return cut

    async def works(self, member: Member) -> None:
        """Start a member: it answers as who it was. What it repaired needs no repair again."""
        await self.net.again(member, same_port=False)
        self.assertEqual((await member.api.status()).public_key, key_of(member.home), member.name)
        await self.net.kill(member)
        if aside := moved_aside(member.home):
            await self.net.again(member, same_port=False)
            await self.net.kill(member)
            self.assertEqual(moved_aside(member.home), aside)


class KilledTests(StartCase):
    """Killed, without notice, before each thing that a start does with its home."""

    async def test_S2_the_first_start(self) -> None:
        """Whatever was made so far, the next start makes the rest; a key that lies there stays."""
        steps = await self.steps(self.fresh("all"), "seed")
        self.assertGreater(len(steps), 15)
        await side_by_side(self.first(step) for step in steps)

    async def first(self, step: int) -> None:
        member = self.member(self.fresh(f"first-{step}"), "seed")
        await self.cut_short(step, member)
        await self.net.again(member, same_port=False)
        self.assertEqual(moved_aside(member.home), set())
        self.assertEqual((await member.api.status()).public_key, key_of(member.home))
        await self.net.kill(member)

    async def test_S2_a_later_start(self) -> None:
        """Nothing of what the home held is lost, and the key file is as it was."""
        home = await self.used()
        key = (home / KEY).read_bytes()
        steps = await self.steps(self.copied(home, "all"), "node")
        self.assertGreater(len(steps), 6)
        await side_by_side(self.later(home, key, step) for step in steps)

    async def later(self, home: Path, key: bytes, step: int) -> None:
        member = self.member(self.copied(home, f"later-{step}"))
        await self.cut_short(step, member)
        await self.net.again(member, same_port=False)
        self.assertEqual((member.home / KEY).read_bytes(), key)
        self.assertEqual(moved_aside(member.home), set())
        status = await member.api.status()
        self.assertEqual(status.public_key, key_of(home))
        self.assertGreater(status.records, 0)
        await self.net.kill(member)


class DamagedTests(StartCase):
    """A file of a home that was in use, damaged in one way or another."""

    async def test_S2_files_that_a_start_repairs(self) -> None:
        """Caches are moved aside, once; the node answers as who it was."""
        home = await self.used()
        cases = [(name, damage) for name in REPAIRED for damage in USUAL]
        await side_by_side(self.repaired(home, *case) for case in cases)

    async def repaired(self, home: Path, name: str, damage: Damage) -> None:
        """Damage one file of a copy and start."""
        member = self.member(self.copied(home, f"{name.replace('/', '-')}-{damage.__name__}"))
        path = member.home / name
        damage(path)
        path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
        await self.works(member)
        aside = {name.partition(".corrupt-")[0] for name in moved_aside(member.home)}
        expected = {name} if name in CACHES and damage is not delete else set()
        self.assertEqual(aside, expected, member.name)
        told = [event for event in events(member) if event["level"] == "error"]
        self.assertEqual(len(told), len(expected), member.name)

    async def test_S2_a_key_file_is_not_replaced(self) -> None:
        """Damaged or gone: each start ends with one line that says which backup to use."""
        home = await self.used()
        await side_by_side(self.refused(home, damage) for damage in DAMAGES)

    async def refused(self, home: Path, damage: Damage) -> None:
        """Damage the key file of a copy and start."""
        member = self.member(self.copied(home, f"key-{damage.__name__}"))
        path = member.home / KEY
        damage(path)
        before = tree(member.home)
        for _ in range(2):
            line = await self.one_line(member)
            self.assertIn(str(self.backup), line)
            self.assertIn("account restore", line)
        self.assertEqual(tree(member.home), before)

    async def test_S2_contacts_and_messages_are_not_replaced(self) -> None:
        """Damaged or gone: each start ends with one line that says what to do."""
        home = await self.used()
        await side_by_side(self.missed(home, damage) for damage in DAMAGES)

    async def missed(self, home: Path, damage: Damage) -> None:
        """Damage the chest of a copy, without the log that would repair it, and start."""
        member = self.member(self.copied(home, f"chest-{damage.__name__}"))
        path = member.home / CHEST
        damage(path)
        path.with_name(f"{path.name}-wal").unlink(missing_ok=True)
        before = chest_of(member.home)
        for _ in range(2):
            line = await self.one_line(member)
            self.assertIn("put a copy of chest.sqlite in its place", line)
        self.assertEqual(chest_of(member.home), before)

    async def one_line(self, member: Member) -> str:
        """Start a member, which ends with status 1; return the one line beside its log's."""
        member.log.unlink(missing_ok=True)
        self.net.members.run(member)
        self.assertIn("exit code 1", await member.ended)
        written = member.log.read_text().splitlines()
        (line,) = (line for line in written if not line.startswith("{"))
        return line


def moved_aside(home: Path) -> set[str]:
    """Return the names of what was moved aside in a home."""
    return {path.name for path in home.glob("*.corrupt-*")}


def key_of(home: Path) -> str:
    """Return the public key of a home's only account, "" where it has none."""
    accounts = Home.open(home).accounts
    return accounts.load(None, None).public.hex if accounts.names() else ""


def chest_of(home: Path) -> dict[str, bytes]:
    """Return the chest's files with what is in them."""
    return {path.name: path.read_bytes() for path in home.glob("chest.sqlite*")}


def tree(home: Path) -> dict[str, bytes]:
    """Return all files of a home with what is in them."""
    paths = [path for path in home.rglob("*") if path.is_file()]
    return {str(path.relative_to(home)): path.read_bytes() for path in paths}
