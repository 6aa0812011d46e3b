"""A start with a hundred contacts: all cards published and read, and the network not flooded."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import book as books
from streembit.contacts.book import Book, contact
from streembit.jose.keys import Identity
from tests.people.village import DyingChest, Person, Village

CONTACTS = 100
LOOK_S = 0.1


def with_contacts(count: int) -> DyingChest:
    """Return the chest of somebody with so many contacts, of whom nobody is there."""
    book, chest = Book(), DyingChest()
    for n in range(count):
        other = Identity.from_seed(n.to_bytes(32))
        agreement = other.agreement.public
        book.add(contact(other.public, f"contact {n}", 0, agreement=agreement))
    chest.commit(book.changes())
    assert len(chest.all(books.ROOM)) == count
    return chest


class StartTests(SynchronousTestCase):
    def test_a_hundred_contacts_at_most_10_look_ups_and_250_requests_a_second(self) -> None:
        """Two cards for each are published and one of each read, within two minutes."""
        village = Village(self, seeds=12)
        node = village.town.add("10.9.1.1")
        person = Person(village, node, with_contacts(CONTACTS), 21)
        node.startService()
        running: list[int] = []
        requests: list[int] = []

        def look() -> None:
            running.append(person.people.ways.pace.running)
            requests.append(node.network.requests)

        seconds = 0.0
        while person.people.ways.cards.published < 2 * CONTACTS and seconds < 120:
            village.town.run(LOOK_S)
            seconds += LOOK_S
            look()
        self.assertEqual(person.people.ways.cards.published, 2 * CONTACTS)
        self.assertLessEqual(max(running), 10)
        self.assertGreater(max(running), 1)
        window = round(1 / LOOK_S)
        busiest = max(b - a for a, b in zip(requests, requests[window:], strict=False))
        self.assertLessEqual(busiest, 250)
        self.assertGreater(busiest, 50)

    def test_records_of_one_account_have_nothing_in_common(self) -> None:
        """Not the key, the salt, a number, or a time: each is one of many."""
        village = Village(self, seeds=4)
        node = village.town.add("10.9.1.1")
        person = Person(village, node, with_contacts(10), 5)
        node.startService()
        village.until(lambda: person.people.ways.cards.published == 20)
        found = {}
        for each in village.town.nodes[:4]:
            for page in each.dht.deposit.pages(100):
                for held in page:
                    item = each.dht.deposit.read(held)
                    claims = getattr(item, "claims", None)
                    if claims is not None and claims.kind == "sealed":
                        found[held.place] = claims
        self.assertEqual(len(found), 20)
        self.assertEqual(len({claims.iss for claims in found.values()}), 20)
        self.assertEqual(len({claims.salt for claims in found.values()}), 20)
        self.assertEqual({claims.seq for claims in found.values()}, {1})
        self.assertEqual(len({claims.exp for claims in found.values()}), 1)
        self.assertEqual(len({len(claims.val) for claims in found.values()}), 1)
