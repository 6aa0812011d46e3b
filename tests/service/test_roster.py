"""The roster: both sides keep the same one of several links, and lose none of the answers."""

from __future__ import annotations

from itertools import permutations, product
from random import Random

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadSignature,
    HandshakeFailed,
    PeerGone,
    RequestTimeout,
    StreembitError,
    Superseded,
)
from streembit.jose.envelope import Verified
from streembit.jose.keys import Identity, PublicKey
from streembit.link.hello import Hello
from streembit.net.relayed import hub_host
from streembit.net.tcp import LinkProtocol
from streembit.rpc.peer import Peer, Rules
from streembit.rpc.scrutiny import Checks
from streembit.rpc.signer import Signer
from streembit.service.roster import DUPLICATE_GRACE_S, EXPIRY_TICK_S, Roster
from streembit.testing import MemoryNetwork
from streembit.wire.message import Answer, Ping, Pong, Rpc

NETWORK = "test"
TIMEOUT_S = 4.0
SMALL, LARGE = sorted(
    (Identity.from_seed(bytes([n]) * 32) for n in (1, 2)), key=lambda one: one.public.point
)


class Side:
    """One host with a roster, its links to one other host, and what the roster told."""

    def __init__(self, network: MemoryNetwork, address: str, identity: Identity) -> None:
        self.address, self.identity = address, identity
        self.told: list[str] = []
        self.unwanted: set[PublicKey] = set()
        self.takes_frames = False
        self.links: list[LinkProtocol] = []  # that this side dialled, in order
        self._host = network.host(address)
        self._relay = network.host(hub_host(identity.public))
        self._clock = network.clock
        signer = Signer(identity.signing, NETWORK, network.clock.seconds, 1)
        rules = Rules(signer, self._clock, Checks(), _pong, lambda _: 0.0, self.refused, TIMEOUT_S)
        self.roster = Roster(rules, identity.public, self)
        for host in (self._host, self._relay):
            host.listen(1, Factory.forProtocol(lambda: self._protocol(initiator=False)))

    def dial(self, other: Side, *, relayed: bool = False) -> LinkProtocol:
        """Begin to open one more link, as if through a hub if it is `relayed`."""
        link = self._protocol(initiator=True)
        self.links.append(link)
        source, target = (self._relay, other._relay) if relayed else (self._host, other._host)
        source.connect(target.address, 1, Factory.forProtocol(lambda: link))
        return link

    def kept(self, other: Side) -> str:
        """Return the id of the link on which we talk with the other side, "" without one."""
        peer = self.roster.get(other.identity.public)
        return "" if peer is None else peer.link_id

    def _protocol(self, *, initiator: bool) -> LinkProtocol:
        return LinkProtocol(
            self.identity.signing,
            lambda _host, _port: Hello(self.identity.public),
            NETWORK,
            self._clock,
            self.roster,
            initiator=initiator,
        )

    # --- RosterEvents
    def is_refused(self, key: PublicKey) -> bool:
        return key in self.unwanted

    def frame(self, peer: Peer, payload: bytes) -> bool:
        self.told.append(f"frame: {len(payload)}")
        return self.takes_frames

    def linked(self, peer: Peer, link: LinkProtocol) -> None:
        self.told.append("linked")

    def unlinked(self, peer: Peer, reason: StreembitError) -> None:
        self.told.append(f"unlinked: {reason.code}")

    def refused(self, host: str, error: StreembitError) -> None:
        self.told.append(f"refused: {host} {error.code}")

    def misbehaved(self, host: str) -> None:
        self.told.append(f"misbehaved: {host}")


def _pong(_peer: Peer, _request: Verified[Rpc]) -> Answer | Deferred[Answer]:
    return Pong("")


def id_of(link: LinkProtocol) -> str:
    """Return the id of a link that is open, or was."""
    assert link.link is not None
    return link.link.id_text


class RosterCase(SynchronousTestCase):
    """Two sides, `small` and `large` by their keys, on hosts that are 10 ms apart."""

    def setUp(self) -> None:
        self.memory = MemoryNetwork(seed=1, latency_s=(0.01, 0.01))
        self.small = Side(self.memory, "10.0.0.1", SMALL)
        self.large = Side(self.memory, "10.0.0.2", LARGE)
        self.addCleanup(self.end)

    def end(self) -> None:
        """Close both rosters; nothing is left on the clock."""
        closed = [side.roster.close(PeerGone()) for side in (self.small, self.large)]
        self.run_for(1)
        for done in closed:
            self.successResultOf(done)
        self.assertEqual([str(c) for c in self.memory.clock.getDelayedCalls()], [])

    def run_for(self, seconds: float = 1.0) -> None:
        """Let time go by."""
        self.memory.clock.advance(seconds)

    def dialled(self, *diallers: Side, relayed: bool = False) -> list[LinkProtocol]:
        """Open links one after another, each by the side named; all are open then."""
        links = []
        for side in diallers:
            other = self.large if side is self.small else self.small
            links.append(side.dial(other, relayed=relayed))
            self.run_for(0.1)
        return links

    def both_keep(self, link: LinkProtocol | None) -> None:
        """Check on which link both sides go on."""
        name = "" if link is None else id_of(link)
        self.assertEqual((self.small.kept(self.large), self.large.kept(self.small)), (name, name))


