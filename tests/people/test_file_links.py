"""Files go on at once whatever becomes of the links between the two."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from streembit.errors import Superseded
from streembit.files.roundtrip import MAX_WINDOW_BYTES, WINDOW_BYTES
from streembit.service.people_rows import TransferRow
from streembit.wire.transfer import CHUNK_BYTES, read_content
from tests.files.rig import contents
from tests.people.duo import Party
from tests.people.test_transfers import TransferCase
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

    def test_links_that_take_over(self) -> None:
        """Either side dials once more: the other link is used from then on, or when one ends."""
        sides = ((self.ann, self.bob), (self.bob, self.ann))
        self.disturbed(lambda step: self.dial(*sides[step % 2]), WHILE_LINKED_S)

    def test_both_dial_at_once(self) -> None:
        """Two links at a time, of which one ends after its grace."""

        def both(_step: int) -> None:
            self.dial(self.ann, self.bob)
            self.dial(self.bob, self.ann)
            self.town.run(0.02)

        self.disturbed(both, WHILE_LINKED_S)

    def test_the_link_in_use_ends_while_there_is_another(self) -> None:
        """The spare one takes over without a pause, whether the other is cut or left in order."""
        sides = ((self.ann, self.bob), (self.bob, self.ann))

        def end(step: int) -> None:
            self.dial(*sides[step % 2])
            self.town.run(0.03)
            self.end(*sides[step // 2 % 2], in_order=bool(step % 3))

        self.disturbed(end, WHILE_LINKED_S)

    def test_links_that_end(self) -> None:
        """Another one is dialled, and the file goes on over it."""
        sides = ((self.ann, self.bob), (self.bob, self.ann))
        self.disturbed(lambda step: self.end(*sides[step % 2]), SOON_S)


class FarTests(TransferCase):
    """A link that takes its time, and loses nothing."""

    ONE_WAY_S = 0.025
    TICK_S = 0.001

    def setUp(self) -> None:
        super().setUp()
        self.flying: deque[tuple[float, Party, Party, bytes]] = deque()

    def tick(self) -> None:
        """Let a millisecond go by: what was sent leaves, what is due arrives."""
        now_s = self.duo.clock.seconds()
        for party, other in ((self.alice, self.bob), (self.bob, self.alice)):
            while party.wire is not None and party.wire.waiting:
                due_s = now_s + self.ONE_WAY_S
                self.flying.append((due_s, party, other, party.wire.take()))
            while party.words:
                other.transfers.hear(party.name, read_content(party.words.popleft()[1]))
        while self.flying and self.flying[0][0] <= now_s:
            _, party, other, payload = self.flying.popleft()
            assert other.wire is not None
            other.transfers.payload(party.name, other.wire, payload)
        self.duo.clock.advance(self.TICK_S)

    def test_the_way_is_kept_full(self) -> None:
        """At 50 ms there and back 40 MiB a second, once that is known; one chunk carries half."""
        files = self.write(a=32 * CHUNK_BYTES)
        self.duo.begin()
        ticks, most = 0, 0
        while self.states() != ("done", "done"):
            self.tick()
            ticks += 1
            most = max(most, sum(len(payload) for *_, payload in self.flying))
            self.assertLess(ticks * self.TICK_S, 8 / 20 + 24 / 40)
        self.assertEqual(self.bob.files(), files)
        self.assertLess(most, MAX_WINDOW_BYTES + CHUNK_BYTES // 4)

    def test_a_short_way_needs_one_chunk(self) -> None:
        """No more is on its way than a death may cost."""
        self.ONE_WAY_S = 0.005
        self.write(a=16 * CHUNK_BYTES)
        self.duo.begin()
        while self.states() != ("done", "done"):
            self.tick()
            flying = sum(len(payload) for *_, payload in self.flying)
            self.assertLess(flying, WINDOW_BYTES + CHUNK_BYTES // 16)
