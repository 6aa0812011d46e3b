"""What a transfer consists of: a list of files in one canonical form, known by its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice

from streembit.errors import BadJson, BadManifest, TooLarge
from streembit.jose.base64url import encode as b64
from streembit.wire import codec
from streembit.wire.terms import MAX_INT
from streembit.wire.transfer import (
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_PART_CHARS,
    MAX_PATH_PARTS,
    FileEntries,
    FileEntry,
    FileOffer,
)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A list of files, as values and as the bytes that were, or will be, sent."""

    entries: Sequence[FileEntry]
    data: bytes

    @property
    def total_bytes(self) -> int:
        """The length of all files together."""
        return sum(entry.size_bytes for entry in self.entries)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the list's bytes."""
        return sha256(self.data).digest()

    def offer(self, transfer: bytes, name: str) -> FileOffer:
        """Return the offer of these files under a name for people."""
        return FileOffer(
            transfer=b64(transfer),
            name=name[:MAX_PART_CHARS],
            files=len(self.entries),
            total_bytes=self.total_bytes,
            manifest=b64(self.digest),
            manifest_bytes=len(self.data),
        )


def make(files: Sequence[tuple[Sequence[str], int]]) -> Manifest:
    """Return the list of our files, each the parts of its path and its length.

    A folder without files has an empty last part and no length.

    Raises:
        TooLarge: no file at all, or more, longer or deeper ones than one
            transfer takes; the detail says which.
    """
    _check_count("files of one transfer", len(files), MAX_FILES)
    entries = [FileEntry(list(path), size_bytes) for path, size_bytes in files]
    for entry in entries:
        _check_count("folders within each other", len(entry.path), MAX_PATH_PARTS)
        is_folder = entry.is_folder and _is_sound(entry)
        for part in entry.path[:-1] if is_folder else entry.path:
            _check_count("characters of a name", len(part), MAX_PART_CHARS)
    manifest = Manifest(entries, codec.encode(entries))
    _check_count("bytes of the list of files", len(manifest.data), MAX_MANIFEST_BYTES)
    if manifest.total_bytes > MAX_INT:
        raise TooLarge("bytes of all files", size=manifest.total_bytes, limit=MAX_INT)
    return manifest


def read(data: bytes, offer: FileOffer) -> Manifest:
    """Return the list that was offered.

    Raises:
        BadManifest: not the bytes, the number of files or the sum of their
            lengths that the offer states, or not in canonical form.
    """
    if b64(sha256(data).digest()) != offer.manifest:
        raise BadManifest("another list was offered")
    try:
        entries: list[FileEntry] = codec.decode(data, FileEntries)
    except BadJson as e:
        raise BadManifest(e.detail) from None
    if codec.encode(entries) != data:
        raise BadManifest("not in canonical form")
    if not all(map(_is_sound, entries)):
        raise BadManifest("a part of a path is empty")
    if len(entries) != offer.files:
        raise BadManifest("another number of files was offered", files=len(entries))
    manifest = Manifest(entries, data)
    if manifest.total_bytes != offer.total_bytes:
        raise BadManifest("another length was offered", total_bytes=manifest.total_bytes)
    return manifest


def top_name(manifest: Manifest) -> str:
    """Return what people may call the files: the first one's name or folder, and how many more."""
    tops = list(islice(dict.fromkeys(entry.path[0] for entry in manifest.entries), 2))
    return tops[0] if len(tops) == 1 else f"{tops[0][:200]} and more"


def _is_sound(entry: FileEntry) -> bool:
    """Tell whether no part is empty but the last one of a folder without files."""
    path = entry.path
    if entry.is_folder:
        return len(path) > 1 and all(path[:-1]) and not entry.size_bytes
    return all(path)


def _check_count(what: str, size: int, limit: int) -> None:
    if not 1 <= size <= limit:
        raise TooLarge(what, size=size, limit=limit)
