"""streembit.Client over a real socket: the names of the commands, in Deferreds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from msgspec.structs import replace
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from streembit import Client, errors
from streembit.api.desks import HubDesk, Settled
from streembit.api.server import ApiService
from streembit.api.unixpath import SOCKET_NAME
from streembit.cli.main import streembit
from streembit.client import LOST
from streembit.service.hub.rows import NewMember
from streembit.service.people_events import Arrived, Happened, Notice
from streembit.service.people_rows import MessageRow
from tests.api.fake import FINGERPRINT, HUB_ROW, OWN_ID, PEER_ID, FakeNode
from tests.api.hub import ALICE, EVE, FakeHub
from tests.api.people import BOB_KEY, CARL_KEY, OFFER_TEXT, FakePeople
from tests.cli.harness import invoke
from tests.disk.places import a_folder

LOOK_EVERY_S = 0.01
clock: Any = reactor


class ClientCase(TestCase):
    """A client of a node that runs with a home."""

    timeout = 120

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name) / "home"
        self.home.mkdir(mode=0o700)
        self.people = FakePeople(clock)
        self.service = self.started()
        self.client = Client(clock, self.home)

    def started(self) -> ApiService:
        """Start the node's API."""
        path = self.home / SOCKET_NAME
        self.node = FakeNode()
        service = ApiService(clock, path, Settled(self.node, lambda _: None, lambda: self.people))
        service.startService()
        self.addCleanup(service.stopService)
        self.addCleanup(self.people.feed.stop)
        return service

    async def again(self) -> None:
        """Stop the node, and start it with the same history."""
        self.people.feed.stop()
        await self.service.stopService()
        self.people.start_again()
        self.service = self.started()

    async def until(self, done: Callable[[], object]) -> None:
        """Wait; the test's own timeout ends a wait in vain."""
        while not done():
            await deferLater(clock, LOOK_EVERY_S)


class OperatorTests(TestCase):
    """A client of a running hub."""

    timeout = 120

    async def test_the_allowlist_and_the_sessions(self) -> None:
        """What an operator asks by `streembit hub`, a program can ask by the same words."""
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        home = Path(folder.name)
        hub = FakeHub(home / "allowlist.json")
        service = ApiService(clock, home / SOCKET_NAME, HubDesk(hub, lambda _: None))
        service.startService()
        self.addCleanup(service.stopService)
        client = Client(clock, home).hub
        self.assertEqual([row.account for row in await client.members()], ["alice", "lamp"])
        self.assertEqual((await client.sessions())[0].public_key, ALICE.hex)
        self.assertEqual((await client.add(NewMember(EVE.hex, "eve"))).added, [EVE.hex])
        self.assertEqual((await client.remove("eve")).removed, [EVE.hex])
        self.assertEqual((await client.kick("alice")).sessions, 1)
        self.assertEqual((await client.reload()).members, 2)


class NamesTests(ClientCase):
    def test_every_command_has_its_method(self) -> None:
        """What the command line can ask of a node, a program can by the same words."""
        of_files = {"account"}  # by the home's files, not by the node
        by_files = {"check"}
        for word, command in streembit.commands.items():
            if word in of_files:
                continue
            member = getattr(self.client, word)
            if isinstance(command, click.Group):
                for below in command.commands.keys() - by_files:
                    self.assertTrue(callable(getattr(member, below)), (word, below))
            else:
                self.assertTrue(callable(member), word)


