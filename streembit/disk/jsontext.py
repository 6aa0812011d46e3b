"""Where in a JSON text a value begins, or its first fault lies: for files that people write.

`wire.codec` is what reads the text; this is asked when it was refused, and
takes its time: half a second for 10,000 objects, in steps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from streembit.disk.steps import Steps
from streembit.errors import BadJson
from streembit.wire import codec

Path = tuple[str | int, ...]

VALUES_A_STEP: Final = 500  # some three milliseconds
_MARK: Final = "\ufeff"  # nobody sees it
_SPACE: Final = re.compile(r"[ \t\n\r]*")
_STRING: Final = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*'
)  # up to the quotation mark that ends it
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_WORD: Final = re.compile(r"true|false|null")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Position(NamedTuple):
    """Both count from 1; a column counts characters."""

    line: int
    column: int


class Fault(NamedTuple):
    """What is wrong with a text as JSON, and where."""

    reason: str
    at: Position


def fault_of(data: bytes) -> Steps[Fault | None]:
    """Return the first fault of bytes that are no strict JSON, None where there is none."""
    try:
        text = data.decode()
    except UnicodeDecodeError as e:
        before = data[: e.start].decode()
        return Fault("not UTF-8", position(before, len(before)))
    if text.startswith(_MARK):
        return Fault("a byte order mark stands before the text: save it without", Position(1, 1))
    try:
        for count, _ in enumerate(_Scan(text).document()):
            if count % VALUES_A_STEP == 0:
                yield None
    except _Wrong as e:
        return Fault(e.reason, position(text, e.offset))
    return None


def place_of(text: str, path: Path) -> Steps[Position]:
    """Return where the value at a path of strict JSON begins, or what contains it if it is not."""
    found, deepest = 0, -1
    for count, (here, offset) in enumerate(_Scan(text).document()):
        if len(here) > deepest and path[: len(here)] == here:
            found, deepest = offset, len(here)
            if here == path:
                break
        if count % VALUES_A_STEP == 0:
            yield None
    return position(text, found)


def position(text: str, offset: int) -> Position:
    """Return the line and column of the character at an offset."""
    return Position(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


class _Wrong(Exception):
    def __init__(self, reason: str, offset: int) -> None:
        self.reason = reason
        self.offset = offset


class _Scan:
    """Goes over a text once; yields the path of each value and the offset where it begins."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> Iterator[tuple[Path, int]]:
        """Yield all values of the text; raise _Wrong at the first fault."""
        self._skip()
        yield from self._value(())
        if self._at < len(self._text):
            raise _Wrong("nothing more is due", self._at)

    def _value(self, path: Path) -> Iterator[tuple[Path, int]]:
        yield path, self._at
        if len(path) > codec.MAX_DEPTH:
            raise _Wrong("too deep", self._at)
        opening = self._text[self._at : self._at + 1]
        if opening == "{":
            yield from self._object(path)
        elif opening == "[":
            yield from self._array(path)
        elif opening == '"':
            self._string()
        else:
            self._word_or_number()
        self._skip()

    def _object(self, path: Path) -> Iterator[tuple[Path, int]]:
        names: set[str] = set()
        self._step()
        if self._is_next("}"):
            return
        while True:
            start = self._at
            if self._text[start : start + 1] != '"':
                raise _Wrong("a name in quotes is due", start)
            name = self._string()
            if name in names:
                raise _Wrong(f"{name!r} is here twice", start)
            names.add(name)
            self._skip()
            if not self._is_next(":"):
                raise _Wrong("':' is due", self._at)
            yield from self._value((*path, name))
            if not self._goes_on("}"):
                return

    def _array(self, path: Path) -> Iterator[tuple[Path, int]]:
        self._step()
        if self._is_next("]"):
            return
        number = 0
        while True:
            yield from self._value((*path, number))
            number += 1
            if not self._goes_on("]"):
                return

    def _goes_on(self, end: str) -> bool:
        """Step over a comma and return True, or over the end and return False."""
        if self._is_next(","):
            return True
        if self._is_next(end):
            return False
        raise _Wrong(f"',' or '{end}' is due", self._at)

    def _string(self) -> str:
        start = self._at
        found = _STRING.match(self._text, start)
        assert found is not None
        end = found.end()
        if self._text[end : end + 1] != '"':
            raise _Wrong("a text ends with '\"', on its own line and with sound escapes", end)
        self._at = end + 1
        text: str = json.loads(self._text[start : self._at])
        if _SURROGATE.search(text):
            raise _Wrong("half of a surrogate pair", start)
        return text

    def _word_or_number(self) -> None:
        found = _WORD.match(self._text, self._at) or _NUMBER.match(self._text, self._at)
        if found is None:
            raise _Wrong("a value is due", self._at)
        try:
            codec.decode_any(found[0].encode())
        except BadJson as e:
            raise _Wrong(e.detail, self._at) from None
        self._at = found.end()

    def _is_next(self, character: str) -> bool:
        """Step over the character, and the space behind it, if it comes next."""
        if self._text[self._at : self._at + 1] != character:
            return False
        self._step()
        return True

    def _step(self) -> None:
        self._at += 1
        self._skip()

    def _skip(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()
