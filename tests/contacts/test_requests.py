"""Requests to be contacts: who may ask, who waits, what an offer is worth, what is owed."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import invitations, requests
from streembit.contacts.book import ROOM as CONTACTS
from streembit.contacts.book import Book, contact
from streembit.contacts.invitations import MAX_OPEN, MAX_USES, Invitations
from streembit.contacts.offer import CLOCK_SKEW_S
from streembit.contacts.requests import (
    DAY_S,
    DENIED_FOR_S,
    MAX_A_DAY,
    MAX_ASKED,
    MAX_DENIED,
    MAX_WAITING,
    OWED_FOR_S,
    WAITS_FOR_S,
    Received,
    Requests,
    Waiting,
)
from streembit.errors import (
    AmbiguousContact,
    BadMessage,
    ChestDamaged,
    KeyRefused,
    KeyRevoked,
    NotFound,
    OfferExpired,
    OfferUsed,
    RequestQuota,
    StaleLetter,
    TooManyAsked,
    TooManyOffers,
    UnknownAnswer,
    WrongNetwork,
)
from streembit.jose import base64url
from streembit.jose.keys import Identity, PrivateKey, PublicKey
from streembit.testing import MemoryChest
from streembit.wire.offer import Address, ContactAnswer, ContactRequest
from tests.contacts.hostile import NAMES, TEXTS
from tests.contacts.people import CAT, NETWORK, NOW_S, offer_of
from tests.jose.people import ANN, BOB, EVE

AGREEMENT = BOB.agreement.public.text


def nonce_of(number: int) -> str:
    """Return the text of 16 bytes."""
    return base64url.encode(number.to_bytes(16))


def key_of(number: int) -> PublicKey:
    """Return the key with this number."""
    return PrivateKey.from_scalar(number.to_bytes(32)).public


def request_of(identity: Identity = BOB, **changes: Any) -> ContactRequest:
    """Return a good request of this identity, some members others."""
    members: dict[str, Any] = {
        "id": nonce_of(7),
        "name": identity.name,
        "user_type": "human",
        "agreement": identity.agreement.public.text,
        "addresses": [Address("192.0.2.7", 32319)],
        "net": NETWORK,
        "iat": NOW_S,
    }
    return ContactRequest(**{**members, **changes})


def answer_of(identity: Identity = BOB, **changes: Any) -> ContactAnswer:
    """Return a good answer of this identity to the request 7, some members others."""
    members: dict[str, Any] = {
        "re": nonce_of(7),
        "accepted": True,
        "agreement": identity.agreement.public.text,
        "addresses": [],
        "net": NETWORK,
        "iat": NOW_S,
    }
    return ContactAnswer(**{**members, **changes})


class RequestsTest(SynchronousTestCase):
    """Ann's book, offers and requests."""

    def setUp(self) -> None:
        """Begin with nothing."""
        self.chest = MemoryChest()
        self.read()

    def read(self) -> None:
        """Take all from the chest."""
        self.book = Book(self.chest.all(CONTACTS))
        self.offers = Invitations(self.chest.all(invitations.ROOM))
        self.requests = Requests(self.chest.all)

    def restart(self) -> None:
        """Commit, and read it all again."""
        changes = [*self.book.changes(), *self.offers.changes(), *self.requests.changes()]
        self.chest.commit(changes)
        self.read()

    def receive(
        self, who: Identity | PublicKey = BOB, now_s: int = NOW_S, **changes: Any
    ) -> Received:
        """Take a request of somebody."""
        key = who if isinstance(who, PublicKey) else who.public
        identity = who if isinstance(who, Identity) else BOB
        request = request_of(identity, **{"iat": now_s, **changes})
        return self.requests.receive(key, request, self.book, self.offers, now_s, NETWORK)

    def offer(self, **changes: Any) -> str:
        """Make an offer, and return its nonce."""
        offer = offer_of(ANN, **changes)
        return self.offers.add(offer, NOW_S).nonce


