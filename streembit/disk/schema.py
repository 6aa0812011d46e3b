"""The version of a home folder's layout, and the steps that bring an older one forward."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

from streembit.disk import atomic
from streembit.disk.files import Files
from streembit.disk.tree import copy_tree
from streembit.errors import HomeTooNew, TooLarge

MARKER: Final = "home.json"
OLDEST: Final = 1

Step = Callable[[Path, Files], None]


@dataclass(frozen=True)
class Schema:
    """The layout that this program writes, and how to reach it.

    `steps[n]` turns version n into n + 1 in place. A step can be cut short
    and is then done again from its beginning, on what it left: it must be
    repeatable, also on a home that is newer than it thinks.
    """

    version: int
    steps: Mapping[int, Step] = field(default_factory=lambda: MappingProxyType({}))


SCHEMA: Final = Schema(version=1)


def version_of(home: Path, files: Files) -> int | None:
    """Return the home's version, or None when its marker is missing or damaged."""
    try:
        data = atomic.read(home / MARKER, files)
    except TooLarge:
        return None
    return None if data is None else _parsed(data)


def mark(home: Path, version: int, files: Files) -> None:
    """Write the version down, on the medium on return."""
    atomic.write(home / MARKER, json.dumps({"schema": version}).encode() + b"\n", files)


def migrate(home: Path, schema: Schema, files: Files) -> Path | None:
    """Bring the home to the schema's version; return where the copy of the old one is, if any.

    The caller holds the home's lock. A home without a readable marker is
    taken for the oldest: the steps are repeatable, and each file in it says
    its own version besides.

    Raises:
        HomeTooNew: a newer program wrote it; nothing is changed.
        DiskFull, DiskFailed: it is as it was, or partly changed and will be
            taken up again; the copy, if made, is whole.
    """
    found = version_of(home, files) or OLDEST
    refuse_newer(found, schema, home)
    kept = backup(home, found, files) if found < schema.version else None
    for version in range(found, schema.version):
        schema.steps[version](home, files)
    mark(home, schema.version, files)
    return kept


def refuse_newer(found: int, schema: Schema, home: Path) -> None:
    """Raise HomeTooNew when the home's version is above the schema's."""
    if found > schema.version:
        raise HomeTooNew(
            "use the newer program, or another home folder",
            home=str(home),
            found=found,
            supported=schema.version,
        )


def backup(home: Path, version: int, files: Files) -> Path:
    """Copy what is in the home to `backup-schema-N` in it, once; return that folder.

    Left out are the lock, sockets, older copies and damaged files.
    """
    target = home / f"backup-schema-{version}"
    copy_tree(home, target, files, leave_out=_not_worth_copying)
    return target


def _not_worth_copying(name: str) -> bool:
    return name == "lock" or name.endswith(".sock") or "backup-" in name or ".corrupt-" in name


def _parsed(data: bytes) -> int | None:
    try:
        document = json.loads(data)
        version = document["schema"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return version if type(version) is int and version >= OLDEST else None
