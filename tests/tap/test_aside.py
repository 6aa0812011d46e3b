"""Files that were moved aside are told in the log."""

from __future__ import annotations

from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from streembit.tap.aside import Aside
from streembit.testing import MemoryClock


class AsideTests(SynchronousTestCase):
    def test_S2_each_damaged_file_is_told_once(self) -> None:
        """Those of the start at once, those of later within a minute."""
        peers, records = [Path("peers.json.corrupt-1")], list[Path]()
        clock = MemoryClock()
        service = Aside(peers, records).watch(clock, lambda: 0.5)
        with capturedLogs() as events:
            service.startService()
            clock.advance(1)
            records.append(Path("records.sqlite.corrupt-2"))
            clock.advance(200)
        service.stopService()
        self.assertEqual([event["path"] for event in events], [str(peers[0]), str(records[0])])
        self.assertEqual(clock.getDelayedCalls(), [])
