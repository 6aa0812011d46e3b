"""Contacts who are away: what is said to them lies in the network until they return."""

from __future__ import annotations

from streembit.contacts.pair import RECORD_KIND, day_of
from streembit.dht.keyspace import record_place
from tests.people.village import PeopleCase, Person


def lying(one: Person, other: Person) -> tuple[int, int]:
    """Return which parcels one has left for another one."""
    friend = one.people.friends[other.node.identity.public]
    return friend.talk.conversation.left.waiting()


class AwayTests(PeopleCase):
    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)

    def leave_words(self, *texts: str) -> None:
        """Let bob go, and ann leave messages for him in the network."""
        self.town.end(self.bob.node)
        self.village.until(lambda: not self.ann.linked(self.bob))
        for text in texts:
            self.ann.say(self.bob, text)
        self.village.until(
            lambda: all(row.why == "in-the-network" for row in self.ann.mine(self.bob))
        )

    def test_what_was_said_is_there_on_return(self) -> None:
        """Though the sender is away by then: found with one look-up, shown once, in order."""
        self.leave_words("one", "two", "three")
        self.town.run(60)  # the card that announces them is published
        self.town.end(self.ann.node)
        self.town.run(30)
        bob = self.village.again(self.bob)
        self.village.until(lambda: len(bob.texts(self.ann)) == 3)
        self.assertEqual(bob.texts(self.ann), ["one", "two", "three"])

    def test_a_parcel_that_is_renewed_replaces_itself(self) -> None:
        """Whenever in an hour that is: nobody has to choose between two of one version."""
        self.leave_words("one", "two", "three", "four")
        self.town.run(4 * 3600)
        self.assertEqual([node.dht.deposit.conflicts for node in self.town.nodes[:3]], [0, 0, 0])

    def test_what_arrived_is_taken_back(self) -> None:
        """Acknowledged parcels become tombstones; nothing is left there."""
        self.leave_words("one", "two")
        self.assertNotEqual(lying(self.ann, self.bob), (0, 0))
        bob = self.village.again(self.bob)
        self.village.until(lambda: self.delivered(self.ann, bob))
        self.assertEqual(bob.texts(self.ann), ["one", "two"])
        left = self.ann.people.friends[bob.node.identity.public].talk.conversation.left
        self.village.until(lambda: not left.void())
        self.assertEqual(left.waiting(), (0, 0))

    def test_the_receipt_comes_through_the_network_too(self) -> None:
        """Two people who are never there at once talk all the same."""
        self.leave_words("are you there?")
        self.town.run(60)
        self.town.end(self.ann.node)
        bob = self.village.again(self.bob)
        self.village.until(lambda: len(bob.texts(self.ann)) == 1)
        bob.say(self.ann, "I was")
        self.town.run(120)
        self.town.end(bob.node)
        self.town.run(30)
        ann = self.village.again(self.ann)
        self.village.until(lambda: ann.texts(bob)[-1:] == ["I was"])
        self.village.until(lambda: self.delivered(ann, bob))

    def test_kept_alive_for_days(self) -> None:
        """Each hour anew, while its sender is there: found after more than a day."""
        self.leave_words("tomorrow, perhaps")
        self.town.run(26 * 3600)
        self.town.end(self.ann.node)
        self.town.run(30)
        bob = self.village.again(self.bob)
        self.village.until(lambda: bob.texts(self.ann) == ["tomorrow, perhaps"])

    def test_D8_reached_at_the_last_known_address(self) -> None:
        """A contact whose record is gone is found where it was last."""
        self.town.end(self.bob.node)
        self.town.run(60)
        self.town.end(*self.town.nodes[:3])  # and with them all that they kept
        self.town.memory.revive(self.town.host(self.ann.node).address)
        bob = self.village.again(self.bob)
        self.village.until(lambda: self.village.are_contacts(self.ann, bob), 1200)
        self.ann.say(bob, "still there")
        self.village.until(lambda: bob.texts(self.ann) == ["still there"])


class YoungTests(PeopleCase):
    """All nodes have just come: they keep a record for an hour, and say so."""

    HOURS = 4

    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.town.end(self.bob.node)
        self.village.until(lambda: not self.ann.linked(self.bob))

    def gaps(self, place: int) -> list[int]:
        """Return in which minutes of the next hours nobody but ann has what belongs to a place."""
        found = []
        for minute in range(60 * self.HOURS):
            self.town.run(60)
            if not any(node.dht.deposit.item(place) for node in self.town.nodes[:3]):
                found.append(minute)
        return found

    def test_D8_a_parcel_never_goes_missing(self) -> None:
        """It is renewed before the first of those who keep it drops it."""
        self.ann.say(self.bob, "one")
        self.village.until(lambda: self.ann.mine(self.bob)[0].why == "in-the-network")
        friend = self.ann.people.friends[self.bob.node.identity.public]
        number, _ = lying(self.ann, self.bob)
        key, salt = friend.pair.parcel_key("ours", number), friend.pair.parcel_salt("ours", number)
        self.assertEqual(self.gaps(record_place(key.public.point, RECORD_KIND, salt)), [])

    def test_D8_a_card_never_goes_missing(self) -> None:
        """Likewise: who comes back finds it at whatever time."""
        friend = self.ann.people.friends[self.bob.node.identity.public]
        day = day_of(self.town.memory.clock.seconds())
        key, salt = friend.pair.record_key("ours", day), friend.pair.place_salt("ours", day)
        self.town.run(60)
        self.assertEqual(self.gaps(record_place(key.public.point, RECORD_KIND, salt)), [])


class MovedTests(PeopleCase):
    def test_a_changed_address_is_found_by_the_card(self) -> None:
        """Who comes back elsewhere, with nobody knowing, is dialled there."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.town.end(self.bob.node)
        bob = self.village.moved(self.bob, "10.0.99.1")
        self.village.until(lambda: self.village.are_contacts(self.ann, bob), 1200)
        entry = self.ann.people.register.book.of(bob.node.identity.public)
        self.assertEqual(entry.addresses[0].host, "10.0.99.1")

    def test_an_online_contact_hears_at_once(self) -> None:
        """A change of what we say of our addresses is shown over the link."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(10)
        self.bob.node.reach.listening.append("192.0.2.33:4000")
        key = self.bob.node.identity.public
        self.village.until(
            lambda: any(
                each.host == "192.0.2.33"
                for each in self.ann.people.register.book.of(key).addresses
            ),
            15,
        )
