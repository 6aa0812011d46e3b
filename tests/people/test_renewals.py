"""Agreement keys that change by themselves, while contacts are there, away, or away for long."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from streembit.contacts.generations import OVERLAP_S
from streembit.errors import DiskFull, NotReady
from streembit.jose.keys import PublicKey
from streembit.service.people.ownkeys import ROOM
from streembit.service.people.seeking import SEEK_EVERY_S
from tests.people.village import DyingChest, PeopleCase, Person

HOUR_S = 3600
DAY_S = 24 * HOUR_S
SOON_S = 900.0


class RenewalCase(PeopleCase):
    """Ann and bob are contacts, and have said something."""

    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.said: list[str] = []
        self.heard: list[str] = []
        self.speak("before")

    def speak(self, text: str) -> None:
        """Let both say something to the other, and wait until it has arrived."""
        self.say(text)
        self.arrive()

    def say(self, text: str) -> None:
        """Let both who are there say something."""
        if self.ann.node.running:
            self.ann.say(self.bob, f"{text}, bob")
            self.said.append(f"{text}, bob")
        if self.bob.node.running:
            self.bob.say(self.ann, f"{text}, ann")
            self.heard.append(f"{text}, ann")

    def arrive(self, within_s: float = SOON_S) -> None:
        """Wait until all has arrived; check that it did so once, and in order."""
        self.village.until(self.is_there, within_s)
        self.town.run(60)
        self.assertTrue(self.is_there(), (self.ann.texts(self.bob), self.bob.texts(self.ann)))

    def is_there(self) -> bool:
        """Tell whether each has heard all that the other said."""
        return self.theirs(self.bob, self.ann) == self.said and (
            self.theirs(self.ann, self.bob) == self.heard
        )

    def theirs(self, one: Person, other: Person) -> list[str]:
        """Return what one has heard of another, oldest first."""
        return [row.text for row in one.rows(other) if not row.outgoing]

    def key(self, person: Person) -> PublicKey:
        """Return the agreement key that is in use."""
        return person.people.held.own.newest.agreement.public

    def knows(self, one: Person, other: Person) -> bool:
        """Tell whether one has the newest key of the other, and the other knows."""
        theirs = one.people.register.book.of(other.node.identity.public)
        ours = other.people.register.book.of(one.node.identity.public)
        newest = self.key(other).point
        return theirs.agreement == newest == ours.knows

    def gone(self, *persons: Person) -> None:
        """Let nodes end."""
        self.town.run(5)
        self.town.end(*(person.node for person in persons))
        self.town.run(5)

    def later(self, seconds: float) -> None:
        """Let a long time go by in which nobody is there at all."""
        seeds = [node for node in self.town.nodes if node.running]
        self.town.end(*seeds)
        self.town.run(60)
        self.town.memory.clock.advance(seconds)
        self.town.join(*(self.town.again(node) for node in seeds))


class PaceTests(RenewalCase):
    def test_a_key_record_is_looked_for_in_the_pace_of_all_that_is(self) -> None:
        """So a start with many contacts who are away is no burst."""
        self.gone(self.bob)
        people = self.ann.people
        friend = people.friends[self.bob.node.identity.public]
        people.ways.pace.close()
        self.town.memory.clock.advance(2 * SEEK_EVERY_S)
        asked = self.ann.node.network.requests
        self.failureResultOf(Deferred.fromCoroutine(people.seeking.find_key(friend)), NotReady)
        self.assertEqual(self.ann.node.network.requests, asked)


class LinkedTests(RenewalCase):
    """Both are there."""

    def test_it_happens_by_itself(self) -> None:
        """As often as the setting says, more or less; nobody notices."""
        self.village.renew_s = 2 * HOUR_S
        for name in ("ann", "bob"):
            person = getattr(self, name)
            self.gone(person)
            setattr(self, name, self.village.again(person))
        keys = {self.key(self.ann)}
        for hour in range(6):
            self.town.run(HOUR_S)
            keys.add(self.key(self.ann))
            if hour % 2:
                self.speak(f"hour {hour}")
        self.assertIn(len(keys), (3, 4))
        self.assertTrue(self.knows(self.bob, self.ann) and self.knows(self.ann, self.bob))

    def test_both_at_once(self) -> None:
        """Each hears of the other's under the keys that were good before."""
        before = self.key(self.ann), self.key(self.bob)
        for person in (self.ann, self.bob):
            person.people.keys.renewals.renew()
        self.say("at once")
        self.arrive()
        self.assertTrue(self.knows(self.bob, self.ann) and self.knows(self.ann, self.bob))
        self.assertNotIn(self.key(self.ann), before)
        for person in (self.ann, self.bob):
            (friend,) = person.people.friends.values()
            self.assertEqual(len(friend.pairs.ours), 1)
            self.assertEqual(len(friend.pairs.theirs), 4)

    def test_a_state_that_was_put_back_takes_another_key(self) -> None:
        """The newest one may be lost; what is announced later counts, and contacts follow."""
        self.ann.people.keys.renewals.renew()
        self.speak("renewed")
        before = self.key(self.ann)
        self.ann.people.keys.anew.start()
        self.assertNotEqual(self.key(self.ann), before)
        self.speak("put back")
        self.assertTrue(self.knows(self.bob, self.ann))


