"""A disk that is really full, and one that really fails: on a small file system of its own."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.disk.places import run_where_it_may_mount


class SmallDiskTest(SynchronousTestCase):
    def test_S3_full_and_failing_disks(self) -> None:
        """Full, failing, full again: changes are refused, reads go on, all recovers alone."""
        run_where_it_may_mount(self, "tests.disk.on_small_disk")
