"""The commands about people: what they pass on, and what they print for people and programs."""

from __future__ import annotations

import struct
import time
import zlib
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace
from twisted.trial.unittest import SynchronousTestCase

from streembit import errors
from streembit.chat import conversation, left
from streembit.cli import qr
from streembit.cli.message import REASONS, reason_of
from streembit.contacts import offer
from streembit.disk.accounts import Accounts
from streembit.errors import TooLarge
from streembit.jose import words
from streembit.jose.keys import Identity
from tests.api.fake import FINGERPRINT, HUB_ROW
from tests.api.people import BOB_KEY, CARL_KEY, NUMBER, OFFER_TEXT, an_id
from tests.cli.harness import PASSCODE, Ended, NodeTestCase, invoke, private_file

HOSTILE = "a\r\n\x1b[31mb\u202ec\x00"


class PeopleCase(NodeTestCase):
    async def good(self, *arguments: str | Path, typed: bytes = b"") -> Ended:
        """Run a command that has to succeed."""
        ended = await self.streembit(*arguments, typed=typed)
        self.assertEqual((ended.status, ended.err), (0, ""), arguments)
        return ended

    def assert_failed(self, ended: Ended, code: str) -> None:
        self.assertEqual((ended.status, ended.out, ended.code), (1, "", code), ended.err)

    @property
    def folder(self) -> Path:
        """A folder beside the home's files."""
        return self.home.absolute()


class OfferTests(PeopleCase):
    async def test_an_offer_is_a_text(self) -> None:
        """Nothing but the block goes to standard output, to be sent as it is."""
        ended = await self.good("offer", "create", "--expires", "2h", "--once", "--note", "hi")
        self.assertEqual(ended.out, OFFER_TEXT)
        (made,) = self.people.offers.values()
        self.assertEqual((made.expires - made.created, made.once, made.note), (7200, True, "hi"))

    async def test_lives_of_offers(self) -> None:
        """A week unless said; less than a minute, more than a year and nonsense are refused."""
        await self.good("offer", "create")
        (made,) = self.people.offers.values()
        self.assertEqual(made.expires - made.created, 7 * 86400)
        for life in ("59s", "367d", "soon", "-1"):
            ended = await self.streembit("offer", "create", "--expires", life)
            self.assert_failed(ended, "usage")

    async def test_a_qr_code(self) -> None:
        """As a file that is never overwritten, or drawn on standard error."""
        file = self.folder / "offer.png"
        await self.good("offer", "create", "--qr", file)
        self.assertTrue(file.read_bytes().startswith(b"\x89PNG"))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        failed = await self.streembit("offer", "create", "--qr", file)
        self.assertEqual((failed.status, failed.code), (1, "os-error"))
        self.assertEqual(failed.out, OFFER_TEXT)  # it was made, and can be used
        drawn = await self.streembit("offer", "create", "--qr", "-")
        self.assertEqual((drawn.status, drawn.out), (0, OFFER_TEXT))
        self.assertIn("\u2588", drawn.err)

    async def test_offers_are_shown_listed_and_revoked(self) -> None:
        """From a file or standard input; ids that begin with a dash are ids."""
        file = self.folder / "offer.txt"
        file.write_text(OFFER_TEXT)
        for arguments, typed in (([file], b""), (["-"], OFFER_TEXT.encode()), ([], b"OFFER")):
            shown = await self.good("offer", "show", *arguments, typed=typed)
            self.assertIn(f"fingerprint  {FINGERPRINT}\n", shown.out)
        await self.good("offer", "create")
        self.assertIn(an_id("offer 0"), (await self.good("offer", "list")).out)
        await self.good("offer", "revoke", an_id("offer 0"))
        self.assert_failed(await self.streembit("offer", "revoke", "-" * 21 + "A"), "not-found")


