"""Chat as a program: through pipes, and on a terminal with a line being typed."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
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

    def started(self) -> tuple[int, int]:
        """Start a chat on a terminal of its own; return its process and our side."""
        home = str(self.home.absolute())
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.environ |= {"TERM": "xterm", "COLUMNS": "80"}
            os.execv(PROGRAM[0], [*PROGRAM, "--home", home, "chat", "Bob"])
        self.addCleanup(os.close, terminal)
        return pid, terminal


class Shown:
    """What a terminal showed."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.text = ""

    async def until(self, words: str) -> None:
        """Wait until the words were shown."""
        while words not in self.text:
            data = await deferToThread(os.read, self._terminal, 4096)
            self.text += data.decode()
