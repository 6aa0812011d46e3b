"""TOML as people write it: names with dashes read, and the line found where a value stands."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any


def read(text: str) -> dict[str, Any]:
    """Return the document; a `-` in a name stands for `_`.

    Raises:
        TOMLDecodeError
    """
    import tomllib

    return _plain(tomllib.loads(text))


def complaint(error: Exception) -> str:
    """Return what tomllib finds wrong, without the place."""
    text = str(error).partition(" (at ")[0]
    return text[:1].lower() + text[1:]


def line_of_fault(error: Exception, text: str) -> int:
    """Return the line that tomllib's message names; it names none for the end of the text."""
    _, found, rest = str(error).rpartition("(at line ")
    return int(rest.partition(",")[0]) if found else text.count("\n") + 1


def line_of(path: tuple[str | int, ...], text: str) -> int:
    """Return the line where the value at the path begins; the last one when it is not there.

    The shortest beginning of the text that parses and has the value ends with
    it, so the line sought is the first from which on the value is present.
    """
    lines = text.split("\n")
    counts = range(len(lines) + 1)
    first = bisect_left(counts, True, key=lambda n: _value(path, lines, n) is not None)
    value = _value(path, lines, first)
    for number in range(first, len(lines) + 1):  # which line of a list
        if isinstance(value, str) and value in lines[number - 1]:
            return number
    return min(first, len(lines))


def _value(path: tuple[str | int, ...], lines: list[str], count: int) -> object:
    """Return the value in the first so many lines, and those that complete the last; or None."""
    import tomllib

    for end in range(count, len(lines) + 1):
        try:
            found: Any = read("\n".join(lines[:end]))
            for part in path:
                found = found[part]
        except tomllib.TOMLDecodeError:
            continue
        except (LookupError, TypeError):
            return None
        else:
            return found
    return None


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    return {
        name.replace("-", "_"): _plain(value) if isinstance(value, dict) else value
        for name, value in document.items()
    }