class OfflineOfferTests(SynchronousTestCase):
    def test_an_offer_is_shown_without_a_node(self) -> None:
        """A real one, quoted in a mail, with a home or none; what is not one is said."""
        ann = Identity.generate("ann")
        made = offer.make(
            ann, network="streembit", now_unix_s=2**31, life_s=60, nonce=bytes(16), note="hi"
        )
        now = offer.make(
            ann,
            network="streembit",
            now_unix_s=int(time.time()),
            life_s=3600,
            nonce=bytes(16),
            host="192.0.2.1",
            port=8905,
        )
        mail = "Dear Bob,\n> " + offer.to_text(now).replace("\n", "\n> ")
        shown = invoke("--home", "/nonexistent", "offer", "show", "-", typed=mail.encode())
        self.assertEqual((shown.status, shown.err), (0, ""))
        self.assertIn("192.0.2.1 port 8905", shown.out)
        self.assertIn("account      ann\n", shown.out)
        as_json = invoke("--home", "/nonexistent", "--json", "offer", "show", typed=mail.encode())
        self.assertEqual(as_json.json["offers"][0]["public_key"], ann.public.hex)
        for text, code in ((offer.to_text(made), "bad-offer"), ("hello", "bad-offer")):
            ended = invoke("--home", "/nonexistent", "offer", "show", "-", typed=text.encode())
            self.assertEqual((ended.status, ended.out, ended.code), (1, "", code), ended.err)


class ContactTests(PeopleCase):
    async def test_the_book(self) -> None:
        """A line for each contact; all that is known of one."""
        listed = (await self.good("contact", "list")).out
        self.assertIn("Bob   contact  no        here", listed)
        shown = (await self.good("contact", "show", "Bob")).out
        for line in (
            f"fingerprint  {FINGERPRINT}",
            "verified     NO: compare fingerprints",
            f"number       {NUMBER}",
            f"public key   {BOB_KEY}",
        ):
            self.assertIn(line + "\n", shown)

    async def test_a_contact_from_offer_to_removal(self) -> None:
        """Each command prints what became of the contact."""
        added = await self.good("contact", "add", "-", "--name", "Dora", typed=OFFER_TEXT.encode())
        self.assertIn("Dora: asked, has not answered, NOT verified", added.out)
        await self.good("contact", "rename", "Dora", "Dora B")
        await self.good("contact", "block", "Dora B")
        self.assertEqual(self.people.book[CARL_KEY].state, "blocked")
        await self.good("contact", "unblock", "Dora B")
        gone = await self.good("contact", "remove", "Dora B")
        self.assertIn("Dora B: removed", gone.out)
        self.assert_failed(await self.streembit("contact", "show", "Dora B"), "no-such-contact")

    async def test_verification(self) -> None:
        """By fingerprint as arguments, or by number typed; a wrong one changes nothing."""
        for arguments in ([], [""], [" "]):
            nothing = await self.streembit("contact", "verify", "Bob", *arguments)
            self.assert_failed(nothing, "usage")
        wrong = await self.streembit("contact", "verify", "Bob", "ABCD", "EFGH")
        self.assert_failed(wrong, "fingerprint-differs")
        self.assertFalse(self.people.book[BOB_KEY].verified)
        verified = await self.good("contact", "verify", "Bob", *FINGERPRINT.split())
        self.assertIn("Bob: contact, verified", verified.out)
        await self.good("contact", "verify", "Bob", typed=NUMBER.encode() + b"\n")

    async def test_a_keys_secret_words_are_no_fingerprint(self) -> None:
        """They are not passed on, and not shown in what says so."""
        secret = words.from_seed(bytes(range(32)))
        for arguments, typed in (
            (["verify", "Bob", *secret.split()], b""),
            (["verify", "Bob"], secret.upper().encode()),
            (["request", secret], b""),
        ):
            ended = await self.streembit("contact", *arguments, typed=typed)
            self.assert_failed(ended, "secret-words")
            self.assertNotIn(secret.split()[3], (ended.out + ended.err).lower())
        self.assertFalse(self.people.book[BOB_KEY].verified)

    async def test_what_one_contact_is_told(self) -> None:
        """Each decision is shown, with what holds for who has none."""
        told = await self.good("contact", "receipts", "Bob", "on")
        self.assertEqual(told.out, "Bob is told: read receipts on, presence on (the default)\n")
        await self.good("contact", "receipts", "Bob", "default")
        told = await self.good("contact", "presence", "Bob", "off")
        self.assertIn("is told: read receipts off (the default), presence off\n", told.out)
        shown = (await self.good("contact", "show", "Bob")).out
        self.assertIn("is told      read receipts off (the default), presence off\n", shown)
        self.assert_failed(await self.streembit("contact", "receipts", "Bob", "maybe"), "usage")

    async def test_requests(self) -> None:
        """Who asks is listed with the fingerprint; accepted or denied by name."""
        self.assertIn(FINGERPRINT, (await self.good("contact", "requests")).out)
        accepted = await self.good("contact", "accept", "Carl", "--name", "Karl")
        self.assertIn("Karl: contact", accepted.out)
        self.assert_failed(await self.streembit("contact", "deny", "Carl"), "not-found")
        await self.good("contact", "remove", "Karl")
        asked = await self.good("contact", "request", CARL_KEY, "--name", "Carl", "--note", "me")
        self.assertIn("Carl: asked", asked.out)
        unnamed = await self.good("contact", "request", CARL_KEY)
        self.assertIn(f"{CARL_KEY[:12]}: asked", unnamed.out)

    async def test_an_alarm_cannot_be_overlooked(self) -> None:
        """It stands in the list and below every answer."""
        row = self.people.book[BOB_KEY]
        self.people.book[BOB_KEY] = msgspec.structs.replace(row, alarm="another key is known")
        self.assertIn("ALARM", (await self.good("contact", "list")).out)
        shown = (await self.good("contact", "show", "Bob")).out
        self.assertIn("ALARM        another key is known\n", shown)


