"""Where these tests keep their files: in memory where that can be, for they sync all the time."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

MEMORY = Path("/dev/shm")


def a_folder(test: SynchronousTestCase) -> Path:
    """Return a new empty folder, mode 0700, that is gone after the test."""
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix="streembit-test-", dir=MEMORY if usable else None))
    test.addCleanup(shutil.rmtree, folder)
    return folder
