"""A disk that is really full, and one that really fails: on a small file system of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

UNSHARE = ["unshare", "--mount", "--map-root-user"]


class SmallDiskTest(SynchronousTestCase):
    def test_S3_full_and_failing_disks(self) -> None:
        """Full, failing, full again: changes are refused, reads go on, all recovers alone."""
        try:
            subprocess.run([*UNSHARE, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise SkipTest("no file system of one's own can be mounted here") from None
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        done = subprocess.run(
            [*UNSHARE, sys.executable, "-m", "tests.disk.on_small_disk", str(folder)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual((done.stdout, done.stderr), ("all is well\n", ""))
        self.assertEqual(list(folder.iterdir()), [])