class MessageTests(PeopleCase):
    async def test_messages_are_sent_listed_and_deleted(self) -> None:
        """The state and why it is not delivered stand beside the text."""
        sent = (await self.good("--json", "message", "send", "Bob", "hello")).json
        await self.good("message", "send", "Bob", "-", typed="von außen\n".encode())
        self.people.advance(sent["id"], state="sent", why="peer-gone")
        self.people.hear("hi\nthere")
        listed = (await self.good("message", "list", "Bob")).out
        self.assertIn("sent (peer-gone)", listed)
        self.assertIn(f"peer-gone: {errors.PeerGone.sentence()}\n", listed)
        self.assertIn("von außen\n", listed)
        self.assertIn("hi\\nthere\n", listed)
        await self.good("message", "delete", "Bob", sent["id"])
        rows = (await self.good("--json", "message", "list", "Bob", "--limit", "1")).json[
            "messages"
        ]
        self.assertEqual([row["text"] for row in rows], ["hi\nthere"])
        older = await self.good("--json", "message", "list", "Bob", "--before", "3")
        self.assertEqual([row["number"] for row in older.json["messages"]], [2])

    def test_every_reason_has_words(self) -> None:
        """Those of conversations, which are no errors, too; a code that is not known as well."""
        for code in (conversation.IN_THE_NETWORK, conversation.NO_PREKEYS, conversation.EXPIRED):
            self.assertEqual(reason_of(code), REASONS[code])
        self.assertEqual(reason_of(left.IN_MAILBOX), REASONS[left.IN_MAILBOX])
        self.assertEqual(reason_of(conversation.REMOVED), REASONS[conversation.REMOVED])
        self.assertEqual(reason_of("peer-gone"), errors.PeerGone.sentence())
        self.assertTrue(reason_of("never-heard-of"))

    async def test_what_cannot_be_sent(self) -> None:
        """Nothing, too much, or to nobody."""
        for arguments, typed, code in (
            (["Bob", ""], b"", "usage"),
            (["Bob", "-"], b"\n", "usage"),
            (["Bob", "-"], b"x" * 16_385, "too-large"),
            (["Bob", "-"], b"\x89PNG", "usage"),
            (["Bob", "x" * 16_385], b"", "bad-json"),
            (["Nobody", "x"], b"", "no-such-contact"),
        ):
            ended = await self.streembit("message", "send", *arguments, typed=typed)
            self.assert_failed(ended, code)
        self.assertEqual(self.people.history[BOB_KEY], [])


