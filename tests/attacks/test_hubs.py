"""A hub that lies, and what stands between a hub and its members: noticed, and never believed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadMessage, EnvelopeRepeated, PeerGone, RequestTimeout
from streembit.hub import directory
from streembit.hub.answers import due
from streembit.hub.directory import Entry
from streembit.jose import envelope
from streembit.jose.keys import Identity, PrivateKey
from streembit.net.relayed import hub_host, is_hub_host
from streembit.net.tcp import LinkProtocol
from streembit.wire.hub import (
    Busy,
    Challenge,
    Command,
    DialBack,
    Entries,
    Envelope,
    Get,
    Gone,
    Kept,
    Observe,
    Presence,
    Ready,
    Refused,
    Reply,
    Search,
    Seen,
    Show,
)
from tests.hub.samples import REPLIES, frame
from tests.people.village import Person, Village
from tests.rig.evil import EvilPeer, flipped
from tests.rig.lyinghub import Answer, LyingHub, Passed, honestly
from tests.rig.tampering import Change, Flip, Repeat, Swap, Tampering, nothing
from tests.service.hubs import TownHub
from tests.service.town import NETWORK, PORT, WrongClock

MOMENT_S = 2.0  # several round trips, less than a lost link takes to come back
WHILE_S = 120.0  # in which all that waits has found a way


def always(reply: Reply) -> Answer:
    """Return what answers every command with this."""
    return lambda _key, _body, number: [(reply, number)]


class LiarCase(SynchronousTestCase):
    """Ann and Bob, whom nobody can connect to, at a hub that lies about what they send."""

    def setUp(self) -> None:
        self.village = Village(self)
        self.town = self.village.town
        self.hub = LyingHub(self.town)
        self.addCleanup(self.hub.end)
        self.ann, self.bob = self.hidden(), self.hidden()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(MOMENT_S)
        self.assertEqual([self.found(who) for who in (self.ann, self.bob)], [{}, {}])

    def hidden(self, *hubs: LyingHub) -> Person:
        """Add a person whom nobody can connect to."""
        addresses = [hub.address for hub in hubs or (self.hub,)]
        person = self.village.person(listen=False, hubs=addresses)
        person.node.reach.listening_on(PORT, [f"0.0.0.0:{PORT}"])
        self.village.until(lambda: all(hub.seat for hub in person.node.hubs.own))
        return person

    def found(self, person: Person, number: int = 0) -> dict[str, int]:
        """Return what a person has seen of its hub, as its status shows it."""
        return person.node.hubs.own[number].row().findings

    def counted(self, person: Person) -> dict[str, int]:
        """Return the refusals of a person's node that come of envelopes, by reason."""
        counts = person.node.refusals.counts()
        return {name: count for name, count in counts.items() if name.startswith("envelope-")}

    def key(self, person: Person) -> str:
        """Return a person's key as envelopes name it."""
        return person.node.identity.public.text

    def linked(self) -> bool:
        """Tell whether Ann and Bob are linked through the hub."""
        pairs = ((self.ann, self.bob), (self.bob, self.ann))
        peers = [a.node.network.roster.get(b.node.identity.public) for a, b in pairs]
        return all(peer is not None and is_hub_host(peer.carrier.host) for peer in peers)

    def lie(self, pass_on: Callable[[Envelope, bytes], Passed]) -> None:
        """Have the hub pass on envelopes to Bob in this way, all others honestly."""
        bob = self.key(self.bob)

        def some(claims: Envelope, token: bytes) -> Passed:
            return pass_on(claims, token) if claims.aud == bob else honestly(claims, token)

        self.hub.pass_on = some

    def talk(self, texts: Iterable[str] = ("one", "two", "three")) -> list[str]:
        """Let Ann say something to Bob, message by message; return it."""
        said = list(texts)
        for text in said:
            self.ann.say(self.bob, text)
            self.town.run(MOMENT_S)
        return said

    def assert_arrives(self, said: list[str]) -> None:
        """Check that Bob is shown all that Ann said, once, in order, and nothing else."""
        self.village.until(lambda: self.bob.texts(self.ann) == said, WHILE_S)
        self.town.run(WHILE_S)
        self.assertEqual(self.bob.texts(self.ann), said)
        states = {row.state for row in self.ann.mine(self.bob)}
        self.assertLessEqual(states, {"delivered", "read"})

    def assert_noticed(self, kinds: set[str], person: Person | None = None) -> None:
        """Check that these lies, and no others, were counted by kind and by reason."""
        person = person or self.bob
        found, counted = self.found(person), self.counted(person)
        self.assertEqual(set(found), kinds)
        self.assertEqual(set(counted), {f"envelope-{kind}" for kind in kinds})


