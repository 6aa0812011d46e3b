"""Rows C1, C2, C3 and C8: floods of connections, signatures and requests, and who never reads."""

from __future__ import annotations

import resource
from dataclasses import replace
from itertools import repeat
from typing import Final

from twisted.internet.defer import Deferred, gatherResults

from streembit.dht.store import StoreLimits
from streembit.disk.records import SqliteShelf
from streembit.jose.keys import PrivateKey
from streembit.link.channel import OVERHEAD_BYTES
from streembit.net.events import LinkLimits
from streembit.net.gate import GateLimits
from streembit.net.listen import descriptors
from streembit.service.limits import NodeLimits
from streembit.wire.frame import HEADER_BYTES
from streembit.wire.life import ASKS, SHOWS
from streembit.wire.message import FindNode, Ping, Rpc, Store, Stored
from tests.attacks.watched import AttackTests, broken, quiet
from tests.disk.places import a_folder
from tests.rig.evil import EvilLink, EvilPeer
from tests.rig.refusal import HOST, QUIET, Watch
from tests.service.town import PORT, Town

SIGN_BYTES: Final = HEADER_BYTES + OVERHEAD_BYTES + 1
READ_AHEAD_BYTES: Final = 64 * 1024  # what a link that is paused may have been given already


class FloodTests(AttackTests):
    """C1 and C2."""

    def dial_from(self, hosts: int, each: int) -> list[EvilPeer]:
        """Connect again and again from so many addresses, and say nothing."""
        evils = [self.watch.evil(f"10.200.{n // 4}.{n % 4}") for n in range(hosts)]
        for evil in evils:
            for _ in range(each):
                evil.dial(HOST, PORT)
        return evils

    def test_C1_three_thousand_connections_from_forty_addresses(self) -> None:
        """Each address holds 8, strangers 64 in all; an honest newcomer joins within 5 s."""
        evils = self.dial_from(40, 75)
        newcomer = self.town.add("10.0.9.1", settings=QUIET)
        newcomer.startService()
        self.assertTrue(self.town.run_until(lambda: newcomer.dht.membership.joined, 5))
        gate = self.watch.node.carriers.gate
        self.assertLessEqual(gate.strangers, 64)
        self.assertLessEqual(max(len(evil.links) for evil in evils), 8)
        refused = self.watch.node.refusals.counts()["too-many-connections"]
        self.assertGreaterEqual(refused, 3000 - 40 * 8)
        self.assertLessEqual(len(self.watch.lines), 40)
        self.watch.harmless()
        self.town.run(11)
        self.assertEqual(gate.strangers, 0)

    def test_C1_strangers_cannot_drive_out_those_who_are_known(self) -> None:
        """However many come, the friend's link is the one it was."""
        for _ in range(20):
            self.dial_from(40, 2)
            self.town.run(0.5)
            self.watch.harmless()

    def test_C1_who_comes_again_and_again_is_slowed_down(self) -> None:
        """Sixteen at once, then one in five seconds, from one address."""
        evil = self.watch.evil("10.201.0.1")
        for _ in range(16):
            self.town.result(evil.dial(HOST, PORT)).leave()
            self.town.run(0.1)
        self.watch.refused("rate-limited", evil.dial, HOST, PORT)
        self.town.run(5)
        self.assertFalse(self.town.result(evil.dial(HOST, PORT)).gone)


class DescriptorTests(AttackTests):
    """C2, with the limit of this very process."""

    def make_watch(self, town: Town, **more: object) -> Watch:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        limits = replace(GateLimits(), strangers=1000, per_group=1000).within(descriptors())
        return Watch(self, town, limits=NodeLimits(limits))

    def test_C2_a_fifth_is_kept_for_files(self) -> None:
        """Of 128 descriptors 102 are connections; the friend keeps its own link."""
        evils = [self.watch.evil() for _ in range(300)]
        for evil in evils:
            evil.dial(HOST, PORT)
        self.town.run(1)
        held = [link for evil in evils for link in evil.links]
        self.assertLessEqual(self.watch.node.carriers.gate.total, 102)
        self.assertGreaterEqual(len(held), 95)
        self.watch.harmless()
        for link in held:
            link.leave()
        self.town.run(1)
        self.assertFalse(self.watch.link().gone)


