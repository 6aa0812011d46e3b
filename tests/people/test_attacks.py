"""Hostile strangers and hostile contacts: refused, counted, and others do not notice."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from streembit.chat.quota import BURST
from streembit.contacts import offer as offers
from streembit.contacts import rotation as rotations
from streembit.contacts.pair import Pair
from streembit.dht import record as records
from streembit.errors import RemoteError
from streembit.hub import directory
from streembit.hub.admission import HubAdmission, MemberAdmission
from streembit.hub.grant import EVERYBODY
from streembit.hub.session import MemberSession
from streembit.hub.stream import Streams
from streembit.jose import base64url, envelope
from streembit.jose.keys import Identity, ParsedKeys
from streembit.rpc.peer import Peer
from streembit.service.node import Node
from streembit.wire import card as cards
from streembit.wire import parcel as parcels
from streembit.wire.hub import Observe
from streembit.wire.message import Hand, Handed, Knock, Ping, Refused, Rpc, Show
from streembit.wire.offer import ContactAnswer, ContactRequest
from tests.people.village import PeopleCase, Person
from tests.rig.evil import EvilLink, EvilPeer
from tests.service.town import NETWORK, PORT

NONCE = base64url.encode(bytes(16))


class Ears(Node):
    """A node that remembers every parcel handed to it."""

    parcels: list[str]

    def serve(self, peer: Peer, request: envelope.Verified[Rpc]) -> Any:
        """Serve as always, and remember."""
        body = request.claims.body
        if isinstance(body, Hand):
            self.__dict__.setdefault("parcels", []).append(body.parcel)
        return super().serve(peer, request)


class AttackCase(PeopleCase):
    def evil(self, address: str = "10.66.0.1", **more: Any) -> EvilPeer:
        """Return a hostile peer."""
        host = self.town.memory.host(address)
        return EvilPeer(host.connect, self.town.memory.clock, NETWORK, **more)

    def link(self, person: Person, **more: Any) -> EvilLink:
        """Return a hostile link to somebody."""
        host = self.town.host(person.node).address
        link = self.town.result(self.evil(**more).open(host, PORT))
        self.addCleanup(link.leave)
        return link

    def refused(self, link: EvilLink, body: Any) -> str:
        """Return the code with which a request is refused."""
        answer = self.town.result(link.ask(body)).body
        assert isinstance(answer, Refused), answer
        return answer.code

    def handed(self, link: EvilLink, parcel: str) -> str:
        """Return what is said about a parcel."""
        answer = self.town.result(link.ask(Hand(parcel))).body
        assert isinstance(answer, Handed | Refused), answer
        return answer.code

    def now(self) -> int:
        """Return the time."""
        return int(self.town.memory.clock.seconds())


class StrangerTests(AttackCase):
    def test_nothing_is_taken_from_strangers(self) -> None:
        """No parcel, no card, no bytes of files: refused before they are looked at, and counted."""
        link = self.link(self.ann)
        card = cards.Card(1, self.now(), NETWORK, [], 0)
        commits = self.ann.chest.commits
        self.assertEqual(self.refused(link, Hand("AAAA")), "key-refused")
        self.assertEqual(self.refused(link, Show(card)), "key-refused")
        self.assertEqual(self.ann.node.refusals.counts()["key-refused"], 2)
        link.say(b"\0" * 100)
        self.town.run(1)
        self.assertTrue(link.gone)
        self.assertEqual(self.ann.chest.commits, commits)

    def test_letters_that_make_no_sense(self) -> None:
        """Each is refused with its own code, and nobody waits for an answer."""
        link = self.link(self.ann)
        agreement = Identity.generate().agreement.public.text

        def request(**members: Any) -> Knock:
            given: dict[str, Any] = {
                "id": NONCE,
                "name": "eve",
                "user_type": "human",
                "agreement": agreement,
                "addresses": [],
                "net": NETWORK,
                "iat": self.now(),
                **members,
            }
            return Knock(ContactRequest(**given))

        answer = ContactAnswer(NONCE, True, agreement, [], NETWORK, self.now())
        for code, knock in (
            ("wrong-network", request(net="other")),
            ("stale-letter", request(iat=self.now() - 7200)),
            ("bad-message", request(name="eve\u202e")),
            ("bad-message", request(note="two\nlines")),
            ("bad-message", request(agreement=link.peer.key.public.text)),
            ("bad-message", request(agreement="A" * 44)),
            ("bad-message", request(agreement=self.ann.node.identity.agreement.public.text)),
            ("bad-message", request(agreement=self.ann.node.identity.public.text)),
            ("unknown-answer", Knock(answer)),
        ):
            self.assertEqual(self.refused(link, knock), code)
            self.town.run(20)
        self.assertEqual(self.town.result(self.ann.desk.list_requests()), [])

    def test_many_strangers_ask(self) -> None:
        """So many a day, and no more; contacts do not notice."""
        codes = []
        for n in range(110):
            link = self.link(self.ann, address=f"10.67.{n}.1")
            agreement = Identity.generate().agreement.public.text
            letter = ContactRequest(NONCE, f"eve {n}", "human", agreement, [], NETWORK, self.now())
            answer = self.town.result(link.ask(Knock(letter))).body
            codes.append(answer.code if isinstance(answer, Refused) else "")
            link.leave()
        self.assertEqual(codes, [""] * 100 + ["request-quota"] * 10)
        self.village.acquaint(self.ann, self.bob)


class ReplayTests(AttackCase):
    def setUp(self) -> None:
        super().setUp()
        self.carl = self.village.person(kind=Ears)
        self.village.acquaint(self.carl, self.ann)
        self.village.acquaint(self.carl, self.bob)
        self.village.acquaint(self.ann, self.bob)
        self.ann.say(self.carl, "for carl alone")
        self.village.until(lambda: self.delivered(self.ann, self.carl))
        assert isinstance(self.carl.node, Ears)
        self.parcels = list(self.carl.node.parcels)
        self.assertGreaterEqual(len(self.parcels), 1)

    def check_refused(self, reader: Person, as_whom: Person) -> None:
        """Hand all parcels to somebody, under somebody's key: nothing of it is shown."""
        before = dict(self.histories(reader))
        self.town.end(as_whom.node)
        link = self.link(reader, key=as_whom.node.identity.signing)
        codes = {self.handed(link, parcel) for parcel in self.parcels}
        self.assertLessEqual(
            codes, {"parcel-repeated", "unknown-session", "prekey-gone", "bad-parcel"}
        )
        self.assertEqual(before, dict(self.histories(reader)))

    def histories(self, person: Person) -> Iterator[tuple[str, int]]:
        """Yield how many messages a person has of each contact."""
        for friend in person.people.friends.values():
            yield friend.key.hex, len(friend.talk.conversation.page(None, 100))

    def test_A2_to_the_same_once_more(self) -> None:
        """The receiver has opened it: it is acknowledged again and not shown again."""
        self.check_refused(self.carl, self.ann)
        self.assertEqual(self.carl.texts(self.ann), ["for carl alone"])

    def test_A2_after_a_restart(self) -> None:
        """What was opened before the restart is not opened after it."""
        self.town.end(self.carl.node)
        self.town.run(5)
        self.carl = self.village.again(self.carl)
        self.check_refused(self.carl, self.ann)
        self.assertEqual(self.carl.texts(self.ann), ["for carl alone"])

    def test_A2_to_somebody_else(self) -> None:
        """It opens for nobody but whom it was sealed for."""
        self.check_refused(self.bob, self.ann)

    def test_A2_back_to_its_writer(self) -> None:
        """Nor for whoever wrote it."""
        self.check_refused(self.ann, self.carl)

    def test_A2_by_another_contact(self) -> None:
        """Nor from anybody but its writer."""
        self.check_refused(self.carl, self.bob)