class FileTests(PeopleCase):
    async def test_files_are_offered_with_absolute_paths(self) -> None:
        """Whatever the folder is that the command is run in."""
        file = self.folder / "a.txt"
        file.write_text("x")
        sent = (await self.good("--json", "file", "send", "Bob", file, "--detach")).json
        self.assertEqual((sent["paths"], sent["state"]), ([str(file)], "offered"))
        missing = await self.streembit("file", "send", "Bob", self.folder / "absent")
        self.assert_failed(missing, "usage")

    async def test_what_is_left_out_is_told(self) -> None:
        """Beside the output, in plain characters."""
        self.people.left_out = ["/x/pi\x1bpe: neither a file nor a folder"]
        sent = await self.streembit("file", "send", "Bob", self.folder, "--detach")
        told = "left out: /x/pi\\x1bpe: neither a file nor a folder\n"
        self.assertEqual((sent.status, sent.err), (0, told))
        self.assertNotIn("left out", sent.out)

    async def test_the_command_waits_for_the_end(self) -> None:
        """It ends when the transfer does, with its state as the exit status."""
        for state, status in (("done", 0), ("failed", 1)):
            row = self.people.offer_files("/x/a.txt")
            waiting = self.in_background("file", "accept", row.id, "--folder", str(self.folder))
            while self.people.transfers[row.id].state != "running":
                await self.turn()
            self.people.move(row.id, state="running", done_bytes=500)
            self.people.move(row.id, state=state, why="" if state == "done" else "wrong-digest")
            ended = await waiting
            self.assertEqual(ended.status, status, ended.err)
            self.assertIn(state, ended.out)

    async def test_transfers_are_named_by_the_beginning_of_their_id(self) -> None:
        """As long as one only begins so."""
        rows = [self.people.offer_files("/x/a"), self.people.offer_files("/x/b")]
        await self.good("file", "deny", rows[0].id[:8])
        self.assertEqual(self.people.transfers[rows[0].id].state, "denied")
        self.assert_failed(await self.streembit("file", "cancel", "!"), "no-such-transfer")
        await self.good("file", "pause", rows[1].id)
        await self.good("file", "cancel", rows[1].id)
        listed = (await self.good("file", "list")).out
        self.assertIn("from  Bob", listed)
        self.assertIn("failed (cancelled)", listed)


class HubTests(PeopleCase):
    async def test_the_hubs_of_a_node(self) -> None:
        """Each with its state, and what it did wrong."""
        listed = (await self.good("hub", "list")).out
        self.assertIn(
            "the hub  wss://hub.example.org:443  joined; it did wrong: 1 repeated", listed
        )
        found = (await self.good("--json", "hub", "list")).json["hubs"]
        self.assertEqual([row["state"] for row in found], ["joined"])

    async def test_an_admin_shuts_a_member_out(self) -> None:
        """A contact or a key, at a hub by whatever it is called; not at one that is not ours."""
        for at in (HUB_ROW.name, HUB_ROW.url, HUB_ROW.key, f"{HUB_ROW.url}#{HUB_ROW.key}"):
            told = (await self.good("hub", "kick", "Bob", "--at", at)).out
            self.assertEqual(told, "It may join again.\n")
        told = (await self.good("hub", "remove", CARL_KEY, "--at", "the hub")).out
        self.assertEqual(told, "It is a member no more.\n")
        self.assertEqual(
            (await self.good("hub", "kick", "Bob", "--at", "the hub", "--json")).json, {}
        )
        kicks = [("kick", BOB_KEY)] * 4
        expected = [*kicks, ("dismiss", CARL_KEY), kicks[0]]
        self.assertEqual(self.node.shut_out, expected)
        for who, at, code in (
            ("Bob", "another hub", "usage"),
            ("Nobody", "the hub", "no-such-contact"),
        ):
            self.assert_failed(await self.streembit("hub", "kick", who, "--at", at), code)
        self.assertEqual(self.node.shut_out, expected)

    async def test_who_is_found(self) -> None:
        """With key and fingerprint, to be asked by; a name that is too short is refused."""
        found = (await self.good("hub", "search", "Ca")).out
        for text in ("Carl", CARL_KEY, FINGERPRINT, "hello", "the hub"):
            self.assertIn(text, found)
        rows = (await self.good("--json", "hub", "search", "no & body")).json["found"]
        self.assertEqual(rows, [])
        self.assert_failed(await self.streembit("hub", "search", "x"), "bad-name")

    async def test_to_be_found_or_not(self) -> None:
        """Without an option it is shown how it stands; a hub that refuses is named."""
        self.assertIn("not shown", (await self.good("account", "publish")).out)
        told = (await self.good("account", "publish", "--hub", "--note", "hi")).out
        self.assertIn("found at the hub until", told)
        self.assertIn("NOT found at wss://b: peer-gone", told)
        self.assertEqual(self.people.entered.note, "hi")
        self.assertIn("not shown", (await self.good("account", "publish", "--withdraw")).out)
        for arguments in (["--hub", "--withdraw"], ["--note", "x"]):
            self.assert_failed(await self.streembit("account", "publish", *arguments), "usage")

    async def test_how_a_contact_is_linked(self) -> None:
        """The list, the contact and the conversation say through which hub, if any."""
        bob = self.people.book[BOB_KEY]
        for via in ("direct", "hub the hub"):
            self.people.book[BOB_KEY] = replace(bob, via=via)
            self.assertIn(f" {via} ", (await self.good("contact", "list")).out)
            shown = (await self.good("contact", "show", "Bob")).out
            self.assertRegex(shown, rf"(?m)^link +via {via}$")