class AwayTests(RenewalCase):
    """One of them is away, and what they say goes through the network."""

    def test_one_after_the_other(self) -> None:
        """They never meet: card by card, each finds the new key, and what was said under both."""
        self.gone(self.bob)
        self.say("waiting")
        self.town.run(SOON_S / 2)
        self.ann.people.keys.renewals.renew()
        self.say("renewed")
        self.town.run(SOON_S / 2)
        self.gone(self.ann)
        self.bob = self.village.again(self.bob)
        self.bob.people.keys.renewals.renew()
        self.say("I too")
        self.village.until(lambda: self.theirs(self.bob, self.ann) == self.said, SOON_S)
        self.assertFalse(self.bob.linked(self.ann))
        known = self.bob.people.register.book.of(self.ann.node.identity.public)
        self.assertEqual(known.agreement, self.key(self.ann).point)
        self.town.run(SOON_S / 2)
        self.gone(self.bob)
        self.ann = self.village.again(self.ann)
        self.village.until(lambda: self.theirs(self.ann, self.bob) == self.heard, SOON_S)
        self.assertFalse(self.ann.linked(self.bob))
        self.assertTrue(self.knows(self.bob, self.ann))
        self.say("under both new keys")
        self.town.run(SOON_S / 2)
        self.bob = self.village.again(self.bob)
        self.arrive()

    def test_one_who_was_away_for_the_whole_overlap(self) -> None:
        """The key that it knows is erased; it finds the new one in the key record."""
        old = self.ann.people.held.own.generations
        self.gone(self.bob)
        self.ann.people.keys.renewals.renew()
        self.gone(self.ann)
        self.later(OVERLAP_S + DAY_S)
        self.ann = self.village.again(self.ann)
        self.village.until(lambda: len(self.ann.people.held.own.generations.owns) == 1, SOON_S)
        self.assertNotIn(old.newest.agreement.public, self.keys_of(self.ann))
        self.say("waiting")
        self.town.run(1.5 * HOUR_S)
        self.gone(self.ann)
        self.bob = self.village.again(self.bob)
        self.village.until(lambda: self.theirs(self.bob, self.ann) == self.said, SOON_S)
        known = self.bob.people.register.book.of(self.ann.node.identity.public)
        self.assertEqual(known.agreement, self.key(self.ann).point)
        self.town.run(SOON_S)
        self.ann = self.village.again(self.ann)
        self.speak("found")
        self.assertTrue(self.knows(self.bob, self.ann))

    def test_one_who_was_away_for_the_whole_overlap_meets_the_other(self) -> None:
        """Over a link, which is opened by the identity keys, the card says it."""
        self.gone(self.bob)
        self.ann.people.keys.renewals.renew()
        self.gone(self.ann)
        self.later(OVERLAP_S + DAY_S)
        self.ann = self.village.again(self.ann)
        self.bob = self.village.again(self.bob)
        self.speak("met")
        self.assertTrue(self.knows(self.bob, self.ann))

    def keys_of(self, person: Person) -> list[PublicKey]:
        """Return the keys that are good."""
        return [own.agreement.public for own in person.people.held.own.generations.owns]

    def test_an_offer_outlives_the_key_in_it(self) -> None:
        """Who takes it is told the new one with the answer."""
        made = self.town.result(self.ann.desk.create_offer(int(2 * OVERLAP_S), True, ""))
        self.ann.people.keys.renewals.renew()
        self.gone(self.ann, self.bob)
        self.later(OVERLAP_S + DAY_S)
        self.ann = self.village.again(self.ann)
        self.village.until(lambda: len(self.keys_of(self.ann)) == 1, SOON_S)
        carl = self.village.person()
        self.town.result(carl.desk.add_contact(made.text, "", ""))
        self.village.until(lambda: self.village.are_contacts(self.ann, carl), SOON_S)
        carl.say(self.ann, "hello")
        self.village.until(lambda: self.ann.texts(carl) == ["hello"])
        self.assertTrue(self.knows(carl, self.ann))


class CrashTests(RenewalCase):
    """The process dies between any two steps."""

    def test_a_process_that_dies(self) -> None:
        """Before the commit nothing has happened; after it contacts hear of it."""
        for after in (False, True):
            before = self.key(self.ann)
            chest = self.ann.chest
            assert isinstance(chest, DyingChest)
            chest.die_at(1, after=after, dying=lambda: self.town.end(self.ann.node))
            with self.assertRaises(Exception):  # noqa: B017 - whatever a dead process does
                self.ann.people.keys.renewals.renew()
            self.town.run(5)
            chest.live()
            self.ann = self.village.again(self.ann)
            self.assertEqual(self.key(self.ann) != before, after)
            self.speak(f"after {after}")
            self.assertTrue(self.knows(self.bob, self.ann))

    def test_a_disk_that_is_full(self) -> None:
        """Nothing has changed, and nobody was told; it is tried again."""
        row = self.ann.chest.get(ROOM, self.ann.node.identity.public.point)
        before = self.key(self.ann)
        self.ann.chest.refusal = DiskFull("no room")
        self.assertRaises(DiskFull, self.ann.people.keys.renewals.renew)
        self.ann.chest.refusal = None
        self.assertEqual(self.ann.chest.get(ROOM, self.ann.node.identity.public.point), row)
        self.assertEqual(self.key(self.ann), before)
        self.speak("all is well")
        self.assertEqual([row.text for row in self.ann.mine(self.bob)], self.said)
        self.ann.people.keys.renewals.renew()
        self.speak("renewed")
        self.assertTrue(self.knows(self.bob, self.ann))
