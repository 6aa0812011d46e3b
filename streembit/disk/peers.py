"""The peers cache in its file: read at the start, written now and then and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from streembit.dht.peers import PeersDocument
from streembit.disk import atomic
from streembit.disk.files import SYSTEM, Files
from streembit.errors import BadJson, HomeTooNew, TooLarge
from streembit.wire import codec

VERSION: Final = 1
EMPTY: Final = PeersDocument(VERSION, [])


class PeersFile:
    """A file that may be lost: when it is damaged it is moved aside (`moved_aside`).

    The caller holds the home's lock.
    """

    def __init__(
        self, path: Path, files: Files = SYSTEM, unix_s: Callable[[], float] = time.time
    ) -> None:
        self.path = path
        self.moved_aside: list[Path] = []
        self._files = files
        self._unix_s = unix_s

    def load(self) -> PeersDocument:
        """Return what was saved, an empty document when that is lost.

        Raises:
            HomeTooNew: a newer program wrote it; it is left alone.
            DiskFull, DiskFailed: it cannot be read, or not be moved aside.
        """
        try:
            data = atomic.read(self.path, self._files)
            return EMPTY if data is None else self._parsed(data)
        except (BadJson, TooLarge, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            aside = atomic.move_aside(self.path, int(self._unix_s()), self._files)
            self.moved_aside.append(aside)
            return EMPTY

    def save(self, document: PeersDocument) -> None:
        """Write the document; it is on the medium on return.

        Raises:
            DiskFull, DiskFailed: the file is the old or the new one, whole.
        """
        body = codec.encode(document)
        file = _File(sha256(body).hexdigest(), msgspec.Raw(body))
        atomic.write(self.path, msgspec.json.encode(file) + b"\n", self._files)

    def _parsed(self, data: bytes) -> PeersDocument:
        file = msgspec.json.decode(data, type=_File)
        body = bytes(file.document)
        if sha256(body).hexdigest() != file.sha256:
            raise BadJson("the peers cache is not as it was written")
        version = codec.decode(body, _Version).version
        if version > VERSION:
            raise HomeTooNew(file=str(self.path), found=version, supported=VERSION)
        return codec.decode(body, PeersDocument)


class _File(Struct, frozen=True):
    """The document as it was encoded, and its digest in hexadecimal."""

    sha256: str
    document: msgspec.Raw


class _Version(Struct, frozen=True):
    version: int