class CheckTests(AttackTests):
    """C3: what a bad signature costs, and what it costs its sender."""

    def test_C3_one_check_for_each_bad_signature_and_three_at_most(self) -> None:
        """Then the link ends, nothing behind it is looked at, and the address stays away 10 min."""
        evil = self.watch.evil("10.202.0.1")
        link = self.town.result(evil.open(HOST, PORT))
        checks = self.watch.node.network.checks

        def attack() -> None:
            for _ in range(50):
                link.say(broken(link.token(Ping())))

        reasons = self.watch.refusals_of(3, attack)
        self.assertEqual((dict(reasons), checks.bad), ({"bad-signature": 3}, 3))
        self.assertTrue(link.gone)
        for _ in range(2):
            self.watch.refused("discouraged", evil.dial, HOST, PORT)
            self.town.run(299)
        self.town.run(2)
        self.assertFalse(self.town.result(evil.open(HOST, PORT)).gone)

    def test_C3_bad_signatures_behind_a_flood(self) -> None:
        """They wait for the budget like all others, and cost their sender the same."""
        evil = self.watch.evil("10.203.0.1")
        link = self.town.result(evil.open(HOST, PORT))
        for _ in range(201):
            link.say(link.token(Ping()))
        self.assertTrue(self.town.run_until(lambda: "rate-limited" in self.counts(), 1))
        for _ in range(3):
            link.say(broken(link.token(Ping())))
        self.town.run(2)
        self.assertTrue(link.gone)
        self.assertEqual(self.counts()["bad-signature"], 3)
        self.watch.refused("discouraged", evil.dial, HOST, PORT)

    def test_C3_over_its_budget_nothing_is_verified(self) -> None:
        """Four flooders get 200 checks a second each; the friend waits for nobody."""
        links = self.watch.links(4)
        checks, began_s = self.watch.node.network.checks, self.town.memory.clock.seconds()
        good = checks.good
        floods = [link.flood(link.pings(1500)) for link in links]
        for _ in range(20):
            self.town.run(0.1)
            self.watch.harmless()
        passed_s = self.town.memory.clock.seconds() - began_s
        self.assertLessEqual(checks.good - good, 4 * (200 + 200 * passed_s) + 25)
        self.assertGreaterEqual(checks.good - good, 4 * 200 * passed_s)
        self.assertEqual(set(self.counts()), {"rate-limited"})
        self.assertLessEqual(len(self.watch.lines), 5 * (passed_s + 1))
        for link in links:
            link.leave()
        self.town.run(0.1)
        for flood in floods:
            self.successResultOf(flood)

    def test_C3_answers_that_nobody_asked_for_are_never_verified(self) -> None:
        """Each is counted, the lines are few, and they are read no faster than requests are."""
        link = self.watch.link()
        checks = self.watch.node.network.checks
        before = (checks.good, checks.bad)
        sent = link.flood(link.pings(2000, re="77"))
        self.town.run(1)
        self.assertEqual((checks.good, checks.bad), before)
        counts = self.counts()
        self.assertEqual(set(counts), {"unknown-answer", "rate-limited"})
        self.assertGreaterEqual(counts["unknown-answer"], 200)
        self.assertLessEqual(counts["unknown-answer"], 200 + 1.1 * 200)
        self.assertLessEqual(len(self.watch.lines), 20)
        self.watch.harmless()
        link.leave()
        self.town.run(0.1)
        self.successResultOf(sent)

    def test_C3_signs_of_life_without_end(self) -> None:
        """Nobody signs them, and they are read no faster than requests are."""
        for sign, answers in ((ASKS, 2), (SHOWS, 0)):
            link = self.watch.link()
            heard = len(link.frames)
            before_bytes = self.watch.node.carriers.traffic.received_bytes
            sent = link.flood(repeat(sign, 100_000))
            self.town.run(1)
            frames = (self.watch.node.carriers.traffic.received_bytes - before_bytes) / SIGN_BYTES
            self.assertLessEqual(frames, 200 + 1.1 * 200 + READ_AHEAD_BYTES / SIGN_BYTES)
            self.assertLessEqual(len(link.frames) - heard, answers)
            self.watch.harmless()
            link.leave()
            self.town.run(0.1)
            self.successResultOf(sent)
        self.assertEqual(set(self.counts()), {"rate-limited"})

    def test_C3_three_records_with_bad_signatures(self) -> None:
        """Who keeps bringing what nobody signed is ended like who signs badly itself."""
        evil = self.watch.evil("10.204.0.1")
        link = self.town.result(evil.open(HOST, PORT))
        record = broken(self.record(PrivateKey.generate()).encode()).decode()

        def attack() -> None:
            for _ in range(50):
                link.ask(Store(record, "record")).addErrback(lambda _: None)

        reasons = self.watch.refusals_of(3, attack, verified=3)
        self.assertEqual(reasons, {"bad-signature": 3})
        self.assertTrue(link.gone)
        self.watch.refused("discouraged", evil.dial, HOST, PORT)

    def counts(self) -> dict[str, int]:
        """Return the refusals by reason."""
        return self.watch.node.refusals.counts()