class OneLinkTests(RosterCase):
    def test_a_link_is_found_by_key_text_and_link(self) -> None:
        """And is gone from everywhere once it is lost."""
        (link,) = self.dialled(self.small)
        roster, key = self.small.roster, LARGE.public
        peer = roster.of(link)
        assert peer is not None
        self.assertIs(roster.get(key), peer)
        self.assertIs(roster.by_text(key.text), peer)
        self.assertIn(key.text, roster)
        self.assertEqual((list(roster), len(roster)), ([peer], 1))
        peer.close(PeerGone())
        self.run_for()
        self.assertIsNone(roster.get(key))
        self.assertIsNone(roster.of(link))
        self.assertNotIn(key.text, roster)
        self.assertEqual((list(roster), len(roster)), ([], 0))
        self.both_keep(None)

    def test_its_owner_hears_of_both_ends(self) -> None:
        """Once when it opens, and once when it is gone, with the reason."""
        self.dialled(self.small)[0].abort(PeerGone())
        self.run_for()
        for side in (self.small, self.large):
            self.assertEqual(side.told, ["linked", "unlinked: peer-gone"])


class TwoLinksTests(RosterCase):
    def test_of_two_that_cross_the_one_of_the_smaller_key_is_kept(self) -> None:
        """By both sides, and in whichever order they open."""
        for first, second in ((self.small, self.large), (self.large, self.small)):
            links = {side: self.dialled(side)[0] for side in (first, second)}
            self.both_keep(links[self.small])
            self.run_for(DUPLICATE_GRACE_S + 1)
            links[self.small].abort()
            self.run_for()

    def test_of_two_by_one_dialler_the_newer_is_kept(self) -> None:
        """The older one may have died unnoticed; who dials again knows why."""
        for side in (self.small, self.large):
            _, newer = self.dialled(side, side)
            self.both_keep(newer)
            self.run_for(DUPLICATE_GRACE_S + 1)
            newer.abort()
            self.run_for()

    def test_the_other_lives_for_a_grace_time(self) -> None:
        """What was asked on it is answered; then it ends, and nobody is told of a loss."""
        older, newer = self.dialled(self.small, self.small)
        peer = self.small.roster.of(older)
        assert peer is not None
        answer = peer.request(Ping())
        self.run_for()
        self.assertIsInstance(self.successResultOf(answer).claims.body, Pong)
        self.run_for(DUPLICATE_GRACE_S - 1.3)
        self.assertTrue(older.is_open)
        self.run_for(0.5)
        self.assertFalse(older.is_open)
        self.assertTrue(newer.is_open)
        self.assertEqual([len(self.small.roster), len(self.large.roster)], [1, 1])
        self.assertEqual(self.small.told, ["linked", "linked"])
        self.assertEqual(self.large.told, ["linked", "linked"])

    def test_conversations_are_those_over_all_open_links(self) -> None:
        """The one in its grace time is one of them, until it ends."""
        older, newer = self.dialled(self.small, self.small)
        links = [peer.link_id for peer in self.small.roster.conversations()]
        self.assertEqual(links, [id_of(older), id_of(newer)])
        self.run_for(DUPLICATE_GRACE_S + 1)
        links = [peer.link_id for peer in self.small.roster.conversations()]
        self.assertEqual(links, [id_of(newer)])

    def test_what_waits_on_the_one_that_ends_fails_as_gone(self) -> None:
        """And nothing that waits on the one that is kept."""
        older, newer = self.dialled(self.small, self.small)
        conversations = [self.small.roster.of(link) for link in (older, newer)]
        answers = [peer.request(Ping()) for peer in conversations if peer is not None]
        older.abort()
        self.run_for()
        self.failureResultOf(answers[0], PeerGone)
        self.successResultOf(answers[1])
        self.both_keep(newer)


