"""Chat as a program: through pipes, and on a terminal with a line being typed."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from streembit.service import people_events as events
from tests.api.people import BOB_KEY
from tests.cli.harness import NodeTestCase
from tests.sources import ROOT

PROGRAM = [sys.executable, "-c", "from streembit.cli.main import main; main()"]
HOSTILE = "one\x1b[2J\n2026-01-01 00:00:00 UTC  you: I owe you\u202e money"
LOOK_EVERY_S = 0.02


class ChatCase(NodeTestCase):
    """Beside a node whose Bob is linked."""

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait; the test's own timeout ends a wait in vain."""
        clock: Any = reactor
        while not done():
            await deferLater(clock, LOOK_EVERY_S)

    def texts(self) -> list[str]:
        """Return what Bob was sent."""
        return [row.text for row in self.people.history[BOB_KEY] if row.outgoing]


class PipeTests(ChatCase):
    def chat(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a chat with Bob through pipes."""
        command = [*PROGRAM, "--home", str(self.home.absolute()), *options, "chat", "Bob"]
        process = subprocess.Popen(command, cwd=ROOT, stdin=-1, stdout=-1, stderr=-1, bufsize=0)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    async def said(self, process: subprocess.Popen[bytes], words: str) -> str:
        """Return a line of the output that has these words."""
        assert process.stdout is not None
        while True:
            line = (await deferToThread(process.stdout.readline)).decode()
            self.assertTrue(line, f"ended before {words!r}")
            if words in line:
                return str(line)

    def write(self, process: subprocess.Popen[bytes], text: str) -> None:
        """Type lines."""
        assert process.stdin is not None
        process.stdin.write(text.encode())

    async def end(self, process: subprocess.Popen[bytes]) -> None:
        """End the input; the program ends well, and said nothing of errors."""
        assert process.stdin is not None and process.stderr is not None
        process.stdin.close()
        self.assertEqual(await deferToThread(process.wait), 0)
        self.assertEqual(process.stderr.read(), b"")

    async def test_lines_are_messages_and_theirs_are_shown(self) -> None:
        """History first, then both sides as it goes; what was shown is marked as read."""
        self.people.hear("before")
        process = self.chat()
        await self.said(process, "Bob: contact, NOT verified, here")
        await self.said(process, "-- 2027-01-15 08:00:00 UTC: all conversations begin anew")
        await self.said(process, "Bob: before")
        self.write(process, "hello\n\n//slash\n")
        await self.until(lambda: self.texts() == ["hello", "/slash"])
        self.people.hear("hi Ann")
        await self.said(process, "Bob: hi Ann")
        await self.until(lambda: "here" in self.people.presence)
        await self.end(process)
        self.assertEqual(self.people.presence[-1], "away")

    async def test_states_presence_typing_and_files_are_told(self) -> None:
        """Each in a line of its own; why a message is not delivered too."""
        process = self.chat()
        await self.said(process, "Bob: contact")
        self.write(process, "hello\n")
        await self.until(lambda: self.texts() == ["hello"])
        (sent,) = self.people.history[BOB_KEY]
        self.people.advance(sent.id, state="sent", why="peer-gone")
        await self.said(process, "-- sent (peer-gone): hello")
        self.people.advance(sent.id, state="read", why="")
        await self.said(process, "-- read: hello")
        self.people.feed.tell(events.Typing(BOB_KEY, True))
        await self.said(process, "-- Bob is writing")
        self.people.feed.tell(events.Presence(BOB_KEY, "away", True))
        await self.said(process, "-- Bob is away")
        row = self.people.offer_files("/x/plan.pdf")
        await self.said(process, f"plan.pdf, 1 file, 1,000 bytes, offered  {row.id}")
        self.write(process, "/accept\n")
        await self.said(process, "running, 0 bytes done")
        await self.end(process)

    async def test_who_is_asked_anew(self) -> None:
        """Not what was so when the conversation began."""
        process = self.chat()
        await self.said(process, "Bob: contact, NOT verified, here")
        self.people.book[BOB_KEY] = replace(self.people.book[BOB_KEY], presence="away")
        self.write(process, "/who\n")
        await self.said(process, "Bob: contact, NOT verified, away")
        await self.end(process)

    async def test_a_text_of_several_lines_has_its_state_at_the_end(self) -> None:
        """As one of a single line has it."""
        await self.people.send_message("Bob", "one\ntwo")
        process = self.chat()
        self.assertTrue((await self.said(process, "you: one")).endswith("one\n"))
        await self.said(process, "    | two  [queued]")
        await self.end(process)

    async def test_commands(self) -> None:
        """What they do, and what is said of those that are none."""
        self.people.left_out = ["/tmp/a b/pipe: neither a file nor a folder"]
        process = self.chat()
        for line, words in (
            ("/help", "/file PATH..."),
            ("/nonsense", "there is no command /nonsense"),
            ("/deny", "no files are offered"),
            ("/who", "Bob: contact"),
            ("/file", "/file PATH..."),
            ("/file 'a", "a quotation mark is missing"),
            ("/file '/tmp/a b'", "to Bob: a b, 1 file"),
            ("/file '/tmp/a b'", "left out: /tmp/a b/pipe: neither a file nor a folder"),
            ("/files", "a b"),
        ):
            self.write(process, line + "\n")
            await self.said(process, words)
        self.write(process, "/quit\nnever sent\n")
        self.assertEqual(await deferToThread(process.wait), 0)
        self.assertEqual(self.texts(), [])

    async def test_a_node_that_is_started_again_is_waited_for(self) -> None:
        """What came meanwhile is shown once, and nothing twice."""
        self.people.hear("one")
        process = self.chat()
        await self.said(process, "Bob: one")
        await self.until(lambda: self.people.feed.waiting > 0)
        await self.stop_node()
        await self.said(process, "waiting for it")
        self.people.hear("two")
        self.start_node()
        self.people.start_again()
        await self.said(process, "Bob: two")
        self.people.hear("three")
        self.assertIn("Bob: three", await self.said(process, "  Bob: "))
        await self.end(process)

    async def test_json_lines(self) -> None:
        """Each line is an event, as the API tells it."""
        process = self.chat("--json")
        await self.until(lambda: bool(self.people.presence))
        row = self.people.hear("hi")
        told = json.loads(await self.said(process, "arrived"))
        self.assertEqual(told, {"kind": "arrived", "message": msgspec.to_builtins(row)})
        await self.end(process)

    async def test_L1_nobody_can_fake_a_line(self) -> None:
        """Escapes are written out, and a second line of a text is marked as one."""
        process = self.chat()
        await self.said(process, "Bob: contact")
        self.people.hear(HOSTILE)
        self.assertIn("one\\x1b[2J", await self.said(process, "Bob: one"))
        second = await self.said(process, "I owe you")
        self.assertTrue(second.startswith("    | 2026"), second)
        self.assertIn("\\u202e", second)
        await self.end(process)

    async def test_to_nobody(self) -> None:
        """The one line of an error, and status 1."""
        self.people.book.clear()
        process = self.chat()
        self.assertEqual(await deferToThread(process.wait), 1)
        assert process.stderr is not None
        self.assertIn(b"(no-such-contact)", process.stderr.read())


class TerminalTests(ChatCase):
    async def test_what_arrives_does_not_destroy_what_is_being_typed(self) -> None:
        """It stands above; the line goes on and is sent whole; Bob hears of the typing."""
        pid, terminal = self.started()
        shown = Shown(terminal)
        await shown.until("> ")
        os.write(terminal, b"hel")
        await shown.until("hel")
        await self.until(lambda: self.people.typing == [True])
        self.people.hear("interrupting")
        await shown.until("Bob: interrupting\r\n> hel")
        os.write(terminal, b"lo\n")
        await self.until(lambda: self.texts() == ["hello"])
        os.write(terminal, b"/quit\n")
        _, status = await deferToThread(os.waitpid, pid, 0)
        self.assertEqual(status, 0)

    async def test_the_end_of_input_is_a_farewell(self) -> None:
        """Ctrl-D leaves, with status 0."""
        pid, terminal = self.started()
        await Shown(terminal).until("> ")
        os.write(terminal, b"\x04")
        _, status = await deferToThread(os.waitpid, pid, 0)
        self.assertEqual(status, 0)

    async def test_what_arrives_while_the_cursor_is_amid_a_long_line(self) -> None:
        """Nothing above is lost, nothing stands twice, and typing goes on where the cursor was."""
        pid, terminal = self.started(columns=40)
        shown = Shown(terminal, 40)
        await shown.until("> ")
        self.people.hear("the line above")
        await shown.until("the line above\r\n> ")
        typed = " ".join(f"word {n:02}" for n in range(12))
        for number, size in enumerate((38, len(typed))):  # a row full to its end, and three rows
            os.write(terminal, b"\x05\x15" + typed[:size].encode())  # Ctrl-E, Ctrl-U
            await shown.until_row(typed[:size][-8:])
            os.write(terminal, b"\x01")  # Ctrl-A
            self.people.hear(f"number {number}")
            await shown.until_row(f"number {number}", typed[:size][-8:])
        os.write(terminal, b"X")
        await shown.until_end([f"> X{typed[:37]}", typed[37:77], typed[77:]])
        told = [row.partition("Bob: ")[2] for row in shown.rows if " UTC  Bob" in row]
        self.assertEqual(told, ["the line a", "number 0", "number 1"])
        os.write(terminal, b"\n/quit\n")
        await self.until(lambda: self.texts() == [f"X{typed}"])
        _, status = await deferToThread(os.waitpid, pid, 0)
        self.assertEqual(status, 0)

    def started(self, columns: int = 80) -> tuple[int, int]:
        """Start a chat on a terminal of its own; return its process and our side."""
        home = str(self.home.absolute())
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.environ |= {"TERM": "xterm", "COLUMNS": str(columns)}
            os.execv(PROGRAM[0], [*PROGRAM, "--home", home, "chat", "Bob"])
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.addCleanup(os.close, terminal)
        return pid, terminal


class Shown:
    """What a terminal showed."""

    def __init__(self, terminal: int, columns: int = 80) -> None:
        self._terminal = terminal
        self._columns = columns
        self.text = ""

    @property
    def rows(self) -> list[str]:
        """What stands on it now."""
        return Glass(self._columns).after(self.text)

    async def until(self, words: str) -> None:
        """Wait until the words were shown."""
        while words not in self.text:
            await self._more()

    async def until_row(self, *words: str) -> None:
        """Wait until the last rows have these words, in their order, each in a row of its own."""
        while True:
            rows = iter(self.rows[-6:])
            if all(any(word in row for row in rows) for word in words):
                return
            await self._more()

    async def until_end(self, rows: list[str]) -> None:
        """Wait until these are the last rows, but for blanks at their ends."""
        while self.rows[-len(rows) :] != [row.rstrip() for row in rows]:
            await self._more()

    async def _more(self) -> None:
        self.text += (await deferToThread(os.read, self._terminal, 4096)).decode()


class Glass:
    """The rows of a terminal, as far as a line editor moves on them; nothing scrolls away."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._rows = [""]
        self._row = self._column = 0

    def after(self, text: str) -> list[str]:
        """Return the rows when a text has been written, without the blanks at their ends."""
        for csi, count, final, char in re.findall(r"(\x1b\[\??(\d*)([A-Za-z@]))|([^\x1b])", text):
            if csi:
                self._control(final, int(count or 1), count)
            else:
                self._put(char)
        return [row.rstrip() for row in self._rows]

    def _control(self, final: str, count: int, given: str) -> None:
        row = self._rows[self._row].ljust(self._column)
        match final:
            case "A":
                self._row = max(0, self._row - count)
            case "C":
                self._column = min(self._columns - 1, self._column + count)
            case "D":
                self._column = max(0, self._column - count)
            case "K":
                self._rows[self._row] = row[: self._column]
            case "J":
                self._rows[self._row :] = [row[: self._column]]
            case "P":
                self._rows[self._row] = row[: self._column] + row[self._column + count :]
            case "@":
                self._rows[self._row] = row[: self._column] + " " * count + row[self._column :]
            case "h" | "l":
                pass  # what it does is not shown
            case _:
                raise ValueError(f"a control that is not known here: {given}{final}")

    def _put(self, char: str) -> None:
        match char:
            case "\r":
                self._column = 0
            case "\n":
                self._down()
            case "\b":
                self._column = max(0, self._column - 1)
            case "\x07":
                pass
            case _:
                if self._column == self._columns:  # it stood behind the last column, as they do
                    self._column = 0
                    self._down()
                row = self._rows[self._row].ljust(self._column)
                self._rows[self._row] = row[: self._column] + char + row[self._column + 1 :]
                self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append("")
