"""Mutated offers, letters, cards and changes of key: refused, or what somebody has signed."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import generations, offer, rotation
from streembit.contacts.book import Book, contact
from streembit.contacts.generations import Generations
from streembit.contacts.invitations import Invitations
from streembit.contacts.padding import pad
from streembit.contacts.pair import CARD_BYTES, TYP, Pair
from streembit.contacts.requests import Requests
from streembit.errors import RemoteError
from streembit.jose import base64url, envelope, jwe, jws
from streembit.jose.jws import Kind
from streembit.wire import codec, texts
from streembit.wire.message import Letter
from streembit.wire.offer import ContactAnswer, ContactRequest, RotationClaims, SuccessorClaims
from tests.contacts.make_vectors import CARD, PARCEL
from tests.contacts.people import CAT, NETWORK, NOW_S, offer_of
from tests.fuzz.mutate import CASES, Outcome, run
from tests.jose.people import ANN, BOB

OFFER = offer_of()
MINE = Pair(BOB, ANN.public, ANN.agreement.public)
THEIRS = Pair(ANN, BOB.public, BOB.agreement.public)
FEW = CASES // 4  # of what is sealed, which is slow to open


class ContactsFuzz(SynchronousTestCase):
    """What the outcomes have in common."""

    def assert_both(self, outcome: Outcome) -> None:
        """Check that the corpus was good and the mutator did something."""
        self.assertGreater(outcome.accepted, 0)
        self.assertGreater(outcome.refused, 0)

    def check_shown(self, found: offer.Offer) -> None:
        """Check that an offer shows nothing that must not be shown."""
        claims = found.claims
        texts.check_name(claims.account)
        texts.check_note(claims.note)
        for each in offer.shown(found).values():
            assert str(each).isprintable(), each
        assert claims.host.isascii()
        assert NOW_S < claims.exp <= NOW_S + offer.MAX_LIFE_S + offer.CLOCK_SKEW_S


class OfferTests(ContactsFuzz):
    """Offers, as text, as tokens and as claims."""

    def test_L1_mutated_texts(self) -> None:
        """Whatever is found in a text is read as a token, and is the one that was made or none."""

        def read(data: bytes) -> None:
            for token in offer.find(data.decode("utf-8", "replace")):
                assert offer.read(token, BOB.public, NETWORK, NOW_S).claims == OFFER.claims

        quoted = "".join(f"> {line}\n" for line in offer.to_text(OFFER).splitlines())
        corpus = [offer.to_text(OFFER), quoted, OFFER.token, quoted + offer.to_text(OFFER)]
        self.assert_both(run(read, [text.encode() for text in corpus], CASES, 61, RemoteError))

    def test_A4_mutated_tokens(self) -> None:
        """No token is accepted that Ann did not sign."""

        def read(data: bytes) -> None:
            token = data.decode("utf-8", "replace")
            assert offer.read(token, BOB.public, NETWORK, NOW_S).token == OFFER.token

        self.assert_both(run(read, [OFFER.token.encode()], CASES, 62, RemoteError))

    def test_L1_B5_mutated_claims(self) -> None:
        """What Ann signs herself is refused, or can be shown as it is."""

        def read(claims: bytes) -> None:
            token = jws.sign(Kind.OFFER, claims, ANN.signing).decode()
            self.check_shown(offer.read(token, BOB.public, NETWORK, NOW_S))

        self.assert_both(run(read, [codec.encode(OFFER.claims)], CASES, 63, RemoteError))


class LetterTests(ContactsFuzz):
    """Requests and answers."""

    def test_L1_B5_mutated_requests(self) -> None:
        """A request is refused, or what it says can be kept and read again."""
        agreement, nonce = BOB.agreement.public.text, base64url.encode(bytes(16))
        book, offers = Book(), Invitations()
        request = ContactRequest(nonce, "bob", "human", agreement, [], NETWORK, NOW_S, nonce)

        def read(data: bytes) -> None:
            letter = codec.decode(data, ContactRequest)
            requests = Requests(lambda room: [])
            got = requests.receive(BOB.public, letter, book, offers, NOW_S, NETWORK)
            texts.check_name(got.waiting.entry("", NOW_S).name)
            rows = {c.room: [c.row] for c in requests.changes() if c.row is not None}
            assert Requests(lambda room: rows.get(room, [])).waiting() == [got.waiting]

        self.assert_both(run(read, [codec.encode(request)], CASES, 64, RemoteError))

    def test_B5_mutated_answers(self) -> None:
        """An answer is refused, or is the one to our request."""
        agreement, nonce = BOB.agreement.public.text, base64url.encode(bytes(16))
        answer = ContactAnswer(nonce, True, agreement, [], NETWORK, NOW_S)

        def read(data: bytes) -> None:
            requests = Requests(lambda room: [])
            requests.ask(BOB.public, nonce, "", "", NOW_S)
            letter = codec.decode(data, ContactAnswer)
            requests.answered(BOB.public, letter, NOW_S, NETWORK)
            assert letter.re == nonce

        self.assert_both(run(read, [codec.encode(answer)], CASES, 65, RemoteError))


class CardTests(ContactsFuzz):
    """What lies sealed in the network."""

    def test_A4_mutated_values(self) -> None:
        """No value opens that was not sealed, neither as a card nor as a parcel."""
        card, parcel = THEIRS.seal(CARD), THEIRS.seal_parcel(PARCEL)

        def read(value: bytes) -> None:
            if len(value) % 2:
                assert MINE.open(value, NETWORK) == CARD
            else:
                assert MINE.open_parcel(value) == PARCEL

        self.assertGreater(run(read, [card, parcel], FEW, 66, RemoteError).refused, 0)
        self.assertEqual(MINE.open(card, NETWORK), CARD)
        self.assertEqual(MINE.open_parcel(parcel), PARCEL)

    def test_B5_mutated_cards(self) -> None:
        """A contact who seals anything at all is refused, or understood."""

        def read(body: bytes) -> None:
            padded = base64url.encode(pad(body, CARD_BYTES) if len(body) < 3000 else body[:4000])
            letter = Letter(ANN.public.text, BOB.public.text, TYP, padded)
            token = envelope.sign_letter(ANN.signing, letter)
            value = jwe.seal(token, BOB.agreement.public, typ=TYP).encode()
            card = MINE.open(value, NETWORK)
            assert card.last - card.first < 1_024
            assert codec.encode(card)

        self.assert_both(run(read, [codec.encode(CARD)], FEW, 67, RemoteError))


class RotationTests(ContactsFuzz):
    """Changes of key."""

    def test_A4_mutated_rotations(self) -> None:
        """No change of keys is followed that both keys did not sign."""
        token = rotation.make(ANN, CAT, NETWORK, NOW_S)
        void = rotation.revoke(ANN, NETWORK, NOW_S)
        found = rotation.read(token, NETWORK, NOW_S)

        def read(data: bytes) -> None:
            text = data.decode("utf-8", "replace")
            try:
                assert rotation.read(text, NETWORK, NOW_S) == found
            except RemoteError:
                assert rotation.read_revocation(text, NETWORK, NOW_S) == ANN.public

        corpus = [token.encode(), void.encode()]
        for good in corpus:
            read(good)
        # Hardly any change leaves both signatures as they were.
        self.assertGreater(run(read, corpus, CASES, 68, RemoteError).refused, CASES // 2)

    def test_A4_mutated_statements_of_agreement_keys(self) -> None:
        """No agreement key is taken that the identity key did not sign."""
        good = Generations.first(ANN, NOW_S, 0.0).renewed(CAT.agreement, NOW_S, 0.0)
        token = good.statement(NETWORK)
        found = generations.read(token, NETWORK, NOW_S)

        def read(data: bytes) -> None:
            assert generations.read(data.decode("utf-8", "replace"), NETWORK, NOW_S) == found

        read(token.encode())
        refused = run(read, [token.encode()], CASES, 70, RemoteError).refused
        self.assertGreater(refused, CASES // 2)

    def test_B5_mutated_claims(self) -> None:
        """Whatever Ann signs about Cat's statement: one contact stays, as Ann or as Cat."""
        successor = SuccessorClaims(
            CAT.public.text, ANN.public.text, CAT.agreement.public.text, NETWORK, NOW_S
        )
        inner = envelope.sign_successor(CAT.signing, successor)
        claims = RotationClaims(ANN.public.text, inner, NETWORK, NOW_S)

        def read(data: bytes) -> None:
            book = Book()
            book.add(contact(ANN.public, "ann", NOW_S))
            token = jws.sign(Kind.ROTATION, data, ANN.signing).decode()
            entry = rotation.apply(book, [rotation.read(token, NETWORK, NOW_S)])
            assert (entry.key, entry.name, len(book)) == (CAT.public.point, "ann", 1)

        self.assert_both(run(read, [codec.encode(claims)], FEW, 69, RemoteError))
