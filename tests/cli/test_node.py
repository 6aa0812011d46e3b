"""The commands that ask the running node: what they print for people and for programs."""

from __future__ import annotations

import base64
from typing import Any

import msgspec

from streembit import errors
from streembit.service.facade import Check, FindResult, HopRow
from tests.api.fake import OWN_ID, OWN_KEY, PEER_ID, FakeNode
from tests.cli.harness import Ended, NodeTestCase

NAME = "BusinessName/Usecase/AppName"
HOSTILE = "a\r\n\x1b[31mb\u202ec\x00"


class NodeCommandTests(NodeTestCase):
    async def test_status_for_people(self) -> None:
        """Each thing that one wants to know stands on a line of its own."""
        ended = await self.streembit("status")
        self.assertEqual((ended.status, ended.err), (0, ""))
        for shown in (
            "role         node, streembit 0.1.0, up 1 h 2 min",
            f"public key   {OWN_KEY}",
            "observed     192.0.2.1:8905, reachable from outside",
            "readiness    ready, canary 1.5 s ago: canary",
            "contacts     3, 2 online; 4 offers open, 1 request",
            "outbox       6 messages not delivered, the oldest for 2 h 0 min; 5 unread",
            "transfers    1 running, 2 offered",
            "cards        published 1 min 30 s ago",
            "agreement    key in use for 10 d 0 h",
            "notice       2027-01-15 08:00:00 UTC: all conversations begin anew",
            "hubs         the hub: 2 links, joined; it did wrong: 1 repeated",
            "refused      2 bad-signature",
            "limits       2,000 connections",
            "             0.2 new_connections_per_s",
        ):
            self.assertIn(shown + "\n", ended.out)

    async def test_the_status_of_a_seed_has_no_people(self) -> None:
        """There is no line about them."""
        self.node.has_people = False
        self.assertNotIn("contacts", (await self.streembit("status")).out)

    async def test_json_is_what_the_api_answers(self) -> None:
        """`--json` before or after any command prints the API's own answer."""
        await self.streembit("record", "put", NAME, "hello")
        for arguments, answer in (
            (["status"], await self.node.status()),
            (["peer", "list"], {"peers": await self.node.peers()}),
            (["peer", "ping", PEER_ID], await self.node.ping(PEER_ID)),
            (["peer", "find", PEER_ID], await self.node.find(PEER_ID)),
            (["record", "list"], {"records": await self.node.list_records()}),
            (["record", "get", OWN_ID, NAME], await self.node.get_record(OWN_ID, NAME)),
            (["doctor"], {"ok": True, "checks": await self.node.doctor()}),
        ):
            after = await self.streembit(*arguments, "--json")
            before = await self.streembit("--json", *arguments)
            self.assertEqual((after.status, after.err), (0, ""), arguments)
            self.assertEqual(after.json, before.json)
            self.assertEqual(after.json, as_builtins(answer))

    async def test_a_record_from_put_to_delete(self) -> None:
        """Put says where it went, get gives the bytes, list shows it, delete takes it."""
        put = await self.streembit("record", "put", NAME, "hällo", "--ttl", "2h")
        self.assertEqual(put.status, 0, put.err)
        self.assertIn(f"stored {NAME} (seq 1) on 1 node", put.out)
        self.assertIn("refused by 1 node: store-full", put.out)
        self.assertEqual(self.node.kept[NAME][1], 7200)
        got = await self.streembit("record", "get", OWN_ID, NAME)
        self.assertEqual((got.status, got.out), (0, "hällo"))
        self.assertIn(f"signed by {OWN_KEY}, seq 1", got.err)
        self.assertIn(NAME, (await self.streembit("record", "list")).out)
        gone = await self.streembit("--json", "record", "delete", NAME)
        self.assertEqual(gone.json["seq"], 2)
        self.assert_failed(await self.streembit("record", "get", OWN_ID, NAME), "not-found")
        self.assertIn("deleted", (await self.streembit("record", "list")).out)

    async def test_a_value_from_standard_input_is_kept_to_the_byte(self) -> None:
        """A dash or no value means standard input, of any bytes."""
        data = bytes(range(256))
        await self.streembit("record", "put", "a/dash", "-", typed=data)
        await self.streembit("record", "put", "a/none", typed=data)
        for name in ("a/dash", "a/none"):
            got = await self.streembit("--json", "record", "get", OWN_ID, name)
            self.assertEqual(base64.b64decode(got.json["value"]), data)

    async def test_lives_are_given_in_units(self) -> None:
        """Seconds, minutes, hours and days; the default is a day."""
        for text, ttl_s in (("90", 90), ("90s", 90), ("30m", 1800), ("1d", 86400), ("", 86400)):
            options = ["--ttl", text] if text else []
            await self.streembit("record", "put", "x", "y", *options)
            self.assertEqual(self.node.kept["x"][1], ttl_s)

    async def test_what_cannot_be_put(self) -> None:
        """Bad names, lives and values are refused, and nothing is stored."""
        long = b"x" * 8193
        for arguments, typed, code in (
            (["../x", "v"], b"", "bad-name"),
            (["a\nb", "v"], b"", "bad-name"),
            (["x" * 256, "v"], b"", "bad-name"),
            (["x", "v", "--ttl", "59s"], b"", "usage"),
            (["x", "v", "--ttl", "2d"], b"", "usage"),
            (["x", "v", "--ttl", "soon"], b"", "usage"),
            (["x"], long, "too-large"),
        ):
            ended = await self.streembit("record", "put", *arguments, typed=typed)
            self.assert_failed(ended, code)
        self.assertEqual(self.node.kept, {})

    async def test_peers(self) -> None:
        """The rows of peers, of a ping, and of a look-up's hops."""
        self.assertIn(f"{PEER_ID}  192.0.2.2:8905", (await self.streembit("peer", "list")).out)
        self.assertIn("answered in 1.2 ms", (await self.streembit("peer", "ping", PEER_ID)).out)
        found = await self.streembit("peer", "find", PEER_ID)
        self.assertIn(f"1      {PEER_ID}  192.0.2.2:8905  157   1.2 ms  20 contacts\n", found.out)
        self.assertIn("request-timeout", found.out)
        self.assertIn("2 rounds, 2 requests", found.out)

    async def test_doctor_fails_when_a_check_does(self) -> None:
        """The exit status is 1, and the advice stands below the finding."""
        self.node.checks = [
            Check("clock", False, "2 h behind the peers", "set it: timedatectl set-ntp true"),
            Check("disk", True, "9 GiB free", "never shown"),
        ]
        for options in ((), ("--json",)):
            ended = await self.streembit("doctor", *options)
            self.assertEqual((ended.status, ended.err), (1, ""))
        self.assertEqual(
            (await self.streembit("doctor")).out,
            "FAIL  clock  2 h behind the peers\n"
            "             what to do: set it: timedatectl set-ntp true\n"
            "ok    disk   9 GiB free\n",
        )

    async def test_an_error_of_the_node_is_one_line(self) -> None:
        """Code and sentence of the API's error become a line on standard error."""
        self.node.broken = errors.NoPeers("3 seeds asked", seeds=3)
        ended = await self.streembit("status")
        self.assert_failed(ended, "no-peers")
        self.assertEqual(
            ended.err,
            "streembit: error: The node knows no other node that answers: "
            "3 seeds asked [seeds: 3] (no-peers)\n",
        )

    async def test_another_account_than_the_running_one(self) -> None:
        """`--account` never silently acts as somebody else."""
        self.assert_failed(
            await self.streembit("--account", "bob", "record", "put", "x", "y"), "no-such-account"
        )
        self.assertEqual(self.node.kept, {})
        ended = await self.streembit("--account", "alice", "record", "put", "x", "y")
        self.assertEqual(ended.status, 0)

    def assert_failed(self, ended: Ended, code: str) -> None:
        self.assertEqual((ended.status, ended.out, ended.code), (1, "", code), ended.err)
        self.assertRegex(ended.err, r"\Astreembit: error: [^\n]+ \([a-z-]+\)\n\Z")


