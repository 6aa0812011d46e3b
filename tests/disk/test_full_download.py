"""A download onto a disk that is really full: on a small file system of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.disk.test_small_disk import UNSHARE


class FullDownloadTest(SynchronousTestCase):
    def test_S3_a_download_that_fills_the_disk(self) -> None:
        """What came stays, and it goes on from there when there is room again."""
        try:
            subprocess.run([*UNSHARE, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise SkipTest("no file system of one's own can be mounted here") from None
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        done = subprocess.run(
            [*UNSHARE, sys.executable, "-m", "tests.disk.on_full_disk", str(folder)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual((done.stdout, done.stderr), ("all is well\n", ""))
