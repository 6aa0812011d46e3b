"""Where a conversation is shown: a terminal with a line being typed, a pipe, or JSON Lines."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from typing import Protocol

from streembit.cli.show import plain

PROMPT = "> "
_ERASE = "\r\x1b[K"
_UP = "\x1b[A\x1b[K"


class Screen(Protocol):
    """Shows lines and reads them; `show` may be called by any thread."""

    def show(self, line: str, event: object = None) -> None:
        """Show one line of ours, whose foreign parts are plain, and the event it tells of."""

    def read(self) -> str | None:
        """Return the next line that the user typed, None at the end."""

    def typed(self) -> str:
        """Return what stands in the line that is being typed, "" where that is not known."""

    def close(self) -> None:
        """Show nothing from now on: threads that still run must not write while all ends."""


class Pipe:
    """Standard input and output without a terminal: lines in, lines out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False

    def show(self, line: str, event: object = None) -> None:
        """Write the line."""
        with self._lock:
            if not self._closed:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    def read(self) -> str | None:
        """Return the next line of standard input."""
        line = sys.stdin.readline()
        return line.rstrip("\r\n") if line else None

    def typed(self) -> str:
        """Nobody types."""
        return ""

    def close(self) -> None:
        """Wait until nothing is being written, and write nothing more."""
        with self._lock:
            self._closed = True


class JsonLines(Pipe):
    """Writes each event as one line of ASCII JSON; what is for people only is left out."""

    def show(self, line: str, event: object = None) -> None:
        """Write the event."""
        import msgspec

        if event is not None:
            super().show(json.dumps(msgspec.to_builtins(event)))


class Terminal(Pipe):
    """A terminal with readline: what arrives stands above the line that is being typed."""

    def __init__(self) -> None:
        super().__init__()
        import readline

        self._readline = readline
        self._reading = False

    def show(self, line: str, event: object = None) -> None:
        """Write the line above the one that is being typed, which stays as it is."""
        with self._lock:
            if self._closed:
                return
            if not self._reading:
                sys.stdout.write(line + "\n")
            else:
                text = PROMPT + self._readline.get_line_buffer()
                sys.stdout.write(f"{_UP * self._rows_above(text)}{_ERASE}{line}\n{text}")
            sys.stdout.flush()
            if self._reading:
                self._readline.redisplay()

    def read(self) -> str | None:
        """Return the next line, edited with readline."""
        with self._lock:
            self._reading = True
        try:
            return input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            return None
        finally:
            with self._lock:
                self._reading = False

    def typed(self) -> str:
        """Return what is being typed."""
        return self._readline.get_line_buffer() if self._reading else ""

    @staticmethod
    def _rows_above(text: str) -> int:
        """Return how many rows of the terminal a text takes beyond its first."""
        from rich.cells import cell_len

        columns = shutil.get_terminal_size().columns
        return max(0, cell_len(plain(text)) - 1) // columns


def screen(as_json: bool) -> Screen:
    """Return the screen of this process."""
    if as_json:
        return JsonLines()
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Terminal()
    return Pipe()