class ConfusionTests(AttackCase):
    def test_A8_each_kind_into_each_reader(self) -> None:
        """What was signed or sealed for one purpose serves no other one."""
        ann, bob, other = Identity.generate("ann"), Identity.generate("bob"), Identity.generate("x")
        now = self.now()
        pair = Pair(ann, bob.public, bob.agreement.public)
        theirs = Pair(bob, ann.public, ann.agreement.public)
        card = cards.Card(1, now, NETWORK, [], 0)
        offer = offers.make(ann, network=NETWORK, now_unix_s=now, life_s=60, nonce=bytes(16))
        keys = ParsedKeys()
        hub = HubAdmission(other.signing, NETWORK, nonce=bytes(32), binding=None)
        member = MemberAdmission(bob.signing, NETWORK, own=bytes(32), started_ms=1)
        through = MemberSession(ann.signing, other.public, NETWORK, "A" * 22, 1)
        link = base64url.encode(bytes(16))
        rpc = Rpc(ann.public.text, [link], "1", now, NETWORK, Ping())
        made: dict[str, bytes] = {
            "rpc": envelope.seal_rpc(ann.signing, rpc),
            "record": records.make(
                ann.signing, "sealed", "salt", b"value", 1, now + 60, NETWORK
            ).token.encode(),
            "offer": offer.token.encode(),
            "rotation": rotations.make(ann, other, NETWORK, now).encode(),
            "revocation": rotations.revoke(ann, NETWORK, now).encode(),
            "card": pair.seal(card),
            "left parcel": pair.seal_parcel(b"parcel"),
            "entry": directory.make(ann, network=NETWORK, now_unix_s=now).token.encode(),
            "hub frame": through.command(Observe())[1],
            "envelope": through.live(bob.public, b"cargo")[1],
        }
        readers: dict[str, Callable[[bytes], object]] = {
            "rpc": lambda data: envelope.verify_rpc(envelope.parse_rpc(data), ann.public),
            "record": lambda data: records.read(data.decode(), keys, now, NETWORK),
            "offer": lambda data: offers.read(data.decode(), bob.public, NETWORK, now),
            "rotation": lambda data: rotations.read(data.decode(), NETWORK, now),
            "revocation": lambda data: rotations.read_revocation(data.decode(), NETWORK, now),
            "card": lambda data: theirs.open(data, NETWORK),
            "left parcel": theirs.open_parcel,
            "parcel": parcels.unpack,
            "entry": lambda data: directory.judge(data.decode(), NETWORK, now),
            "hub frame": envelope.parse_hub_frame,
            "join": lambda data: hub.judge(data, lambda _key: EVERYBODY, now),
            "challenge": member.join,
            "stream": Streams().receive,
        }
        for (kind, data), (name, read) in itertools.product(made.items(), readers.items()):
            if kind == name:
                read(data)
            else:
                with self.assertRaises(RemoteError, msg=f"{kind} read as {name}"):
                    read(data)

    def test_A8_each_kind_handed_over_by_a_contact(self) -> None:
        """Whatever a contact hands over in the place of a parcel, none of it is taken."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(5)
        self.town.end(self.bob.node)
        link = self.link(self.ann, key=self.bob.node.identity.signing)
        bob, now = self.bob.node.identity, self.now()
        offer = offers.make(bob, network=NETWORK, now_unix_s=now, life_s=60, nonce=bytes(16))
        for data in (
            offer.token.encode(),
            rotations.make(bob, Identity.generate("b"), NETWORK, now).encode(),
            rotations.revoke(bob, NETWORK, now).encode(),
            envelope.seal_rpc(
                bob.signing, Rpc(bob.public.text, [NONCE], "1", now, NETWORK, Ping())
            ),
        ):
            self.assertEqual(self.handed(link, base64url.encode(data)), "bad-parcel")
        self.assertFalse(self.ann.people.door.is_refused(bob.public))
        self.assertEqual(self.ann.texts(self.bob), [])

    def test_A9_who_has_our_key_cannot_pose_as_a_contact_to_us(self) -> None:
        """With ann's seed, but not bob's, nobody makes a card or a parcel of bob's for ann."""
        self.village.acquaint(self.ann, self.bob)
        stolen, bob = self.ann.node.identity, self.bob.node.identity
        thief = Pair(stolen, bob.public, bob.agreement.public)
        card = cards.Card(2**40, self.now(), NETWORK, [], 0, removed=True)
        forged = thief.seal(card)
        with self.assertRaises(RemoteError):
            thief.open(forged, NETWORK)
        # The place's key follows from what both know, so the thief can put it there.
        day = self.now() // 86_400
        key, salt = thief.record_key("theirs", day), thief.place_salt("theirs", day)
        self.town.result(self.ann.people.ways.sealed.put(key, salt, forged, 2**40))
        friend = self.ann.people.friends[bob.public]
        self.town.result(self.ann.people.ways.cards.look(friend))
        self.assertIs(self.ann.people.friends.get(bob.public), friend)
        self.ann.say(self.bob, "are you bob?")
        self.village.until(lambda: self.delivered(self.ann, self.bob))


