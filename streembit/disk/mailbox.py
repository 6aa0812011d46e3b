"""What a hub keeps for members who are away, in an SQLite file: what was kept is not lost.

A damaged file is no cache: the hub has told the senders that it keeps what
is in it. So it is never moved aside, nor written to, until somebody has
decided what to do; mail is refused meanwhile, and the hub relays on.

So the file is looked through as a whole before it is used. Of a gibibyte
that takes some seconds, which a hub does not wait for: it is done in steps,
and mail is refused until then.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from streembit.disk.batched import BatchedFile
from streembit.disk.database import Connect, Damaged, Row, connect_for_threads, run
from streembit.disk.files import SYSTEM
from streembit.disk.modes import check_file
from streembit.disk.steps import Steps
from streembit.errors import (
    DirectoryFull,
    MailboxDegraded,
    MailboxFull,
    MailQuota,
    StoreDegraded,
)
from streembit.hub.mail import Listing, Mail, Waiting
from streembit.wire.hub import MailName

T = TypeVar("T")

VERSION: Final = 1
DAY_S: Final = 24 * 3600
MAIL_OVERHEAD_BYTES: Final = 512  # what a mail takes beside its token: names, indexes, sums
EXPIRED_AT_ONCE: Final = 256  # deleted by one call: some milliseconds
LOOKED_AT_ONCE: Final = 128  # mails and entries; of the longest mails 6 MiB, in some 20 ms

_ALL: Final = ""  # in `sums`: what all mails take; a key is never ""
_TABLES: Final = """
CREATE TABLE mails (number INTEGER PRIMARY KEY, recipient TEXT NOT NULL, sender TEXT NOT NULL,
    id TEXT NOT NULL, kept INTEGER NOT NULL, checksum INTEGER NOT NULL, token BLOB NOT NULL);
CREATE UNIQUE INDEX mails_name ON mails (recipient, sender, id);
CREATE INDEX mails_kept ON mails (kept);
CREATE TABLE sums (side TEXT NOT NULL, who TEXT NOT NULL, mails INTEGER NOT NULL,
    bytes INTEGER NOT NULL, PRIMARY KEY (side, who)) WITHOUT ROWID;
