"""A town, and a shelf for one of its nodes whose disk fails when the test says so."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.records import SqliteShelf
from tests.disk.dying import Trouble
from tests.disk.places import a_folder
from tests.service.town import Town


class SickShelfCase(SynchronousTestCase):
    """The shelf is closed when the test ends."""

    def setUp(self) -> None:
        self.trouble, self.town = Trouble(), Town(self)
        path, unix_s = a_folder(self) / "records.sqlite", self.town.memory.clock.seconds
        self.shelf = SqliteShelf(path, dial=self.trouble.connect(), unix_s=unix_s)
        self.addCleanup(self.shelf.close)