class FloodTests(AttackCase):
    def test_cards_and_letters_without_end_are_refused(self) -> None:
        """Each may cost a commit, so there are only so many of one key."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(60)
        self.town.end(self.bob.node)
        link = self.link(self.ann, key=self.bob.node.identity.signing)
        before = self.ann.chest.commits
        codes = set()
        for number in range(40):
            card = cards.Card(2**40 + number, self.now(), NETWORK, [], 0)
            answer = self.town.result(link.ask(Show(card))).body
            codes.add(answer.code if isinstance(answer, Refused) else "")
        self.assertEqual(codes, {"", "rate-limited"})
        self.assertLess(self.ann.chest.commits - before, 60)

    def test_a_contact_who_floods_is_refused_and_others_do_not_notice(self) -> None:
        """Beyond its quota nothing is opened; another contact's words arrive at once."""
        carl = self.village.person()
        self.village.acquaint(self.ann, self.bob)
        self.village.acquaint(self.ann, carl)
        self.town.run(5)
        self.town.end(self.bob.node)
        link = self.link(self.ann, key=self.bob.node.identity.signing)
        parcel = base64url.encode(bytes([1]) * 400)
        link.flood(link.token(Hand(parcel)) for _ in range(BURST + 1000))
        self.town.run(1)
        started_s = self.town.memory.clock.seconds()
        carl.say(self.ann, "do you hear me?")
        self.village.until(lambda: self.ann.texts(carl) == ["do you hear me?"])
        self.assertLess(self.town.memory.clock.seconds() - started_s, 1.0)
        self.town.run(BURST / 200 + 10)
        answers = [rpc.body for rpc in link.heard if isinstance(rpc.body, Handed)]
        codes = {answer.code for answer in answers}
        self.assertIn("contact-floods", codes)
        self.assertLessEqual(codes, {"unknown-session", "contact-floods"})
        self.assertEqual(self.ann.texts(self.bob), [])