class StrangerTests(RequestsTest):
    """Somebody asks without an offer."""

    def test_a_request_waits_for_the_user(self) -> None:
        """It is kept with all that they said, and becomes a contact when it is accepted."""
        received = self.receive(note="from the harbour")
        self.assertFalse(received.is_accepted)
        self.restart()
        (waiting,) = self.requests.waiting()
        self.assertEqual(waiting, received.waiting)
        entry = waiting.entry("", NOW_S + 5)
        self.assertEqual((entry.name, entry.called, entry.state), ("bob", "bob", "contact"))
        self.assertEqual((entry.note, entry.added_s), ("from the harbour", NOW_S + 5))
        self.assertEqual(entry.agreement, BOB.agreement.public.point)
        self.book.add(waiting.entry("Bobby", NOW_S))
        owed = self.requests.accept(waiting, NOW_S)
        self.restart()
        self.assertEqual(self.requests.waiting(), [])
        self.assertEqual(self.requests.owed(), [owed])
        self.assertEqual((owed.re, owed.accepted), (nonce_of(7), True))
        self.requests.heard(owed)
        self.restart()
        self.assertEqual(self.requests.owed(), [])

    def test_one_for_each_key(self) -> None:
        """Who asks again has one request, the latest, and uses up no quota."""
        for n in range(MAX_A_DAY * 2):
            self.receive(id=nonce_of(n), now_s=NOW_S + n)
        (waiting,) = self.requests.waiting()
        self.assertEqual(waiting.id, nonce_of(MAX_A_DAY * 2 - 1))
        self.receive(CAT)

    def test_D8_a_flood_of_keys_is_stopped(self) -> None:
        """So many strangers may ask in a day; the next day others can again, the oldest go."""
        for n in range(1, MAX_A_DAY + 1):
            self.receive(key_of(n))
        self.assertRaises(RequestQuota, self.receive, CAT)
        self.receive(key_of(1))
        self.restart()
        self.assertRaises(RequestQuota, self.receive, CAT)
        for day in (1, 2):
            for n in range(1, MAX_A_DAY + 1):
                self.receive(key_of(day * 1000 + n), now_s=NOW_S + day * DAY_S)
        self.restart()
        waiting = {each.key for each in self.requests.waiting()}
        self.assertEqual(len(waiting), MAX_WAITING)
        self.assertNotIn(key_of(1).point, waiting)
        self.assertIn(key_of(1001).point, waiting)

    def test_a_clock_that_went_back_locks_nobody_out(self) -> None:
        """Requests that seem to come from the future do not count for ever."""
        for n in range(1, MAX_A_DAY + 1):
            self.receive(key_of(n), now_s=NOW_S + 900 * DAY_S)
        self.receive(CAT)

    def test_denied(self) -> None:
        """They are told so once, and may ask again after a while, not before."""
        owed = self.requests.deny(self.receive().waiting, NOW_S)
        self.assertFalse(owed.accepted)
        self.restart()
        for after_s in (0, DENIED_FOR_S - 1):
            self.assertRaises(KeyRefused, self.receive, now_s=NOW_S + after_s)
        self.receive(now_s=NOW_S + DENIED_FOR_S)
        self.requests.expire(NOW_S + DENIED_FOR_S)
        self.restart()
        self.receive(now_s=NOW_S + 5)

    def test_the_denied_are_bounded(self) -> None:
        """Of very many the oldest may ask again."""
        asked = self.receive().waiting
        for n in range(MAX_DENIED + 1):
            other = Waiting(
                n.to_bytes(33), asked.id, "x", "human", asked.agreement, [], "", NOW_S, False
            )
            self.requests.deny(other, NOW_S + n)
        self.restart()
        self.assertEqual(len(self.chest.all(requests.DENIED)), MAX_DENIED)

    def test_refused_keys(self) -> None:
        """Blocked, removed, replaced and revoked keys may not ask, not with an offer either."""
        nonce = self.offer()
        for identity in (BOB, EVE, CAT):
            self.book.add(contact(identity.public, identity.name, NOW_S))
        self.book.block(BOB.public, NOW_S)
        self.book.remove(EVE.public, NOW_S)
        new = key_of(9)
        self.book.replace_key(CAT.public, new, key_of(10), b"d" * 32)
        for identity in (BOB, EVE, CAT):
            self.assertRaises(KeyRefused, self.receive, identity)
            self.assertRaises(KeyRefused, self.receive, identity, nonce=nonce)
        self.book.revoke(new)
        self.assertRaises(KeyRevoked, self.receive, new)
        self.assertEqual(self.requests.changes(), [])
        self.assertEqual(self.offers.valid(NOW_S)[0].by, [])

    def test_a_contact_who_asks_again_is_answered_again(self) -> None:
        """Our answer may have been lost, or their book."""
        self.book.add(contact(BOB.public, "bob", NOW_S))
        self.assertTrue(self.receive().is_accepted)
        self.assertEqual(self.requests.waiting(), [])

    def test_who_was_asked_and_asks_is_accepted(self) -> None:
        """Both want the same: no answer is needed."""
        self.receive()
        self.book.add(contact(BOB.public, "bob", NOW_S, asked=True))
        self.requests.ask(BOB.public, nonce_of(1), "", "", NOW_S)
        received = self.receive()
        self.assertTrue(received.is_accepted)
        self.requests.accept(received.waiting, NOW_S)
        self.assertEqual((self.requests.waiting(), self.requests.asked()), ([], []))

    def test_L1_B5_hostile_letters(self) -> None:
        """What must not be shown is not kept, whoever says it."""
        for name in [*TEXTS.values(), *NAMES.values()]:
            self.assertRaises(BadMessage, self.receive, name=name)
        for note in TEXTS.values():
            self.assertRaises(BadMessage, self.receive, note=note)
        for key in ("A" * 44, BOB.public.text, "?" * 44):
            self.assertRaises(BadMessage, self.receive, agreement=key)
        self.assertRaises(WrongNetwork, self.receive, net="other")
        for off_s in (-CLOCK_SKEW_S - 1, CLOCK_SKEW_S + 1, 2**52):
            self.assertRaises(StaleLetter, self.receive, iat=NOW_S + off_s)
        self.assertEqual(self.requests.changes(), [])

    def test_who_is_meant(self) -> None:
        """By the request's id, the key, or the name if only one has it."""
        self.receive(BOB, id=nonce_of(1))
        self.receive(CAT, id=nonce_of(2))
        for text in (nonce_of(1), BOB.public.hex, "bob"):
            self.assertEqual(self.requests.find(text).key, BOB.public.point)
        self.receive(EVE, id=nonce_of(1), name="cat")
        for text in (nonce_of(1), "cat"):
            self.assertRaises(AmbiguousContact, self.requests.find, text)
        self.assertRaises(NotFound, self.requests.find, "dan")

    def test_waiting_ends(self) -> None:
        """Requests and answers do not wait for ever."""
        owed = self.requests.accept(self.receive().waiting, NOW_S)
        waiting = self.receive(CAT).waiting
        asked = self.requests.ask(EVE.public, nonce_of(1), "", "", NOW_S)
        self.assertEqual(self.requests.expire(NOW_S + OWED_FOR_S - 1), ([], []))
        self.assertEqual(self.requests.owed(), [owed])
        self.assertEqual(self.requests.expire(NOW_S + OWED_FOR_S), ([], []))
        self.assertEqual(self.requests.owed(), [])
        self.assertEqual(self.requests.expire(NOW_S + WAITS_FOR_S), ([waiting], [asked]))
        self.restart()
        self.assertEqual((self.requests.waiting(), self.requests.asked()), ([], []))

    def test_withdrawn(self) -> None:
        """Who is blocked or removed waits for nothing and is asked for nothing."""
        self.requests.accept(self.receive().waiting, NOW_S)
        self.receive()
        self.requests.ask(BOB.public, nonce_of(1), "", "", NOW_S)
        self.requests.withdraw(BOB.public)
        self.restart()
        left = (self.requests.waiting(), self.requests.asked(), self.requests.owed())
        self.assertEqual(left, ([], [], []))


