"""Two people in processes with homes: one is killed again and again while the other writes."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from demo.members import Member
from streembit import Client
from streembit.errors import LocalError
from streembit.service.people_rows import MessageRow
from tests.process.two import TwoPeopleCase
from tests.rig.procnet import LONG, pause

MESSAGES: Final = 1000 if LONG else 100
KILLS: Final = 20 if LONG else 4
PAGE: Final = 500


class PeopleTests(TwoPeopleCase):
    """A seed, ann and bob; ann and bob are contacts."""

    async def setUp(self) -> None:  # type: ignore[override]
        """Start all, and make the two contacts by an offer."""
        super().setUp()
        seed = await self.net.start("seed", "seed")
        self.ann, self.bob = [
            await self.net.start(name, seeds=[self.net.places["seed"]]) for name in ("ann", "bob")
        ]
        self.assertTrue(seed.runs)
        await self.acquaint()

    async def history(self, member: Member, other: str) -> list[MessageRow]:
        """Return a whole conversation, oldest first."""
        found: list[MessageRow] = []
        before: int | None = None
        while page := await self.client(member).message.list(other, before=before, limit=PAGE):
            found = [*page, *found]
            before = page[0].number
        return found

    async def arrived(self) -> bool:
        """Tell whether all that ann wrote has arrived."""
        rows = await self.history(self.ann, "bob")
        return len(rows) == MESSAGES and all(row.state == "delivered" for row in rows)

    async def test_S1_killed_while_messages_come(self) -> None:
        """SIGKILL at random times: all are shown once and in order, none lost."""
        chance = Random(8)
        kills_at = sorted(chance.sample(range(1, MESSAGES), KILLS))
        client = self.client(self.ann)
        for n in range(MESSAGES):
            await client.message.send("bob", f"message {n}")
            if n in kills_at:
                await pause(chance.random() * 0.05)
                await self.net.kill(self.bob)
                await self.net.again(self.bob)
        await self.until(self.arrived, 600, "all messages")
        texts = [row.text for row in await self.history(self.bob, "ann")]
        self.assertEqual(texts, [f"message {n}" for n in range(MESSAGES)])

    async def test_S1_the_writer_is_killed(self) -> None:
        """What `send` has answered is in the outbox, and arrives after the restart."""
        chance = Random(9)
        said: list[str] = []
        for n in range(12):
            text = f"message {n}"
            try:
                await self.client(self.ann).message.send("bob", text)
            except LocalError:
                continue
            said.append(text)
            if n % 4 == 3:
                await pause(chance.random() * 0.01)
                await self.net.kill(self.ann)
                await self.net.again(self.ann)

        async def arrived() -> bool:
            rows = await self.history(self.bob, "ann")
            return [row.text for row in rows] == said

        await self.until(arrived, 60, "what was answered")

    async def test_a_new_key_is_followed(self) -> None:
        """The key file is another one, the chest opens with it, and the contact goes along."""
        await self.client(self.ann).message.send("bob", "before")
        changed = await self.client(self.ann).key.rotate()
        self.assertEqual(changed.old_key, self.ann.public_key)
        await self.net.kill(self.ann)
        await self.net.again(self.ann)
        status = await self.ann.api.status()
        self.assertEqual(status.public_key, changed.public_key)
        await self.until(lambda: self.is_linked(self.bob, "ann"), 60)
        row = await self.client(self.bob).contact.show("ann")
        self.assertEqual(row.public_key, changed.public_key)
        await self.client(self.ann).message.send("bob", "after")
        await self.until(lambda: self.heard("after", "ann"), 30)
        texts = [row.text for row in await self.history(self.bob, "ann")]
        self.assertEqual(texts, ["before", "after"])

    async def test_nothing_of_it_is_in_logs_or_on_disk(self) -> None:
        """No text, petname, offer, or name of a file, in any file of either home or in any log.

        Where the network is kept (`records.sqlite`) lie the public keys of all, and no address;
        where contacts are, neither their keys nor their addresses.
        """
        ann, bob = self.client(self.ann), self.client(self.bob)
        secret, petname, file = "a canary of a text", "canary petname", "canary of a file.txt"
        offer = await ann.offer.create(note="canary of a note")
        await bob.contact.rename("ann", petname)
        await ann.message.send("bob", secret)
        await self.until(lambda: self.heard(secret, petname), 20)
        source = Path(self.mktemp())
        source.mkdir()
        (source / file).write_text("canary of a content")
        sent = await ann.file.send("bob", source / file)
        await self.until(lambda: self.transfer(bob, sent.id, "offered"), 20)
        await self.net.kill(self.bob)  # what it knows of the files by now is on its disk
        self.check_absent(secret, petname, file, offer.token, "canary of a note")
        await self.net.again(self.bob)
        await bob.file.accept(sent.id)
        await self.until(lambda: self.transfer(ann, sent.id, "done"), 20)
        for taken in self.net.folder.rglob(file):
            self.assertEqual(taken.parent.name, "downloads")
            taken.unlink()  # where the user wants it
        self.check_absent(secret, petname, file, offer.token, "canary of a content")
        (row,) = await ann.contact.list()
        key = bytes.fromhex(row.public_key)
        for chest in self.net.folder.rglob("chest.sqlite*"):
            for text in (row.public_key.encode(), key, row.addresses[0].encode()):
                self.assertNotIn(text, chest.read_bytes(), str(chest))

    def check_absent(self, *secrets: str) -> None:
        """Check that none of them is in the clear in any file of a home, or in a log."""
        for path in self.net.folder.rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            for text in secrets:
                self.assertNotIn(text.encode(), data, str(path))

    async def transfer(self, client: Client, transfer: str, state: str) -> bool:
        """Tell whether a transfer is known to a node, and in this state."""
        return (transfer, state) in [(row.id, row.state) for row in await client.file.list()]

    async def heard(self, text: str, name: str) -> bool:
        """Tell whether bob has a text of this contact's."""
        return text in [row.text for row in await self.history(self.bob, name)]
