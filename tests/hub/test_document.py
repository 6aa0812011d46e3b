"""What docs/protocol/hub.md says is so: its tables and figures, held against the code."""

from __future__ import annotations

import re
from typing import Final

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.mailbox import MailLimits
from streembit.hub import allowlist, directory, stream
from streembit.hub.answers import due
from streembit.hub.grant import needed
from streembit.net.budget import Rate
from streembit.net.carrier import CLOSE_AWAY, CLOSE_NORMAL, CLOSE_POLICY, DEAD_S, LIMITS, SILENCE_S
from streembit.service.hub.settings import (
    ALL_FRAMES,
    ALL_JOINS,
    BAD_SIGNATURES,
    BOX,
    CROWDED_BYTES,
    MAX_BUSY,
    MEMBER_FRAMES,
    MEMBER_GETS,
    MEMBER_PUTS,
    PARKED_BYTES,
    PARKED_BYTES_TOTAL,
    STRANGER_JOINS,
    HubSettings,
)
from streembit.wire.hub import (
    MAX_CARGO_BYTES,
    MAX_CARGO_CHARS,
    MAX_ENTRY_CHARS,
    MAX_FOUND,
    MAX_KEYS,
    MAX_MAILS,
    SUBPROTOCOL,
    EntryClaims,
    Envelope,
    HubClaims,
    Join,
)
from tests.hub.samples import COMMANDS, REPLIES
from tests.sources import ROOT

TEXT: Final = (ROOT / "docs/protocol/hub.md").read_text(encoding="utf-8")
ROW: Final = re.compile(r"^\| (.*) \|$", re.MULTILINE)


def cells(row: str) -> list[str]:
    """Return the cells of a table's row."""
    return [cell.strip() for cell in row.split("|")]


def rows_of(heading: str) -> list[list[str]]:
    """Return the rows of the first table behind a text, without its head."""
    behind = TEXT[TEXT.index(heading) :]
    table = re.search(r"(?:^\|.*\|\n)+", behind, re.MULTILINE)
    assert table is not None, heading
    return [cells(row) for row in ROW.findall(table[0])[1:] if not row.startswith("---")]


def a_second(rate: Rate) -> str:
    """Return a rate as the document writes it."""
    return f"{rate.per_s:,.0f} a second, {rate.burst:,.0f} at once"


class DocumentTests(SynchronousTestCase):
    """A second implementation may rely on it."""

    def test_claims_stand_in_their_canonical_order(self) -> None:
        """Those of frames, of envelopes and of entries."""
        for heading, kind in (
            ("`HubClaims`, in canonical order", HubClaims),
            ("`Envelope`:", Envelope),
            ("a token of kind `entry+jwt` with", EntryClaims),
        ):
            named = [name for row in rows_of(heading) for name in re.findall(r"`(\w+)`", row[0])]
            self.assertEqual(named, [field.name for field in msgspec.structs.fields(kind)])

    def test_each_command_needs_and_is_answered_as_the_table_says(self) -> None:
        """All commands but the Join, and their members."""
        table = {row[0].strip("`"): row[1:] for row in rows_of("## Commands")}
        for body in COMMANDS:
            tag = msgspec.json.decode(msgspec.json.encode(body))["t"]
            if isinstance(body, Join):
                continue
            members, needs, answer = table.pop(tag)
            self.assertEqual(needs.strip("`"), needed(body) or "", tag)
            reply = due(body)
            self.assertEqual(answer.split("`")[1], reply.__struct_config__.tag, tag)
            for field in msgspec.structs.fields(type(body)):
                self.assertIn(f"`{field.name}`", members, tag)
            for field in msgspec.structs.fields(reply):
                self.assertIn(f"`{field.name}`", answer, tag)
        self.assertEqual(len(table), 2)  # the two kinds of envelopes

    def test_every_frame_is_named(self) -> None:
        """By its tag, somewhere."""
        for body in COMMANDS + REPLIES:
            self.assertIn(f"`{type(body).__struct_config__.tag}`", TEXT)

    def test_the_figures_are_those_of_the_code(self) -> None:
        """Limits, rates, times and sizes."""
        mail, streams = MailLimits(), stream
        for figure in (
            f"subprotocol `{SUBPROTOCOL}`",
            f"| message before the Welcome | {LIMITS.stranger_bytes:,} characters |",
            f"| message after it | {LIMITS.member_bytes:,} characters |",
            f"| pieces of one message | {LIMITS.fragments} |",
            f"| pings and pongs of a peer | {a_second(LIMITS.controls)} |",
            f"WebSocket, TLS included | {LIMITS.upgrade_s:.0f} s |",
            f"| from connecting to the Welcome | {LIMITS.join_s:.0f} s |",
            f"first byte to its last | {LIMITS.frame_s:.0f} s |",
            f"given up | {SILENCE_S:.0f} s, {DEAD_S:.0f} s |",
            f"1 to {MAX_CARGO_CHARS:,} characters | the cargo: at most {MAX_CARGO_BYTES:,} bytes",
            f"checked | {a_second(MEMBER_FRAMES)} | {ALL_FRAMES.per_s:,.0f} a second |",
            f"| Joins, by address | {a_second(STRANGER_JOINS)} | {ALL_JOINS.per_s:,.0f} a second |",
            f"| `put` | {a_second(MEMBER_PUTS)} |",
            f"| `get` | {a_second(MEMBER_GETS)} |",
            f"under way | {MAX_BUSY} |",
            f"not reading for {HubSettings('').slow_s:.0f} s with {CROWDED_BYTES // 1024} KiB",
            f"{PARKED_BYTES:,} characters of one sender",
            f"{PARKED_BYTES_TOTAL:,} of all senders",
            f"that is {LIMITS.queue_bytes_total >> 20} MiB together",
            f"| {CLOSE_NORMAL} | the member",
            f"| {CLOSE_AWAY} | the hub is stopping",
            f"| {CLOSE_POLICY} | the Join was refused",
            f"`mails`: 1 to {MAX_MAILS} of",
            f"token, up to {MAX_ENTRY_CHARS:,} |",
            f"`entries` (up to {MAX_FOUND} tokens)",
            f"`keys`: up to {MAX_KEYS:,} |",
            f"at most {streams.MAX_STREAMS} at a time",
            f"Each side may send {streams.WINDOW_BYTES:,} bytes at first",
            f"1 to {streams.MAX_DATA_BYTES:,} bytes",
            f"a mailbox holds {BOX.messages} mails or {BOX.bytes >> 20} MiB for {BOX.days} days",
            f"{mail.sender_messages:,} mails or {mail.sender_bytes >> 20} MiB wait",
            f"`exp` at most {directory.MAX_LIFE_S // 86_400} days after `iat`",
            f"of {directory.MIN_PREFIX_CHARS} characters at least",
            f"up to {allowlist.MAX_MEMBERS:,} objects",
        ):
            self.assertIn(figure, TEXT)
        self.assertEqual(BAD_SIGNATURES, 3)
        self.assertIn("the third ends the session", TEXT)
        self.assertEqual((mail.box_messages, mail.box_bytes), (BOX.messages, BOX.bytes))
        self.assertEqual(mail.days, BOX.days)
