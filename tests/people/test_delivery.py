"""That a message arrived is told at once, and kept with what comes next."""

from __future__ import annotations

from streembit.errors import DiskFull
from streembit.service.people_events import Changed
from tests.people.village import PeopleCase


class DeliveryTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.ann.events()

    def delivered_ids(self) -> list[str]:
        """Return the ids of the messages that ann was told to be delivered since the last time."""
        changes = [event.message for event in self.ann.events() if isinstance(event, Changed)]
        return [row.id for row in changes if row.state == "delivered"]

    def told(self) -> list[str]:
        """Wait until ann is told that something is delivered; return what."""
        found: list[str] = []

        def is_told() -> bool:
            found.extend(self.delivered_ids())
            return bool(found)

        self.village.until(is_told)
        return found

    def test_told_before_it_is_kept(self) -> None:
        """A message takes one commit of its sender until it is told to be delivered."""
        before = self.ann.chest.commits
        row = self.ann.say(self.bob, "hello")
        self.assertEqual(self.told(), [row.id])
        self.assertEqual(self.ann.chest.commits, before + 1)
        self.assertEqual(self.ann.mine(self.bob)[0].state, "delivered")
        self.town.run(1)
        self.assertGreater(self.ann.chest.commits, before + 1)
        self.assertEqual(self.delivered_ids(), [])

    def test_forgotten_by_a_crash(self) -> None:
        """It is sent again, and told again; it is shown once."""
        before = self.ann.chest.commits
        row = self.ann.say(self.bob, "hello")
        self.assertEqual(self.told(), [row.id])
        self.ann.chest.refusal = DiskFull("the process is dead")
        self.town.memory.kill(self.town.host(self.ann.node).address)
        self.town.end(self.ann.node)
        self.assertEqual(self.ann.chest.commits, before + 1)
        self.ann.chest.refusal = None
        self.ann = self.village.again(self.ann)
        self.village.until(lambda: self.delivered(self.ann, self.bob), 600)
        self.assertEqual(self.delivered_ids(), [row.id])
        self.assertEqual(self.bob.texts(self.ann), ["hello"])
