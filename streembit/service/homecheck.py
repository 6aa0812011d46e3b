"""What can be said of a home without its node: who may read it, and whether there is room."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from streembit.disk.files import SYSTEM
from streembit.disk.modes import check_modes
from streembit.errors import StreembitError
from streembit.service.facade import Check

MIN_FREE_BYTES: Final = 256 * 1024 * 1024  # four times what the store holds at most by default


def free_bytes(path: Path) -> int:
    """Return how much we may still write where the path lies.

    Raises:
        OSError: the system does not say.
    """
    return shutil.disk_usage(path).free


def modes(home: Path) -> Check:
    """Return whether nobody but its owner may read a home."""
    try:
        check_modes(home, SYSTEM)
    except StreembitError as error:
        return Check("home", False, error.sentence(), error.detail)
    return Check("home", True, f"{home}, for its owner only")


def room(home: Path, free_bytes: Callable[[Path], int] = free_bytes) -> Check:
    """Return whether there is as much room on the disk of a home as a node may need."""
    try:
        free = free_bytes(home)
    except OSError as error:
        return Check("disk", False, str(error), "see to the disk that the home lies on")
    advice = f"make room: {MIN_FREE_BYTES >> 20} MiB or more"
    return Check("disk", free >= MIN_FREE_BYTES, f"{free / 2**20:,.0f} MiB free", advice)