class ShareTests(AttackTests):
    """C3 at a node that checks 200 signatures a second in all, and 20 of one peer."""

    def make_watch(self, town: Town, **more: object) -> Watch:
        settings = replace(QUIET, checks_per_peer_per_s=20, checks_per_node_per_s=200)
        return Watch(self, town, settings=settings)

    def test_C3_many_that_flood_take_nothing_from_those_who_are_known(self) -> None:
        """Fifteen strangers use up all that strangers get; the friend's requests never wait."""
        links = self.watch.links(15)
        floods = [link.flood(link.pings(400)) for link in links]
        checks = self.watch.node.network.checks
        self.town.run(1)
        before, began_s = checks.good, self.town.memory.clock.seconds()
        for _ in range(40):
            self.town.run(0.1)
            self.watch.harmless()
        passed_s = self.town.memory.clock.seconds() - began_s
        self.assertLessEqual(checks.good - before, (200 + 50) * passed_s)
        self.assertGreaterEqual(checks.good - before, 0.9 * 200 * passed_s)
        for link in links:
            link.leave()
        self.town.run(0.1)
        for flood in floods:
            self.successResultOf(flood)

    def test_C3_a_stranger_among_many_that_flood_gets_its_part(self) -> None:
        """It waits its turn, and is served: nobody is locked out."""
        links = self.watch.links(15)
        for link in links:
            link.flood(link.pings(400))
        self.town.run(1)
        honest = self.watch.link()
        for _ in range(10):
            asked_s = self.town.memory.clock.seconds()
            self.town.result(honest.ask(Ping()))
            self.assertLess(self.town.memory.clock.seconds() - asked_s, 1.0)
        for link in links:
            link.leave()
        self.town.run(0.1)


class StoreTests(AttackTests):
    """A node whose records lie on a disk: its answers to stores wait for the commit."""

    def make_watch(self, town: Town, **more: object) -> Watch:
        shelf = SqliteShelf(a_folder(self) / "records.sqlite")
        self.addCleanup(shelf.close)
        return Watch(self, town, shelf=shelf)

    def test_C5_as_many_stores_at_once_as_a_peer_waits_for(self) -> None:
        """None of them is turned away for being one of many."""
        link, key = self.watch.link(), PrivateKey.generate()
        records = [self.record(key, f"a/{n}") for n in range(StoreLimits().owner_items)]
        records += [self.record(PrivateKey.generate()) for _ in range(150 - len(records))]
        answers: Deferred[list[Rpc]] = gatherResults(
            [link.ask(Store(record, "record")) for record in records]
        )
        self.assertEqual({type(a.body) for a in self.town.result(answers)}, {Stored})


class DeafTests(AttackTests):
    """C8: who asks and never reads the answers."""

    def test_C8_a_peer_that_never_reads(self) -> None:
        """What waits for it is bounded, then the link ends; the friend is served meanwhile."""
        self.town.join(*self.town.grow(8))
        link = self.watch.link()
        link.deaf()
        done = link.flood(link.token(FindNode("A" * 27)) for _ in range(100_000))
        most = self.pressed(link)
        self.assertLessEqual(most, 2 * 1024 * 1024)
        link.leave()
        self.town.run(1)
        self.successResultOf(done)

    def pressed(self, link: EvilLink) -> int:
        """Let a minute go by; return the most bytes that waited for the link."""
        most = 0
        for _ in range(12):
            self.town.run(5)
            self.watch.harmless()
            if not link.gone:
                most = max(most, link.transport.other._unread)
        return most

    def test_C8_many_that_never_read(self) -> None:
        """Fifteen of them at once, each with its whole budget."""
        links = self.watch.links(15)
        floods = []
        for link in links:
            link.deaf()
            floods.append(link.flood(link.pings(2000)))
        for _ in range(5):
            self.town.run(1)
            self.watch.harmless()
        for link in links:
            link.leave()
        self.town.run(1)
        every: Deferred[list[int]] = gatherResults(floods)
        self.successResultOf(every)
        self.watch.refusals_of(0, quiet)


class BacklogTests(AttackTests):
    """C8 at a node that lets 1 MiB wait in all."""

    TOTAL_BYTES: Final = 1024 * 1024

    def make_watch(self, town: Town, **more: object) -> Watch:
        settings = replace(QUIET, checks_per_peer_per_s=2000)
        limits = LinkLimits(queue_bytes_total=self.TOTAL_BYTES)
        return Watch(self, town, settings=settings, limits=NodeLimits(link=limits))

    def test_C8_what_waits_for_all_of_them_is_bounded(self) -> None:
        """Though none of them is near its own bound; those that read are not touched."""
        self.town.join(*self.town.grow(8))
        links, reader = self.watch.links(10), self.watch.link()
        for link in links:
            link.deaf()
            for _ in range(240):
                link.say(link.token(FindNode("A" * 27)))
        backlog, most_bytes = self.watch.node.carriers.backlog, 0
        for _ in range(60):
            self.town.run(0.05)
            most_bytes = max(most_bytes, backlog.total_bytes)
        self.assertLessEqual(most_bytes, self.TOTAL_BYTES)
        self.assertGreater(most_bytes, self.TOTAL_BYTES // 2)
        self.assertGreaterEqual(self.watch.node.refusals.counts()["slow-reader"], 3)
        self.watch.harmless()
        self.town.result(reader.ask(Ping()))
        for link in links:
            link.leave()
        self.town.run(1)
        self.assertEqual(backlog.total_bytes, 0)
