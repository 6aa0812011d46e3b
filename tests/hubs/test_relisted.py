"""Another process of the hub was told to read the allowlist: this one reads its own."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import allowlist
from streembit.service.hub.desk import Desk
from streembit.tap.hubreload import AllowlistFile
from tests.hubs.house import House, identity


def listed(*numbers: int) -> str:
    """Return a list of the members with these numbers."""
    rows = [
        {
            "account": f"member {number}",
            "public_key": identity(number).public.hex,
            "permissions": ["relay"],
        }
        for number in numbers
    ]
    return json.dumps({"members": rows})


class RelistedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.touch(mode=0o600)
        self.path.write_text(listed(1, 2))
        self.house = House(self, members=allowlist.load(self.path))
        self.addCleanup(self.house.stop)
        self.desk = Desk(self.house.hub, AllowlistFile(self.path), "tls", lambda: "")
        self.one, self.two = self.house.joined(1), self.house.joined(2)

    def test_H2_who_was_removed_there_is_out_here(self) -> None:
        """At once; others stay, and who was added can join."""
        self.path.write_text(listed(2, 3))
        self.house.hub.relisted()
        self.house.run(1.0)
        self.assertIsNotNone(self.one.end)
        self.assertIsNone(self.two.end)
        self.house.joined(3)

    def test_H3_a_list_that_is_not_sound_here_changes_nothing(self) -> None:
        """It is told in the status, and counted."""
        self.path.write_text("{")
        self.house.hub.relisted()
        self.house.run(1.0)
        self.assertIsNone(self.one.end)
        status = self.successResultOf(self.desk.status())
        assert status.hub is not None
        self.assertIn("bad-allowlist", status.hub.allowlist)
        self.assertEqual(self.desk.errors, 1)


class PublicTests(SynchronousTestCase):
    def test_a_public_hub_has_nothing_to_read(self) -> None:
        """It goes on as before."""
        house = House(self)
        Desk(house.hub, None, "tls", lambda: "")
        guest = house.joined(1)
        house.hub.relisted()
        house.run(1.0)
        self.assertIsNone(guest.end)
        house.stop()