class InvitedTests(RequestsTest):
    """Somebody brings an offer of ours."""

    def test_an_offer_is_an_answer(self) -> None:
        """Who brings it is accepted at once, and again if the answer was lost."""
        nonce = self.offer()
        for identity in (BOB, CAT, BOB):
            received = self.receive(identity, nonce=nonce)
            self.assertEqual((received.is_accepted, received.waiting.invited), (True, True))
            self.restart()
        (offer,) = self.offers.valid(NOW_S)
        self.assertEqual(offer.by, [BOB.public.point, CAT.public.point])
        self.assertEqual(self.requests.waiting(), [])

    def test_an_offer_for_one_is_used_up_once(self) -> None:
        """The first has it, and may come again; nobody else, also after a restart."""
        nonce = self.offer(once=True)
        self.receive(nonce=nonce)
        self.restart()
        self.assertRaises(OfferUsed, self.receive, CAT, nonce=nonce)
        self.assertTrue(self.receive(nonce=nonce).is_accepted)
        self.assertEqual(self.requests.waiting(), [])

    def test_it_is_remembered_until_it_is_over_everywhere(self) -> None:
        """A used nonce cannot be used again by a clock that is behind."""
        nonce = self.offer(once=True, life_s=DAY_S)
        self.receive(nonce=nonce)
        over_s = NOW_S + DAY_S
        self.offers.expire(over_s + CLOCK_SKEW_S - 1)
        self.assertRaises(OfferExpired, self.receive, CAT, nonce=nonce, now_s=over_s)
        self.assertRaises(OfferUsed, self.receive, CAT, nonce=nonce, now_s=over_s - 1)
        self.offers.expire(over_s + CLOCK_SKEW_S)
        self.assertFalse(self.receive(CAT, nonce=nonce, now_s=over_s).is_accepted)

    def test_taken_back(self) -> None:
        """An offer that was taken back is worth nothing, but to those who had come."""
        nonce = self.offer()
        self.receive(nonce=nonce)
        self.offers.revoke(nonce)
        self.restart()
        self.assertRaises(OfferExpired, self.receive, CAT, nonce=nonce)
        self.assertTrue(self.receive(nonce=nonce).is_accepted)
        self.assertRaises(NotFound, self.offers.revoke, nonce_of(99))

    def test_an_unknown_nonce_is_no_invitation(self) -> None:
        """Whoever guesses waits as any stranger does."""
        received = self.receive(nonce=nonce_of(5))
        self.assertEqual((received.is_accepted, received.waiting.invited), (False, False))

    def test_one_who_goes_by_a_known_name_waits(self) -> None:
        """An offer overheard helps nobody to pass as a contact."""
        self.book.add(contact(CAT.public, "Bob", NOW_S))
        nonce = self.offer(once=True)
        received = self.receive(BOB, nonce=nonce)
        self.assertEqual((received.is_accepted, received.waiting.invited), (False, True))
        self.assertEqual(len(self.requests.waiting()), 1)

    def test_more_than_an_offer_is_for_wait(self) -> None:
        """An offer that went round the world lets so many in and no more."""
        nonce = self.offer()
        for n in range(1, MAX_USES + 1):
            self.assertTrue(self.receive(key_of(n), nonce=nonce, name=f"c {n}").is_accepted)
        self.assertFalse(self.receive(CAT, nonce=nonce).is_accepted)
        self.assertTrue(self.receive(key_of(3), nonce=nonce).is_accepted)

    def test_the_invited_are_not_pushed_out_by_strangers(self) -> None:
        """When too many wait, those who were invited go last."""
        self.book.add(contact(CAT.public, "bob", NOW_S))
        self.receive(BOB, nonce=self.offer())
        for day in range(1, 4):
            for n in range(MAX_A_DAY):
                self.receive(key_of(day * 1000 + n), now_s=NOW_S + day * DAY_S)
        self.assertEqual(self.requests.waiting()[0].key, BOB.public.point)

    def test_offers_are_listed_and_bounded(self) -> None:
        """The newest first, those that are over not at all; there is a most."""
        for n in range(MAX_OPEN):
            offer = offer_of(ANN, nonce=n.to_bytes(16), life_s=DAY_S)
            self.offers.add(offer, NOW_S + n)
        self.assertRaises(TooManyOffers, self.offers.add, offer_of(ANN), NOW_S + MAX_OPEN)
        listed = [each.created_s for each in self.offers.valid(NOW_S)]
        self.assertEqual(listed, sorted(listed, reverse=True))
        self.assertEqual(self.offers.valid(NOW_S + DAY_S), [])
        self.restart()
        self.assertEqual(len(self.offers.valid(NOW_S)), MAX_OPEN)
        self.offers.add(offer_of(ANN, now_unix_s=NOW_S + DAY_S), NOW_S + DAY_S + CLOCK_SKEW_S)

    def test_S2_a_row_that_is_no_offer_is_refused(self) -> None:
        """Offers and requests are read whole or not at all."""
        self.assertRaises(ChestDamaged, Invitations, [b"\x90"])
        self.assertRaises(ChestDamaged, Requests, lambda room: [b"\x90"])