class RelayedLinkTests(RosterCase):
    def test_a_direct_link_takes_over_from_a_relayed_one(self) -> None:
        """Whoever dialled which, and whichever opened first."""
        sides = (self.small, self.large)
        for relays, dials, direct_first in product(sides, sides, (False, True)):
            links: dict[bool, LinkProtocol] = {}
            for relayed in (direct_first, not direct_first):
                (links[relayed],) = self.dialled(relays if relayed else dials, relayed=relayed)
            self.both_keep(links[False])
            self.run_for(DUPLICATE_GRACE_S + 1)
            self.assertFalse(links[True].is_open)
            links[False].abort()
            self.run_for()

    def test_a_relayed_link_takes_over_from_a_direct_one_that_is_lost(self) -> None:
        """As any spare: nobody is told of a loss."""
        for relays, dials in product((self.small, self.large), repeat=2):
            (relayed,) = self.dialled(relays, relayed=True)
            (direct,) = self.dialled(dials)
            direct.abort()
            self.run_for(0.1)
            self.both_keep(relayed)
            self.assertNotIn("unlinked: peer-gone", self.small.told + self.large.told)
            self.run_for(2 * DUPLICATE_GRACE_S)
            self.assertTrue(relayed.is_open)
            relayed.abort()
            self.run_for()
            self.small.told.clear()
            self.large.told.clear()


class LostLinkTests(RosterCase):
    def test_the_spare_link_takes_over_without_a_word(self) -> None:
        """Nobody is told of a loss, and the spare outlives its grace time."""
        for first, second in permutations((self.small, self.large)):
            links = {side: self.dialled(side)[0] for side in (first, second)}
            links[self.small].abort()
            self.run_for(0.1)
            self.both_keep(links[self.large])
            self.assertNotIn("unlinked: peer-gone", self.small.told + self.large.told)
            self.run_for(2 * DUPLICATE_GRACE_S)
            self.assertTrue(links[self.large].is_open)
            links[self.large].abort()
            self.run_for()
            self.assertEqual(self.small.told.pop(), "unlinked: peer-gone")
            self.assertEqual(self.large.told.pop(), "unlinked: peer-gone")

    def test_of_several_spares_both_sides_take_the_same(self) -> None:
        """The smaller key's newest; of the other's dials the newest, when there is none."""
        for order in permutations((self.small, self.small, self.large, self.large)):
            links = self.dialled(*order)
            mine = [link for link, side in zip(links, order, strict=True) if side is self.small]
            theirs = [link for link, side in zip(links, order, strict=True) if side is self.large]
            for expected in (mine[1], mine[0], theirs[1], theirs[0]):
                self.both_keep(expected)
                expected.abort()
                self.run_for(0.1)
            self.both_keep(None)

    def test_whatever_comes_and_goes_both_sides_agree(self) -> None:
        """2,000 openings and losses at either side, several on their way at once."""
        chance = Random(5)
        for _ in range(400):
            for _ in range(5):
                side = chance.choice((self.small, self.large))
                opened = [link for link in side.links if link.is_open]
                if opened and chance.random() < 0.5:
                    chance.choice(opened).abort()
                elif len(opened) < 4:
                    other = self.large if side is self.small else self.small
                    side.dial(other, relayed=chance.random() < 0.3)
                self.run_for(chance.choice((0.0, 0.005, 0.03, 1.0)))
            self.run_for(0.2)
            kept = self.small.kept(self.large)
            self.assertEqual(kept, self.large.kept(self.small))
            self.assertEqual(bool(kept), len(self.small.roster) > 0)

    def test_the_loss_of_the_one_that_is_not_kept_changes_nothing(self) -> None:
        """Its grace time ends with it."""
        older, newer = self.dialled(self.large, self.large)
        older.abort()
        self.run_for(0.1)
        self.both_keep(newer)
        self.run_for(2 * DUPLICATE_GRACE_S)
        self.both_keep(newer)
        self.assertEqual(self.small.told, ["linked", "linked"])

    def test_losing_one_of_many_peers_looks_at_its_own_links_only(self) -> None:
        """Of thirty peers each has one link: none of them is somebody else's spare."""
        others = [
            Side(self.memory, f"10.1.0.{n}", Identity.from_seed(bytes([n]) * 32))
            for n in range(10, 40)
        ]
        for other in others:
            other.dial(self.small)
        self.run_for()
        gone, *left = others
        gone.links[0].abort()
        self.run_for()
        self.assertNotIn(gone.identity.public.text, self.small.roster)
        for other in left:
            self.assertEqual(self.small.kept(other), id_of(other.links[0]))
        self.assertEqual(len(self.small.roster), len(left))
        for other in others:
            other.roster.close(PeerGone())


class RefusalTests(RosterCase):
    def test_a_refusal_is_passed_on(self) -> None:
        """With the host and why."""
        self.small.roster.refused("192.0.2.1", HandshakeFailed())
        self.assertEqual(self.small.told, ["refused: 192.0.2.1 handshake-failed"])

    def test_C3_bad_signatures_are_no_accident(self) -> None:
        """Who sent them has misbehaved; nobody else has."""
        self.small.roster.refused("192.0.2.1", BadSignature())
        self.assertEqual(
            self.small.told, ["refused: 192.0.2.1 bad-signature", "misbehaved: 192.0.2.1"]
        )


