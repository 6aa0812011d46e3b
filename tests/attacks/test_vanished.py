"""Rows B3 and B8: peers that vanish without a word, and peers of other versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from cryptography.exceptions import InvalidTag

from streembit.dht.keyspace import node_id
from streembit.net.gate import GateLimits
from streembit.service.limits import NodeLimits
from streembit.service.membership import FICKLE_S
from streembit.wire.life import ASKS, SHOWS
from streembit.wire.message import Body, Nodes, Ping, Pong, Refused, Rpc
from tests.attacks.watched import AttackTests, quiet
from tests.rig.evil import EvilLink, silent
from tests.rig.refusal import HOST, QUIET, Watch
from tests.rig.shake import twisted_by
from tests.service.town import PORT, Town

PING_S: Final = 30.0
DEAD_S: Final = 60.0
LATE_S: Final = 10.0  # how often a node looks whether somebody is dead
LIVING: Final = replace(QUIET, keepalive_s=PING_S, dead_after_s=DEAD_S)


class VanishedTests(AttackTests):
    """B3, at a node that holds one connection an address."""

    def make_watch(self, town: Town, **more: Any) -> Watch:
        return Watch(self, town, settings=LIVING, limits=NodeLimits(GateLimits(per_address=1)))

    def test_B3_a_peer_that_is_silent_is_asked_and_then_given_up(self) -> None:
        """It reads, so that no kernel notices; but it answers nothing."""
        link = self.watch.link()
        self.town.run(PING_S - 1)
        self.assertEqual(link.life_asked, 0)
        self.town.run(LATE_S + 1)
        self.assertGreaterEqual(link.life_asked, 1)
        self.town.run(DEAD_S - PING_S - LATE_S - 1)
        self.assertFalse(link.gone)
        self.town.run(LATE_S + 1)
        self.assertTrue(link.gone)
        self.watch.refusals_of(0, quiet)

    def test_B3_a_peer_that_answers_is_kept(self) -> None:
        """For an hour of silence but for that."""
        link = self.watch.link(alive=True)
        self.town.run(3600)
        self.assertFalse(link.gone)
        self.assertLessEqual(link.life_asked, 3600 / PING_S)

    def test_B3_who_asks_for_signs_all_the_time_gets_one_a_second(self) -> None:
        """And whoever sends another single byte loses the link."""
        link = self.watch.link()
        for _ in range(100):
            link.say(ASKS)
        before = len(link.frames)
        self.town.run(0.5)
        self.assertEqual(len(link.frames) - before, 1)
        link.say(SHOWS)
        self.town.run(0.5)
        self.assertFalse(link.gone)
        self.watch.refused("bad-frame", link.say, b"\x03")
        self.assertTrue(link.gone)

    def test_B3_the_place_of_one_that_vanished_is_free(self) -> None:
        """No packet comes and none goes: after 60 s its address may connect again."""
        gate = self.watch.node.carriers.gate
        before = gate.total
        evil = self.watch.evil("10.205.0.1", alive=True)
        self.town.result(evil.open(HOST, PORT))
        self.town.run(1)
        self.town.memory.silence("10.205.0.1")
        self.town.run(DEAD_S - 2)
        self.assertEqual(gate.total, before + 1)
        self.town.memory.revive("10.205.0.1")
        self.watch.refused("too-many-connections", evil.dial, HOST, PORT)
        self.town.memory.silence("10.205.0.1")
        self.town.run(LATE_S)
        self.assertEqual(gate.total, before)
        self.town.memory.revive("10.205.0.1")
        self.assertFalse(self.town.result(evil.open(HOST, PORT)).gone)

    def test_B3_a_neighbour_that_vanished_is_asked_no_more(self) -> None:
        """It leaves the table with its link; requests to it fail in time meanwhile."""
        evil = self.watch.neighbour(silent, host="10.206.0.1")
        node = self.watch.node
        self.assertEqual(len(node.network.table), 2)
        self.town.memory.silence("10.206.0.1")
        search = self.town.result(node.dht.finder.nodes(1))
        assert search.found is not None
        self.town.run(DEAD_S + LATE_S)
        self.assertEqual(len(node.network.table), 1)
        self.assertIsNone(node.network.roster.get(evil.key.public))
        self.watch.harmless()

    def test_B3_many_that_vanished(self) -> None:
        """Two hundred at once: all their places are free in time, and the friend never waits."""
        before = self.watch.node.carriers.gate.total
        links = [link for _ in range(4) for link in self.watch.links(50)]
        self.town.memory.silence(*{link.transport.local.address for link in links})
        for _ in range(7):
            self.town.run((DEAD_S + LATE_S) / 7)
            self.watch.harmless()
        self.assertEqual(self.watch.node.carriers.gate.total, before)
        self.assertEqual(len(self.watch.node.network.roster), 1)


class FickleTests(AttackTests):
    """B3: a neighbour that answers, and resets every link as soon as it has."""

    def test_B3_who_resets_every_link_is_not_dialled_without_end(self) -> None:
        """Each reset would be worth a look whether it lives, and each look would be reset."""

        def fickle(link: EvilLink, request: Rpc) -> Body:
            self.town.memory.clock.callLater(0.001, link.leave)
            return Pong("") if isinstance(request.body, Ping) else Nodes([])

        evil = self.watch.neighbour(fickle)
        self.town.memory.trace.clear()
        for link in list(evil.links):
            link.leave()
        self.town.run(60)
        where = f"10.7.0.1:{PORT}"
        dials = [to for _, _, to, size in self.town.memory.trace if size < 0 and to == where]
        self.assertLessEqual(len(dials), 10)
        self.watch.harmless()

    def test_B3_a_refusal_is_a_sign_of_life(self) -> None:
        """Who signs that it has no time for us is there, and stays in the table."""
        evil = self.watch.neighbour(lambda _link, _request: Refused("rate-limited", ""))
        self.town.run(FICKLE_S)
        for link in list(evil.links):
            link.leave()
        self.town.run(10)
        self.assertIn(node_id(evil.key.public.point), self.watch.node.network.table)


class RangeTests(AttackTests):
    """B8: what the two sides say of their versions is what both sign."""

    SPOKEN: Final = 1

    def test_B8_every_range_against_ours(self) -> None:
        """The ranges that hold our version open a link, all others end with one reason."""
        for low in range(5):
            for high in range(5):
                shake = twisted_by(versions=(low, high))
                if low <= self.SPOKEN <= high:
                    link = self.watch.link(shake=shake)
                    self.assertIsInstance(self.town.result(link.ask(Ping())).body, Pong)
                else:
                    dialled = self.watch.dial(shake=shake)
                    self.watch.refused("version-mismatch", dialled.attempt)
                    self.assertTrue(dialled.gone)

    def test_B8_a_range_changed_on_the_way(self) -> None:
        """Whoever makes a newer peer look older breaks what both sides sign: no link opens."""
        for versions, byte, said in (
            ((1, 2), 5, 1),
            ((1, 9), 5, 1),
            ((1, 1), 5, 2),
            ((1, 2), 4, 0),
        ):
            link = self.watch.dial(shake=twisted_by(versions=versions))
            first = bytearray(link.first_frame())
            self.assertEqual(first[byte], versions[byte - 4])
            first[byte] = said
            link.frame(bytes(first))
            self.town.run(0.1)
            with self.assertRaises(InvalidTag):  # the answer is not for what was said
                link.last_frame(link.frames[0])
            self.watch.refused("decrypt-failed", link.frame, link.frames[0])
            self.assertTrue(link.gone)
