"""A conversation in lines: what is said, what the other one does, and the commands between."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streembit.api.files import AcceptFiles, SendFiles, Transfers
from streembit.api.messages import MarkRead, Messages, SendMessage, SetTyping
from streembit.api.operation import Done
from streembit.cli import show
from streembit.cli.contact import path_of
from streembit.cli.contact import state_of as state_of_contact
from streembit.cli.message import state_of
from streembit.cli.show import plain
from streembit.errors import StreembitError
from streembit.service import people_events as events
from streembit.service.facade import Status
from streembit.service.people_rows import MAX_PAGE, ContactRow, MessageRow, TransferRow

if TYPE_CHECKING:
    from streembit.cli.client import Client
    from streembit.cli.screen import Screen

HISTORY: Final = 20  # messages shown at the beginning: a screen
MAX_STATES: Final = 1000  # messages whose last state is known: those that may still change
ANEW: Final = "sessions-renewed"  # of all notices the one that is about every conversation
TYPING_EVERY_S: Final = 4.0  # a contact takes silence of 10 s for a stop
_AGAIN: Final = "    | "  # before the second and further lines of a text: nobody can fake a name

HELP: Final = (
    "/file PATH...    send files or folders",
    "/files           the files of this conversation",
    "/accept [ID]     take the files that were offered, or those of ID",
    "/deny [ID]       refuse them",
    "/history [N]     the last N messages",
    "/who             the contact: verified or not, here or not",
    "/quit            leave; messages that wait are sent all the same",
    "//text           a message that begins with a slash",
)


class Talk:
    """One conversation on a screen.

    `heard` takes events from one thread, `said` and `tick` lines and time
    from another; the screen is all that they share.
    """

    def __init__(self, client: Client, contact: ContactRow, screen: Screen) -> None:
        self.contact = contact
        self._client = client
        self._screen = screen
        self._path = contact.public_key
        self._shown = 0  # the number of the newest message that was shown or sent
        self._begun = 0  # what it was at the beginning
        self._states: dict[str, str] = {}
        self._typed = ""
        self._typing_since_s: float | None = None

    # --- what is shown
    def begin(self) -> None:
        """Say who it is, and show the last messages."""
        self._note(f"{self.contact.name}: {self._who()}; /help tells the commands")
        people = self._client.ask("GET", "/v1/status", Status).people
        for notice in people.notices if people is not None else ():
            if notice.code == ANEW:
                self._note(f"{show.moment(int(notice.at))}: {notice.text}")
        self._history(HISTORY)
        self._begun = self._shown

    def catch_up(self) -> None:
        """Show what came while events were lost."""
        for row in self._page(MAX_PAGE):
            if row.number > self._begun and row.id not in self._states:
                self._message(row, None)
        self._mark_read()

    def heard(self, event: events.Event) -> None:
        """Show an event of this contact."""
        match event:
            case events.Arrived(message) if self._is_ours(message.contact):
                if message.id not in self._states:
                    self._message(message, event)
                    self._mark_read()
            case events.Changed(message) if self._is_ours(message.contact):
                self._changed(message, event)
            case events.Typing(contact, on) if self._is_ours(contact) and on:
                self._note(f"{self.contact.name} is writing", event)
            case events.Presence(contact, state, linked) if self._is_ours(contact):
                self._note(f"{self.contact.name} is {state if linked else 'gone'}", event)
            case events.Transferred(transfer) if self._is_ours(transfer.contact):
                self._transfer(transfer, event)
            case events.ContactChanged(contact) if self._is_ours(contact.public_key):
                self._take(contact, event)
            case events.KeyReplaced(_, old, new) if self._is_ours(old):
                self._path = new or self._path
                self._note(f"{self.contact.name} has another key, signed by the old one", event)
            case events.Notice(_, text):
                self._note(text, event)
            case _:
                pass

    # --- what the user does
    def said(self, line: str) -> bool:
        """Do what a line says; return whether the conversation goes on."""
        try:
            if line.startswith("/") and not line.startswith("//"):
                return self._command(line[1:])
            if line.strip():
                self._send(line.removeprefix("/") if line.startswith("//") else line)
        except StreembitError as e:
            self._note(f"{e.detail or e.sentence()} ({e.code})")
        return True

    def tick(self, now_s: float) -> None:
        """Tell the contact that something is being typed, or no longer is."""
        typed = self._screen.typed()
        if typed.startswith("/"):
            typed = ""
        if typed and typed != self._typed:
            if self._typing_since_s is None or now_s - self._typing_since_s >= TYPING_EVERY_S:
                self._typing_since_s = now_s
                self._tell_typing(True)
        elif not typed and self._typing_since_s is not None:
            self._typing_since_s = None
            self._tell_typing(False)
        self._typed = typed

    # --- commands
    def _command(self, line: str) -> bool:
        try:
            word, *rest = shlex.split(line) or [""]
        except ValueError:
            self._note("a quotation mark is missing")
            return True
        if word in ("quit", "q", "exit"):
            return False
        known: dict[str, Callable[[list[str]], None]] = {
            "help": lambda _: self._help(),
            "file": self._send_files,
            "files": lambda _: self._files(),
            "accept": lambda rest: self._answer(rest, "accept"),
            "deny": lambda rest: self._answer(rest, "deny"),
            "history": lambda rest: self._history(int(rest[0]) if _is_number(rest) else HISTORY),
            "who": lambda _: self._ask_who(),
        }
        if word in known:
            known[word](rest)
        else:
            self._note(f"there is no command /{word}; /help tells those there are")
        return True

    def _help(self) -> None:
        for line in HELP:
            self._note(line)

    def _send(self, text: str) -> None:
        sent = self._client.ask("POST", self._of("messages"), MessageRow, SendMessage(text))
        self._typing_since_s = None
        self._shown = max(self._shown, sent.number)
        self._remember(sent)

    def _send_files(self, paths: list[str]) -> None:
        absolute = [str(Path(path).expanduser().absolute()) for path in paths]
        if not absolute:
            self._note("/file PATH...")
            return
        row = self._client.ask("POST", self._of("files"), TransferRow, SendFiles(absolute))
        for line in row.left_out:
            self._note(f"left out: {line}")

    def _files(self) -> None:
        found = self._client.ask("GET", "/v1/files", Transfers).files
        for row in found:
            if self._is_ours(row.contact):
                self._transfer(row, None)

    def _ask_who(self) -> None:
        self.contact = self._client.ask("GET", self._of(), ContactRow)
        self._note(f"{self.contact.name}: {self._who()}")

    def _answer(self, rest: list[str], verdict: str) -> None:
        found = self._client.ask("GET", "/v1/files", Transfers).files
        offered = [
            row.id
            for row in found
            if self._is_ours(row.contact) and not row.outgoing and row.state == "offered"
        ]
        wanted = [each for each in offered if not rest or each.startswith(rest[0])]
        if not wanted:
            self._note("no files are offered")
        for transfer in wanted:
            body = AcceptFiles() if verdict == "accept" else None
            self._client.ask("POST", f"/v1/files/{transfer}/{verdict}", TransferRow, body)

    # --- lines
    def _history(self, count: int) -> None:
        for row in self._page(count):
            self._message(row, None)
        self._mark_read()

    def _page(self, count: int) -> list[MessageRow]:
        path = self._of("messages") + f"?limit={min(max(count, 1), MAX_PAGE)}"
        return self._client.ask("GET", path, Messages).messages

    def _message(self, row: MessageRow, event: object) -> None:
        who = "you" if row.outgoing else self.contact.name
        kind = "[files] " if row.transfer else ""
        first, *more = [plain(text) for text in row.text.splitlines()] or [""]
        lines = [f"{show.moment(row.sent)}  {plain(who)}: {kind}{first}"]
        lines += [_AGAIN + text for text in more]
        if row.outgoing:
            lines[-1] += f"  [{plain(state_of(row))}]"
        for line in lines:
            self._screen.show(line, event if line is lines[0] else None)
        self._shown = max(self._shown, row.number)
        self._remember(row)

    def _take(self, contact: ContactRow, event: object) -> None:
        before, self.contact = self._who(), contact
        if self._who() != before:
            self._note(f"{contact.name}: {self._who()}", event)

    def _changed(self, row: MessageRow, event: object) -> None:
        state = state_of(row)
        if self._states.get(row.id) != state:
            self._remember(row)
            beginning = (row.text.splitlines() or [""])[0][:40]
            self._note(f"{state}: {beginning}", event)

    def _remember(self, row: MessageRow) -> None:
        """Keep what was shown of a message; the oldest gives way."""
        self._states[row.id] = state_of(row)
        if len(self._states) > MAX_STATES:
            del self._states[next(iter(self._states))]

    def _transfer(self, row: TransferRow, event: object) -> None:
        way = "to" if row.outgoing else "from"
        done = "" if row.state != "running" else f", {row.done_bytes:,} bytes done"
        why = f" ({row.why})" if row.why else ""
        self._note(
            f"files {way} {self.contact.name}: {row.name}, {show.count(row.files, 'file')}, "
            f"{row.total_bytes:,} bytes, {row.state}{why}{done}  {row.id}",
            event,
        )

    def _who(self) -> str:
        contact = self.contact
        verified = "verified" if contact.verified else "NOT verified"
        presence = f"{contact.presence}, via {contact.via}" if contact.linked else "gone"
        alarm = f"; ALARM: {contact.alarm}" if contact.alarm else ""
        return f"{state_of_contact(contact)}, {verified}, {presence}{alarm}"

    def _note(self, text: str, event: object = None) -> None:
        self._screen.show(f"-- {plain(text)}", event)

    def _mark_read(self) -> None:
        if self._shown:
            self._client.ask("PUT", self._of("read"), ContactRow, MarkRead(self._shown))

    def _tell_typing(self, on: bool) -> None:
        self._client.ask("PUT", self._of("typing"), Done, SetTyping(on))

    def _is_ours(self, key: str) -> bool:
        return key == self._path

    def _of(self, *what: str) -> str:
        return path_of(self._path, *what)


def _is_number(rest: list[str]) -> bool:
    return bool(rest) and rest[0].isascii() and rest[0].isdigit() and len(rest[0]) < 6
