"""Homes of every release, read by this one: nobody loses anything by an upgrade."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import book as contacts
from streembit.contacts import invitations, requests
from streembit.contacts.book import Book
from streembit.contacts.invitations import Invitations
from streembit.contacts.requests import Requests
from streembit.dht.record import read
from streembit.disk import allowlist, config
from streembit.disk.chest import Chest
from streembit.disk.home import Home
from streembit.disk.mailbox import Mailbox
from streembit.disk.peers import PeersFile
from streembit.disk.published import PublishedRecords, Slot
from streembit.disk.records import SqliteShelf
from streembit.errors import WrongPasscode
from streembit.hub.mail import Mail
from streembit.jose import words
from streembit.jose.keys import Identity, ParsedKeys, PublicKey
from streembit.service.people.lane import at_once
from streembit.service.people.transfers import Transfers
from streembit.wire.transfer import FileContent
from tests.disk.places import a_folder
from tests.golden import people

GOLDEN = Path(__file__).parent.parent / "golden"
RELEASES = sorted(path.name for path in GOLDEN.iterdir() if (path / "facts.json").exists())
NETWORK = "golden"
NOW_S = 1_900_000_000 - 3600


class GoldenTest(SynchronousTestCase):
    def each(self) -> Iterator[tuple[Home, dict[str, Any]]]:
        """Yield the home of each release, in a copy, and what it must tell."""
        self.assertIn("0.1.0", RELEASES)
        for release in RELEASES:
            copy = a_folder(self) / "home"
            shutil.copytree(GOLDEN / release / "home", copy)
            for path in [copy, *copy.rglob("*")]:  # git keeps no such modes
                path.chmod(0o700 if path.is_dir() else 0o600)
            facts = json.loads((GOLDEN / release / "facts.json").read_text())
            yield Home.open(copy), facts

    def test_S6_key_files(self) -> None:
        """Each account opens with its passcode, and its 24 words make the same keys."""
        for home, facts in self.each():
            self.assertEqual(home.accounts.default(), facts["default"])
            self.assertEqual(home.accounts.names(), sorted(facts["accounts"]))
            for name, passcode in (("alice", facts["passcode"]), ("device", None)):
                expected = facts["accounts"][name]
                for found in (
                    home.accounts.load(name, passcode),
                    Identity.from_seed(words.to_seed(expected["words"]), name),
                ):
                    self.assertEqual(found.name, name)
                    self.assertEqual(found.public.hex, expected["public_key"])
                    self.assertEqual(found.agreement.public.hex, expected["agreement_key"])
            self.assertRaises(WrongPasscode, home.accounts.load, "alice", "Wrong-Passcode-2")

    def test_S6_backups(self) -> None:
        """A backup of each release restores the account."""
        for release in RELEASES:
            facts = json.loads((GOLDEN / release / "facts.json").read_text())
            data = (GOLDEN / release / "backup-of-alice.json").read_bytes()
            home = Home.create(a_folder(self) / "home")
            found = home.accounts.restore(data, facts["passcode"])
            self.assertEqual(found.public.hex, facts["accounts"]["alice"]["public_key"])

    def test_S6_records(self) -> None:
        """Stored records are there, byte for byte: their signatures still verify."""
        for home, facts in self.each():
            shelf = SqliteShelf(home.records_path)
            self.addCleanup(shelf.close)
            self.assertEqual(shelf.total().items, len(facts["records"]))
            for expected in facts["records"]:
                item = shelf.get(int(expected["place"], 16))
                assert item is not None
                record = read(item.body.decode(), ParsedKeys(), NOW_S, NETWORK)
                self.assertEqual(record.key.hex, facts["accounts"]["alice"]["public_key"])
                self.assertEqual(record.place.to_bytes(20).hex(), expected["place"])
                self.assertEqual(record.digest.hex(), expected["digest"])
                self.assertEqual(record.claims.salt, expected["name"])
                self.assertEqual((record.seq, record.exp), (expected["seq"], expected["exp"]))
                self.assertEqual(record.value.decode(), expected["value"])
                self.assertEqual(record.tombstone, expected["deleted"])
            self.assertEqual(shelf.floor(facts["floor"]["place"]), facts["floor"]["seq"])
            self.assertEqual(shelf.moved_aside, [])

    def test_S6_D5_own_records_and_their_numbers(self) -> None:
        """Our own records are known, and counting goes on where it was."""
        for home, facts in self.each():
            published = PublishedRecords(home.published_path)
            self.addCleanup(published.close)
            owner = bytes.fromhex(facts["accounts"]["alice"]["public_key"])
            kept = {record.slot.salt: record for record in published.all(owner)}
            self.assertEqual(sorted(kept), sorted(r["name"] for r in facts["records"]))
            for expected in facts["records"]:
                found = kept[expected["name"]]
                self.assertEqual((found.seq, found.deleted), (expected["seq"], expected["deleted"]))
                self.assertEqual(found.expires_unix_s, expected["exp"])
            self.assertEqual(
                published.reserve(Slot(owner, "name", "reserved")), facts["reserved"] + 1
            )
            self.assertEqual(published.moved_aside, [])

    def test_S6_chests(self) -> None:
        """Contacts, offers, requests and rows are there; the copy is known as one."""
        for home, facts in self.each():
            expected = facts["chest"]
            account = home.accounts.load("alice", facts["passcode"])
            chest = Chest(home.settle("alice").chest_path, account.at_rest_key())
            self.addCleanup(chest.close)
            self.assertTrue(chest.restored)
            self.check_contacts(chest, expected)
            self.check_requests(chest, expected)
            self.assertEqual(chest.get("room", b"name"), b"value")
            sizes = [(number, len(row)) for number, row in chest.page("list", None, 9)]
            self.assertEqual(sizes, [(n, n) for n in reversed(expected["sizes"])])
            chest.renew([])
            self.assertFalse(chest.restored)

    def check_contacts(self, chest: Chest, expected: dict[str, Any]) -> None:
        book = Book(chest.all(contacts.ROOM))
        self.assertEqual({entry.name: entry.state for entry in book}, expected["states"])
        entry = book.find(expected["contact"]["public_key"])
        self.assertEqual((entry.name, entry.verified), (expected["contact"]["name"], True))
        self.assertEqual((entry.called, entry.note), ("lamp", "In the hall"))
        self.assertEqual((entry.last_seen_s, entry.receipts), (expected["now"] + 9, True))
        self.assertEqual([place.host for place in entry.addresses], ["192.0.2.7", "2001:db8::7"])
        self.assertEqual(book.successor(PublicKey.from_hex(expected["former"])), entry)

    def check_requests(self, chest: Chest, expected: dict[str, Any]) -> None:
        offers = Invitations(chest.all(invitations.ROOM))
        (invitation,) = offers.valid(expected["now"])
        self.assertEqual((invitation.nonce, len(invitation.by)), (expected["offer"], 1))
        kept = Requests(chest.all)
        self.assertEqual([each.name for each in kept.waiting()], expected["waiting"])
        self.assertEqual(len(kept.asked()), expected["asked"])
        accepted = [each.accepted for each in kept.owed()]
        counts = {"accepted": accepted.count(True), "denied": accepted.count(False)}
        self.assertEqual(counts, expected["owed"])
        self.assertEqual(len(chest.all(requests.DENIED)), 1)

    def test_S6_a_home_from_before_chests(self) -> None:
        """An account that has no chest yet gets an empty one, which is no copy."""
        for home, _ in self.each():
            home.settle("alice")
            account = home.accounts.load("device", None)
            chest = Chest(home.settle("device").chest_path, account.at_rest_key())
            self.addCleanup(chest.close)
            self.assertEqual((chest.all(contacts.ROOM), chest.restored), ([], False))

    def test_S6_peers_and_configuration(self) -> None:
        """Known peers and the configuration are read."""
        for home, facts in self.each():
            peers = PeersFile(home.peers_path)
            found = [peer.contact.host for peer in peers.load().peers]
            self.assertEqual((sorted(found), peers.moved_aside), (facts["peers"], []))
            read_config = config.load(home.config_path("node"), "node", must_exist=True)
            self.assertEqual(read_config.network, NETWORK)
            self.assertEqual(read_config.limits.store_bytes, 1_000_000)


class GoldenPeopleTest(SynchronousTestCase):
    """Chests of two people who stopped in the middle of a conversation and of files."""

    def each(self) -> Iterator[tuple[people.Talker, people.Talker, dict[str, Any]]]:
        """Yield both people of each release, on copies of their chests, and what is in them."""
        releases = [name for name in RELEASES if (GOLDEN / name / "people").exists()]
        self.assertIn("0.1.0", releases)
        for release in releases:
            copy = a_folder(self) / "people"
            shutil.copytree(GOLDEN / release / "people", copy)
            for path in [copy, *copy.iterdir()]:
                path.chmod(0o700 if path.is_dir() else 0o600)
            facts = json.loads((copy / "facts.json").read_text())
            alice, bob = people.Talker(copy, "alice", "bob"), people.Talker(copy, "bob", "alice")
            for each in (alice, bob):
                self.addCleanup(each.chest.close)
            yield alice, bob, facts

    def test_S6_conversations(self) -> None:
        """The history reads the same, and what waits is where it was."""
        for alice, bob, facts in self.each():
            self.assertEqual((alice.texts(), bob.texts()), (facts["alice"], facts["bob"]))
            self.assertEqual(list(alice.talk.left.waiting()), facts["left"])
            self.assertGreater(facts["parcels"], 0)
            self.assertEqual(bob.talk.queued, 1)

    def test_S6_conversations_go_on(self) -> None:
        """In the sessions that they had: half a message is completed, and nothing comes twice."""
        for alice, bob, facts in self.each():
            for each in (alice, bob):
                each.talk.opened()
            people.exchange(alice, bob, people.NOW_S + 9)
            heard = [text for text, ours, _ in bob.texts() if not ours]
            self.assertEqual(heard, ["one", "deleted", people.LONG[:30]])
            self.assertEqual(
                [text for text, ours, _ in alice.texts() if not ours], ["two", "waits"]
            )
            self.assertEqual(len(bob.texts()), len(facts["bob"]) + 1)
            for state in [state for _, ours, state in alice.texts() + bob.texts() if ours]:
                self.assertIn(state, ("delivered", "read"))

    def test_S6_transfers(self) -> None:
        """Each is in the state that it had, but that nothing runs; lists are whole."""
        for alice, bob, facts in self.each():
            for each in (alice, bob):
                said: list[FileContent] = []
                transfers = Transfers(
                    each.chest,
                    Clock(),
                    at_once,
                    a_folder(self),
                    lambda _, word, said=said: said.append(word),  # type: ignore[misc]
                    lambda row: None,
                )
                transfers.startService()
                self.addCleanup(transfers.stopService)
                found = [[row.name, row.state, row.why] for row in reversed(transfers.rows())]
                kept = facts["transfers"][each.own.name]
                paused = [[n, "paused" if s == "running" else s, why] for n, s, why in kept]
                self.assertEqual((found, said), (paused, []))


class GoldenHubTest(SynchronousTestCase):
    """What a hub keeps: mail, the directory, the allowlist."""

    def each(self) -> Iterator[Path]:
        """Yield what the hub of each release kept, in a copy."""
        releases = [name for name in RELEASES if (GOLDEN / name / "hub").exists()]
        self.assertIn("0.1.0", releases)
        for release in releases:
            copy = a_folder(self) / "hub"
            shutil.copytree(GOLDEN / release / "hub", copy)
            for path in copy.iterdir():
                path.chmod(0o600)
            yield copy

    def test_S6_mailboxes(self) -> None:
        """Mail waits in its order, byte for byte; the entry is found; both can go on."""
        for folder in self.each():
            facts = json.loads((folder / "facts.json").read_text())
            box = Mailbox(folder / "mailbox.sqlite")
            self.addCleanup(box.close)
            waiting = [each.token.hex() for each in box.waiting(facts["to"], "", 100)]
            self.assertEqual((waiting, box.trouble), (facts["waiting"], ""))
            entry = facts["entry"]
            self.assertEqual(box.search(entry["name"][:2], facts["now"], 9), [entry["token"]])
            sender = entry["key"]
            self.assertTrue(box.keep(Mail(facts["to"], sender, "n" * 22, b"new", facts["now"])))
            box.commit()
            self.assertEqual(box.count(facts["to"]), len(waiting) + 1)

    def test_S6_allowlists(self) -> None:
        """Each member may what it might."""
        for folder in self.each():
            found = allowlist.load(folder / "allowlist.json")
            grants = {each.grant.account: each.grant for each in found.members.values()}
            self.assertEqual(found.network, "private.golden")
            self.assertEqual(grants["anna"].permissions, {"relay", "mailbox", "admin"})
            self.assertEqual(
                (grants["otto"].user_type, grants["otto"].expires_s), ("device", 1_800_000_000)
            )
