"""Where these tests keep their files: in memory where that can be, for they sync all the time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

MEMORY = Path("/dev/shm")
OWN_MOUNTS = ("unshare", "--mount", "--map-root-user")


def a_folder(test: SynchronousTestCase) -> Path:
    """Return a new empty folder, mode 0700, that is gone after the test."""
    usable = MEMORY.is_dir() and os.access(MEMORY, os.W_OK)
    folder = Path(tempfile.mkdtemp(prefix="streembit-test-", dir=MEMORY if usable else None))
    test.addCleanup(shutil.rmtree, folder)
    return folder


def run_where_it_may_mount(test: SynchronousTestCase, module: str) -> None:
    """Run a module that mounts a small disk on the folder it is given, and is well with it.

    Nobody else sees the disk, which is gone with the process.
    """
    try:
        subprocess.run([*OWN_MOUNTS, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        raise SkipTest("no file system of one's own can be mounted here") from None
    folder = Path(test.mktemp()).absolute()
    folder.mkdir()
    done = subprocess.run(
        [*OWN_MOUNTS, sys.executable, "-m", module, str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    test.assertEqual((done.stdout, done.stderr), ("all is well\n", ""))
    test.assertEqual(list(folder.iterdir()), [])
