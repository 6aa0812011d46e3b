"""Two accounts in one process: two nodes that share nothing that others could see."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from demo.members import api_of
from streembit.client import Client
from streembit.disk.home import Home
from tests.cli.harness import invoke
from tests.tap.test_processes import LOOPBACK, NodeCase
from tests.tap.twistd import Process, reactor

TWO = ("--account", "ann", "--listen", LOOPBACK, "--account", "bob", "--listen", LOOPBACK)
NAMES = ("ann", "bob")
LOOK_EVERY_S = 0.05


class AccountsCase(NodeCase):
    """A process that runs as ann and as bob."""

    async def started(self, home: Path, *options: str) -> Process:
        """Start it and wait until it is ready."""
        self.manager.words.clear()
        process = self.node(home, *options, *TWO, "--exempt", "127.0.0.0/8")
        await self.ready(process)
        return process

    async def ended(self, process: Process) -> None:
        """End it well."""
        process.signal("TERM")
        self.assertEqual(await process.ended, 0, process.out + process.err)

    def api(self, home: Path, name: str) -> Client:
        """Return an account's own API."""
        return api_of(reactor, home, name)

    async def joined(self, home: Path, name: str) -> None:
        """Wait until an account's node has a peer."""
        while not (await self.api(home, name).status()).peers:
            await deferLater(reactor, LOOK_EVERY_S)


class AccountsTests(AccountsCase):
    """What each has of its own, and what none has of the other's."""

    async def test_each_has_its_own_port_key_id_links_and_stores(self) -> None:
        """For a seed they are two nodes; what one publishes is in no store of the other."""
        seed = self.node(self.home("seed"), "--exempt", "127.0.0.0/8", role="seed")
        await self.ready(seed)
        home = self.home()
        process = await self.started(home, "--seed", self.address(seed))
        for name in NAMES:
            await self.joined(home, name)
            put = await self.api(home, name).record.put(f"of/{name}", b"canary", ttl_s=3600)
            self.assertGreaterEqual(len(put.replicas), 1)
        ann, bob = [await self.api(home, name).status() for name in NAMES]
        self.assertEqual([ann.account, bob.account], list(NAMES))
        for member in ("public_key", "node_id", "fingerprint", "listening"):
            self.assertNotEqual(getattr(ann, member), getattr(bob, member), member)
        self.assertGreaterEqual(min(ann.links, bob.links), 1)
        for name in NAMES:
            told = await deferToThread(
                invoke, "--home", home, "--account", name, "--json", "account", "show"
            )
            asked = await deferToThread(invoke, "--home", home, "--account", name, "status")
            self.assertIn(f"account      {name}\n", asked.out)
            self.assertIn(told.json["public_key"], asked.out)
        nobody = await deferToThread(invoke, "--home", home, "--account", "carol", "status")
        self.assertEqual(nobody.code, "no-such-account")
        await self.ended(process)
        own, others = [Home(home).place(name) for name in NAMES]
        self.assertIn(b"of/ann", own.published_path.read_bytes())
        self.assertNotIn(b"of/ann", others.published_path.read_bytes())
        for status, other in ((ann, others), (bob, own)):
            self.assertNotIn(bytes.fromhex(status.public_key), other.published_path.read_bytes())

    async def test_they_keep_their_places(self) -> None:
        """Whoever runs alone, or is named first, later on."""
        home = self.home()
        await self.ended(await self.started(home))
        folders = [Home(home).place(name).folder for name in NAMES]
        self.assertEqual(folders, [home, home / "accounts" / "bob"])
        self.manager.words.clear()
        alone = self.node(home, "--account", "bob")
        await self.ready(alone)
        self.assertEqual((await self.api(home, "bob").status()).account, "bob")
        self.assertFalse((home / "api.sock").exists())
        await self.ended(alone)

    async def test_an_account_whose_key_is_lost_is_not_made_anew(self) -> None:
        """As for a single one."""
        home = self.home()
        await self.ended(await self.started(home))
        Home(home).accounts.key_path("bob").unlink()
        line = await self.refused(self.node(home, *TWO))
        self.assertIn("key file is gone", line)

    async def test_one_takes_a_new_key_and_the_other_goes_on(self) -> None:
        """Its ports stay, ann's node is what it was, and the manager hears of no second start."""
        home = self.home()
        process = await self.started(home)
        before = {name: await self.api(home, name).status() for name in NAMES}
        rotated = await deferToThread(
            invoke, "--home", home, "--account", "bob", "--json", "key", "rotate"
        )
        self.assertEqual(rotated.status, 0, rotated.err)
        after = {name: await self.api(home, name).status() for name in NAMES}
        self.assertEqual(after["bob"].public_key, rotated.json["public_key"])
        self.assertEqual(after["bob"].listening, before["bob"].listening)
        self.assertEqual(after["ann"].public_key, before["ann"].public_key)
        self.assertGreaterEqual(after["ann"].uptime_s, before["ann"].uptime_s)
        self.assertLess(after["bob"].uptime_s, after["ann"].uptime_s)
        self.assertEqual(self.manager.words.count("READY=1"), 1)
        await self.ended(process)

    async def test_one_is_wiped_and_the_other_stays(self) -> None:
        """The process ends, bob's keys and stores are gone, and ann goes on alone."""
        home = self.home()
        process = await self.started(home)
        key = Home(home).accounts.key_path("ann").read_bytes()
        place = Home(home).place("bob").folder
        self.assertTrue((place / "chest.sqlite").exists())
        wiped = await deferToThread(
            invoke, "--home", home, "--account", "bob", "--json", "wipe", "--yes"
        )
        self.assertEqual(wiped.status, 0, wiped.err)
        self.assertEqual(await process.ended, 0, process.out + process.err)
        self.assertFalse(place.exists())
        self.assertEqual(Home(home).accounts.key_path("ann").read_bytes(), key)
        self.manager.words.clear()
        alone = self.node(home, "--account", "ann")
        await self.ready(alone)
        self.assertEqual((await self.api(home, "ann").status()).account, "ann")
        await self.ended(alone)
