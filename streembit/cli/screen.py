"""Where a conversation is shown: a terminal with a line being typed, a pipe, or JSON Lines."""

from __future__ import annotations

import ctypes
import json
import shutil
import sys
import threading
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from streembit.cli.show import plain

PROMPT = "> "
_ERASE = "\r\x1b[K"
_UP = "\x1b[A\x1b[K"
_HOOK: Final = ctypes.CFUNCTYPE(ctypes.c_int)


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

    Only the thread that reads a line may write meanwhile, since readline knows of no other.
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
        if self._library is None:
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


class Idle:
    """Calls back while a line is read, between two keys and every tenth of a second.

    By what Python has for that, its `PyOS_InputHook`, in the thread that reads.
    """

    def __init__(self, call: Callable[[], None]) -> None:
        def hook() -> int:
            call()
            return 0

        self._hook = _HOOK(hook)  # kept for as long as it may be called
        self._place = ctypes.c_void_p.in_dll(ctypes.pythonapi, "PyOS_InputHook")

    def __enter__(self) -> None:
        self._place.value = ctypes.cast(self._hook, ctypes.c_void_p).value

    def __exit__(self, *_exc: object) -> None:
        self._place.value = None


class Terminal(Pipe):
    """A terminal with readline: what arrives stands above the line that is being typed."""

    def __init__(self) -> None:
        super().__init__()
        self._line = Line()
        self._idle = Idle(self._show_waiting)
        self._reading = False
        self._waiting: deque[str] = deque()  # for a tenth of a second

    def show(self, line: str, event: object = None) -> None:
        """Write the line above the one that is being typed, which stays as it is."""
        with self._lock:
            if self._reading:
                self._waiting.append(line)
            elif not self._closed:
                sys.stdout.write(line + "\n")
                sys.stdout.flush()

    def read(self) -> str | None:
        """Return the next line, edited with readline."""
        with self._lock:
            self._reading = True
        try:
            with self._idle:
                return input(PROMPT)
        except (EOFError, KeyboardInterrupt):
            sys.stdout.write("\n")  # what comes after the program begins a line
            return None
        finally:
            with self._lock:
                self._reading = False
                sys.stdout.writelines(f"{line}\n" for line in self._waiting)
                self._waiting.clear()

    def typed(self) -> str:
        """Return what is being typed."""
        return self._line.text if self._reading else ""

    def _show_waiting(self) -> None:
        with self._lock:
            while self._waiting and not self._closed:
                self._line.show_above(self._waiting.popleft())


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
    names = ("rl_clear_visible_line", "rl_on_new_line", "rl_redisplay", "fflush")
    return library if all(hasattr(library, name) for name in names) else None


def screen(as_json: bool) -> Screen:
    """Return the screen of this process."""
    if as_json:
        return JsonLines()
    if sys.stdin.isatty() and sys.stdout.isatty():
        return Terminal()
    return Pipe()