class HostileNode(FakeNode):
    """Tells what hostile peers said."""

    async def doctor(self) -> list[Check]:
        return [Check("seeds", True, HOSTILE)]

    async def find(self, node_id: str) -> FindResult:
        hop = HopRow(1, PEER_ID, HOSTILE, 1, 1, None, 0, HOSTILE)
        return FindResult(node_id, [hop], [], 1, 1, 1.0)


class HostileTextTests(NodeTestCase):
    def make_node(self) -> FakeNode:
        return HostileNode()

    async def test_L1_hostile_text_reaches_no_terminal(self) -> None:
        """What peers say is escaped in tables, lines and errors alike."""
        for arguments in (["peer", "find", PEER_ID], ["doctor"]):
            for options in ((), ("--json",)):
                ended = await self.streembit(*arguments, *options)
                self.assertTrue(ended.out.replace("\n", "").isprintable(), ascii(ended.out))
                self.assertIn("b\\u202ec", ended.out)
        self.node.broken = errors.RemoteRefusal(HOSTILE, HOSTILE)
        ended = await self.streembit("status")
        self.assertEqual(ended.err.count("\n"), 1)
        self.assertTrue(ended.err.replace("\n", "").isprintable(), ascii(ended.err))


def as_builtins(answer: object) -> Any:
    return msgspec.to_builtins(answer)
