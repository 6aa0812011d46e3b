"""`streembit hub`: what an operator does with a running hub, and with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from twisted.trial.unittest import SynchronousTestCase

from streembit.api.desks import HubDesk
from streembit.api.server import ApiService
from streembit.api.unixpath import SOCKET_NAME
from streembit.cli import hub as cli
from streembit.wire.hub import Permission
from streembit.wire.offer import UserType
from tests.api.hub import ALICE, BOB, EVE, LIST, FakeHub
from tests.cli.harness import Ended, NodeTestCase, invoke, private_file


class HubCase(NodeTestCase):
    """A test beside a private hub."""

    def start_node(self) -> None:
        """Start the API of the hub."""
        self.file = self.home / "allowlist.json"
        self.hub = self.make_hub()
        self._api = ApiService(
            self.clock, self.home / SOCKET_NAME, HubDesk(self.hub, lambda _: None)
        )
        self._api.startService()
        self.addCleanup(self.stop_node)

    def make_hub(self) -> FakeHub:
        return FakeHub(self.file)

    def accounts(self) -> list[str]:
        """Return the accounts in the file."""
        return [each["account"] for each in json.loads(self.file.read_text())["members"]]

    def assert_failed(self, ended: Ended, code: str) -> None:
        self.assertEqual((ended.status, ended.code, ended.out), (1, code, ""), ended)
        self.assertEqual(ended.err.count("\n"), 1)


class MembersTests(HubCase):
    async def test_members(self) -> None:
        """Each with what it may, until when, and whether it is here."""
        ended = await self.streembit("hub", "members")
        self.assertEqual((ended.status, ended.err), (0, ""))
        alice, lamp = ended.out.splitlines()[1:]
        self.assertRegex(alice, rf"^alice +human +relay admin +- +yes +{ALICE.hex}$")
        self.assertRegex(lamp, rf"^lamp +device +nothing +2027-.* +no +{BOB.hex} +in the hall$")
        found = (await self.streembit("--json", "hub", "members")).json["members"]
        self.assertEqual([each["account"] for each in found], ["alice", "lamp"])

    async def test_a_member_is_added(self) -> None:
        """It may all but administer, for ever, unless something else is said."""
        ended = await self.streembit("hub", "add", "eve", EVE.hex)
        self.assertEqual((ended.status, ended.err), (0, ""))
        self.assertEqual(ended.out, f"+ {EVE.hex}\n3 members, list 2\n")
        self.assertEqual(self.accounts(), ["alice", "lamp", "eve"])
        row = json.loads(self.file.read_text())["members"][-1]
        self.assertEqual(row["permissions"], ["relay", "mailbox", "dht", "directory"])
        self.assertNotIn("expires", row)

    async def test_a_member_is_added_with_all_that_can_be_said(self) -> None:
        """Type, permissions, a time and a note."""
        options = ("--type", "device", "--may", "relay", "--for", "2d", "--note", "hm")
        self.assertEqual((await self.streembit("hub", "add", "eve", EVE.hex, *options)).status, 0)
        row = json.loads(self.file.read_text())["members"][-1]
        self.assertEqual((row["user_type"], row["permissions"]), ("device", ["relay"]))
        self.assertGreater(row["expires"], 1_700_000_000)
        self.assertEqual(row["note"], "hm")

    async def test_H3_who_cannot_be_added(self) -> None:
        """A known key, a known account, a key that is none: the file stays as it is."""
        for arguments, code in (
            (("eve", ALICE.hex), "bad-allowlist"),
            (("Alice", EVE.hex), "bad-allowlist"),
            (("eve", "02" + "f" * 64), "bad-key"),
            (("eve", "short"), "bad-key"),
            (("eve", EVE.hex, "--for", "soon"), "usage"),
            (("eve", EVE.hex, "--may", "everything"), "usage"),
        ):
            self.assert_failed(await self.streembit("hub", "add", *arguments), code)
            self.assertEqual(self.file.read_text(), LIST)

    async def test_a_member_is_admitted_for_some_time(self) -> None:
        """Not for none."""
        self.assert_failed(
            await self.streembit("hub", "add", "eve", EVE.hex, "--for", "0d"), "usage"
        )

    async def test_what_a_hub_does_not_know(self) -> None:
        """A node's commands are not a hub's; and a hub that does not run is started as one."""
        ended = await self.streembit("hub", "search", "ali")
        self.assert_failed(ended, "no-such-path")
        self.assertIn("a node, a seed and a hub differ", ended.err)
        await self.stop_node()
        ended = await self.streembit("hub", "members")
        self.assert_failed(ended, "node-not-running")
        self.assertIn(f"twistd -n streembit-hub --home {self.home.absolute()}", ended.err)
        ended = await self.streembit("hub", "search", "ali")
        self.assertIn(f"twistd -n streembit-node --home {self.home.absolute()}", ended.err)

    async def test_H2_a_member_is_removed(self) -> None:
        """By account or key; its sessions end, and that is told."""
        ended = await self.streembit("hub", "remove", "alice")
        self.assertEqual(ended.out, f"- {ALICE.hex}\n1 member, list 2, 1 session ended\n")
        self.assertEqual(self.accounts(), ["lamp"])
        self.assertEqual((await self.streembit("hub", "remove", BOB.hex)).status, 0)
        self.assert_failed(await self.streembit("hub", "remove", "alice"), "not-found")

    async def test_H3_reload(self) -> None:
        """What changed is told; a file that is not sound is an error, and its place is told."""
        self.file.write_text(LIST.replace('"relay", "admin"', '"relay"'))
        ended = await self.streembit("hub", "reload")
        self.assertEqual(ended.out, f"~ {ALICE.hex}\n2 members, list 2, 1 session ended\n")
        self.file.write_text(LIST.replace("admin", "root"))
        ended = await self.streembit("hub", "reload")
        self.assert_failed(ended, "bad-allowlist")
        self.assertIn("members[0].permissions[1]", ended.err)
        self.assertIn("line: 3, column: 135", ended.err)
        members = (await self.streembit("--json", "hub", "members")).json["members"]
        self.assertEqual(len(members), 2)

    async def test_sessions_and_kick(self) -> None:
        """Who is joined, and who is thrown out."""
        ended = await self.streembit("hub", "sessions")
        self.assertRegex(ended.out, rf"alice +192\.0\.2\.9:4711 .*3\.2 s ago +1,200 .*{ALICE.hex}")
        self.assertEqual((await self.streembit("hub", "kick", "alice")).out, "1 session ended\n")
        self.assert_failed(await self.streembit("hub", "kick", "alice"), "not-found")
        self.assertEqual((await self.streembit("hub", "sessions", "--json")).json, {"sessions": []})

    async def test_status(self) -> None:
        """The state of the hub is a part of the status."""
        ended = await self.streembit("status")
        for shown in (
            "hub          private: 2 members, list 1; 1 session here, 3 joined (processes: 2)",
            "mailbox      4 mails, 5,000 bytes",
            "websocket    tls, accelerated; backplane redis",
            f"pin          wss://hub.example.org:32318#{ALICE.hex}",
        ):
            self.assertIn(shown + "\n", ended.out)

    async def test_a_hub_without_a_node_has_no_lines_about_one(self) -> None:
        """Neither peers nor records, and no canary; with a node they are there."""
        nodes = ("observed ", "peers ", "records ", "clock ", "store ")
        shown = (await self.streembit("status")).out
        for begin in nodes:
            self.assertIn("\n" + begin, shown)
        self.hub.has_node = False
        shown = (await self.streembit("status")).out
        for begin in nodes:
            self.assertNotIn("\n" + begin, shown)
        self.assertIn("readiness    ready: members can join\n", shown)


class PublicTests(HubCase):
    def make_hub(self) -> FakeHub:
        return FakeHub(None)

    async def test_a_public_hub_has_no_members(self) -> None:
        """What needs an allowlist says that there is none; the status says that it is public."""
        for arguments in (("members",), ("reload",), ("add", "eve", EVE.hex), ("remove", "eve")):
            self.assert_failed(await self.streembit("hub", *arguments), "no-allowlist")
        self.assertIn("hub          public; ", (await self.streembit("status")).out)


class ChoiceTests(SynchronousTestCase):
    def test_the_choices_are_those_of_the_wire(self) -> None:
        """What can be chosen is what an allowlist may say."""
        self.assertEqual(cli.USER_TYPES, get_args(UserType))
        self.assertEqual(cli.PERMISSIONS, get_args(Permission))


class CheckTests(HubCase):
    def run_check(self, path: Path, *more: str) -> Ended:
        """Check a file, where no hub runs."""
        return invoke("--home", self.home / "none", "hub", "check", path, *more)

    def test_H3_a_sound_file(self) -> None:
        """Without a hub, and without a home."""
        path = private_file(self.home / "list.json", LIST)
        ended = self.run_check(path)
        self.assertEqual((ended.status, ended.err), (0, ""))
        self.assertIn("list.json is sound: 2 members", ended.out)
        self.assertEqual(self.run_check(path, "--json").json, {"ok": True, "members": 2})

    def test_H3_an_unsound_file(self) -> None:
        """One line says what is wrong, in which line and column."""
        path = private_file(self.home / "list.json", LIST.replace('"lamp"', '"lamp'))
        ended = self.run_check(path)
        self.assert_failed(ended, "bad-allowlist")
        self.assertRegex(ended.err, r"line: 4, column: \d+")
        self.assert_failed(self.run_check(self.home / "missing.json"), "bad-allowlist")
