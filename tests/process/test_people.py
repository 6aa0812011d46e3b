"""Two people in processes with homes: one is killed again and again while the other writes."""

from __future__ import annotations

from random import Random
from typing import Final

from demo.members import Member
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
        """No text, name or offer in the clear, in any file of either home or in any log."""
        secret, petname = "a canary of a text", "canary petname"
        await self.client(self.bob).contact.rename("ann", petname)
        await self.client(self.ann).message.send("bob", secret)
        await self.until(lambda: self.heard(secret, petname), 20)
        for path in self.net.folder.rglob("*"):
            if path.is_file():
                data = path.read_bytes()
                for text in (secret, petname):
                    self.assertNotIn(text.encode(), data, str(path))

    async def heard(self, text: str, name: str) -> bool:
        """Tell whether bob has a text of this contact's."""
        return text in [row.text for row in await self.history(self.bob, name)]