class OwnTests(PeopleCase):
    async def test_settings(self) -> None:
        """What is not named stays."""
        await self.good("settings", "--read-receipts", "on", "--type", "device")
        shown = await self.good("settings", "--downloads", self.folder / "down")
        self.assertEqual(
            shown.out,
            "read receipts  on\npresence       on\ntype           device\n"
            f"downloads      {self.folder}/down\n",
        )
        self.assertEqual((await self.good("settings")).out, shown.out)

    async def test_an_export(self) -> None:
        """A new file for its owner alone, line by line; never over another one."""
        self.people.hear("hello")
        file = self.folder / "history.jsonl"
        told = (await self.good("--json", "export", file)).json
        self.assertEqual((told["lines"], file.stat().st_mode & 0o777), (3, 0o600))
        kinds = [msgspec.json.decode(line)["kind"] for line in file.read_bytes().splitlines()]
        self.assertEqual(kinds, ["head", "contact", "message"])
        self.assert_failed(await self.streembit("export", file), "os-error")
        self.assertEqual((await self.good("export", "-")).out.encode(), file.read_bytes())

    async def test_an_export_that_breaks_off_leaves_no_file(self) -> None:
        """A part of the history is never taken for all of it."""
        for number in range(2000):
            self.people.hear(f"m{number}")
        self.people.unreadable = 1500
        file = self.folder / "history.jsonl"
        self.assert_failed(await self.streembit("export", file), "bad-answer")
        self.assertFalse(file.exists())
        self.flushLoggedErrors(errors.ChestDamaged)

    async def test_keys(self) -> None:
        """A revocation wants the account's name, unless told not to ask."""
        await self.made_account()
        rotated = await self.good("key", "rotate")
        self.assertIn(f"new key      {CARL_KEY}\n", rotated.out)
        refused = await self.streembit("key", "revoke", typed=b"bob\n")
        self.assertEqual((refused.status, refused.code), (1, "usage"))
        for arguments, typed in (([], b"alice\n"), (["--yes"], b"")):
            ended = await self.streembit("key", "revoke", *arguments, typed=typed)
            self.assertEqual(ended.status, 0, ended.err)
            self.assertIn("none: the key is void", ended.out)

    async def test_L7_the_passcode_comes_from_a_file_and_shows_nowhere(self) -> None:
        """It goes to the node and to nobody else; a wrong one is the node's to refuse."""
        await self.made_account(PASSCODE)
        file = private_file(self.folder / "passcode", PASSCODE + "\n")
        for options in ([], ["--json"]):
            ended = await self.good("key", "rotate", "--passcode-file", file, *options)
            self.assertNotIn(PASSCODE, ended.out)
        self.assertEqual(self.people.passcodes, [PASSCODE, PASSCODE])
        wrong = private_file(self.folder / "wrong", "wrong\n")
        refused = await self.streembit("key", "rotate", "--passcode-file", wrong)
        self.assert_failed(refused, "wrong-passcode")

    async def test_a_running_node_is_asked_to_wipe_itself(self) -> None:
        """Only after the name was typed; the command waits until the key is gone."""
        key_file = await self.made_account()
        refused = await self.streembit("wipe", typed=b"bob\n")
        self.assertEqual((refused.status, refused.code), (1, "usage"))
        self.assertEqual(self.people.wiped, [])
        waiting = self.in_background("wipe", "--yes")
        while not self.people.wiped:
            await self.turn()
        key_file.unlink()
        ended = await waiting
        self.assertEqual((ended.status, ended.out), (0, "wiped alice\n"))

    async def made_account(self, passcode: str | None = None) -> Path:
        """Give the home of the node alice's key file; return it."""
        for path in self.home.iterdir():
            self.assertTrue(path.is_socket())
        (self.home / "accounts").mkdir(mode=0o700)
        accounts = Accounts(self.home / "accounts")
        accounts.create("alice", passcode)
        return accounts.key_path("alice")