class PeopleTests(RosterCase):
    def test_no_link_opens_to_a_key_that_is_refused(self) -> None:
        """Whoever dials: it ends with the handshake, and nobody hears of a link."""
        self.small.unwanted.add(LARGE.public)
        for dialler in (self.small, self.large):
            (link,) = self.dialled(dialler)
            self.assertFalse(link.is_open)
        self.assertEqual(self.small.told, ["refused: 10.0.0.2 key-refused"] * 2)
        self.assertEqual(len(self.small.roster), 0)

    def test_bytes_of_files_go_to_who_takes_them(self) -> None:
        """Taken, they are a sign of life; if not, they are a message that is none."""
        (link,) = self.dialled(self.small)
        self.large.takes_frames = True
        self.run_for(1)
        link.send(b"\0 bytes")
        self.run_for()
        peer = self.large.roster.get(SMALL.public)
        assert peer is not None
        self.assertEqual(self.large.told, ["linked", "frame: 7"])
        self.assertGreater(peer.heard_s, peer.opened_s)
        self.large.takes_frames = False
        link.send(b"\0 bytes")
        self.run_for()
        self.assertIn("refused: 10.0.0.1 bad-token", self.large.told)
        self.assertFalse(link.is_open)


class ExpiryTests(RosterCase):
    def test_a_request_without_an_answer_ends_in_time(self) -> None:
        """Within a tick of its limit, and the clock is left alone when nothing waits."""
        (link,) = self.dialled(self.small)
        peer = self.small.roster.of(link)
        assert peer is not None
        self.memory.silence(self.large.address)
        answer = peer.request(Ping())
        self.small.roster.expect_answer()
        self.run_for(TIMEOUT_S - 0.01)
        self.assertNoResult(answer)
        self.run_for(EXPIRY_TICK_S + 0.02)
        self.failureResultOf(answer, RequestTimeout)
        self.run_for(EXPIRY_TICK_S)
        self.assertEqual(list(self.memory.clock.getDelayedCalls()), [])

    def test_many_requests_share_one_timer(self) -> None:
        """However often it is said that one was sent; an answer ends the watch."""
        (link,) = self.dialled(self.small)
        peer = self.small.roster.of(link)
        assert peer is not None
        before = len(self.memory.clock.getDelayedCalls())
        for _ in range(10):
            self.small.roster.expect_answer()
        self.assertEqual(len(self.memory.clock.getDelayedCalls()), before + 1)
        answers = [peer.request(Ping()) for _ in range(10)]
        self.run_for(2 * EXPIRY_TICK_S)
        for answer in answers:
            self.successResultOf(answer)
        self.assertEqual(list(self.memory.clock.getDelayedCalls()), [])


class CloseTests(RosterCase):
    def test_it_fires_when_all_links_are_gone(self) -> None:
        """Those in their grace time too; what waits for an answer fails."""
        self.dialled(self.small, self.large, self.large)
        peer = self.large.roster.get(SMALL.public)
        assert peer is not None
        answer = peer.request(Ping())
        self.large.roster.expect_answer()
        closed = self.large.roster.close(PeerGone("we are stopping"))
        self.run_for(0)
        self.successResultOf(closed)
        self.failureResultOf(answer, PeerGone)
        self.assertEqual((len(self.large.roster), list(self.large.roster)), (0, []))
        self.run_for(0.1)
        self.assertEqual(len(self.small.roster), 0)
        self.assertEqual(list(self.memory.clock.getDelayedCalls()), [])

    def test_without_links_it_fires_at_once(self) -> None:
        """There is nothing to wait for."""
        self.successResultOf(self.small.roster.close(PeerGone()))

    def test_a_link_that_opens_afterwards_is_ended(self) -> None:
        """Its handshake was on the way; nobody is told, and no timer starts."""
        link = self.large.dial(self.small)
        self.run_for(0.045)
        self.assertEqual([len(self.large.roster), len(self.small.roster)], [1, 0])
        self.successResultOf(self.small.roster.close(PeerGone()))
        self.small.roster.expect_answer()
        self.run_for()
        self.assertFalse(link.is_open)
        self.assertEqual((len(self.small.roster), self.small.told), (0, []))
        self.assertEqual(len(self.large.roster), 0)

    def test_superseded_says_so_on_the_wire_and_in_the_log(self) -> None:
        """It is a peer that went in order, with a code of its own."""
        self.assertEqual(Superseded().code, "superseded")
        self.assertIsInstance(Superseded(), PeerGone)
