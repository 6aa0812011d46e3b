"""The allowlist's file: read whole or refused with line and column, and changed as a whole.

What a list may say is `hub.allowlist`'s to judge. A change keeps all that
the file says besides: notes, and the order of members.

A hub reads the same long list again and again, for one member that came or
went, while it relays. So a row that stands there as it stood when it was
found sound is not judged again, and all is done in steps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from streembit.disk import atomic, jsontext
from streembit.disk.files import SYSTEM, Files
from streembit.disk.steps import Steps, finish
from streembit.errors import BadAllowlist, BadJson, TooLarge
from streembit.hub import allowlist
from streembit.hub.allowlist import Allowlist, Enrolment, Entry, Member
from streembit.wire import codec
from streembit.wire.codec import Json

MAX_FILE_BYTES: Final = 16 * 1024 * 1024  # 10,000 members with the longest notes take 12 MB
KNOWN_A_STEP: Final = 2_000  # rows that are only compared, in some three milliseconds
JUDGED_AS_KNOWN: Final = 50  # rows that are compared take as long as one that is judged
_OTHERS_WRITE: Final = 0o022
_MEMBERS: Final = "members"


class AllowlistFile:
    """One allowlist's file, which is read again whenever it may have changed.

    The network that it names at first stays: members could not follow a hub into another one.

    Attributes:
        judged: how many rows were judged, and not only compared.
    """

    def __init__(self, path: Path, files: Files = SYSTEM) -> None:
        self.path = path
        self.judged = 0
        self._files = files
        self._known: dict[bytes, Entry] = {}  # rows as they stand in the file, of the last good one
        self._network: str | None = None  # which the first list named, "" for none

    def load(self) -> Steps[Allowlist]:
        """Return the list in the file.

        Raises:
            BadAllowlist: it is not sound, or others may change it; `file` says
                which, `line` and `column` where, as far as there is a place.
            DiskFailed: it cannot be read.
        """
        _, found = yield from self._opened()
        return found

    def add(self, member: Member) -> Steps[Allowlist]:
        """Write a member behind the others; return the list from now on.

        Raises:
            BadAllowlist: the file is not sound as it is, or would not be.
            DiskFull, DiskFailed: it is as it was, or the change is in place but
                perhaps not yet on the medium.
        """
        row = codec.encode(allowlist.written_member(member))
        return (yield from self._change(lambda rows, _: [*rows, row]))

    def remove(self, key: str) -> Steps[Allowlist]:
        """Take the member with this key (its text) out; return the list from now on.

        Raises:
            As `add`; without such a member nothing changes.
        """

        def without(rows: Sequence[bytes], old: Allowlist) -> list[bytes]:
            return [row for row, each in zip(rows, old.members, strict=True) if each != key]

        return (yield from self._change(without))

    def _change(
        self, changed: Callable[[Sequence[bytes], Allowlist], Sequence[bytes]]
    ) -> Steps[Allowlist]:
        """Write the file anew with the rows that `changed` returns of those in it."""
        parts, old = yield from self._opened()
        rows = changed(parts.rows, old)
        text = _text(parts, rows)
        yield None
        fresh = yield from _split(text)
        known = zip(fresh.rows, map(self._known.get, rows), strict=True)  # but for the space
        self._known |= {row: entry for row, entry in known if entry is not None}
        yield None
        new = yield from self._judge(fresh, text)
        behind = Path(os.path.realpath(self.path))  # a link stays one
        yield partial(atomic.write, behind, text, self._files)
        return new

    def _opened(self) -> Steps[tuple[_Parts, Allowlist]]:
        data = _read(self.path, self._files)
        yield None
        return (yield from self.taken(data))

    def taken(self, data: bytes) -> Steps[tuple[_Parts, Allowlist]]:
        """Return the parts of these bytes of the file, and the list that they stand for.

        Raises:
            BadAllowlist: see `load`.
        """
        try:
            parts = yield from _split(data)
        except BadJson:
            document = yield from self._strict(data)
            if not isinstance(document, dict):
                at = yield from jsontext.place_of(data.decode(), ())
                raise self._at("an object is due", at) from None
            parts = yield from _split(codec.encode(document))
        return parts, (yield from self._judge(parts, data))

    def _judge(self, parts: _Parts, data: bytes) -> Steps[Allowlist]:
        """Return the list of these parts; a fault is looked for in the bytes of the file."""
        try:
            return (yield from self._enrolled(parts))
        except BadJson as e:
            yield from self._strict(data)
            raise BadAllowlist(e.detail, file=str(self.path)) from None
        except BadAllowlist as e:
            yield from self._look_for_fault(data)  # one of the text comes first
            path: jsontext.Path = e.fields["path"]  # type: ignore[assignment]
            at = yield from jsontext.place_of(data.decode(), path)
            raise self._at(f"{allowlist.where(path)}: {e.detail}", at) from None

    def _enrolled(self, parts: _Parts) -> Steps[Allowlist]:
        """Bring the members together, and know their rows from now on."""
        enrolment = Enrolment(parts.top(), len(parts.rows))
        known: dict[bytes, Entry] = {}
        work = 0
        for at, row in enumerate(parts.rows):
            entry = self._known.get(row)
            if entry is None:
                work += JUDGED_AS_KNOWN
                entry = self._judged(row, at)
            enrolment.add(entry)
            known[row] = entry
            work += 1
            if work >= KNOWN_A_STEP:
                work = 0
                yield None
        found = enrolment.listed()
        if self._network not in (None, found.network):
            raise BadAllowlist("another network needs a restart of the hub", path=("network",))
        self._known, self._network = known, found.network
        return found

    def _judged(self, row: bytes, at: int) -> Entry:
        self.judged += 1
        return allowlist.judged(codec.decode_any(row), at)

    def _strict(self, data: bytes) -> Steps[Json]:
        """Return the document; raise BadAllowlist, with the place, where it is no strict JSON."""
        yield from self._look_for_fault(data)
        try:
            return codec.decode_any(data)
        except BadJson as e:
            raise BadAllowlist(e.detail, file=str(self.path)) from None

    def _look_for_fault(self, data: bytes) -> Steps[None]:
        fault = yield from jsontext.fault_of(data)
        if fault is not None:
            raise self._at(fault.reason, fault.at)

    def _at(self, reason: str, at: jsontext.Position) -> BadAllowlist:
        return BadAllowlist(reason, file=str(self.path), line=at.line, column=at.column)


def load(path: Path, files: Files = SYSTEM) -> Allowlist:
    """Return the list in the file; see `AllowlistFile.load`."""
    return finish(AllowlistFile(path, files).load())


def parse(data: bytes, name: str = "allowlist.json") -> Allowlist:
    """Return the list that the bytes of a file stand for; `name` is the file's in errors.

    Raises:
        BadAllowlist: see `AllowlistFile.load`.
    """
    _, found = finish(AllowlistFile(Path(name)).taken(data))
    return found


def add(path: Path, member: Member, files: Files = SYSTEM) -> Allowlist:
    """Write a member behind the others; see `AllowlistFile.add`."""
    return finish(AllowlistFile(path, files).add(member))


def remove(path: Path, key: str, files: Files = SYSTEM) -> Allowlist:
    """Take the member with this key (its text) out; see `AllowlistFile.remove`."""
    return finish(AllowlistFile(path, files).remove(key))


class _Parts(NamedTuple):
    """A file as it was split, its values not looked into."""

    values: dict[str, msgspec.Raw]  # of the whole, by name
    rows: list[bytes]  # of its members; none where they are no list

    def top(self) -> dict[str, Json]:
        """Return the document, without rows; raise BadJson where it is not strict."""
        rows: list[Json] = []
        return {
            name: rows if name == _MEMBERS and self.rows else codec.decode_any(bytes(value))
            for name, value in self.values.items()
        }


def _split(data: bytes) -> Steps[_Parts]:
    """Return the parts of a file; raise BadJson for one that cannot be split.

    That is no JSON object, or writes the names in it otherwise than `codec`: as one
    that is there twice.
    """
    try:
        values = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        yield None
        whole = msgspec.json.format(msgspec.json.encode(values), indent=-1)
        yield None
        if whole != msgspec.json.format(data, indent=-1):
            raise BadJson("a name is there twice, or has escapes")
    except (msgspec.MsgspecError, UnicodeDecodeError) as e:
        raise BadJson(str(e)) from None
    yield None
    rows = _rows(values.get(_MEMBERS))
    yield None
    return _Parts(values, rows)


def _rows(members: msgspec.Raw | None) -> list[bytes]:
    if members is None or not bytes(members).startswith(b"["):
        return []
    return [bytes(row) for row in msgspec.json.decode(members, type=list[msgspec.Raw])]


def _text(parts: _Parts, rows: Sequence[bytes]) -> bytes:
    """Return the file with these members in the place of its own."""
    members = msgspec.Raw(b"[" + b",".join(rows) + b"]")
    return msgspec.json.format(codec.encode({**parts.values, _MEMBERS: members}), indent=2) + b"\n"


def _read(path: Path, files: Files) -> bytes:
    with atomic.blamed_on_disk(path):
        try:
            status = files.status(path)
        except FileNotFoundError:
            raise BadAllowlist("there is no such file", file=str(path)) from None
    if not status.is_file:  # a pipe would hold up the hub until somebody writes to it
        raise BadAllowlist("it is no file", file=str(path))
    if status.mode & _OTHERS_WRITE:
        raise BadAllowlist("others may change the file: chmod go-w", file=str(path))
    try:
        data = atomic.read(path, files, MAX_FILE_BYTES)
    except TooLarge:
        raise BadAllowlist("the file is too long", file=str(path)) from None
    return data or b""  # gone since: as an editor that has not written yet