class OfflineWipeTests(SynchronousTestCase):
    def test_a_home_without_a_node(self) -> None:
        """Nothing of the account is left; backups elsewhere are named."""
        home = Path(self.mktemp())
        backup = home.parent / "backup.json"
        invoke("--home", home, "account", "create", "alice", "--no-passcode")
        invoke("--home", home, "account", "backup", backup)
        ended = invoke("--home", home, "wipe", typed=b"bob\n")
        self.assertEqual((ended.status, ended.code), (1, "usage"))
        wiped = invoke("--home", home, "--json", "wipe", "--yes")
        self.assertEqual(wiped.json, {"wiped": "alice", "backups": [str(backup.absolute())]})
        self.assertFalse((home / "accounts" / "alice").exists())
        self.assertTrue(backup.exists())
        again = invoke("--home", home, "wipe", "--yes")
        self.assertEqual((again.status, again.code), (1, "no-such-account"))


class HostileTextTests(PeopleCase):
    async def test_L1_what_contacts_write_reaches_no_terminal(self) -> None:
        """Texts, names, notes and file names are escaped, in tables, lines and JSON alike."""
        row = self.people.book[BOB_KEY]
        self.people.book[BOB_KEY] = msgspec.structs.replace(row, note=HOSTILE, alarm=HOSTILE)
        (asking,) = self.people.asking.values()
        hostile = msgspec.structs.replace(asking, name=HOSTILE, note=HOSTILE)
        self.people.asking[asking.id] = hostile
        self.people.hear(HOSTILE)
        self.people.offer_files(f"/x/{HOSTILE}")
        for arguments in (
            ["contact", "list"],
            ["contact", "show", "Bob"],
            ["contact", "requests"],
            ["message", "list", "Bob"],
            ["file", "list"],
        ):
            for options in ([], ["--json"]):
                ended = await self.good(*arguments, *options)
                self.assertTrue(ended.out.replace("\n", "").isprintable(), ascii(ended.out))

    async def test_json_is_what_the_api_answers(self) -> None:
        """Every list and answer as it came."""
        self.people.hear("hello")
        self.people.offer_files("/x/a")
        for arguments, answer in (
            (["contact", "list"], {"contacts": await self.people.list_contacts()}),
            (["contact", "show", "Bob"], await self.people.show_contact("Bob")),
            (["contact", "requests"], {"requests": await self.people.list_requests()}),
            (["offer", "list"], {"offers": await self.people.list_offers()}),
            (
                ["message", "list", "Bob"],
                {"messages": await self.people.list_messages("Bob", None, 50)},
            ),
            (["file", "list"], {"files": await self.people.list_files()}),
            (["settings"], await self.people.settings()),
        ):
            ended = await self.good(*arguments, "--json")
            expected: Any = msgspec.to_builtins(answer)
            self.assertEqual(ended.json, expected)


class QrTests(SynchronousTestCase):
    def test_the_image_is_the_code(self) -> None:
        """Read back pixel by pixel, it has the modules of the code."""
        matrix = qr.matrix_of("eyJ" + "x" * 700)
        image = qr.png(matrix)
        side = struct.unpack(">II", image[16:24])
        self.assertEqual(side, (len(matrix) * 4,) * 2)
        at = image.index(b"IDAT")
        (length,) = struct.unpack(">I", image[at - 4 : at])
        lines = zlib.decompress(image[at + 4 : at + 4 + length])
        width = 1 + (side[0] + 7) // 8
        for row, modules in enumerate(matrix):
            bits = int.from_bytes(lines[row * 4 * width + 1 : (row * 4 + 1) * width])
            shown = f"{bits:b}".zfill((width - 1) * 8)[: side[0] : 4]
            self.assertEqual([bit == "0" for bit in shown], modules)

    def test_the_drawing_is_the_code(self) -> None:
        """Two rows of modules in a line."""
        matrix = qr.matrix_of("hello")
        drawn = qr.drawn(matrix)
        self.assertEqual(len(drawn), (len(matrix) + 1) // 2)
        for row, modules in enumerate(matrix):
            halves = "\u2588\u2580" if row % 2 == 0 else "\u2588\u2584"
            shown = [character not in halves for character in drawn[row // 2]]
            self.assertEqual(shown, modules)

    def test_what_no_code_holds(self) -> None:
        """It is said, not cut."""
        self.assertRaises(TooLarge, qr.matrix_of, "x" * 3000)
