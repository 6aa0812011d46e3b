"""Contacts behind routers: how each pair of kinds meets, with real processes in namespaces."""

from __future__ import annotations

from typing import Final

from twisted.trial.unittest import SkipTest

from tests.rig.nat import KINDS, Meetings, all_pairs, as_table
from tests.rig.netns import need
from tests.rig.procnet import LONG, Net, ProcessCase
from tests.sources import ROOT

PAGE: Final = ROOT / "docs" / "nat.md"


class NatTests(ProcessCase):
    """A seed and a hub in public; who is behind a router is joined to the hub."""

    timeout = 1800 if LONG else 400

    def setUp(self) -> None:
        need("miniupnpd")
        super().setUp()

    async def test_D10_two_behind_common_routers(self) -> None:
        """Each router lets in only who was dialled: linked through the hub, then by punching."""
        if not LONG:
            raise SkipTest("takes half a minute: make slow")
        meetings = Meetings(self.net, self.until)
        self.addCleanup(meetings.end)
        self.addCleanup(self.net.members.ended)
        self.addCleanup(self.net.members.kill)
        await meetings.begin()
        one, other = [await meetings.person("plain") for _ in range(2)]
        self.assertEqual(await meetings.meet(one, other), "punched")

    async def test_D10_the_page_tells_how_each_pair_meets(self) -> None:
        """All pairs of kinds, as docs/nat.md shows them."""
        if not LONG:
            raise SkipTest("takes ten minutes: make slow")
        net, self.net = self.net, Net()
        self.addCleanup(self.net.end)
        found = await all_pairs(net, self.until, lambda _pair, _how: None)
        self.assertIn("\n".join(as_table(found)), PAGE.read_text())

    def test_the_page_has_a_row_for_each_kind(self) -> None:
        """What the table's kinds are is said above it."""
        page = PAGE.read_text()
        for kind in KINDS:
            self.assertIn(f"| `{kind}` |", page)
            self.assertIn(f"| **{kind}** |", page)
