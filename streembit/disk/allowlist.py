"""The allowlist's file: read whole or refused with line and column, and changed as a whole.

What a list may say is `hub.allowlist`'s to judge. A change keeps all that
the file says besides: notes, and the order of members.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import msgspec

from streembit.disk import atomic, jsontext
from streembit.disk.files import SYSTEM, Files
from streembit.errors import BadAllowlist, BadJson, TooLarge
from streembit.hub import allowlist
from streembit.hub.allowlist import Allowlist, Member
from streembit.wire import codec
from streembit.wire.codec import Json

MAX_FILE_BYTES: Final = 16 * 1024 * 1024  # 10,000 members with the longest notes take 12 MB
_OTHERS_WRITE: Final = 0o022


def load(path: Path, files: Files = SYSTEM) -> Allowlist:
    """Return the list in the file.

    Raises:
        BadAllowlist: it is not sound, or others may change it; `file` says
            which, `line` and `column` where, as far as there is a place.
        DiskFailed: it cannot be read.
    """
    return parse(_read(path, files), str(path))


def parse(data: bytes, name: str = "") -> Allowlist:
    """Return the list that the bytes of a file stand for; `name` is the file's in errors.

    Raises:
        BadAllowlist: see `load`.
    """
    return _judged(_document(data, name), data, name)


def add(path: Path, member: Member, files: Files = SYSTEM) -> Allowlist:
    """Write a member behind the others; return the list from now on.

    Raises:
        BadAllowlist: the file is not sound as it is, or would not be.
        DiskFull, DiskFailed: it is as it was, or the change is in place but
            perhaps not yet on the medium.
    """
    document, rows, _ = _opened(path, files)
    rows.append(allowlist.written_member(member))
    text = _text(document)
    new = _judged(document, text, str(path))
    atomic.write(path, text, files)
    return new


def remove(path: Path, key: str, files: Files = SYSTEM) -> Allowlist:
    """Take the member with this key (its text) out; return the list from now on.

    Raises:
        As `add`; without such a member nothing changes.
    """
    document, rows, old = _opened(path, files)
    rows[:] = [row for row, each in zip(rows, old.members, strict=True) if each != key]
    atomic.write(path, _text(document), files)
    left = {each: member for each, member in old.members.items() if each != key}
    return replace(old, members=MappingProxyType(left))


def _opened(path: Path, files: Files) -> tuple[Json, list[Json], Allowlist]:
    """Return the document in the file, its rows of members within it, and the list."""
    data = _read(path, files)
    document = _document(data, str(path))
    found = _judged(document, data, str(path))
    assert isinstance(document, dict)
    rows = document["members"]
    assert isinstance(rows, list)
    return document, rows, found


def _read(path: Path, files: Files) -> bytes:
    try:
        data = atomic.read(path, files, MAX_FILE_BYTES)
    except TooLarge:
        raise BadAllowlist("the file is too long", file=str(path)) from None
    if data is None:
        raise BadAllowlist("there is no such file", file=str(path))
    if files.status(path).mode & _OTHERS_WRITE:
        raise BadAllowlist("others may change the file: chmod go-w", file=str(path))
    return data


def _document(data: bytes, name: str) -> Json:
    try:
        return codec.decode_any(data)
    except BadJson as e:
        fault = jsontext.fault_of(data)
        if fault is None:
            raise BadAllowlist(e.detail, file=name) from None
        raise _at(fault.reason, name, fault.at) from None


def _judged(document: Json, data: bytes, name: str) -> Allowlist:
    try:
        return allowlist.read(document)
    except BadAllowlist as e:
        path: jsontext.Path = e.fields["path"]  # type: ignore[assignment]
        at = jsontext.place_of(data.decode(), path)
        raise _at(f"{allowlist.where(path)}: {e.detail}", name, at) from None


def _at(reason: str, name: str, at: jsontext.Position) -> BadAllowlist:
    return BadAllowlist(reason, file=name, line=at.line, column=at.column)


def _text(document: Json) -> bytes:
    return msgspec.json.format(codec.encode(document), indent=2) + b"\n"
