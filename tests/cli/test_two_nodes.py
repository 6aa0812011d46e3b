"""Two people on two real nodes, by the command line alone: from the offer to the wipe."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from streembit import Client
from streembit.service.people_events import (
    Arrived,
    ContactChanged,
    Event,
    Presence,
    Typing,
)
from tests.cli.harness import Ended, invoke
from tests.tap.twistd import Process, TwistdCase, reactor

LOOK_EVERY_S, WITHIN_S = 0.05, 90.0
LOOPBACK = ("--listen", "tcp:0:interface=127.0.0.1", "--exempt", "127.0.0.0/8")


def is_linked(found: Any) -> bool:
    """Tell whether the one contact of a list has a link."""
    return [row["linked"] for row in found["contacts"]] == [True]


class TwoNodesCase(TwistdCase):
    """A seed, ann and bob."""

    timeout = 180

    async def start(self) -> None:
        """Start all three."""
        seed = await self.node("seed", "seed")
        for name in ("ann", "bob"):
            await self.node("node", name, "--account", name, "--seed", self.address(seed))
        for name in ("ann", "bob"):
            await self.until(name, ["peer", "list"], lambda found: len(found["peers"]) >= 1)

    async def node(self, role: str, name: str, *options: str) -> Process:
        """Start a node with a home of its own and wait until it is ready."""
        home = self.folder / name
        home.mkdir(mode=0o700)
        self.manager.words.clear()
        command = (f"streembit-{role}", "--home", str(home), "--no-passcode", "--network", "test")
        process = self.twistd(*command, *LOOPBACK, *options)
        await self.ready(process)
        return process

    def run_as(self, name: str, *arguments: str | Path, typed: bytes = b"") -> Deferred[Ended]:
        """Run a command as ann or bob."""
        home = self.folder / name
        found: Deferred[Ended] = deferToThread(invoke, "--home", home, *arguments, typed=typed)
        return found

    async def ask(self, name: str, *arguments: str | Path, typed: bytes = b"") -> Any:
        """Return the JSON of a command that has to succeed."""
        ended = await self.run_as(name, "--json", *arguments, typed=typed)
        self.assertEqual(ended.status, 0, f"{name} {arguments}: {ended.err}")
        return json.loads(ended.out)

    async def until(self, name: str, arguments: list[str], done: Callable[[Any], bool]) -> Any:
        """Ask again and again; a wait in vain tells the last answer."""
        until_s = reactor.seconds() + WITHIN_S
        while not done(found := await self.ask(name, *arguments)):
            self.assertLess(reactor.seconds(), until_s, f"{name} {arguments}: {found}")
            await deferLater(reactor, LOOK_EVERY_S)
        return found

    async def befriend(self) -> None:
        """Have ann make an offer, and bob take it: who is invited need not wait for more."""
        made = await self.ask("ann", "offer", "create", "--once", "--note", "it is me")
        shown = await self.ask("ann", "offer", "show", typed=made["text"].encode())
        self.assertEqual(shown["offers"][0]["account"], "ann")
        mail = "> " + made["text"].replace("\n", "\n> ")
        await self.ask("bob", "contact", "add", "-", "--name", "Ann", typed=mail.encode())
        for name, other in (("ann", "bob"), ("bob", "Ann")):
            await self.until(
                name,
                ["contact", "list"],
                lambda found: [row["linked"] for row in found["contacts"]] == [True],
            )
            shown = await self.ask(name, "contact", "show", other)
            self.assertEqual((shown["state"], shown["verified"]), ("contact", False))


class TwoNodesTests(TwoNodesCase):
    async def test_from_the_offer_to_the_end(self) -> None:
        """Everything that a user must see, on two machines as it were."""
        await self.start()
        await self.befriend()
        await self.verify()
        await self.exchange()
        await self.move_files()
        await self.part()

    async def verify(self) -> None:
        """Have ann compare the fingerprint that bob reads out."""
        own = await self.ask("bob", "account", "show")
        shown = await self.ask("ann", "contact", "verify", "bob", own["fingerprint"])
        self.assertTrue(shown["verified"])
        wrong = await self.run_as("bob", "contact", "verify", "Ann", own["fingerprint"])
        self.assertEqual((wrong.status, wrong.code), (1, "fingerprint-differs"))

    async def exchange(self) -> None:
        """Have ann write to bob, who reads and answers: she sees both."""
        await self.ask("bob", "settings", "--read-receipts", "on")
        sent = await self.ask("ann", "message", "send", "bob", "See you at noon.")
        rows = ["message", "list", "Ann"]
        got = await self.until("bob", rows, lambda found: bool(found["messages"]))
        self.assertEqual(got["messages"][0]["text"], "See you at noon.")
        chat = await self.run_as("bob", "chat", "Ann", typed=b"Fine.\n")
        self.assertIn("Ann: See you at noon.", chat.out)
        told = await self.until(
            "ann",
            ["message", "list", "bob"],
            lambda found: found["messages"][0]["state"] == "read" and len(found["messages"]) == 2,
        )
        self.assertEqual(told["messages"][0]["id"], sent["id"])

    async def move_files(self) -> None:
        """Have ann send bob a folder, which arrives as it is."""
        tree = self.folder / "holiday"
        (tree / "day 1").mkdir(parents=True)
        (tree / "day 1" / "a.jpg").write_bytes(bytes(range(256)) * 1000)
        (tree / "b.txt").write_text("b")
        offered = await self.ask("ann", "file", "send", "bob", tree, "--detach")
        waiting = lambda found: bool(found["files"])  # noqa: E731
        (row,) = (await self.until("bob", ["file", "list"], waiting))["files"]
        self.assertEqual((row["name"], row["total_bytes"]), ("holiday", 256_001))
        down = self.folder / "down"
        taken = await self.ask("bob", "file", "accept", row["id"][:6], "--folder", down)
        self.assertEqual((taken["state"], taken["done_bytes"]), ("done", 256_001))
        self.assertEqual(
            (down / "holiday" / "day 1" / "a.jpg").read_bytes(), bytes(range(256)) * 1000
        )
        ended = lambda found: found["files"][0]["state"] == "done"  # noqa: E731
        self.assertEqual(
            (await self.until("ann", ["file", "list"], ended))["files"][0]["id"], offered["id"]
        )

    async def part(self) -> None:
        """Have ann keep what was said, end the contact, and wipe her account."""
        history = self.folder / "history.jsonl"
        await self.ask("ann", "export", history)
        self.assertIn("See you at noon.", history.read_text())
        await self.ask("ann", "contact", "remove", "bob")
        gone = lambda found: found["contacts"] == [] or not found["contacts"][0]["linked"]  # noqa: E731
        await self.until("bob", ["contact", "list"], gone)
        wiped = await self.ask("ann", "wipe", "--yes")
        self.assertEqual(wiped["wiped"], "ann")
        self.assertEqual(list((self.folder / "ann").rglob("*.sqlite*")), [])

    async def test_a_request_by_key_and_what_a_program_sees(self) -> None:
        """Asked by key, accepted by hand; typing, presence and texts reach streembit.Client."""
        await self.start()
        key = (await self.ask("ann", "account", "show"))["public_key"]
        await self.ask("bob", "contact", "request", key, "--name", "Ann", "--note", "it is me")
        waiting = ["contact", "requests"]
        found = await self.until("ann", waiting, lambda found: bool(found["requests"]))
        (request,) = found["requests"]
        self.assertEqual((request["invited"], request["note"]), (False, "it is me"))
        self.assertEqual(request["public_key"], (await self.ask("bob", "status"))["public_key"])

        clock: Any = reactor
        ann, bob = (Client(clock, self.folder / name) for name in ("ann", "bob"))
        seen: list[Event] = []

        async def watch() -> None:
            async for happened in ann.events():
                seen.append(happened.event)  # noqa: PERF401 - it never ends by itself

        watching = Deferred.fromCoroutine(watch())
        await ann.contact.accept("bob")
        await self.until("bob", ["contact", "list"], is_linked)
        await bob.presence("here")
        await bob.message.typing("Ann", True)
        sent = await bob.chat("Ann").send("hello")
        until_s = reactor.seconds() + WITHIN_S
        kinds: set[type] = set()
        while not {Arrived, Presence, Typing, ContactChanged} <= kinds:
            self.assertLess(reactor.seconds(), until_s, seen)
            await deferLater(reactor, LOOK_EVERY_S)
            kinds = {type(event) for event in seen}
        (arrived,) = (event for event in seen if isinstance(event, Arrived))
        self.assertEqual((arrived.message.text, arrived.message.id), ("hello", sent.id))
        self.assertTrue(any(e.state == "here" for e in seen if isinstance(e, Presence)))
        watching.cancel()
        await self.assertFailure(watching, CancelledError)
