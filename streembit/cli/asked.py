"""What commands ask of people and of files: lengths of time, texts, and a word of consent."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import click

_UNITS_S: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
FILE: Final = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


def seconds(text: str) -> int:
    """Return a length of time such as 90s, 30m, 24h or 7d in seconds; raise BadParameter."""
    match = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text)
    if not match:
        raise click.BadParameter(f"{text!r} is no time such as 90s, 30m, 24h or 7d.")
    return int(match[1]) * _UNITS_S[match[2]]


def text_of(file: Path | None, limit_chars: int, *, exact: bool = False) -> str:
    """Return what a file says, or standard input for a dash or None.

    Bytes that are not UTF-8 become U+FFFD, for a letter around an offer may be in any encoding;
    where the text is to be `exact`, it is refused.

    Raises:
        TooLarge: more than `limit_chars` characters.
        UsageError: an exact text that is not UTF-8.
    """
    from streembit.errors import TooLarge

    limit_bytes = 4 * limit_chars
    if file is None or str(file) == "-":
        data = sys.stdin.buffer.read(limit_bytes + 1)
    else:
        with file.open("rb") as opened:
            data = opened.read(limit_bytes + 1)
    try:
        text = data.decode("utf-8", "strict" if exact else "replace")
    except UnicodeDecodeError:
        raise click.UsageError("This is no text in UTF-8; files are sent by `file send`.") from None
    if len(text) > limit_chars:
        raise TooLarge("the text", limit_chars=limit_chars)
    return text


def no_secret(text: str) -> str:
    """Return the text; raise SecretWords, before anybody else reads them, for a key's words."""
    from streembit.errors import SecretWords
    from streembit.jose import words

    if words.may_be_secret(text):
        raise SecretWords
    return text


def insist(name: str, deed: str) -> None:
    """Have the user type a name before what cannot be taken back; raise UsageError otherwise."""
    typed = click.prompt(f"{deed} Type {name!r} to go on", default="", show_default=False, err=True)
    if str(typed).strip() != name:
        raise click.UsageError("That is not the name; nothing was done.")
