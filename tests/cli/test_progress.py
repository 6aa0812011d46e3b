"""The progress of a transfer on a terminal: a bar, its end, and Ctrl-C, which ends nothing."""

from __future__ import annotations

import os
import pty
import signal

from twisted.internet.threads import deferToThread

from tests.cli.test_chat import PROGRAM, ChatCase, Shown
from tests.sources import ROOT


class ProgressTests(ChatCase):
    async def test_a_bar_shows_how_far_it_is(self) -> None:
        """Name, bytes and state; the file's name is made harmless."""
        row = self.people.offer_files("/x/pl\x1b[31man.pdf")
        pid, terminal = self.started("file", "accept", row.id)
        shown = Shown(terminal)
        await self.until(lambda: self.people.transfers[row.id].state == "running")
        self.people.move(row.id, done_bytes=500)
        await shown.until("0.5/1.0 kB")
        self.assertIn("pl\\x1b[31man.pdf (running)", shown.text)
        self.people.move(row.id, state="done", done_bytes=1000)
        await shown.until(f"done  {row.id}")
        _, status = await deferToThread(os.waitpid, pid, 0)
        self.assertEqual(status, 0)

    async def test_an_interruption_leaves_it_to_the_node(self) -> None:
        """The command ends; the transfer is as it was."""
        row = self.people.offer_files("/x/plan.pdf")
        pid, terminal = self.started("file", "accept", row.id)
        shown = Shown(terminal)
        await self.until(lambda: self.people.feed.waiting > 0)
        os.kill(pid, signal.SIGINT)
        await shown.until("the node goes on")
        _, status = await deferToThread(os.waitpid, pid, 0)
        self.assertEqual(status, 0)
        self.assertEqual(self.people.transfers[row.id].state, "running")

    async def test_a_node_that_ends_is_waited_for(self) -> None:
        """The command says so, and goes on with the node that is started again."""
        row = self.people.offer_files("/x/plan.pdf")
        pid, terminal = self.started("file", "accept", row.id)
        shown = Shown(terminal)
        await self.until(lambda: self.people.feed.waiting > 0)
        await self.stop_node()
        await shown.until("waiting for it")
        self.people.move(row.id, done_bytes=500)
        self.start_node()
        self.people.start_again()
        await shown.until("0.5/1.0 kB")
        self.people.move(row.id, state="done", done_bytes=1000)
        await shown.until(f"done  {row.id}")
        _, status = await deferToThread(os.waitpid, pid, 0)
        self.assertEqual(status, 0)

    async def test_without_a_terminal_what_changes_is_said(self) -> None:
        """A line for each state, on standard error; the end alone on standard output."""
        row = self.people.offer_files("/x/plan.pdf")
        ended = self.in_background("file", "accept", row.id)
        await self.until(lambda: self.people.feed.waiting > 0)
        self.people.move(row.id, state="paused", why="disk-full")
        self.people.move(row.id, done_bytes=500)
        self.people.move(row.id, state="done", why="", done_bytes=1000)
        result = await ended
        told = ["plan.pdf (running)", "plan.pdf (paused (disk-full))"]
        self.assertEqual((result.status, result.err.splitlines()), (0, told))
        self.assertIn(f"done  {row.id}", result.out)

    def started(self, *arguments: str) -> tuple[int, int]:
        """Start a command on a terminal of its own; return its process and our side."""
        home = str(self.home.absolute())
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.environ |= {"TERM": "xterm", "COLUMNS": "120"}
            os.execv(PROGRAM[0], [*PROGRAM, "--home", home, *arguments])
        self.addCleanup(os.close, terminal)
        return pid, terminal
