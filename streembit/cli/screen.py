"""Where a conversation is shown: a terminal with a line being typed, a pipe, or JSON Lines."""

from __future__ import annotations

import ctypes
import json
import shutil
import sys
import threading
from typing import Final, Protocol

from streembit.cli.show import plain

PROMPT = "> "
_ERASE = "\r\x1b[K"
_UP = "\x1b[A\x1b[K"
_CALLED_BACK: Final = 0x80000  # readline's state while it waits for a key, as Python has it do


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


class Line:
    """The line that readline edits: taken off the terminal, and put back.

    Readline alone knows on which row the cursor is. Python's module does not pass that on, so
    the library below is asked. Where there is none that tells (libedit, a readline linked into
    Python), the cursor is taken to be at the end, where it is nearly always.
    """

    def __init__(self) -> None:
        import readline

        self._readline = readline
        self._library = _library(getattr(readline, "__file__", None))

    @property
    def text(self) -> str:
        """What was typed so far."""
        return self._readline.get_line_buffer()

    def show_above(self, line: str) -> None:
        """Write a line, with the prompt and what was typed below it and the cursor where it was."""
        if self._library is None or not self._is_waiting(self._library):
            text = PROMPT + self.text
            sys.stdout.write(f"{_UP * _rows_above(text)}{_ERASE}{line}\n{text}")
            sys.stdout.flush()
            self._readline.redisplay()
            return
        self._library.rl_clear_visible_line()
        self._library.fflush(None)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        self._library.rl_on_new_line()
        self._library.rl_redisplay()
        self._library.fflush(None)

    @staticmethod
    def _is_waiting(library: ctypes.CDLL) -> bool:
        return bool(ctypes.c_ulong.in_dll(library, "rl_readline_state").value & _CALLED_BACK)


class Terminal(Pipe):
    """A terminal with readline: what arrives stands above the line that is being typed."""

    def __init__(self) -> None:
        super().__init__()
        self._line = Line()
        self._reading = False

    def show(self, line: str, event: object = None) -> None:
        """Write the line above the one that is being typed, which stays as it is."""
        with self._lock:
            if self._closed:
                return
            if self._reading:
                self._line.show_above(line)
            else:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    def read(self) -> str | None:
        """Return the next line, edited with readline."""
        with self._lock:
            self._reading = True
        try:
            return input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            sys.stdout.write("\n")  # what comes after the program begins a line
            return None
        finally:
            with self._lock:
                self._reading = False

    def typed(self) -> str:
        """Return what is being typed."""
        return self._line.text if self._reading else ""


def _rows_above(text: str) -> int:
    """Return how many rows of the terminal a text takes beyond its first."""
    from rich.cells import cell_len

    columns = shutil.get_terminal_size().columns
    return max(0, cell_len(plain(text)) - 1) // columns


def _library(module: str | None) -> ctypes.CDLL | None:
    """Return the library below Python's readline module, None for one that lacks a function."""
    if module is None:
        return None
    library = ctypes.CDLL(module)
    names = ("rl_clear_visible_line", "rl_on_new_line", "rl_redisplay", "rl_readline_state")
    return library if all(hasattr(library, name) for name in (*names, "fflush")) else None


def screen(as_json: bool) -> Screen:
    """Return the screen of this process."""
    if as_json:
        return JsonLines()
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Terminal()
    return Pipe()
