"""Members with the permission `admin`: they shut others out from afar, and can do no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk.allowlist import AllowlistFile
from streembit.disk.steps import Steps, finish
from streembit.errors import DiskFull
from streembit.hub.allowlist import Allowlist
from streembit.service.hub.desk import Desk
from streembit.wire.hub import Dismiss, Done, Kick, Refused
from tests.hubs.house import Guest, House, identity

ADMIN, OTHER_ADMIN, MEMBER, BYSTANDER, STRANGER = 1, 2, 3, 4, 9
WITH_ADMIN: Final = ["relay", "admin"]


def row(number: int, permissions: list[str]) -> dict[str, object]:
    """Return a row of an allowlist."""
    key = identity(number).public.hex
    return {"account": f"member {number}", "public_key": key, "permissions": permissions}


class FillingFile(AllowlistFile):
    """A list on a disk that may have no room."""

    is_full = False

    def remove(self, key: str) -> Steps[Allowlist]:
        """See `AllowlistFile`."""
        if self.is_full:
            raise DiskFull
        return super().remove(key)


class AdminTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.touch(mode=0o600)
        rows = [row(ADMIN, WITH_ADMIN), row(OTHER_ADMIN, WITH_ADMIN)]
        rows += [row(MEMBER, ["relay"]), row(BYSTANDER, ["relay"])]
        self.path.write_text(json.dumps({"members": rows}))
        self.house = House(self, members=finish(AllowlistFile(self.path).load()))
        self.addCleanup(self.house.stop)
        self.file = FillingFile(self.path)
        Desk(self.house.hub, self.file, "tls", lambda: "")
        self.admin, self.member = self.house.joined(ADMIN), self.house.joined(MEMBER)

    def said(self, guest: Guest, body: Kick | Dismiss) -> str:
        """Return the code with which a command is refused, "" for one that is served."""
        guest.ask(body)
        self.house.run(1.0)
        answer = guest.answers()[-1]
        if isinstance(answer, Refused):
            return answer.code
        self.assertEqual(answer, Done())
        return ""

    def key(self, number: int) -> str:
        """Return somebody's key, as frames have it."""
        return identity(number).public.text

    def test_H2_a_member_is_dismissed(self) -> None:
        """Its session ends, it is off the file, and not let in again; the log names the admin."""
        bystander = self.house.joined(BYSTANDER)
        with capturedLogs() as logged:
            self.assertEqual(self.said(self.admin, Dismiss(self.key(MEMBER))), "")
        self.assertIsNotNone(self.member.end)
        self.assertIsNone(bystander.end)
        names = [each["account"] for each in json.loads(self.path.read_text())["members"]]
        self.assertEqual(names, ["member 1", "member 2", "member 4"])
        again = self.house.guest(MEMBER).connect()
        self.house.run(7.0)
        self.assertIsNone(again.session)
        lines = [e for e in logged if e.get("by") == identity(ADMIN).public.hex]
        self.assertEqual([e["key"] for e in lines], [identity(MEMBER).public.hex])
        self.assertEqual(lines[0]["log_level"], LogLevel.warn)

    def test_H2_a_member_is_kicked(self) -> None:
        """It may join again, and then has a session to be kicked from again."""
        self.assertEqual(self.said(self.admin, Kick(self.key(MEMBER))), "")
        self.assertIsNotNone(self.member.end)
        self.assertEqual(self.said(self.admin, Kick(self.key(MEMBER))), "not-there")
        self.house.joined(MEMBER)
        self.assertEqual(self.said(self.admin, Kick(self.key(MEMBER))), "")

    def test_H1_who_is_no_admin_shuts_nobody_out(self) -> None:
        """The permission decides, and nothing has changed."""
        before = self.path.read_bytes()
        bystander = self.house.joined(BYSTANDER)
        for body in (Kick(self.key(BYSTANDER)), Dismiss(self.key(BYSTANDER))):
            self.assertEqual(self.said(self.member, body), "not-permitted")
        self.assertIsNone(bystander.end)
        self.assertEqual(self.path.read_bytes(), before)

    def test_H1_no_admin_is_shut_out_from_afar(self) -> None:
        """Not even oneself, nor the hub's own node; strangers are not there."""
        before = self.path.read_bytes()
        other = self.house.joined(OTHER_ADMIN)
        for whom, code in (
            (self.key(OTHER_ADMIN), "not-permitted"),
            (self.key(ADMIN), "not-permitted"),
            (self.house.key.text, "not-permitted"),
            (self.key(STRANGER), "not-there"),
            ("A" * 44, "not-there"),
        ):
            for body in (Kick(whom), Dismiss(whom)):
                self.assertEqual(self.said(self.admin, body), code, whom)
        self.assertIsNone(other.end)
        self.assertIsNone(self.admin.end)
        self.assertEqual(self.path.read_bytes(), before)

    def test_H3_a_list_that_cannot_be_changed(self) -> None:
        """The admin is told, and the member stays."""
        self.file.is_full = True
        self.assertEqual(self.said(self.admin, Dismiss(self.key(MEMBER))), "not-ready")
        self.file.is_full = False
        self.path.write_text("{")
        self.assertEqual(self.said(self.admin, Dismiss(self.key(MEMBER))), "not-ready")
        self.assertIsNone(self.member.end)

    def test_H1_at_a_public_hub_there_is_no_admin(self) -> None:
        """Whatever somebody asks."""
        house = House(self)
        self.addCleanup(house.stop)
        one, two = house.joined(1), house.joined(2)
        one.ask(Kick(two.who.public.text))
        house.run(1.0)
        answer = one.answers()[-1]
        assert isinstance(answer, Refused)
        self.assertEqual(answer.code, "not-permitted")
        self.assertIsNone(two.end)