CREATE TABLE entries (key TEXT PRIMARY KEY, name TEXT NOT NULL, expires INTEGER NOT NULL,
    checksum INTEGER NOT NULL, token TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX entries_name ON entries (name, key);
CREATE INDEX entries_expires ON entries (expires)
"""
_KEEP: Final = "INSERT INTO mails VALUES (?,?,?,?,?,?,?)"
_NAMED: Final = "recipient=? AND sender=? AND id=?"
_MAIL: Final = "number, recipient, sender, id, kept, checksum, token"
_WAITING: Final = (
    f"SELECT {_MAIL} FROM mails WHERE recipient=? AND number>? ORDER BY number LIMIT ?"
)
_EACH: Final = f"SELECT {_MAIL} FROM mails WHERE number>? ORDER BY number LIMIT {LOOKED_AT_ONCE}"
_EXPIRED: Final = (
    "SELECT number, recipient, sender, length(token) FROM mails WHERE kept<=? ORDER BY kept LIMIT ?"
)
_COUNT: Final = (
    "INSERT INTO sums VALUES (?,?,?,?) ON CONFLICT DO UPDATE"
    " SET mails=mails+excluded.mails, bytes=bytes+excluded.bytes"
)
_ENTRY: Final = "key, name, expires, checksum, token"
_EACH_ENTRY: Final = f"SELECT {_ENTRY} FROM entries WHERE key>? ORDER BY key LIMIT {LOOKED_AT_ONCE}"
_SEARCH: Final = (
    f"SELECT {_ENTRY} FROM entries WHERE name>=? AND name<? AND expires>?"
    " ORDER BY name, key LIMIT ?"
)
_LAST_CHARACTER: Final = "\U0010ffff"  # what begins with a text sorts before the text and this
_ENTRIES_OVER: Final = (
    "DELETE FROM entries WHERE key IN (SELECT key FROM entries WHERE expires<=? LIMIT ?)"
    " RETURNING key"
)


@dataclass(frozen=True, slots=True)
class MailLimits:
    """How much a hub keeps at most; bytes count with what a mail takes beside its token.

    box_*: for one recipient. sender_*: of one sender, for whomever, so that
    nobody fills all boxes. total_bytes: of all mail. days: how long it
    waits. entries: of the directory, each of some 2 KiB.
    """

    box_messages: int = 128
    box_bytes: int = 8 * 1024 * 1024
    sender_messages: int = 1024  # eight boxes full
    sender_bytes: int = 32 * 1024 * 1024
    total_bytes: int = 1024 * 1024 * 1024
    days: int = 14
    entries: int = 65_536


DEFAULTS: Final = MailLimits()


class Sum(NamedTuple):
    """How many mails there are, and what they take."""

    mails: int
    size_bytes: int


class Mailbox:
    """The mail and the directory of all members, in a file that only this process uses.

    Changes are made durable by `commit`, many at once; a mail may be called
    kept only after it. Threads may use it in turns, not together.

    When the disk is full or broken, changes raise MailboxDegraded and
    `trouble` says why; reads go on as long as they can, and the first
    commit that succeeds ends it. When the file is damaged, every method
    raises MailboxDegraded until the next start, and `trouble` says what to do.

    Args:
        at_once: look through the file now; else `look` has to be called until
            it is done, and everything raises MailboxDegraded before.

    Raises (when made): HomeTooNew: a newer program wrote the file.
    HomePermissions: others can read it.
    """

    def __init__(
        self,
        path: Path,
        limits: MailLimits = DEFAULTS,
        *,
        dial: Connect = connect_for_threads,
        at_once: bool = True,
    ) -> None:
        self.path = path
        self.limits = limits
        self._file = BatchedFile(path, _TABLES, VERSION, dial, check=_look_through)
        self._last = 0
        check_file(path, SYSTEM)
        self._opening = self._file.opening()
        while self.look() and at_once:
            pass

    # --- looking through it ------------------------------------------------------------------
    def look(self) -> bool:
        """Look at the next part of the file; return whether there is more to look at.

        Where that ends with `trouble`, a disk that fails now may work later.
        """
        try:
            next(self._opening)
        except (StopIteration, StoreDegraded):
            return False
        return True

    def stop_looking(self) -> None:
        """Have `look` end soon, in whichever thread; what was not seen is not used any more."""
        self._file.give_up()

    # --- the file ----------------------------------------------------------------------------
    @property
    def trouble(self) -> str:
        """Why mail cannot be kept, "" where it can as far as is known."""
        if self._file.is_damaged:
            return _advice(self.path, self._file.trouble)
        return self._file.trouble

    def commit(self) -> None:
        """Make the changes durable; does nothing without any.

        Raises:
            MailboxDegraded: none of them since the last one was kept.
        """
        try:
            self._file.commit()
        except StoreDegraded as e:
            raise MailboxDegraded(e.detail) from e

    def close(self) -> None:
        """Commit and close the file; raise MailboxDegraded if that was lost."""
        self._opening.close()
        try:
            self._file.close()
        except StoreDegraded as e:
            raise MailboxDegraded(e.detail) from e

    # --- mail --------------------------------------------------------------------------------
    def keep(self, mail: Mail) -> bool:
        """Take a mail in; return False where it waits already.

        Raises:
            MailboxFull: its recipient's box is full, or that of all.
            MailQuota: too much of its sender waits.
        """
        name = (mail.recipient, mail.sender, mail.id)
        if self._rows(f"SELECT 1 FROM mails WHERE {_NAMED}", name):
            return False
        self._check_room(mail)
        number = self._number()
        checksum = _checksum(mail.token, number, *name, mail.kept_s)
        self._write(_KEEP, (number, *name, mail.kept_s, checksum, mail.token))
        self._count_in(mail.recipient, mail.sender, 1, _size(mail))
        return True

    def waiting(self, recipient: str, after: str, limit: int) -> list[Waiting]:
        """Return the recipient's oldest mails behind a position, at most `limit`."""
        rows = self._rows(_WAITING, (recipient, int(after or 0), limit))
        return [self._whole(_waiting, row) for row in rows]

    def count(self, recipient: str) -> int:
        """Return how many mails wait for a recipient."""
        return self.held_for(recipient).mails

    def ack(self, recipient: str, mails: Sequence[MailName]) -> int:
        """Delete mails that their recipient has; return how many were there."""
        return sum(self._acknowledged(recipient, mail.sender, mail.id) for mail in mails)

    def expire(self, now_s: int) -> int:
        """Delete mails past their days and entries that are over, some at once; return how many."""
        oldest_s = now_s - self.limits.days * DAY_S
        found = self._rows(_EXPIRED, (oldest_s, EXPIRED_AT_ONCE))
        for row in found:
            self._delete(*row)
        return len(found) + len(self._write(_ENTRIES_OVER, (now_s, EXPIRED_AT_ONCE)))

    def held(self) -> tuple[int, int]:
        """Return how many mails wait in all, and what they take in bytes."""
        return self._sum("", _ALL)

    def held_for(self, recipient: str) -> Sum:
        """Return what waits for a recipient."""
        return self._sum("to", recipient)

    def held_by(self, sender: str) -> Sum:
        """Return what waits of a sender."""
        return self._sum("by", sender)

    # --- the directory -----------------------------------------------------------------------
    def publish(self, listing: Listing) -> None:
        """Show an entry, in the place of its member's one before.

        Raises:
            DirectoryFull: there are too many, and the member has none.
        """
        theirs = self._rows("SELECT 1 FROM entries WHERE key=?", (listing.key,))
        (total,) = self._rows("SELECT count(*) FROM entries")[0]
        if not theirs and total >= self.limits.entries:
            raise DirectoryFull(limit=self.limits.entries)
        row = (listing.key, listing.name, listing.expires_s)
        checksum = _checksum(listing.token.encode(), *row)
        self._write("REPLACE INTO entries VALUES (?,?,?,?,?)", (*row, checksum, listing.token))

    def withdraw(self, key: str) -> None:
        """Show a member's entry no more."""
        self._write("DELETE FROM entries WHERE key=?", (key,))

    def search(self, prefix: str, now_s: int, limit: int) -> list[str]:
        """Return the tokens of entries whose name begins so, by name, that are not over."""
        rows = self._rows(_SEARCH, (prefix, prefix + _LAST_CHARACTER, now_s, limit))
        return [self._whole(_entry, row) for row in rows]

    # --- how ---------------------------------------------------------------------------------
    def _check_room(self, mail: Mail) -> None:
        limits, size_bytes = self.limits, _size(mail)
        box, sent = self.held_for(mail.recipient), self.held_by(mail.sender)
        if not _has_room(box, size_bytes, limits.box_messages, limits.box_bytes):
            raise MailboxFull(limit_messages=limits.box_messages, limit_bytes=limits.box_bytes)
        if self._sum("", _ALL).size_bytes + size_bytes > limits.total_bytes:
            raise MailboxFull("that of all members", limit_bytes=limits.total_bytes)
        if not _has_room(sent, size_bytes, limits.sender_messages, limits.sender_bytes):
            raise MailQuota(limit_messages=limits.sender_messages, limit_bytes=limits.sender_bytes)

    def _number(self) -> int:
        """Return the next number: above all that were given out, also of deleted mails."""
        if not self._last:
            self._last = int(self._rows("SELECT coalesce(max(number), 0) FROM mails")[0][0])
        self._last += 1
        return self._last

    def _acknowledged(self, recipient: str, sender: str, id_: str) -> int:
        name = (recipient, sender, id_)
        found = self._rows(f"SELECT number, length(token) FROM mails WHERE {_NAMED}", name)
        for number, size_bytes in found:
            self._delete(number, recipient, sender, size_bytes)
        return len(found)

    def _delete(self, number: int, recipient: str, sender: str, size_bytes: int) -> None:
        self._write("DELETE FROM mails WHERE number=?", (number,))
        self._count_in(recipient, sender, -1, -size_bytes - MAIL_OVERHEAD_BYTES)

    def _count_in(self, recipient: str, sender: str, mails: int, size_bytes: int) -> None:
        for side, who in (("to", recipient), ("by", sender), ("", _ALL)):
            self._write(_COUNT, (side, who, mails, size_bytes))
            if mails < 0:
                self._write("DELETE FROM sums WHERE side=? AND who=? AND mails=0", (side, who))

    def _sum(self, side: str, who: str) -> Sum:
        rows = self._rows("SELECT mails, bytes FROM sums WHERE side=? AND who=?", (side, who))
        return Sum(*rows[0]) if rows else Sum(0, 0)

    def _rows(self, sql: str, values: Row = ()) -> list[Row]:
        try:
            return self._file.rows(sql, values)
        except StoreDegraded as e:
            raise MailboxDegraded(e.detail) from e

    def _write(self, sql: str, values: Row) -> list[Row]:
        try:
            return self._file.write(sql, values)
        except StoreDegraded as e:
            raise MailboxDegraded(e.detail) from e

    def _whole(self, read: Callable[[Row], T], row: Row) -> T:
        try:
            return read(row)
        except Damaged as e:
            raise MailboxDegraded(self._file.failed(e).detail) from e


def _look_through(db: sqlite3.Connection) -> Steps[None]:
    """Raise Damaged unless pages, mails and entries are sound, and the sums are theirs."""
    if run(db, "PRAGMA integrity_check(1)") != [("ok",)]:
        raise Damaged("its pages do not agree")
    yield None
    found = yield from _summed(db)
    if sorted(found) != sorted(run(db, "SELECT side, who, mails, bytes FROM sums")):
        raise Damaged("its sums are not those of the mails")
    key = ""
    while rows := run(db, _EACH_ENTRY, (key,)):
        for row in rows:
            _entry(row)
        key = rows[-1][0]
        yield None


def _summed(db: sqlite3.Connection) -> Steps[list[Row]]:
    """Look at each mail, and return what `sums` has to hold."""
    mails, size_bytes = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    last = 0
    while rows := run(db, _EACH, (last,)):
        for row in rows:
            takes = len(_waiting(row).token) + MAIL_OVERHEAD_BYTES
            for place in (("to", row[1]), ("by", row[2]), ("", _ALL)):
                mails[place] += 1
                size_bytes[place] += takes
        last = rows[-1][0]
        yield None
    return [(*place, mails[place], size_bytes[place]) for place in mails]


def _waiting(row: Row) -> Waiting:
    """Return the mail of a row; raise Damaged if it is not as it was written."""
    number, recipient, sender, id_, kept_s, checksum, token = row
    if not isinstance(token, bytes) or checksum != _checksum(
        token, number, recipient, sender, id_, kept_s
    ):
        raise Damaged("a mail is not as it was written")
    return Waiting(f"{number:016d}", token)


def _entry(row: Row) -> str:
    """Return the token of a row; raise Damaged if it is not as it was written."""
    key, name, expires_s, checksum, token = row
    if not isinstance(token, str) or checksum != _checksum(token.encode(), key, name, expires_s):
        raise Damaged("an entry is not as it was written")
    return token


def _checksum(token: bytes, *values: object) -> int:
    """Return the checksum of a row: its token and its other values."""
    return zlib.crc32(token, zlib.crc32(repr(values).encode()))


def _has_room(held: Sum, size_bytes: int, limit_messages: int, limit_bytes: int) -> bool:
    return held.mails < limit_messages and held.size_bytes + size_bytes <= limit_bytes


def _size(mail: Mail) -> int:
    return len(mail.token) + MAIL_OVERHEAD_BYTES


def _advice(path: Path, what: str) -> str:
    return (
        f"{path.name} is damaged: {what}; with the hub stopped, put a copy of it in its place,"
        " or move it away to go on without the mail in it"
    )
