"""Where the copies of a key file are, so that a damaged one can name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from streembit.disk import atomic
from streembit.disk.atomic import blamed_on_disk
from streembit.disk.files import Files, exists
from streembit.errors import TooLarge

MAX_NOTED: Final = 16  # the newest; who makes more knows where they are
_NOTES: Final = "backups.json"


def existing(key_file: Path, previous: str, files: Files) -> list[Path]:
    """Return the copies of `HOME/accounts/NAME/key.json` that exist, as far as known.

    They are the one named `previous` beside it, those in the home's copies
    from before a migration, and the backups that were noted, oldest first.
    """
    account = key_file.parent
    home = account.parent.parent
    with blamed_on_disk(key_file):
        migrated = [n for n in files.names(home) if n.startswith("backup-schema-")]
        within = key_file.relative_to(home)
        known = [key_file.with_name(previous), *(home / n / within for n in migrated)]
        return [path for path in [*known, *_noted(account, files)] if exists(path, files)]


def note(key_file: Path, backup: Path, files: Files) -> None:
    """Remember where a backup went; the caller holds the accounts' lock."""
    account = key_file.parent
    target = backup.absolute()
    noted = [str(path) for path in _noted(account, files) if path != target]
    newest = [*noted, str(target)][-MAX_NOTED:]
    atomic.write(account / _NOTES, json.dumps(newest).encode(), files)


def _noted(account: Path, files: Files) -> list[Path]:
    try:
        noted = json.loads(atomic.read(account / _NOTES, files) or b"[]")
        return [Path(path) for path in noted]
    except (ValueError, TypeError, RecursionError, TooLarge):
        return []
