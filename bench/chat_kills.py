"""A thousand messages between two nodes of which one is killed again and again.

Two `twistd streembit-node` processes on loopback, each with its home. One
writes, message by message, through its local API. In the first part the
receiving node is killed with SIGKILL at random moments and started again
while the other goes on writing; in the second part the writing node is, and
a message counts as said when the API has acknowledged it. Whatever happens:
the receiver's history shows each message that was said, once, in the order
of writing, and so does a program that follows the receiver's events; what
was not acknowledged may be there, once and in its place.

    python -m bench.chat_kills [--messages 1000] [--kills 20] [--seed 1] [--json]

Exits with 1 when anything is lost, shown twice or out of order.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater, react

from bench.file_nodes import Node, befriend, start, until
from bench.wormhole import free_port
from streembit.client import LOST, Client
from streembit.errors import LocalError
from streembit.service.people_events import Arrived, Notice
from streembit.service.people_rows import MessageRow

MESSAGES: Final = 1000
KILLS: Final = 20
KILL_WITHIN_S: Final = 0.05  # of a message: it is sealed, sent, kept or answered then
REST_S: Final = 1.0  # after a start: sometimes there is a link again, and sometimes not yet
AGAIN_S: Final = 0.2
PAGE: Final = 500
NAMES: Final = ("ann", "bob")


@dataclass
class Part:
    """What one part did, and what was wrong with it."""

    killed: str
    said: list[str] = field(default_factory=list)  # acknowledged
    tried: list[str] = field(default_factory=list)  # all, in the order of writing
    kills: int = 0
    seconds: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def check(self, what: str, shown: Sequence[str]) -> None:
        """Note what is wrong with the texts that somebody was shown."""
        twice = [text for text, count in Counter(shown).items() if count > 1]
        lost = [text for text in self.said if text not in set(shown)]
        order = {text: number for number, text in enumerate(self.tried)}
        numbers = [order.get(text, -1) for text in shown]
        for fault, texts in (
            ("shown twice", twice),
            ("lost", lost),
            ("never written", [text for text in shown if text not in order]),
        ):
            if texts:
                self.wrong.append(f"{what}: {len(texts)} {fault}, such as {texts[0]}")
        if numbers != sorted(numbers):
            self.wrong.append(f"{what}: out of order")

    def __str__(self) -> str:
        refused = len(self.tried) - len(self.said)
        head = (
            f"{self.killed} killed {self.kills} times:"
            f" {len(self.said)} acknowledged, {refused} not, in {self.seconds:.0f} s"
        )
        return "\n  WRONG: ".join([head, *self.wrong])


class Reader:
    """A program that follows a node's events, and notes each message that it is shown."""

    def __init__(self, reactor: Any, client: Client, contact: str) -> None:
        self.texts: list[str] = []
        self._reactor = reactor
        self._client = client
        self._contact = contact
        self._shown = 0

    async def follow(self) -> None:
        """Read for ever."""
        async for happened in self._client.events():
            event = happened.event
            if isinstance(event, Notice) and event.code == LOST:
                self._show(await history(self._reactor, self._client, self._contact))
            elif isinstance(event, Arrived):
                self._show([event.message])

    def _show(self, rows: Sequence[MessageRow]) -> None:
        for row in rows:
            if row.number > self._shown and not row.outgoing:
                self._shown = row.number
                self.texts.append(row.text)


async def history(reactor: Any, client: Client, contact: str) -> list[MessageRow]:
    """Return a whole conversation, oldest first; a node that is away is waited for."""
    found: list[MessageRow] = []
    before: int | None = None
    while True:
        try:
            page = await client.message.list(contact, before=before, limit=PAGE)
        except LocalError:
            await deferLater(reactor, AGAIN_S)
            continue
        if not page:
            return found
        found, before = [*page, *found], page[0].number


