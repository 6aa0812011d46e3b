"""Transfers in the chest: a row each, long lists in pieces, and nothing left of what is over."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import ChestDamaged
from streembit.files.state import Journal, State
from streembit.jose.base64url import decode as b64decode
from streembit.service.people.keeping import Entry, Keeping
from streembit.testing import MemoryChest
from tests.files.rig import TRANSFER, contents, manifest_of

OFFER = manifest_of({("a",): b"x"}).offer(TRANSFER, "a")


def entry() -> Entry:
    """Return the row of an offer."""
    return Entry("bob", True, 1, Journal(OFFER, State.OFFERED, "", b"").pack(), paths=["/a"])


class KeepingTests(SynchronousTestCase):
    """What is written is what is read."""

    def setUp(self) -> None:
        self.chest = MemoryChest()
        self.keeping = Keeping(self.chest)

    def test_rows_come_back(self) -> None:
        """With their journals."""
        self.keeping.put(OFFER.transfer, entry())
        ((found, journal),) = self.keeping.load()
        self.assertEqual(found, entry())
        self.assertEqual((journal.offer, journal.state), (OFFER, State.OFFERED))

    def test_lists_of_any_length(self) -> None:
        """A row holds a megabyte; a list may have eight."""
        for size in (0, 1, 512 * 1024, 512 * 1024 + 1, 8 * 1024 * 1024):
            manifest, sources = contents(size, 1), contents(size // 3, 2)
            self.keeping.put_lists(OFFER.transfer, entry(), manifest, sources)
            self.assertEqual(self.keeping.manifest(OFFER.transfer), manifest)
            self.assertEqual(self.keeping.sources(OFFER.transfer), sources)
            self.keeping.drop_lists(OFFER.transfer, entry())
            self.assertEqual(self.keeping.manifest(OFFER.transfer), b"")
            self.assertEqual(len(self.keeping.load()), 1)
        self.keeping.drop_lists(OFFER.transfer, None)
        self.assertEqual(self.chest._rows, {})

    def test_S2_rows_that_are_none_of_ours(self) -> None:
        """The start is refused: the chest says what to do."""
        for row in (b"", b"\x00", b"\x97" + b"\x00" * 7, b"{}"):
            chest = MemoryChest()
            chest.commit([("transfers", b64decode(OFFER.transfer), row)])
            with self.assertRaises(ChestDamaged):
                Keeping(chest).load()
