"""The allowlist of a real hub, edited again and again while its members talk."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.task import LoopingCall
from twisted.internet.utils import getProcessOutputAndValue

from streembit.api.caller import Caller
from streembit.api.hub import Members
from streembit.client import Client
from streembit.errors import NodeRefusal
from streembit.service.hub.rows import Reloaded
from tests.rig.hubcase import HubCase, free_ports, listed
from tests.rig.hubmember import HubMember
from tests.sources import ROOT
from tests.tap.twistd import TWISTD

reactor: Any = installed

EDITS = 100
TALK_EVERY_S = 0.01
STREEMBIT = TWISTD.replace("twistd", "streembit")


class OperatorTests(HubCase):
    async def start(self) -> list[HubMember]:
        """Start a private hub with three members, of which two have joined."""
        (port,) = free_ports(1)
        self.file = self.folder / "allowlist.json"
        self.edit(listed([1, 2, 3]))
        self.process = self.hub(port, "--plain", "--private", str(self.file))
        await self.ready(self.process)
        home = self.folder / "hub"
        self.caller, self.client = Caller(reactor, home, home), Client(reactor, home)
        members = [self.member(number, port) for number in (1, 2)]
        for member in members:
            await member.join()
        return members

    def edit(self, text: str) -> None:
        """Write the file, as an editor does."""
        self.file.touch(mode=0o600)
        self.file.write_text(text)

    async def streembit(self, *arguments: str) -> tuple[int, str, str]:
        """Run `streembit hub` beside the hub; return its exit status and what it wrote."""
        command = ["--home", str(self.folder / "hub"), "hub", *arguments]
        out, err, status = await getProcessOutputAndValue(
            STREEMBIT, command, env={"PYTHONPATH": str(ROOT)}
        )
        return status, out.decode(), err.decode()

    async def accounts(self) -> list[str]:
        """Return the members of the list in use."""
        found = await self.caller.ask("GET", "/v1/hub/members", Members)
        return [member.account for member in found.members]

    async def generation(self) -> int:
        """Return how many lists were used, if one is in use at all."""
        hub = (await self.client.status()).hub
        assert hub is not None
        return int(hub.generation)

    async def test_H3_a_hundred_edits_while_members_talk(self) -> None:
        """Sound and unsound by turns: the last sound one counts, and nobody loses a word."""
        ann, bob = await self.start()
        said = 0

        def talk() -> None:
            nonlocal said
            said += ann.say(bob.key, b"%d" % said)

        talking = LoopingCall(talk)
        talking.start(TALK_EVERY_S)
        self.addCleanup(lambda: talking.stop() if talking.running else None)
        before, sound = await self.generation(), 0
        for number in range(EDITS):
            is_sound = number % 2 == 0
            self.edit(listed([1, 2, 4 + number]) if is_sound else listed([1, 2])[: -number - 1])
            try:
                done = await self.caller.ask("POST", "/v1/hub/reload", Reloaded)
                self.assertTrue(is_sound, number)
                sound += 1
                self.assertEqual((done.generation, done.members), (before + sound, 3))
                self.assertEqual(done.closed, 0)
            except NodeRefusal as error:
                self.assertFalse(is_sound, number)
                self.assertEqual(error.code, "bad-allowlist")
                self.assertIn("line: ", error.detail)
        self.assertEqual(sound, EDITS // 2)
        self.assertIn(f"member {4 + EDITS - 2}", await self.accounts())
        talking.stop()
        await self.until(lambda: len(bob.heard) == said)
        self.assertEqual([int(data) for _, data in bob.heard], list(range(said)))
        self.assertEqual((ann.joins, bob.joins), (1, 1))

    async def test_H3_an_error_is_the_command_s_and_a_line_of_the_log(self) -> None:
        """By command or by SIGHUP: the list stays, and status and log tell why."""
        ann, _ = await self.start()
        self.edit("{")
        status, out, err = await self.streembit("reload")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("line: 1, column: 2", err)
        self.process.signal("HUP")
        await self.until(lambda: self.process.out.count(b"the allowlist stays as it was") == 2)
        hub = (await self.client.status()).hub
        assert hub is not None
        self.assertIn("bad-allowlist", hub.allowlist)
        self.assertEqual(len(await self.accounts()), 3)
        self.edit(listed([1, 2]))
        self.process.signal("HUP")
        await self.until(lambda: b"2 members, 0 sessions ended" in self.process.out)
        hub = (await self.client.status()).hub
        assert hub is not None
        self.assertEqual(hub.allowlist, "")
        self.assertTrue(ann.is_joined)

    async def test_H2_members_come_and_go_by_command(self) -> None:
        """Who is added can join, who is removed is out at once, whoever is kicked comes back."""
        ann, bob = await self.start()
        eve = self.member(9, ann.port)
        joined = eve.join()
        status, out, _ = await self.streembit("add", "eve", eve.key.hex, "--may", "relay")
        self.assertEqual((status, out.splitlines()[0]), (0, f"+ {eve.key.hex}"))
        await joined
        self.assertEqual((await self.streembit("kick", "eve"))[1], "1 session ended\n")
        await self.until(lambda: eve.joins == 2)
        status, out, _ = await self.streembit("remove", "member 2")
        self.assertIn("1 session ended", out)
        await self.until(lambda: not bob.is_joined, 1.0)
        self.assertNotIn("member 2", self.file.read_text())
        status, out, _ = await self.streembit("sessions")
        self.assertIn("eve", out)
        self.assertNotIn(bob.key.hex, out)
        status, out, _ = await self.streembit("check", str(self.file))
        self.assertEqual((status, out), (0, f"{self.file} is sound: 3 members\n"))

    async def test_S2_a_hub_does_not_start_with_what_it_cannot_use(self) -> None:
        """One line says what and where: an unsound list, a backplane that is none."""
        (port,) = free_ports(1)
        self.file = self.folder / "allowlist.json"
        self.edit('{"members": [\n{"account": "x"}]}')
        for options, words in (
            (("--private", str(self.file)), "line: 2, column: 1"),
            (("--private", str(self.folder / "none.json")), "there is no such file"),
            (("--backplane", "redis://x:Canary-7@localhost"), "--backplane-password-file"),
        ):
            process = self.hub(port, "--plain", *options)
            self.assertEqual(await process.ended, 1, options)
            complaint = process.complaint()
            self.assertIn(words, complaint)
            self.assertNotIn("Canary-7", complaint + process.out.decode())