class AskingTests(RequestsTest):
    """We ask somebody."""

    def test_asked_and_answered(self) -> None:
        """The answer is taken once, from the one who was asked."""
        asked = self.requests.ask(BOB.public, nonce_of(7), nonce_of(1), "hello", NOW_S)
        self.restart()
        self.assertEqual(self.requests.asked(), [asked])
        for who, answer in (
            (EVE, answer_of(EVE)),
            (BOB, answer_of(BOB, re=nonce_of(8))),
        ):
            self.assertRaises(
                UnknownAnswer, self.requests.answered, who.public, answer, NOW_S, NETWORK
            )
        for answer, kind in (
            (answer_of(net="other"), WrongNetwork),
            (answer_of(iat=NOW_S - CLOCK_SKEW_S - 1), StaleLetter),
            (answer_of(agreement="A" * 44), BadMessage),
            (answer_of(agreement=BOB.public.text), BadMessage),
        ):
            self.assertRaises(kind, self.requests.answered, BOB.public, answer, NOW_S, NETWORK)
        self.assertEqual(self.requests.changes(), [])
        found, agreement = self.requests.answered(BOB.public, answer_of(), NOW_S, NETWORK)
        self.assertEqual((found, agreement), (asked, BOB.agreement.public))
        self.restart()
        self.assertRaises(
            UnknownAnswer, self.requests.answered, BOB.public, answer_of(), NOW_S, NETWORK
        )

    def test_asking_ends_a_denial(self) -> None:
        """Who was denied may answer when we ask."""
        self.requests.deny(self.receive().waiting, NOW_S)
        self.requests.ask(BOB.public, nonce_of(7), "", "", NOW_S)
        self.restart()
        self.receive()

    def test_the_asked_are_bounded(self) -> None:
        """There is a most; asking somebody again does not count."""
        for n in range(1, MAX_ASKED + 1):
            self.requests.ask(key_of(n), nonce_of(n), "", "", NOW_S)
        self.assertRaises(TooManyAsked, self.requests.ask, BOB.public, nonce_of(1), "", "", NOW_S)
        self.requests.ask(key_of(1), nonce_of(2), "", "", NOW_S)
