"""Offers: what people send each other, found in any text and read strictly."""

from __future__ import annotations

import base64
import quopri
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import offer
from streembit.contacts.offer import MAX_BLOCKS, MAX_OFFER_CHARS, MAX_TEXT_CHARS
from streembit.errors import (
    BadName,
    BadOffer,
    OfferExpired,
    OwnOffer,
    StreembitError,
    WrongNetwork,
)
from streembit.jose import fingerprint
from tests.contacts import hostile
from tests.contacts.people import DAY_S, NETWORK, NOW_S, offer_of
from tests.jose.people import ANN, BOB

QUICK = settings(deadline=None, derandomize=True, database=None, max_examples=60)


class ReadTests(SynchronousTestCase):
    """An offer comes back as it was made, or not at all."""

    def read(self, token: str, now_s: float = NOW_S) -> offer.Offer:
        """Return the offer as Bob reads it."""
        return offer.read(token, BOB.public, NETWORK, now_s)

    def test_an_offer_comes_back(self) -> None:
        """Who reads it knows the keys, the address, and what the maker says."""
        made = offer_of(user_type="device", once=True)
        read = self.read(made.token)
        self.assertEqual(read, made)
        self.assertEqual((read.key, read.agreement), (ANN.public, ANN.agreement.public))
        self.assertEqual((read.claims.host, read.claims.port), ("192.0.2.7", 32319))

    def test_the_members_are_those_of_the_white_paper(self) -> None:
        """The first six, in their names and values, as it prints them."""
        payload = offer_of().token.split(".")[1]
        text = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode()
        start = f'{{"account":"ann","public_key":"{ANN.public.hex}",'
        self.assertTrue(text.startswith(start), text)
        for member in ('"transport":"tcp"', '"host":"192.0.2.7"', '"port":32319'):
            self.assertIn(member, text)
        self.assertIn('"user_type":"human"', text)

    def test_it_ends_when_it_says(self) -> None:
        """To the second, by the reader's clock."""
        token = offer_of(life_s=DAY_S).token
        self.read(token, NOW_S + DAY_S - 1)
        self.assertRaises(OfferExpired, self.read, token, NOW_S + DAY_S)

    def test_nobody_accepts_himself(self) -> None:
        """The maker is told that it is his."""
        self.assertRaises(OwnOffer, offer.read, offer_of().token, ANN.public, NETWORK, NOW_S)

    def test_without_an_address(self) -> None:
        """Host and port are left out together."""
        self.assertEqual(self.read(offer_of(host="", port=0).token).claims.port, 0)
        self.assertRaises(BadOffer, offer_of, host="")
        self.assertRaises(BadOffer, offer_of, port=0)

    def test_L1_A4_B5_hostile_offers(self) -> None:
        """Each of more than sixty is refused for its own reason."""
        cases = list(hostile.cases())
        self.assertGreaterEqual(len(cases), 60)
        self.assertEqual(len({token for _, token, _ in cases}), len(cases))
        for name, token, error in cases:
            with self.assertRaises(StreembitError) as caught:
                self.read(token)
            self.assertIs(type(caught.exception), error, f"{name}: {caught.exception}")

    def test_A4_hostile_offers(self) -> None:
        """None of them, signed or not, is taken an hour earlier or later either."""
        for name, token, _ in hostile.cases():
            for now_s in (NOW_S + 3600, NOW_S + 7 * DAY_S):
                with self.assertRaises(StreembitError, msg=name):
                    self.read(token, now_s)

    def test_nobody_makes_what_nobody_reads(self) -> None:
        """The maker hears of it, not the reader."""
        for wrong in ("two\nlines", "\u202ex", "x" * 201):
            self.assertRaises(BadName, offer_of, note=wrong)
        for life_s in (0, -1):
            self.assertRaises(OfferExpired, offer_of, life_s=life_s)
        self.assertRaises(BadOffer, offer_of, life_s=400 * DAY_S)
        self.assertRaises(BadOffer, offer_of, nonce=b"short")
        self.assertRaises(BadOffer, offer_of, host="a b")
        other = offer_of(network="other").token
        self.assertRaises(WrongNetwork, self.read, other)

    def test_the_longest_offer_is_read(self) -> None:
        """All texts at their longest, in the widest characters."""
        made = offer_of(
            host="a" * 253, note="\U00020000" * 200, life_s=366 * DAY_S, user_type="service"
        )
        self.assertLessEqual(len(made.token), MAX_OFFER_CHARS)
        self.assertEqual(self.read(made.token), made)
        self.assertEqual(offer.find(offer.to_text(made)), [made.token])

    def test_an_offer_by_way_of_a_hub(self) -> None:
        """It says where the hub is and which key it has, or leaves that to the certificate."""
        for hub in (BOB.public.hex, ""):
            made = offer_of(host="hub.example.org", port=443, transport="wss", hub=hub)
            claims = offer.read(made.token, None, NETWORK, NOW_S).claims
            self.assertEqual((claims.transport, claims.hub), ("wss", hub))
        self.assertRaises(BadOffer, offer_of, hub=BOB.public.hex)

    def test_L1_what_is_shown_can_be_printed(self) -> None:
        """No text has a character that could move others."""
        shown = offer.shown(offer_of())
        self.assertEqual(shown["fingerprint"], fingerprint.of(ANN.public))
        self.assertEqual(shown["expires"], NOW_S + 7 * DAY_S)
        for value in shown.values():
            self.assertTrue(str(value).isprintable())

    @QUICK
    @given(note=st.text(max_size=210))
    def test_L1_any_note_is_refused_or_printable(self, note: str) -> None:
        """Python's own idea of what can be printed agrees."""
        try:
            made = offer_of(note=note)
        except BadName:
            return
        self.assertTrue(made.claims.note.isprintable(), ascii(note))


