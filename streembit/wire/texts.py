"""Names and notes that people write about themselves: which ones may be kept and shown."""

from __future__ import annotations

import unicodedata
from typing import Final

from streembit.errors import BadName
from streembit.wire.offer import MAX_NAME_CHARS, MAX_NOTE_CHARS

MAX_MARKS: Final = 3  # on one letter; Vietnamese needs two, towers of them need more
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Characters without ink that Unicode counts as letters, marks or symbols.
_BLANK: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, [*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)]))
)
_JOINERS: Final = frozenset(" ._-'")
# Scripts that are written together.
_EAST_ASIAN: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"})
# What looks like a Latin letter, by that letter; what looks like "l" is "l".
_LATIN: Final = {
    "a": "аα", "b": "ьв", "c": "с", "d": "ԁ", "e": "еε", "h": "һн", "k": "кκ", "l": "i1|іӏι",
    "m": "м", "n": "ην", "o": "0оο", "p": "рρ", "q": "ԛ", "r": "г", "s": "ѕ", "t": "тτ", "u": "υ",
    "w": "ԝ", "x": "хχ", "y": "уγ", "j": "ј",
}  # fmt: skip
_LOOKALIKES: Final = str.maketrans({look: to for to, looks in _LATIN.items() for look in looks})


def check_name(name: str) -> str:
    """Return the name, if it may be a contact's.

    It has 1 to 64 characters in Unicode's compatible composed form:
    letters of one script, digits, and single spaces, dots, dashes,
    underscores and apostrophes between them.

    Raises:
        BadName
    """
    if not 1 <= len(name) <= MAX_NAME_CHARS:
        raise BadName("a name has 1 to 64 characters", count=len(name))
    _check_ink(name)
    if not unicodedata.is_normalized("NFKC", name):
        raise BadName("a name has no compatibility characters")
    if not all(c in _JOINERS or unicodedata.category(c)[0] in "LMN" for c in name):
        raise BadName("a name has letters, digits, spaces and . _ - '")
    if not name[0].isalnum() or name[-1] in " ._-":
        raise BadName("a name begins and ends with a letter or digit")
    if len({_script_of(c) for c in name if c.isalpha()}) > 1:
        raise BadName("the letters of a name are of one script")
    return name


def check_note(note: str) -> str:
    """Return the note, if it is one line that shows what it holds; raise BadName."""
    if len(note) > MAX_NOTE_CHARS:
        raise BadName("a note has at most 200 characters", count=len(note))
    if note:
        _check_ink(note)
    return note


def skeleton(name: str) -> str:
    """Return what names that look alike have in common: their letters without case and disguise."""
    folded = unicodedata.normalize("NFKC", name.casefold())
    return folded.translate(_LOOKALIKES).replace("rn", "m").replace("vv", "w")


def _check_ink(text: str) -> None:
    """Raise BadName unless each character can be seen and none moves the others."""
    if text != text.strip() or "  " in text:
        raise BadName("spaces at the ends, or two together")
    if text.isascii() and text.isprintable():
        return  # what most names are; of ASCII nothing else can be wrong
    if any(unicodedata.category(c) in _HIDDEN or c in _BLANK for c in text):
        raise BadName("control, direction or invisible characters")
    if not unicodedata.is_normalized("NFC", text):
        raise BadName("not in Unicode's composed form")
    if any(c.isspace() and c != " " for c in text):
        raise BadName("another space than U+0020")
    _check_marks(text)


def _check_marks(text: str) -> None:
    """Raise BadName for a mark without a letter, or too many on one."""
    marks = MAX_MARKS
    for c in text:
        marks = marks + 1 if unicodedata.category(c)[0] == "M" else 0
        if marks > MAX_MARKS:
            raise BadName("too many marks on one letter")


def _script_of(letter: str) -> str:
    """Return the first word of the letter's Unicode name: its script, closely enough."""
    script = unicodedata.name(letter, "?").split(" ")[0].split("-")[0]
    return "EAST ASIAN" if script in _EAST_ASIAN else script
