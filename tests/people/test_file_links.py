"""Files go on at once whatever becomes of the links between the two."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from streembit.service.people_rows import TransferRow
from streembit.service.roster import Superseded
from streembit.wire.transfer import CHUNK_BYTES
from tests.files.rig import contents
from tests.people.village import PeopleCase, Person
from tests.service.town import PORT

CHUNKS = 6
SIZE = CHUNKS * CHUNK_BYTES + 4321
STEP_BYTES = CHUNK_BYTES // 2
SOON_S = 3.0  # a dial after a lost link waits for up to two seconds
WHILE_LINKED_S = 1.5  # where a link is open all the time


class LinkTests(PeopleCase):
    """Ann sends bob a file; links between them open, take over and end at every step."""

    def setUp(self) -> None:
        super().setUp()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(20)  # what the meeting has left is over

    def offer(self) -> str:
        """Let ann offer a file, and return its transfer's id once bob knows of it."""
        path = Path(self.mktemp()).absolute()
        path.write_bytes(contents(SIZE))
        row = self.town.result(self.ann.desk.send_files(self.bob.key, [str(path)]))
        self.village.until(lambda: bool(self.rows(self.bob)))
        return row.id

    def rows(self, person: Person) -> list[TransferRow]:
        """Return somebody's transfers."""
        return person.people.transfers.rows()

    def has(self, size_bytes: int) -> bool:
        """Tell whether bob has so much."""
        return self.rows(self.bob)[0].done_bytes >= size_bytes

    def is_done(self) -> bool:
        """Tell whether bob has all of it."""
        return self.rows(self.bob)[0].state == "done"

    def dial(self, one: Person, other: Person) -> None:
        """Begin one more link."""
        host = self.town.host(other.node).address
        key = other.node.identity.public
        one.node.network.dialler.dial(host, PORT, key).addErrback(lambda _: None)

    def end(self, one: Person, other: Person, *, in_order: bool = False) -> None:
        """End the link in use from one side, at once or once what is queued has left."""
        peer = one.node.network.roster.get(other.node.identity.public)
        if peer is not None:
            (peer.close if in_order else peer.abort)(Superseded())

    def disturbed(self, disturb: Callable[[int], None], within_s: float) -> None:
        """Disturb at each half chunk; demand that more comes soon after each."""
        transfer = self.offer()
        self.town.result(self.bob.desk.accept_files(transfer, ""))
        for step in range(2 * CHUNKS):
            came = self.town.run_until(partial(self.has, step * STEP_BYTES), within_s)
            self.assertTrue(came, f"nothing comes at step {step}")
            disturb(step)
        self.assertTrue(self.town.run_until(self.is_done, within_s), "it does not end")
        (path,) = self.rows(self.bob)[0].paths
        self.assertEqual(Path(path).read_bytes(), contents(SIZE))

    def test_D5_links_that_take_over(self) -> None:
        """Either side dials once more: the other link is used from then on, or when one ends."""
        sides = ((self.ann, self.bob), (self.bob, self.ann))
        self.disturbed(lambda step: self.dial(*sides[step % 2]), WHILE_LINKED_S)

    def test_D5_both_dial_at_once(self) -> None:
        """Two links at a time, of which one ends after its grace."""

        def both(_step: int) -> None:
            self.dial(self.ann, self.bob)
            self.dial(self.bob, self.ann)
            self.town.run(0.02)

        self.disturbed(both, WHILE_LINKED_S)

    def test_D5_the_link_in_use_ends_while_there_is_another(self) -> None:
        """The spare one takes over without a pause, whether the other is cut or left in order."""
        sides = ((self.ann, self.bob), (self.bob, self.ann))

        def end(step: int) -> None:
            self.dial(*sides[step % 2])
            self.town.run(0.03)
            self.end(*sides[step // 2 % 2], in_order=bool(step % 3))

        self.disturbed(end, WHILE_LINKED_S)

    def test_D5_links_that_end(self) -> None:
        """Another one is dialled, and the file goes on over it."""
        sides = ((self.ann, self.bob), (self.bob, self.ann))
        self.disturbed(lambda step: self.end(*sides[step % 2]), SOON_S)
