"""A download onto a disk that is really full: on a small file system of its own."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.disk.places import run_where_it_may_mount


class FullDownloadTest(SynchronousTestCase):
    def test_S3_a_download_that_fills_the_disk(self) -> None:
        """What came stays, and it goes on from there when there is room again."""
        run_where_it_may_mount(self, "tests.disk.on_full_disk")