class CallTests(ClientCase):
    async def test_people(self) -> None:
        """Each call arrives, and its answer is a value."""
        client = self.client
        made = await client.offer.create(life_s=3600, once=True, note="hi")
        self.assertEqual((made.text, made.offer.once), (OFFER_TEXT, True))
        self.assertEqual([row.id for row in await client.offer.list()], [made.offer.id])
        self.assertEqual((await client.offer.show(made.text))[0].account, "Dora")
        self.assertTrue((await client.offer.revoke(made.offer.id)).revoked)
        (asking,) = await client.contact.requests()
        self.assertEqual((await client.contact.accept(asking.id)).name, "Carl")
        self.assertEqual((await client.contact.rename("Carl", "Carl B")).name, "Carl B")
        self.assertTrue((await client.contact.verify("Carl B", FINGERPRINT)).verified)
        self.assertEqual((await client.contact.receipts("Carl B", True)).told[0], "receipts")
        self.assertEqual((await client.contact.presence("Carl B", False)).told, ["receipts"])
        self.assertEqual((await client.contact.receipts("Carl B", None)).told, [])
        self.assertEqual((await client.contact.block("Carl B")).state, "blocked")
        self.assertEqual((await client.contact.unblock("Carl B")).state, "contact")
        self.assertEqual((await client.contact.remove("Carl B")).state, "removed")
        self.assertEqual((await client.contact.add(made.text, name="D")).name, "D")
        self.assertEqual((await client.contact.request(CARL_KEY, "E")).name, "E")
        self.assertEqual((await client.contact.show("Bob")).public_key, BOB_KEY)
        self.assertEqual([row.name for row in await client.contact.list()], ["Bob", "E"])

    async def test_messages_files_and_the_account(self) -> None:
        """Paths become absolute; what is not given stays."""
        client = self.client
        sent = await client.message.send("Bob", "hello")
        self.assertEqual((await client.message.list("Bob", limit=1))[0], sent)
        await client.call.signal("Bob", "A" * 22, "offer", "v=0\r\n")
        await client.call.signal("Bob", "A" * 22, "end")
        self.assertEqual(self.people.signals[0][1:], ("offer", "v=0\r\n"))
        await client.message.typing("Bob", True)
        await client.message.read("Bob", 1)
        await client.message.delete("Bob", sent.id)
        self.assertEqual(await client.message.list("Bob", before=9), [])
        row = await client.file.send("Bob", "x.txt", Path("/y"))
        self.assertEqual(row.paths, [os.path.abspath("x.txt"), "/y"])
        self.assertEqual((await client.file.accept(row.id, folder="/d")).folder, "/d")
        self.assertEqual((await client.file.cancel(row.id)).why, "cancelled")
        self.assertEqual((await client.file.pause(row.id)).why, "paused")
        self.assertEqual((await client.file.resume(row.id)).state, "running")
        self.assertEqual((await client.file.deny(row.id)).state, "denied")
        self.assertEqual(len(await client.file.list()), 1)
        self.assertTrue((await client.settings(read_receipts=True)).read_receipts)
        self.assertFalse((await client.settings(presence=False)).presence)
        self.assertEqual((await client.settings(user_type="device")).user_type, "device")
        self.assertTrue((await client.settings()).read_receipts)
        await client.presence("away")
        self.assertEqual((await client.key.rotate()).public_key, CARL_KEY)
        self.assertEqual((await client.key.revoke()).public_key, "")
        await client.wipe("alice")
        self.assertEqual(self.people.wiped, ["alice"])

    async def test_hubs(self) -> None:
        """Those of the node, who is found there, and whether we are."""
        hub = self.client.hub
        self.assertEqual(await hub.list(), [HUB_ROW])
        self.assertEqual([row.name for row in (await hub.search("ca")).found], ["Carl"])
        self.assertEqual((await hub.search("xy & z?")).found, [])
        self.assertEqual((await hub.publish("hi")).note, "hi")
        self.assertEqual((await hub.entry()).hubs, ["the hub"])
        self.assertFalse((await hub.withdraw()).wanted)
        await hub.kick_at(HUB_ROW.key, BOB_KEY)
        await hub.dismiss_at(HUB_ROW.key, BOB_KEY)
        self.assertEqual(self.node.shut_out, [("kick", BOB_KEY), ("dismiss", BOB_KEY)])
        await self.assertFailure(hub.kick_at(CARL_KEY, BOB_KEY), errors.NodeRefusal)
        self.assertEqual(len(self.node.shut_out), 2)

    async def test_the_network(self) -> None:
        """Records and peers too."""
        client = self.client
        self.assertEqual((await client.status()).account, "alice")
        self.assertTrue((await client.doctor()).ok)
        await client.record.put("a/b", b"hello")
        self.assertEqual((await client.record.get(OWN_ID, "a/b")).value, b"hello")
        self.assertEqual(len(await client.record.list()), 1)
        self.assertEqual((await client.record.delete("a/b")).seq, 2)
        self.assertEqual((await client.peer.list())[0].node_id, PEER_ID)
        self.assertEqual((await client.peer.ping(PEER_ID)).rtt_ms, 1.25)
        self.assertEqual((await client.peer.find(PEER_ID)).rounds, 2)

    async def test_calls_are_deferreds(self) -> None:
        """Several at once, with callbacks."""
        names: list[str] = []
        asked = [self.client.contact.show("Bob") for _ in range(3)]
        for each in asked:
            each.addCallback(lambda row: names.append(row.name))
            await each
        self.assertEqual(names, ["Bob"] * 3)

    async def test_what_goes_wrong(self) -> None:
        """The node's refusal, another account, a node that is gone, a home that never was."""
        with self.assertRaises(errors.NodeRefusal) as refused:
            await self.client.contact.show("Eve")
        self.assertEqual(refused.exception.code, "no-such-contact")
        other = Client(clock, self.home, "bob")
        await self.assertFailure(other.status(), errors.NoSuchAccount)
        await self.service.stopService()
        await self.assertFailure(self.client.status(), errors.NodeNotRunning)
        nowhere = Client(clock, self.home / "absent")
        await self.assertFailure(nowhere.status(), errors.HomeMissing)
        self.assertRaises(errors.BadName, Client, clock, self.home, "../x")

    async def test_a_home_deep_in_the_tree(self) -> None:
        """A socket's path may be of any length."""
        await self.service.stopService()
        self.home = self.home / ("d" * 100)
        self.home.mkdir()
        self.started()
        self.assertEqual((await Client(clock, self.home).status()).account, "alice")

    async def test_a_call_can_be_cancelled(self) -> None:
        """Its connection is closed, and the node stops working for it."""
        waiting = ensureDeferred(self.client._events("", 20))
        await self.until(lambda: self.people.feed.waiting)
        waiting.cancel()
        await self.assertFailure(waiting, CancelledError)
        await self.until(lambda: not self.people.feed.waiting)