class FindTests(SynchronousTestCase):
    """An offer is found whatever the mail did to it."""

    def setUp(self) -> None:
        """Have an offer and its text."""
        made = offer_of()
        self.token, self.text = made.token, offer.to_text(made)

    def assert_found(self, text: str) -> None:
        """Check that it is the one offer in the text."""
        self.assertEqual(offer.find(text), [self.token])

    def test_the_block_of_the_white_paper(self) -> None:
        """The words, and lines that no mail program breaks."""
        lines = self.text.splitlines()
        self.assertEqual(lines[0], "--- BEGIN STREEMBIT CONTACT OFFER ---")
        self.assertEqual(lines[-1], "--- END STREEMBIT CONTACT OFFER ---")
        self.assertLessEqual(max(map(len, lines)), 64)
        self.assert_found(self.text)

    def test_dashes_of_all_kinds(self) -> None:
        """Two or more, long ones, and what programs make of them."""
        for dashes in ("--", "-----", "-" * 40, "—", "–", "–-", "−−−", "———"):
            self.assert_found(self.text.replace("---", dashes))
        self.assert_found(self.text.replace("--- ", "---").replace(" ---", "---"))
        first, rest = self.text.split("\n", 1)
        self.assert_found(f"{first.lower()}\n{rest}")

    def test_the_form_that_the_white_paper_prints(self) -> None:
        """The data begin right behind two dashes, and the end follows on the same line."""
        self.assert_found(
            f"--- BEGIN STREEMBIT CONTACT OFFER --{self.token} --- END STREEMBIT CONTACT OFFER ---"
        )
        self.assert_found(
            f"--BEGIN STREEMBIT CONTACT OFFER--{self.token}--END STREEMBIT CONTACT OFFER--"
        )

    def test_quoting(self) -> None:
        """Quoted once, three times, in HTML, indented, with bars."""
        for quote in ("> ", ">", "> > > ", ">>> ", "&gt; ", "    ", "\t", "| ", " > | "):
            text = "".join(quote + line for line in self.text.splitlines(keepends=True))
            self.assert_found(text)

    def test_line_breaks(self) -> None:
        """CRLF, CR, none, any length of line, empty lines between."""
        self.assert_found(self.text.replace("\n", "\r\n"))
        self.assert_found(self.text.replace("\n", "\r"))
        self.assert_found(self.text.replace("\n", "\n\n"))
        self.assert_found(self.text.replace("\n", ""))
        self.assert_found(self.text.replace("\n", "   \n  "))
        for width in (1, 7, 19, 76, 500):
            cut = "\n".join(self.token[at : at + width] for at in range(0, len(self.token), width))
            self.assert_found(
                self.text.replace("".join(self.text.splitlines(True)[1:-1]), cut + "\n")
            )

    def test_marks_broken_over_lines(self) -> None:
        """A narrow column breaks the marks, too."""
        broken = self.text.replace("STREEMBIT CONTACT", "STREEMBIT\n> CONTACT")
        self.assert_found(broken)

    def test_quoted_printable(self) -> None:
        """Soft breaks of lines, when a mail is pasted as it travelled."""
        self.assert_found(quopri.encodestring(self.text.replace("\n", "").encode()).decode())

    def test_html(self) -> None:
        """A mail that was forwarded as HTML and pasted with its tags, as programs write them."""
        lines = [line.replace("---", "&#8212;-", 1) for line in self.text.splitlines()]
        for mail in (
            f"<html><body><p>Hi</p><blockquote>{'<br>'.join(lines)}</blockquote></body></html>",
            "\n".join(f'<div dir="ltr">&gt;&nbsp;{line}</div>' for line in lines),
            f'<pre class="q">{self.text}</pre>',
            "".join(f"<p><span style='color: red'>{line}</span><br/></p>\r\n" for line in lines),
        ):
            self.assert_found(mail)

    def test_marks_of_text(self) -> None:
        """In bold, or as code, as messengers have it."""
        for mark in ("*", "**", "`", "```\n"):
            self.assert_found(f"{mark}{self.text.rstrip()}{mark}")
            bold = "".join(f"{mark}{line}{mark}\n" for line in self.text.splitlines())
            self.assert_found(bold)

    def test_any_text_around(self) -> None:
        """Before and behind, on the same lines too."""
        self.assert_found(f"Hello Bob,\nhere I am: {self.text.strip()} -- \nAnn\n")

    def test_a_bare_token(self) -> None:
        """A QR code holds nothing else."""
        self.assert_found(self.token)
        self.assert_found(f"  {self.token}\n")
        self.assertEqual(offer.find(f"x {self.token}"), [])

    def test_several(self) -> None:
        """In their order, and no more than the bound."""
        other = offer_of(BOB)
        self.assertEqual(offer.find(self.text + offer.to_text(other)), [self.token, other.token])
        self.assertEqual(len(offer.find(self.text * 60)), MAX_BLOCKS)

    def test_no_offer(self) -> None:
        """Half a block is none; another block is none; nothing is none."""
        for text in (
            "",
            "hello",
            self.text.replace("END", "FIN"),
            self.text.replace("BEGIN", "START"),
            self.text.replace("CONTACT", "PUBLIC KEY"),
            "--- END STREEMBIT CONTACT OFFER ---\n" + self.text.splitlines()[0],
        ):
            self.assertEqual(offer.find(text), [])

    def test_a_begin_without_end_hides_nothing(self) -> None:
        """The block that is whole is found."""
        self.assert_found(self.text.splitlines()[0] + "\nlost\n" + self.text)

    def test_a_damaged_block_is_found_and_refused(self) -> None:
        """So that the user hears why."""
        (found,) = offer.find(self.text.replace("e", "é"))
        self.assertRaises(StreembitError, offer.read, found, BOB.public, NETWORK, NOW_S)

    def test_beyond_the_bound_nothing_is_looked_at(self) -> None:
        """A book before the offer hides it."""
        self.assert_found("x" * 60_000 + "\n" + self.text)
        self.assertEqual(offer.find("x" * MAX_TEXT_CHARS + "\n" + self.text), [])

    def test_texts_made_to_be_slow_are_not(self) -> None:
        """The work is that of looking at each character some times, however it is arranged."""
        mark = "--- BEGIN STREEMBIT CONTACT OFFER ---"
        pieces = ("-", mark, "- ", ">", "&gt;", "=\n", "eyJ.", "-\n" * 3, mark[:-6], "\u2014 ")
        for piece in (*pieces, "<", "<a", "<a ", "</", "&#8212", "&"):
            text = (piece * MAX_TEXT_CHARS)[:MAX_TEXT_CHARS]
            self.assertLessEqual(len(offer.find(text)), MAX_BLOCKS)

    @QUICK
    @given(seed=st.integers(0, 2**32), before=st.text(max_size=50), behind=st.text(max_size=50))
    def test_any_wrapping(self, seed: int, before: str, behind: str) -> None:
        """Breaks and quotes at random places of the token."""
        chance = Random(seed)
        inside = "".join(
            letter + chance.choice(("\n", "\r\n", "\n> ", " ", "\n\t") + ("",) * 40)
            for letter in self.token
        )
        mark = (
            f"--- BEGIN STREEMBIT CONTACT OFFER ---\n{inside}\n--- END STREEMBIT CONTACT OFFER ---"
        )
        self.assert_found(f"{before}\n{mark}\n{behind}")