class LiveTests(LiarCase):
    """Lies about what is said to who is there, and about the hub itself."""

    # --- what does no harm
    def test_an_honest_liar(self) -> None:
        """The rig itself: nothing is noticed of a hub that passes on what it should."""
        self.assert_arrives(self.talk())
        self.assertEqual(self.found(self.bob), {})

    def test_A1_each_envelope_twice(self) -> None:
        """The second one is passed over, and the link does not suffer."""
        before = self.bob.node.network.roster.get(self.ann.node.identity.public)
        self.lie(lambda claims, token: [(claims.aud, token)] * 2)
        self.assert_arrives(self.talk())
        self.assert_noticed({"repeated"})
        after = self.bob.node.network.roster.get(self.ann.node.identity.public)
        self.assertIs(before, after)

    def test_A1_all_envelopes_again_and_again(self) -> None:
        """A hub that shows its whole memory with each new envelope."""

        def flood(claims: Envelope, token: bytes) -> Iterator[tuple[str, bytes]]:
            yield claims.aud, token
            for old, each in self.hub.seen:
                if old.aud == claims.aud:
                    yield old.aud, each

        self.lie(flood)
        self.assert_arrives(self.talk())
        self.assert_noticed({"repeated"})

    def test_A2_envelopes_of_sessions_that_ended(self) -> None:
        """Ann joins anew; what she said before is worth nothing then."""
        old = [token for claims, token in self.hub.seen if claims.aud == self.key(self.bob)]
        self.hub.joined[self.key(self.ann)].carrier.abort()
        self.village.until(lambda: not self.linked(), WHILE_S)
        self.village.until(self.linked, WHILE_S)
        for token in old:
            self.hub.give(self.key(self.bob), token)
        self.assert_arrives(self.talk())
        self.assert_noticed({"old-session"})
        self.assertEqual(self.found(self.bob)["old-session"], len(old))

    def test_A2_envelopes_for_somebody_else(self) -> None:
        """Carl gets all that is for Bob as well."""
        carl = self.hidden()
        others = self.key(carl)
        self.lie(lambda claims, token: [(claims.aud, token), (others, token)])
        self.assert_arrives(self.talk())
        self.assert_noticed({"misdirected"}, carl)
        self.assertEqual(self.found(self.bob), {})

    def test_A2_envelopes_of_another_hub(self) -> None:
        """Two hubs in league: what was given to one is passed on by the other."""
        other = LyingHub(self.town, host="127.0.0.2", number=211)
        self.addCleanup(other.end)
        self.town.end(self.bob.node)
        self.bob = self.village.again(
            self.bob, listen=False, hubs=[self.hub.address, other.address]
        )
        self.village.until(self.linked, WHILE_S)

        def by_both(claims: Envelope, token: bytes) -> Passed:
            other.give(claims.aud, token)
            return [(claims.aud, token)]

        self.lie(by_both)
        self.assert_arrives(self.talk())
        self.assertEqual([set(self.found(self.bob, n)) for n in (0, 1)], [set(), {"elsewhere"}])

    def test_A4_envelopes_that_the_hub_has_made(self) -> None:
        """In Ann's name, with her session and the next number, signed by the hub."""

        def forge(claims: Envelope, token: bytes) -> Iterator[tuple[str, bytes]]:
            yield claims.aud, self.hub.forged(claims, val="AQI")
            yield claims.aud, token

        self.lie(forge)
        self.assert_arrives(self.talk())
        self.assert_noticed({"forged"})

    def test_A4_envelopes_that_are_altered_on_the_way(self) -> None:
        """Each with one character of its claims changed, before the real one."""
        rng = Random(4)

        def alter(claims: Envelope, token: bytes) -> Iterator[tuple[str, bytes]]:
            head, payload, signature = token.split(b".")
            text = bytearray(payload)
            text[rng.randrange(len(text) // 2, len(text) - 4)] ^= 1
            altered = b".".join((head, bytes(text), signature))
            try:
                parsed = envelope.parse_frame(altered).claims
            except Exception:  # noqa: BLE001 - what is no frame ends the session: another test
                parsed = claims
            if parsed != claims:
                yield claims.aud, altered
            yield claims.aud, token

        self.lie(alter)
        self.assert_arrives(self.talk())
        self.assertGreater(self.found(self.bob)["forged"], 0)

    # --- what is lost
    def test_A1_envelopes_that_are_kept_back(self) -> None:
        """One in four: the stream that lacks bytes ends, and the words go by the next one."""
        passed = itertools.count(1)
        self.lie(lambda claims, token: [(claims.aud, token)] if next(passed) % 4 else [])
        said = self.talk()
        self.hub.pass_on = honestly
        self.assert_arrives(said)
        self.assertIn("lost", self.found(self.bob))
        self.assertLessEqual(set(self.found(self.bob)), {"lost"})

    def test_A1_envelopes_in_another_order(self) -> None:
        """Each two are swapped: one is missed, the other comes too late."""
        held: list[bytes] = []

        def swap(claims: Envelope, token: bytes) -> Passed:
            held.append(token)
            if len(held) < 2:
                return []
            pair = [(claims.aud, each) for each in reversed(held)]
            held.clear()
            return pair

        self.lie(swap)
        said = self.talk()
        self.hub.pass_on = honestly
        self.assert_arrives(said)
        self.assertIn("moved", self.found(self.bob))
        self.assertLessEqual(set(self.found(self.bob)), {"lost", "moved"})

    def test_A1_the_last_envelopes_are_kept_back(self) -> None:
        """Which no number shows: no receipt comes, so nothing counts as delivered."""
        self.lie(lambda claims, token: [])
        said = self.talk()
        self.assertEqual(self.bob.texts(self.ann), [])
        self.assertNotIn("delivered", {row.state for row in self.ann.mine(self.bob)})
        self.hub.pass_on = honestly
        self.assert_arrives(said)

    def test_a_hub_that_says_that_somebody_is_gone(self) -> None:
        """It is believed for the link, and for nothing else: the words wait, and arrive."""
        ann, bob = self.key(self.ann), self.key(self.bob)

        def deny(claims: Envelope, token: bytes) -> Passed:
            self.hub.joined[ann].say(Gone(bob), claims.n)
            return []

        self.lie(deny)
        said = self.talk()
        self.hub.pass_on = honestly
        self.assert_arrives(said)

    # --- what it says itself
    def ask(self, body: Command, answer: Answer) -> None:
        """Let Ann ask something that is answered in this way, which is no answer."""
        self.hub.answer = answer
        asked = self.ann.node.hubs.own[0].ask(body)
        self.town.run(MOMENT_S)
        self.failureResultOf(asked, BadMessage, PeerGone)

    def test_A8_the_answer_to_another_question(self) -> None:
        """An answer of another type than the question's ends the session, which begins anew."""
        for body in (Observe(), Search("bob"), Get("A" * 27), Show([]), DialBack(1)):
            for reply in REPLIES:
                expected = due(body)
                if isinstance(reply, (expected, Refused, Kept, Gone, Busy, Ready, Presence)):
                    continue
                self.ask(body, always(reply))
                self.village.until(lambda: self.key(self.ann) in self.hub.joined, WHILE_S)
                self.village.until(lambda: self.ann.node.hubs.own[0].seat is not None, WHILE_S)
        self.hub.answer = self.hub.truly
        self.assertGreater(self.ann.node.refusals.counts()["bad-message"], 10)
        self.assert_arrives(self.talk())

    def test_A2_an_answer_that_names_another_question(self) -> None:
        """The one who asked hears nothing, and gives up in time."""
        self.hub.answer = lambda _key, _body, n: [(Seen("192.0.2.9:9"), n - 1)]
        asked = self.ann.node.hubs.own[0].ask(Observe())
        self.town.run(WHILE_S)
        self.failureResultOf(asked, RequestTimeout)

    def test_A4_who_is_shown_to_who_searches(self) -> None:
        """Entries that are forged, over, of another network, or of nobody who was sought."""
        now_s = int(self.town.memory.clock.seconds())
        eve = Identity.generate("bobby")

        def entry(identity: Identity, **changes: Any) -> Entry:
            said: dict[str, Any] = {"network": NETWORK, "now_unix_s": now_s} | changes
            return directory.make(identity, **said)

        good = entry(eve)
        shown = [
            good.token,
            entry(Identity.generate("carl")).token,
            entry(eve, now_unix_s=now_s - 8 * 86_400).token,
            entry(eve, network="another").token,
            envelope.sign_entry(self.hub.identity.signing, good.claims),
            good.token[:-1],
            "no token",
        ]
        self.hub.answer = lambda _key, _body, n: [(Entries(shown), n)]
        found = self.town.result(self.ann.desk.search_hubs("bob"))
        self.assertEqual(
            [(row.name, row.public_key) for row in found.found], [("bobby", eve.public.hex)]
        )
        counts = self.ann.node.refusals.counts()
        for code in ("bad-entry", "entry-expired", "wrong-network", "bad-signature"):
            self.assertEqual(counts.get(code), 1, code)

    def test_A1_frames_of_the_hub_again_and_left_out(self) -> None:
        """The session ends, and begins anew."""
        for again in (True, False):
            joiner = self.hub.joined[self.key(self.ann)]
            token = joiner.served.say(Presence([], []))
            for _ in range(2 if again else 0):
                joiner.send(token)
            joiner.say(Presence([], []))
            self.village.until(
                lambda before=joiner: self.hub.joined.get(self.key(self.ann)) not in (None, before),
                WHILE_S,
            )
        self.assertEqual(self.ann.node.refusals.counts()["out-of-turn"], 2)
        self.village.until(self.linked, WHILE_S)
        self.assert_arrives(self.talk())

    def test_A8_what_a_hub_may_not_say(self) -> None:
        """Commands, first frames again, its members' words as its own, and noise."""
        own = self.key(self.ann)
        for make in (
            lambda joiner: envelope.sign_frame(
                self.hub.identity.signing, frame(Observe(), iss=self.hub.identity.public.text)
            ),
            lambda joiner: joiner.served.say(Challenge("A" * 43, False)),
            lambda joiner: b"no token at all",
            lambda joiner: joiner.served.say(Seen(""), 2**40),
            lambda joiner: flipped(joiner.served.say(Seen("")), -9),
        ):
            joiner = self.hub.joined[own]
            joiner.send(make(joiner))
            self.village.until(
                lambda before=joiner: self.hub.joined.get(own) not in (None, before), WHILE_S
            )
            self.village.until(lambda: self.ann.node.hubs.own[0].seat is not None, WHILE_S)
        self.village.until(self.linked, WHILE_S)
        self.assert_arrives(self.talk())

    def test_C3_a_flood_of_what_is_worth_nothing(self) -> None:
        """A hub that repeats itself, or says again and again that nobody came, is read slowly."""
        bob = self.hub.joined[self.key(self.bob)]
        *_, (_, old) = (s for s in self.hub.seen if s[0].aud == self.key(self.bob))
        for make in (lambda: old, lambda: bob.served.say(Presence([], []))):
            for _ in range(5_000):
                bob.send(make())
            self.town.run(1.0)
            self.assertGreater(bob.carrier.queued_bytes, 0)
            self.town.run(10.0)
            self.assertEqual(bob.carrier.queued_bytes, 0)
        self.assertEqual(self.found(self.bob)["repeated"], 5_000)

    def test_what_was_seen_is_told_once_in_the_log_and_then_counted(self) -> None:
        """Which hub it was stands in one line; a flood of lies writes no flood of lines."""
        self.lie(lambda claims, token: [(claims.aud, token)] * 40)
        with capturedLogs() as events:
            self.assert_arrives(self.talk())
        lines = [formatEvent(event) for event in events]
        told = [line for line in lines if "a second time" in line]
        self.assertEqual(
            told,
            [
                f"at the hub {self.hub.address.host}:{self.hub.address.port}: "
                + EnvelopeRepeated.sentence()
            ],
        )
        canonical = [line for line in lines if "refused reason=envelope-repeated peer=-" in line]
        self.assertGreater(self.found(self.bob)["repeated"], 3 * len(canonical))
        self.assertEqual(
            self.found(self.bob)["repeated"], self.counted(self.bob)["envelope-repeated"]
        )


class MailTests(LiarCase):
    """Lies about mail: it waits at the hub, and is all that Bob gets, for the network is gone."""

    def setUp(self) -> None:
        super().setUp()
        self.town.end(self.bob.node)
        self.village.until(lambda: not self.linked(), WHILE_S)

    def mailed(self, *texts: str) -> list[tuple[Envelope, bytes]]:
        """Let Ann say something to Bob, who is away, and go away too; return the mail."""
        for text in texts:
            self.ann.say(self.bob, text)
        self.village.until(lambda: self.states() == {"in-mailbox"}, WHILE_S)
        self.town.end(self.ann.node, *self.town.nodes[:3])
        return self.hub.mail[self.key(self.bob)]

    def states(self) -> set[str]:
        """Return why what Ann said is in the state that it is in."""
        return {row.why for row in self.ann.mine(self.bob)}

    def back(self) -> None:
        """Let Bob come back, to nobody but the hub."""
        node = self.town.again(self.bob.node, listen=False, hubs=[self.hub.address])
        self.bob = Person(self.village, node, self.bob.chest, self.bob.number)
        node.startService()
        self.village.until(lambda: node.hubs.own[0].seat is not None, WHILE_S)
        self.town.run(WHILE_S)

    def again(self, who: Person) -> Person:
        """Let somebody come back, and with it the network."""
        for node in self.town.nodes[:3]:
            self.town.again(node).startService()
        back = self.village.again(who, listen=False, hubs=[self.hub.address])
        back.node.reach.listening_on(PORT, [f"0.0.0.0:{PORT}"])
        return back

    def test_mail_of_an_honest_liar(self) -> None:
        """The rig itself."""
        self.mailed("one", "two")
        self.back()
        self.assertEqual(self.bob.texts(self.ann), ["one", "two"])
        self.assertEqual(self.found(self.bob), {})
        self.assertEqual(self.hub.mail[self.key(self.bob)], [])

    def test_A1_mail_that_was_acknowledged_comes_again(self) -> None:
        """It is shown once, acknowledged again, and found to be repeated."""
        mail = list(self.mailed("one", "two"))
        self.back()
        for _ in range(3):
            for _, token in mail:
                self.hub.give(self.key(self.bob), token)
            self.town.run(MOMENT_S)
        self.assertEqual(self.bob.texts(self.ann), ["one", "two"])
        self.assert_noticed({"repeated"})
        self.assertEqual(self.found(self.bob)["repeated"], 3 * len(mail))

    def test_A1_mail_comes_in_another_order(self) -> None:
        """Which is no lie, for mail has none; it is shown as it was said."""
        self.mailed("one", "two", "three", "four")
        self.hub.mail[self.key(self.bob)].reverse()
        self.back()
        self.assertEqual(self.bob.texts(self.ann), ["one", "two", "three", "four"])
        self.assertEqual(self.found(self.bob), {})

    def test_A2_mail_for_somebody_else(self) -> None:
        """Bob gets Ann's mail to Carl, and Carl's mailbox is none of his business."""
        carl = self.hidden()
        self.village.acquaint(self.ann, carl)
        self.town.run(2 * MOMENT_S)  # their cards are shown
        self.town.end(carl.node)
        self.ann.say(carl, "for carl")
        self.village.until(lambda: self.key(carl) in self.hub.mail, WHILE_S)
        self.mailed("for bob")
        self.hub.mail[self.key(self.bob)] += self.hub.mail[self.key(carl)]

        def to_bob(_claims: Envelope, token: bytes) -> Passed:
            return [(self.key(self.bob), token)]

        self.hub.pass_on = to_bob
        self.back()
        self.assertEqual(self.bob.texts(self.ann), ["for bob"])
        self.assert_noticed({"misdirected"})

    def test_A4_mail_that_the_hub_has_made(self) -> None:
        """In Ann's name, with her cargo or another one."""
        (claims, token), *_ = self.mailed("one")
        self.hub.mail[self.key(self.bob)] = [
            (claims, self.hub.forged(claims, id="A" * 22)),
            (claims, self.hub.forged(claims, val="AgI")),
            (claims, token),
        ]
        self.back()
        self.assertEqual(self.bob.texts(self.ann), ["one"])
        self.assert_noticed({"forged"})
        self.assertEqual(self.found(self.bob)["forged"], 2)

    def test_a_hub_that_says_it_keeps_mail_and_does_not(self) -> None:
        """Nothing counts as delivered; it arrives by another way when both are there."""
        self.mailed("one")
        self.hub.mail.clear()
        self.back()
        self.assertEqual(self.bob.texts(self.ann), [])
        self.assertNotIn("delivered", {row.state for row in self.ann.mine(self.bob)})
        self.ann = self.again(self.ann)
        self.assert_arrives(["one"])


class MemberTests(LiarCase):
    """Members who are not what they say."""

    def test_A9_a_stream_that_carries_somebody_elses_link(self) -> None:
        """Who opens the stream is who has to prove its key in it."""
        mallory = self.hidden()
        host = hub_host(self.bob.node.identity.public, mallory.node.hubs.own[0].label)
        roster, clock = self.bob.node.network.roster, self.town.memory.clock
        for key, refusals in ((mallory.node.identity.signing, 0), (PrivateKey.generate(), 1)):
            evil = EvilPeer(mallory.node.hubs.connect, clock, NETWORK, key=key)
            self.town.result(evil.open(host, 1))
            self.town.run(MOMENT_S)
            refused = self.bob.node.refusals.counts().get("wrong-identity", 0)
            self.assertEqual(refused, refusals)
            self.assertEqual(roster.get(key.public) is None, bool(refusals))
            evil.leave()


class ClockTests(LiarCase):
    """D6: who is heard does not depend on anybody's clock but the hub's."""

    def test_D6_members_whose_clocks_are_wrong(self) -> None:
        """Two hours ahead, and of 1970: they talk, and nothing is found to be wrong."""
        for ahead_s in (7_200.0, 5.0 - self.town.memory.clock.seconds()):
            clock = WrongClock(self.town.memory.clock, ahead_s)
            carl = self.village.person(listen=False, hubs=[self.hub.address], clock=clock)
            self.village.until(lambda carl=carl: carl.node.hubs.own[0].seat is not None)
            joined = self.hub.joined[self.key(carl)].served
            now_ms = self.town.memory.clock.seconds() * 1000
            self.assertLess(abs(joined.started_ms - now_ms), 60_000)
            for one, other in ((carl, self.bob), (self.bob, carl)):
                self.town.result(self.connect(one, other))
            self.assertEqual(self.found(self.bob), {})
            self.assertEqual(self.found(carl), {})

    def connect(self, one: Person, other: Person) -> Deferred[LinkProtocol]:
        """Open a link through the hub."""
        host = hub_host(other.node.identity.public, one.node.hubs.own[0].label)
        return one.node.network.dialler.dial(host, 1, other.node.identity.public)

    def test_D6_a_hub_whose_clock_goes_back(self) -> None:
        """Sessions of a member stay in their order: those who hear it need not doubt them."""
        started_ms = []
        for ahead_s in (600.0, 0.0):
            self.hub.ahead_s = ahead_s
            self.hub.joined[self.key(self.ann)].carrier.abort()
            self.village.until(lambda: not self.linked(), WHILE_S)
            self.village.until(self.linked, WHILE_S)
            started_ms.append(self.hub.joined[self.key(self.ann)].served.started_ms)
        self.assertGreater(started_ms[1], started_ms[0])
        self.assert_arrives(self.talk())
        self.assertEqual(self.found(self.bob), {})

    def test_D6_a_hub_that_lies_about_the_time(self) -> None:
        """What is said in sessions of the far future is passed over, until the hub mends."""
        self.hub.ahead_s = 10 * 365 * 86_400.0
        self.hub.joined[self.key(self.ann)].carrier.abort()
        self.village.until(lambda: not self.linked(), WHILE_S)
        self.town.run(WHILE_S)
        self.assertFalse(self.linked())
        self.assertEqual(set(self.found(self.bob)), {"future"})


class BetweenTests(SynchronousTestCase):
    """Somebody between Bob and an honest hub, where no TLS protects the bytes."""

    def setUp(self) -> None:
        self.village = Village(self)
        self.town = self.village.town
        self.hub = TownHub(self.town)
        self.addCleanup(self.hub.end)
        self.ann, _ = self.tampered()
        self.bob, self.middle = self.tampered()
        self.village.acquaint(self.ann, self.bob)
        self.town.run(MOMENT_S)

    def tampered(self) -> tuple[Person, Tampering]:
        """Add a person whom nobody can connect to, and what stands between it and its hub."""
        host = self.town.memory.host(f"10.0.{len(self.town.nodes)}.1")
        middle = Tampering(host.connect, self.hub.address.port)
        person = self.village.person(listen=False, hubs=[self.hub.address], connect=middle.connect)
        person.node.reach.listening_on(PORT, [f"0.0.0.0:{PORT}"])
        self.village.until(lambda: bool(person.node.hubs.own[0].seat))
        return person, middle

    def assert_only_what_was_said(self, forth: Change, back: Change) -> dict[str, int]:
        """Let both talk while bytes are changed, and then unchanged; return Bob's refusals."""
        self.middle.forth, self.middle.back = forth, back
        said, answered = [], []
        for number in range(12):
            said.append(f"word {number}")
            answered.append(f"answer {number}")
            self.ann.say(self.bob, said[-1])
            self.bob.say(self.ann, answered[-1])
            self.town.run(MOMENT_S)
            self.assertLessEqual(set(self.heard(self.bob, self.ann)), set(said))
            self.assertLessEqual(set(self.heard(self.ann, self.bob)), set(answered))
        self.middle.stop()
        for one, other, texts in ((self.bob, self.ann, said), (self.ann, self.bob, answered)):
            self.village.until(lambda a=one, b=other, t=texts: self.heard(a, b) == t, 600)
        self.town.run(WHILE_S)
        self.assertEqual(self.heard(self.bob, self.ann), said)
        self.assertEqual(self.heard(self.ann, self.bob), answered)
        return self.bob.node.refusals.counts()

    def heard(self, one: Person, other: Person) -> list[str]:
        """Return what one was told by the other, in order."""
        return [text for text in one.texts(other) if not text.startswith("- ")]

    def test_A4_bits_flipped_on_the_way_to_a_member(self) -> None:
        """In the framing, in tokens, in signatures: the session ends, or the envelope is forged."""
        counts = self.assert_only_what_was_said(nothing, Flip(3, Random(5)))
        self.assertGreater(sum(counts.values()), 5)
        self.assertEqual(counts.get("internal-error", 0), 0)

    def test_A4_bits_flipped_on_the_way_to_the_hub(self) -> None:
        """The hub refuses each, and passes none of them on."""
        self.assert_only_what_was_said(Flip(3, Random(6)), nothing)
        self.assertGreater(sum(self.hub.hub.refusals.counts().values()), 5)
        self.assertEqual(self.ann.node.hubs.own[0].row().findings.get("forged", 0), 0)

    def test_A4_bits_flipped_in_both_directions(self) -> None:
        """At once."""
        self.assert_only_what_was_said(Flip(7, Random(7)), Flip(5, Random(8)))

    def test_A1_frames_in_another_order_on_the_way_to_a_member(self) -> None:
        """Found, or the end of the session; the words come once and in order."""
        counts = self.assert_only_what_was_said(nothing, Swap(3))
        self.assertGreater(sum(counts.values()), 3)

    def test_A1_frames_in_another_order_on_the_way_to_the_hub(self) -> None:
        """The hub counts, and ends the session."""
        self.assert_only_what_was_said(Swap(3), nothing)
        self.assertGreater(self.hub.hub.refusals.counts()["out-of-turn"], 0)

    def test_A1_frames_twice(self) -> None:
        """To the member and to the hub."""
        counts = self.assert_only_what_was_said(Repeat(4), Repeat(4))
        self.assertGreater(self.hub.hub.refusals.counts()["out-of-turn"], 0)
        self.assertGreater(counts.get("envelope-repeated", 0) + counts.get("out-of-turn", 0), 0)