class EventsTests(ClientCase):
    def following(self, count: int, after: str = "") -> Deferred[list[Happened]]:
        """Follow the events until so many came."""

        async def follow() -> list[Happened]:
            found: list[Happened] = []
            stream = self.client.events(after)
            async for happened in stream:
                found.append(happened)
                if len(found) == count:
                    break
            await stream.aclose()  # type: ignore[attr-defined]
            return found

        return Deferred.fromCoroutine(follow())

    async def test_events_come_as_they_happen(self) -> None:
        """All of them, in order, once."""
        following = self.following(3)
        await self.until(lambda: self.people.feed.waiting)
        for text in ("a", "b", "c"):
            self.people.hear(text)
        found = [h.event for h in await following]
        texts = [event.message.text for event in found if isinstance(event, Arrived)]
        self.assertEqual(texts, ["a", "b", "c"])

    async def test_a_client_goes_on_at_a_position(self) -> None:
        """After it was ended itself."""
        following = self.following(1)
        await self.until(lambda: self.people.feed.waiting)
        self.people.hear("a")
        (first,) = await following
        self.people.hear("b")
        (second,) = await self.following(1, first.position)
        assert isinstance(second.event, Arrived)
        self.assertEqual(second.event.message.text, "b")

    async def test_a_node_that_was_started_again_is_told_as_a_gap(self) -> None:
        """The client waits for it by itself."""
        following = self.following(2)
        await self.until(lambda: self.people.feed.waiting)
        await self.again()
        self.people.hear("after")
        lost, arrived = [h.event for h in await following]
        assert isinstance(lost, Notice)
        self.assertEqual(lost.code, LOST)
        self.assertIsInstance(arrived, Arrived)


class ChatTests(ClientCase):
    async def test_a_conversation(self) -> None:
        """What they say comes one by one, also what came during a gap; it is marked as read."""
        self.people.hear("before")
        self.people.book[BOB_KEY] = replace(self.people.book[BOB_KEY], unread=1)
        heard: list[MessageRow] = []
        hear = heard.append

        async def listen() -> None:
            async for message in self.client.chat("Bob"):
                hear(message)

        listening = Deferred.fromCoroutine(listen())
        await self.until(lambda: self.people.feed.waiting)
        await self.client.chat("Bob").send("hello")
        self.people.hear("hi")
        await self.until(lambda: len(heard) == 1)
        for number in range(1100):
            self.people.hear(f"m{number}")
        await self.until(lambda: len(heard) == 1101)
        texts = [message.text for message in heard]
        self.assertEqual(texts, ["hi", *(f"m{number}" for number in range(1100))])
        self.assertEqual(self.people.book[BOB_KEY].unread, 0)
        listening.cancel()
        await self.assertFailure(listening, CancelledError)

    async def test_a_conversation_goes_on_after_the_node_was_started_again(self) -> None:
        """Also where it stops between a message and the word that it was read."""
        heard: list[str] = []

        async def listen() -> None:
            async for message in self.client.chat("Bob"):
                heard.append(message.text)
                if message.text == "stop":
                    self.people.feed.stop()
                    await self.service.stopService()

        listening = Deferred.fromCoroutine(listen())
        await self.until(lambda: self.people.feed.waiting)
        self.people.hear("stop")
        await self.until(lambda: heard == ["stop"])
        await deferLater(clock, LOOK_EVERY_S)
        await self.again()
        self.people.hear("after")
        await self.until(lambda: heard == ["stop", "after"])
        listening.cancel()
        await self.assertFailure(listening, CancelledError)


class ExportTests(ClientCase):
    async def test_an_export_comes_line_by_line(self) -> None:
        """Thousands of them, with little in memory."""
        for number in range(3000):
            self.people.hear(f"m{number}")
        kinds = [type(line).__name__ async for line in self.client.export()]
        self.assertEqual(kinds[:2], ["ExportHead", "ExportContact"])
        self.assertEqual(kinds[2:], ["ExportMessage"] * 3000)

    async def test_an_export_that_breaks_off_fails(self) -> None:
        """It never ends like a whole one."""
        for number in range(3000):
            self.people.hear(f"m{number}")
        self.people.unreadable = 2500
        with self.assertRaises(errors.BadAnswer):
            _ = [line async for line in self.client.export()]
        self.flushLoggedErrors(errors.ChestDamaged)


class EndingNode(Protocol):
    """Ends as soon as it was asked."""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Answer nothing."""
        assert self.transport is not None
        self.transport.loseConnection()


class GoneTests(TestCase):
    async def test_a_node_that_ends_before_it_answers_is_gone(self) -> None:
        """Both clients say so, and take it for nothing else."""
        home = a_folder(self)
        port = clock.listenUNIX(str(home / SOCKET_NAME), Factory.forProtocol(EndingNode))
        self.addCleanup(port.stopListening)
        await self.assertFailure(Client(clock, home).contact.list(), errors.NodeGone)
        ended = await deferToThread(invoke, "--home", home, "contact", "list")
        self.assertEqual((ended.status, ended.code), (1, "node-gone"))