class Pair:
    """The two nodes; one of them is mortal."""

    def __init__(self, reactor: Any, folder: Path, mortal: str) -> None:
        self._reactor, self._folder, self._mortal = reactor, folder, mortal
        ports = free_port(), free_port()
        self._ports = {"ann": ports, "bob": ports[::-1]}
        self.nodes = {name: self._started(name) for name in NAMES}
        self.ann, self.bob = (self.nodes[name].client for name in NAMES)

    def kill(self) -> None:
        """Kill the mortal one, and start it again."""
        process = self.nodes[self._mortal].process
        process.kill()
        process.wait()
        self.nodes[self._mortal] = self._started(self._mortal)

    async def answers(self) -> None:
        """Wait until the mortal one's API answers."""
        await until(self._reactor, self.nodes[self._mortal].client.contact.list)

    def end(self) -> None:
        """End both."""
        for node in self.nodes.values():
            node.process.terminate()
            node.process.wait()

    def _started(self, name: str) -> Node:
        return start(self._reactor, self._folder, name, *self._ports[name])


class Play:
    """One part: rounds of messages, and in each of them a kill."""

    def __init__(self, reactor: Any, pair: Pair, part: Part, chance: Random) -> None:
        self._reactor, self._pair, self._part, self._chance = reactor, pair, part, chance

    async def run(self, messages: int, kills: int) -> None:
        """Write so many messages, and kill so often."""
        for number in range(kills):
            upto = (number + 1) * messages // kills
            kill_at = self._chance.randrange(len(self._part.said), upto)
            await self._write(kill_at)
            killing = Deferred.fromCoroutine(self._kill())
            await self._write(upto)
            await killing
            await deferLater(self._reactor, self._chance.random() * REST_S)

    async def _write(self, upto: int) -> None:
        """Write until so many were acknowledged; what was refused is not written again."""
        part = self._part
        while len(part.said) < upto:
            text = f"message {len(part.tried)}"
            part.tried.append(text)
            try:
                await self._pair.ann.message.send("bob", text)
            except LocalError:
                await deferLater(self._reactor, AGAIN_S)
            else:
                part.said.append(text)

    async def _kill(self) -> None:
        """Kill the mortal one while messages are on their way, and wait until it is back."""
        await deferLater(self._reactor, self._chance.random() * KILL_WITHIN_S)
        self._pair.kill()
        self._part.kills += 1
        await self._pair.answers()


async def play(reactor: Any, folder: Path, part: Part, options: argparse.Namespace) -> None:
    """Play one part to its end, and look at what came of it."""
    began_s = time.monotonic()
    pair = Pair(reactor, folder, part.killed)
    try:
        await befriend(reactor, pair.ann, pair.bob)
        reader = Reader(reactor, pair.bob, "ann")
        following = Deferred.fromCoroutine(reader.follow())
        chance = Random(f"{options.seed} {part.killed}")
        await Play(reactor, pair, part, chance).run(options.messages, options.kills)

        async def arrived() -> bool:
            rows = await history(reactor, pair.ann, "bob")
            return bool(rows) and all(row.state in {"delivered", "read"} for row in rows)

        async def followed() -> bool:
            return len(reader.texts) >= len(await history(reactor, pair.bob, "ann"))

        await until(reactor, arrived)
        await until(reactor, followed)
        part.check("the history", [row.text for row in await history(reactor, pair.bob, "ann")])
        part.check("the events", reader.texts)
        following.addErrback(lambda failure: failure.trap(CancelledError))
        following.cancel()
    finally:
        pair.end()
        part.seconds = time.monotonic() - began_s


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was done; return 1 when anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.chat_kills")
    parser.add_argument("--messages", type=int, default=MESSAGES)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    parts = [Part("bob"), Part("ann")]

    async def run(reactor: Any) -> None:
        for part in parts:
            with tempfile.TemporaryDirectory(prefix="streembit-") as folder:
                await play(reactor, Path(folder), part, options)
            if not options.json:
                print(part, flush=True)

    try:
        react(lambda reactor: Deferred.fromCoroutine(run(reactor)))
    except SystemExit as end:
        if end.code:
            raise
    if options.json:
        print(json.dumps([asdict(part) for part in parts]))
    return int(any(part.wrong for part in parts))


if __name__ == "__main__":
    sys.exit(main())
