"""Rows S1, S2, S3 and S5 at a hub: killed while mail comes, a damaged mailbox, a full disk."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from twisted.internet import reactor as installed
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest

from streembit.client import Client
from streembit.disk.mailbox import Mailbox
from streembit.errors import MailboxDegraded
from streembit.jose import base64url
from tests.process.test_disk import DISK, fill
from tests.process.test_hub_processes import Load
from tests.rig.hubcase import HubCase, free_ports
from tests.rig.hubmember import HubMember
from tests.rig.procnet import LONG
from tests.tap.twistd import Process

reactor: Any = installed

KILLS: Final = 200 if LONG else 2
ENDS: Final = range(KILLS + 1)  # the last one is in order
MEMBERS: Final = 4
END_WITHIN_S: Final = 5.0
MAILBOX: Final = "mailbox.sqlite"


def name(number: int) -> bytes:
    """Return the id of a mail."""
    return number.to_bytes(16, "big")


def keeps_more(load: Load, count: int) -> bool:
    """Tell whether the hub said of more than so many mails that it keeps them."""
    return len(load.kept) > count


def lacks_nothing(load: Load) -> bool:
    """Tell whether all mails came that the hub said it keeps."""
    return not load.missing()


class DiskCase(HubCase):
    """One hub that is started again and again in one home, at one port."""

    timeout = 3600 if LONG else 240

    def setUp(self) -> None:
        super().setUp()
        (self.port,) = free_ports(1)
        self.place = self.home.path
        self.client = Client(reactor, self.place)

    async def start(self) -> Process:
        """Start the hub, and wait until it answers at its port."""
        process = self.hub(self.port, "--plain", "--exempt", "127.0.0.0/8")
        await self.until_open(self.port)
        return process

    async def joined(self, *numbers: int) -> list[HubMember]:
        """Return members that have joined."""
        members = [self.member(number, self.port) for number in numbers]
        for member in members:
            await member.join()
        return members

    async def back(self, members: list[HubMember], joins: int) -> None:
        """Wait until all have joined so many times."""
        await self.until(lambda: all(m.joins >= joins and m.is_joined for m in members), 30.0)

    async def keeps(self, sender: HubMember, to: HubMember, number: int) -> str:
        """Send a mail; return what the hub said to it, "" for that it keeps it."""
        id_ = base64url.encode(name(number))
        self.assertTrue(sender.mail(to.key, name(number), b"mail " * 20))
        await self.until(lambda: id_ in sender.kept or id_ in sender.refused)
        return sender.refused.get(id_, "")

    async def arrives(self, to: HubMember, *numbers: int) -> None:
        """Wait until these mails have come."""
        ids = {base64url.encode(name(number)) for number in numbers}
        await self.until(lambda: ids <= set(to.mailed))

    async def trouble(self) -> str:
        """Return why the hub keeps no mail, as its status says."""
        hub = (await self.client.status()).hub
        assert hub is not None
        return hub.mailbox


class KillTests(DiskCase):
    """Killed at any moment, between a commit and its receipt, too."""

    async def test_S1_S5_killed_and_ended_while_mail_comes(self) -> None:
        """Whatever it said that it keeps comes, to who is there and to who was away.

        Told to end, it ends in time.
        """
        hub = await self.start()
        members = await self.joined(*range(1, MEMBERS + 1))
        chance = Random(8)
        loads = [Load(members, chance)]
        loads += [Load([members[0], self.member(100 + n, self.port)], chance) for n in ENDS]
        for load in loads:
            self.addCleanup(load.stop)
        loads[0].start()
        for number, load in enumerate(loads[1:]):
            load.start()
            await self.until(partial(keeps_more, load, 5))
            await deferLater(reactor, chance.uniform(0.0, 0.1))
            begun_s = reactor.seconds()
            hub.signal("KILL" if number < KILLS else "TERM")
            self.assertEqual(await hub.ended, -9 if number < KILLS else 0)
            self.assertLess(reactor.seconds() - begun_s, END_WITHIN_S)
            load.stop()
            self.assert_sound()
            hub = await self.start()
            await self.back(members, number + 2)
        loads[0].stop()
        for load in loads:
            if load is not loads[0]:
                await load.members[1].join()
            await self.until(partial(lacks_nothing, load), 30.0)

    def assert_sound(self) -> None:
        """The file that a dead hub left can be used."""
        box = Mailbox(self.place / MAILBOX)
        self.assertEqual(box.trouble, "")
        box.held()
        box.close()


class DamageTests(DiskCase):
    """A file that is not as it was written."""

    async def test_S2_a_damaged_mailbox(self) -> None:
        """Mail is refused and it is said what to do; members talk; a copy of the file helps."""
        hub = await self.start()
        one, other = await self.joined(1, 2)
        away = self.member(3, self.port)
        for number in range(40):
            self.assertEqual(await self.keeps(one, away, number), "")
        hub.signal("TERM")
        await hub.ended
        file = self.place / MAILBOX
        sound = file.read_bytes()
        damaged = sound[:20_000] + bytes(4096) + sound[24_096:]
        file.write_bytes(damaged)
        hub = await self.start()
        await self.back([one, other], 2)
        self.assertEqual(await self.keeps(one, away, 99), MailboxDegraded.code)
        self.assertIn("is damaged", await self.trouble())
        self.assertTrue(one.say(other.key, b"hello"))
        await self.until(lambda: bool(other.heard))
        hub.signal("KILL")
        await hub.ended
        self.assertEqual(file.read_bytes(), damaged)
        file.write_bytes(sound)
        box = Mailbox(file)
        self.addCleanup(box.close)
        self.assertEqual(box.count(away.key.text), 40)


class FullDiskTests(DiskCase):
    """A home on a small disk of its own."""

    def setUp(self) -> None:
        super().setUp()
        aside = shutil.copytree(self.place, self.folder / "aside")
        try:
            command = ["mount", "-t", "tmpfs", "-o", DISK, "none", str(self.place)]
            subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            raise SkipTest("nothing can be mounted here: only root may") from None
        self.addCleanup(subprocess.run, ["umount", str(self.place)], check=True)
        shutil.copytree(aside, self.place, dirs_exist_ok=True)

    async def test_S3_full_and_then_room_again(self) -> None:
        """Mail is refused, mail that waits is given out, members talk; then all is well."""
        hub = await self.start()
        self.addCleanup(self.ended, hub)
        one, other = await self.joined(1, 2)
        away = self.member(3, self.port)
        self.assertEqual(await self.keeps(one, away, 1), "")
        keys = self.keys()
        filler = fill(self.place)
        codes = [await self.keeps(one, other, number) for number in range(10, 20)]
        self.assertEqual(codes[-1], MailboxDegraded.code)
        self.assertTrue(await self.trouble())
        self.assertTrue(one.say(other.key, b"hello"))
        await self.until(lambda: bool(other.heard))
        await away.join()
        await self.arrives(away, 1)
        self.assertEqual(self.keys(), keys)
        filler.unlink()
        self.assertEqual(await self.keeps(one, away, 2), "")
        self.assertEqual(await self.trouble(), "")
        await self.arrives(away, 1, 2)

    def keys(self) -> dict[Path, bytes]:
        """Return the key files."""
        return {path: path.read_bytes() for path in self.place.glob("accounts/*/*")}

    def ended(self, hub: Process) -> object:
        """Kill the hub, so that its disk can go."""
        hub.signal("KILL")
        return hub.ended
