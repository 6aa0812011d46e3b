"""Names of files that strangers chose, made such that every disk and every reader can bear them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

MAX_NAME_BYTES: Final = 240  # disks take 255; a suffix such as " (12)" has room
_MAX_ENDING_CHARS: Final = 16  # ".tar.gz" is kept when a name is cut; a longer ending is no type
_UNNAMED: Final = "unnamed"
_TRIES: Final = 10_000  # of one name: MAX_FILES files are never all of one name in one folder

# Controls, formats (bidi, zero width), surrogates, private and unassigned ones, line breaks.
_NEVER: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters to no eye, though not formats: fillers and blank Braille.
_INVISIBLE: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATIONS: Final = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0), range(0x180B, 0x1810))
_SEPARATORS: Final = "/\\\u2044\u2215\u29f5\u29f8\u29f9\ufe68\uff0f\uff3c"
_OTHERS: Final = ':*?"<>|\ua789\uff1a'  # mean something to other systems
_REPLACED: Final = str.maketrans(dict.fromkeys(_SEPARATORS + _OTHERS, "_"))
_CUT: Final = re.compile("[" + re.escape(_SEPARATORS) + "]")
_DEVICES: Final = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])( *\.|\Z)", re.IGNORECASE
)


def safe_name(text: str) -> str:
    """Return a name of one file or folder that resembles `text`; never raise.

    It is what follows the last separator, in NFC, of 1 to 240 bytes,
    without controls, invisible or reordering characters, does not begin
    with a dot, dash, tilde or space, nor end with a dot or space, and is no
    device of another system. A safe name comes back as it is.
    """
    parts = [part for part in _CUT.split(text) if part.strip(" .")]
    return _tidy(parts[-1] if parts else "")


def free_name(name: str, is_taken: Callable[[str], bool]) -> str:
    """Return the safe name, or with ` (2)`, ` (3)` and so on before its ending, that is not taken.

    Raises:
        FileExistsError: 10,000 of them are.
    """
    if not is_taken(name):
        return name
    stem, ending = _split(name)
    for number in range(2, _TRIES + 1):
        suffix = f" ({number}){ending}"
        tried = _cut(stem, MAX_NAME_BYTES - len(suffix.encode())).rstrip(" .") + suffix
        if not is_taken(tried):
            return tried
    raise FileExistsError(name)


def safe_tree(paths: Iterable[Iterable[str]]) -> list[tuple[str, ...]]:
    """Return a safe path for each path, all different, also to disks that ignore case.

    Files of one folder stay in one folder; a name that is a file's and a
    folder's becomes two. A folder without files, whose last part is empty,
    keeps that part, and is the same folder if it is named again. The same
    paths give the same result.
    """
    tree = _Tree()
    return [tree.place(tuple(path)) for path in paths]


class _Tree:
    def __init__(self) -> None:
        self._folders: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
        self._taken: set[tuple[tuple[str, ...], str]] = set()
        self._last: dict[tuple[tuple[str, ...], str], int] = {}

    def place(self, path: tuple[str, ...]) -> tuple[str, ...]:
        folder: tuple[str, ...] = ()
        for part in path[:-1]:
            known = self._folders.get((folder, part))
            if known is None:
                known = self._folders[folder, part] = (*folder, self._new(folder, part))
            folder = known
        if len(path) > 1 and not path[-1]:
            return (*folder, "")
        return (*folder, self._new(folder, path[-1]))

    def _new(self, folder: tuple[str, ...], part: str) -> str:
        """Return a name that nothing in the folder has yet, and take it."""
        name = _tidy(part)
        stem, ending = _split(name)
        tried, number = name, self._last.get((folder, _folded(name)), 1)
        while (folder, _folded(tried)) in self._taken:
            number += 1
            suffix = f" ({number}){ending}"
            tried = _cut(stem, MAX_NAME_BYTES - len(suffix.encode())).rstrip(" .") + suffix
        self._last[folder, _folded(name)] = number
        self._taken.add((folder, _folded(tried)))
        return tried


def _tidy(text: str) -> str:
    kept = "".join(map(_kept, unicodedata.normalize("NFC", text[: 4 * MAX_NAME_BYTES])))
    name = unicodedata.normalize("NFC", kept.translate(_REPLACED))
    name = " ".join(name.split()).lstrip(" .-~").rstrip(" .")
    if name and unicodedata.category(name[0]).startswith("M"):
        name = f"_{name}"  # it would change the character before it
    if _DEVICES.match(name):
        name = f"_{name}"
    stem, ending = _split(name)
    cut = _cut(stem, MAX_NAME_BYTES - len(ending.encode())).rstrip(" .") + ending
    return cut or _UNNAMED


def _kept(char: str) -> str:
    kind = unicodedata.category(char)
    if kind == "Zs" or char in "\t\n\r":
        return " "
    if kind in _NEVER or char in _INVISIBLE or any(ord(char) in each for each in _VARIATIONS):
        return ""
    return char


def _split(name: str) -> tuple[str, str]:
    """Return a name's stem and its ending with the dot; `.tar.gz` is one ending."""
    found = re.search(r"(?<=[^.])(\.tar)?\.[^. ]+\Z", name, re.IGNORECASE)
    if found is None or len(found[0]) > _MAX_ENDING_CHARS:
        return name, ""
    return name[: found.start()], found[0]


def _cut(text: str, limit_bytes: int) -> str:
    """Return the longest beginning of whole characters within the limit."""
    return text.encode()[:limit_bytes].decode(errors="ignore")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.casefold())
