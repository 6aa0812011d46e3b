"""Row S1 with people: killed at every commit, and nothing is lost, shown twice or out of order."""

from __future__ import annotations

from streembit.errors import DiskFull, Internal, StreembitError
from streembit.service.people_events import Notice
from tests.people.village import DyingChest, PeopleCase, Person


def dying(person: Person) -> DyingChest:
    """Return a person's chest, at which its process can be killed."""
    assert isinstance(person.chest, DyingChest)
    return person.chest


class CommitTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)

    def die_at(self, person: Person, commit: int, *, after: bool) -> None:
        """Kill a person's host at its n-th commit from now, before or after it took effect."""
        host = self.town.host(person.node).address
        dying(person).die_at(commit, after=after, dying=lambda: self.town.memory.kill(host))

    def revive(self, person: Person) -> Person:
        """Start a person again, with what its chest had."""
        dying(person).live()
        self.town.end(person.node)
        self.town.run(2)
        return self.village.again(person)

    def check_all(self, dies: str, commit: int, *, after: bool) -> bool:
        """Talk while one dies at a commit; return whether it came to that."""
        person = getattr(self, dies)
        self.die_at(person, commit, after=after)
        said: dict[str, list[str]] = {"ann": [], "bob": []}
        for n in range(3):
            for name, other in (("ann", self.bob), ("bob", self.ann)):
                text = f"{name} {commit} {after} {n}"
                try:
                    getattr(self, name).say(other, text)
                except (StreembitError, AssertionError):
                    continue  # nobody was promised that it is kept
                said[name].append(text)
            self.town.run(0.2)
        died = person.chest.refusal is not None
        if died:
            setattr(self, dies, self.revive(person))
        else:
            dying(person).live()
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob), 2000)
        self.village.until(lambda: self.delivered(self.ann, self.bob), 2000)
        self.village.until(lambda: self.delivered(self.bob, self.ann), 2000)
        for name, reader in (("ann", self.bob), ("bob", self.ann)):
            other = self.ann if reader is self.bob else self.bob
            heard = [row.text for row in reader.rows(other) if not row.outgoing]
            ours = [row.text for row in other.mine(reader)]
            self.assertEqual(heard, ours, f"{dies} dies at {commit}")
            self.assertLessEqual(set(said[name]), set(heard))
        return died

    def test_S1_killed_at_each_commit(self) -> None:
        """Before it and after it, at either end: all is shown once and in order."""
        for dies in ("ann", "bob"):
            for after in (False, True):
                commit = 1
                while self.check_all(dies, commit, after=after):
                    commit += 1
                self.assertGreater(commit, 4)

    def test_S3_a_full_disk(self) -> None:
        """Nothing is promised, nothing is acknowledged, and all goes on when there is room."""
        self.bob.chest.refusal = DiskFull("no room")
        row = self.ann.say(self.bob, "hello")
        self.town.run(10)
        self.assertEqual(self.ann.rows(self.bob)[0].id, row.id)
        self.assertNotIn(self.ann.rows(self.bob)[0].state, ("delivered", "read"))
        with self.assertRaises(DiskFull):
            self.bob.say(self.ann, "not kept")
        self.bob.chest.refusal = None
        self.village.until(lambda: self.delivered(self.ann, self.bob), 600)
        self.assertEqual(self.bob.texts(self.ann), ["hello"])


class DefectTests(PeopleCase):
    def test_B9_a_defect_ends_no_conversation(self) -> None:
        """What raises in the middle of a commit is counted, logged, and tried again."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.bob.chest.refusal = RuntimeError("a defect")
        self.ann.say(self.bob, "hello")
        self.town.run(3)
        self.assertNotEqual(self.ann.rows(self.bob)[0].state, "delivered")
        self.assertGreater(self.bob.node.refusals.counts()[Internal.code], 0)
        self.assertGreater(len(self.flushLoggedErrors(RuntimeError)), 0)
        self.bob.chest.refusal = None
        self.village.until(lambda: self.delivered(self.ann, self.bob), 600)
        self.assertEqual(self.bob.texts(self.ann), ["hello"])


class OlderStateTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.bob, "one")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.run(30)

    def notices(self, person: Person) -> list[str]:
        """Return the codes of what a person was told."""
        return [event.code for event in person.events() if isinstance(event, Notice)]

    def test_a_restored_chest_begins_anew(self) -> None:
        """The user is told, no old key is used, and the conversation goes on."""
        self.town.end(self.ann.node)
        self.ann.chest.restored = True
        self.ann = self.village.again(self.ann)
        self.assertIn("sessions-renewed", self.notices(self.ann))
        kept = [notice.code for notice in self.ann.people.door.standing().notices]
        self.assertEqual(kept, ["sessions-renewed"])
        self.assertFalse(self.ann.chest.restored)
        self.village.until(lambda: self.village.are_contacts(self.ann, self.bob), 1200)
        self.ann.say(self.bob, "two")
        self.village.until(lambda: self.delivered(self.ann, self.bob), 600)
        self.assertEqual(self.bob.texts(self.ann), ["one", "two"])
        told = [e.text for e in self.bob.events() if isinstance(e, Notice)]
        begun = f"{self.ann.name} lost the keys of the conversation, and goes on with new ones"
        self.assertEqual(told, [begun])

    def test_D5_the_network_tells_of_a_newer_state(self) -> None:
        """A copy put back that nothing on this machine betrays: our own cards are newer."""
        older = self.ann.chest.copy()
        self.ann.say(self.bob, "two")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.town.run(3 * 3600)
        self.town.end(self.ann.node)
        self.ann.chest = older
        self.ann = self.village.again(self.ann)
        self.town.run(60)
        self.assertIn("sessions-renewed", self.notices(self.ann))
        self.bob.say(self.ann, "three")
        self.village.until(lambda: self.delivered(self.bob, self.ann), 600)
        self.ann.say(self.bob, "four")
        self.village.until(lambda: self.delivered(self.ann, self.bob), 600)
        self.assertEqual(self.bob.texts(self.ann), ["one", "two", "- three", "four"])
