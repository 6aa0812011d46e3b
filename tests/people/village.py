"""Accounts with contacts on the in-memory network: nodes of a town with people in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any, ClassVar, Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts.generations import EVERY_S
from streembit.errors import DiskFull, WrongPasscode
from streembit.jose.keys import Identity
from streembit.service.node import Node
from streembit.service.people.desk import PeopleDesk
from streembit.service.people.lane import at_once
from streembit.service.people.people import People
from streembit.service.people_events import Event
from streembit.service.people_rows import MessageRow
from streembit.testing import MemoryChest
from tests.disk.places import a_folder
from tests.service.town import SETTINGS, Town

# The canaries of five nodes, whom nobody here asks, would be most of what happens in a day.
CALM: Final = replace(SETTINGS, canary_every_s=7200.0)


class Drawer:
    """A key file in memory: what takes the place of it, and whether all was destroyed."""

    def __init__(self, passcode: str | None = None) -> None:
        self.passcode = passcode
        self.next: Identity | None = None
        self.running: Identity | None = None
        self.refusal: Exception | None = None
        self.wiped = False

    def check(self, passcode: str | None) -> None:
        """See `KeyFile`."""
        if passcode != self.passcode:
            raise WrongPasscode

    def replace(self, identity: Identity, passcode: str | None) -> None:
        """See `KeyFile`."""
        if self.refusal is not None:
            raise self.refusal
        self.check(passcode)
        self.next = identity

    async def go_on(self, identity: Identity) -> None:
        """See `KeyFile`."""
        assert identity is self.next
        self.running = identity

    def wipe(self) -> None:
        """See `KeyFile`."""
        self.wiped = True


class DyingChest(MemoryChest):
    """A chest whose process can be killed at any commit."""

    def __init__(self) -> None:
        super().__init__()
        self._left = 0
        self._after = False
        self._dying: Callable[[], object] = live_on

    def die_at(self, commit: int, *, after: bool, dying: Callable[[], object]) -> None:
        """Die at the n-th commit from now: before it took effect, or `after`."""
        self._left, self._after, self._dying = commit, after, dying

    def live(self) -> None:
        """Die no more, and be there again."""
        self._left, self.refusal = 0, None

    def commit(self, changes: Iterable[tuple[str, bytes | int, bytes | None]]) -> None:
        """See `MemoryChest`."""
        self._left -= 1
        if self._left != 0 or self._after:
            super().commit(changes)
        if self._left == 0:
            self._dying()
            self.refusal = DiskFull("the process is dead")
            raise self.refusal


def live_on() -> None:
    """Do nothing."""


class Person:
    """One account: its node, its chest, its people and their desk."""

    def __init__(self, village: Village, node: Node, chest: MemoryChest, number: int) -> None:
        self.village, self.node, self.chest, self.number = village, node, chest, number
        downloads = village.folder / f"downloads{number}"
        chance = Random(100 + number)
        self.people = People(node, chest, at_once, downloads, chance, village.renew_s)
        self.people.setServiceParent(node)
        self.drawer = Drawer()
        self.desk = PeopleDesk(self.people, self.drawer)
        self.position = village.town.result(self.desk.events("", 0)).next

    @property
    def name(self) -> str:
        """What the account is called."""
        return self.node.identity.name

    @property
    def key(self) -> str:
        """The public key, as people read it."""
        return self.node.identity.public.hex

    def events(self) -> list[Event]:
        """Return what happened since the last time."""
        found = self.village.town.result(self.desk.events(self.position, 0))
        self.position = found.next
        return [happened.event for happened in found.events]

    def texts(self, other: Person) -> list[str]:
        """Return the conversation with another one, oldest first, ours behind a dash."""
        rows = self.village.town.result(self.desk.list_messages(other.key, None, 500))
        return [f"- {row.text}" if row.outgoing else row.text for row in rows]

    def rows(self, other: Person) -> list[MessageRow]:
        """Return the messages of the conversation with another one, oldest first."""
        return self.village.town.result(self.desk.list_messages(other.key, None, 500))

    def mine(self, other: Person) -> list[MessageRow]:
        """Return what this one said to another one, oldest first."""
        return [row for row in self.rows(other) if row.outgoing]

    def linked(self, other: Person) -> bool:
        """Tell whether there is a way to another one now."""
        friend = self.people.friends.get(other.node.identity.public)
        return friend is not None and friend.talk.is_open

    def say(self, other: Person, text: str) -> MessageRow:
        """Send a message to another one."""
        return self.village.town.result(self.desk.send_message(other.key, text))


class Village:
    """People of one test, on a town's network; the first nodes of it have none."""

    def __init__(
        self,
        test: SynchronousTestCase,
        *,
        seeds: int = 3,
        seed: int = 7,
        kind: type[Node] = Node,
    ) -> None:
        self.town = Town(test, seed)
        self.folder = a_folder(test)
        self.persons: list[Person] = []
        self.renew_s: float = EVERY_S  # of the agreement keys of all who come from now on
        self._test = test
        self._usual = {"kind": kind, "settings": CALM}
        for n in range(seeds):
            self.town.add(f"10.0.{n}.1", kind=kind, settings=CALM)
        self.town.join()

    def person(self, **more: Any) -> Person:
        """Add an account that has just come."""
        node = self.town.add(f"10.0.{len(self.town.nodes)}.1", **{**self._usual, **more})
        number = self.town.nodes.index(node)
        chest = DyingChest()
        chest.add_lock(node.identity.at_rest_key())
        person = Person(self, node, chest, number)
        self.persons.append(person)
        self.town.join(node)
        return person

    def again(self, person: Person, **more: Any) -> Person:
        """Let an account whose node has ended come back, with what is in its chest."""
        node = self.town.again(person.node, **{**self._usual, **more})
        back = Person(self, node, person.chest, person.number)
        self.persons[self.persons.index(person)] = back
        self.town.join(node)
        return back

    def moved(self, person: Person, address: str) -> Person:
        """Let an account whose node has ended come back at another address."""
        node = self.town.add(address, number=self.town._numbers[person.node])
        back = Person(self, node, person.chest, person.number)
        self.persons[self.persons.index(person)] = back
        self.town.join(node)
        return back

    def acquaint(self, one: Person, other: Person) -> None:
        """Make two people contacts, by an offer of the first one."""
        made = self.town.result(one.desk.create_offer(3600, True, ""))
        self.town.result(other.desk.add_contact(made.text, "", ""))
        self.until(lambda: self.are_contacts(one, other))

    def are_contacts(self, one: Person, other: Person) -> bool:
        """Tell whether both have each other for a contact, with a link between them."""
        pairs = ((one, other), (other, one))
        found = [a.people.friends.get(b.node.identity.public) for a, b in pairs]
        return all(friend is not None and friend.talk.is_open for friend in found)

    def until(self, done: Any, within_s: float = 120.0) -> None:
        """Let time go by until it is so."""
        self._test.assertTrue(self.town.run_until(done, within_s), "it takes too long")


class PeopleCase(SynchronousTestCase):
    """Two people, ann and bob, in a village of their own, whose nodes are of this kind."""

    kind: ClassVar[type[Node]] = Node

    def setUp(self) -> None:
        self.village = Village(self, kind=self.kind)
        self.town = self.village.town
        self.ann, self.bob = self.village.person(), self.village.person()

    def delivered(self, one: Person, other: Person) -> bool:
        """Tell whether all that one said to the other has arrived."""
        return all(row.state in ("delivered", "read") for row in one.mine(other))
