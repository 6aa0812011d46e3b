"""The allowlist is read again: for another process of the hub has, and while the hub relays."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.allowlist import AllowlistFile
from streembit.disk.steps import Steps, finish
from streembit.errors import BadAllowlist
from streembit.service.hub.desk import Desk
from streembit.service.hub.rows import NewMember
from streembit.service.hub.stepping import step_by_step
from tests.hubs.house import Held, House, identity


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
        self.file = AllowlistFile(self.path)
        self.house = House(self, members=finish(self.file.load()))
        self.addCleanup(self.house.stop)
        self.desk = Desk(self.house.hub, self.file, "tls", lambda: "")
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

    def test_H3_a_list_of_another_network_waits_for_a_restart(self) -> None:
        """Nobody could follow; it stays as it was, the place is told, and no change is written."""
        document = json.loads(self.path.read_text())
        self.path.write_text(json.dumps({"network": "private.other", **document}))
        before = self.path.read_bytes()
        for change in (
            self.desk.reload(),
            self.desk.add_member(NewMember(identity(9).public.hex, "nine")),
        ):
            changing = Deferred.fromCoroutine(change)
            self.house.run(1.0)
            error: BadAllowlist = self.failureResultOf(changing, BadAllowlist).value
            self.assertIn("restart", error.detail)
            self.assertEqual((error.fields["line"], error.fields["column"]), (1, 13))
        self.assertEqual(self.path.read_bytes(), before)
        self.assertEqual((self.house.hub.generation, self.desk.errors), (1, 1))
        self.path.write_text(json.dumps(document))
        reloading = Deferred.fromCoroutine(self.desk.reload())
        self.house.run(1.0)
        self.assertEqual(self.successResultOf(reloading).members, 2)


class StepsTests(SynchronousTestCase):
    """Row H2: nobody waits for a long list that is read."""

    MEMBERS = 100

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.touch(mode=0o600)
        self.path.write_text(listed(*range(1, self.MEMBERS + 1)))
        self.file = AllowlistFile(self.path)
        self.house = House(self, members=finish(self.file.load()))
        self.addCleanup(self.house.stop)
        self.disk = Held()
        self.desk = Desk(self.house.hub, self.file, "tls", lambda: "", disk=self.disk)
        self.one = self.house.joined(1)

    def test_H2_a_reload_judges_the_rows_that_changed_and_no_others(self) -> None:
        """One is gone and one is new; the removed member's session ends."""
        self.path.write_text(listed(*range(2, self.MEMBERS + 2)))
        before = self.file.judged
        reloading = Deferred.fromCoroutine(self.desk.reload())
        self.house.run(1.0)
        reloaded = self.successResultOf(reloading)
        self.assertEqual(self.file.judged - before, 1)
        self.assertEqual((len(reloaded.added), len(reloaded.removed)), (1, 1))
        self.assertIsNotNone(self.one.end)

    def test_H2_the_reactor_has_its_turn_between_any_two_steps(self) -> None:
        """What was due before a step is done before the next one."""
        happened: list[str] = []

        def work() -> Steps[str]:
            for _ in range(3):
                happened.append("step")
                self.house.clock.callLater(0, happened.append, "turn")
                yield None
            return "done"

        done = Deferred.fromCoroutine(step_by_step(work(), self.house.clock, self.disk))
        self.assertEqual(happened, ["step"])
        self.house.run()
        self.assertEqual(self.successResultOf(done), "done")
        self.assertEqual(happened, ["step", "turn"] * 3)

    def test_H2_the_list_is_written_by_the_disks_own_thread(self) -> None:
        """It is in use when it is written, and not before; who asks meanwhile comes after."""
        self.disk.holds = True
        added = NewMember(identity(500).public.hex, "member 500")
        changes = [
            Deferred.fromCoroutine(ask)
            for ask in (self.desk.add_member(added), self.desk.remove_member("member 1"))
        ]
        self.house.run(1.0)
        self.assertEqual(len(self.disk.waiting), 1)
        self.assertEqual(self.house.hub.generation, 1)
        self.disk.work()
        self.house.run(1.0)
        self.assertIsNone(self.one.end)
        self.disk.work()
        self.house.run(1.0)
        self.assertIsNotNone(self.one.end)
        self.assertEqual([self.successResultOf(each).generation for each in changes], [2, 3])
        self.assertEqual(len(finish(self.file.load()).members), self.MEMBERS)


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
