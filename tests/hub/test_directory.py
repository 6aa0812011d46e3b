"""The directory: who is found, by what, and what a hub cannot make up."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import (
    BadEntry,
    BadHeader,
    BadKey,
    BadName,
    BadSignature,
    BadToken,
    EntryExpired,
    RemoteError,
    WrongIssuer,
    WrongNetwork,
)
from streembit.hub import directory
from streembit.hub.directory import CLOCK_SKEW_S, MAX_LIFE_S, MIN_PREFIX_CHARS
from streembit.hub.mail import Listing
from streembit.jose import base64url, envelope
from streembit.jose.keys import Identity
from tests.hub.people import NETWORK, NOW_S
from tests.jose.people import ANN, BOB, EVE
from tests.rig.evil import flipped
from tests.rig.tokens import of_every_kind, with_other_headers

ENTRY = directory.make(ANN, network=NETWORK, now_unix_s=NOW_S, note="of the hills")


def signed(**changes: object) -> str:
    """Return Ann's entry with other claims, properly signed."""
    return envelope.sign_entry(ANN.signing, msgspec.structs.replace(ENTRY.claims, **changes))


class EntryTests(SynchronousTestCase):
    """What an entry may say."""

    def test_an_entry_says_who_wants_to_be_found(self) -> None:
        """Its keys, its name, until when; and its hub keeps it by its folded name."""
        entry = directory.judge(ENTRY.token, NETWORK, NOW_S)
        self.assertEqual((entry.key, entry.agreement), (ANN.public, ANN.agreement.public))
        self.assertEqual((entry.claims.name, entry.claims.note), ("ann", "of the hills"))
        listing = directory.publish(ENTRY.token, ANN.public, NETWORK, NOW_S)
        expires_s = NOW_S + directory.LIFE_S
        self.assertEqual(listing, Listing(ANN.public.text, "ann", expires_s, ENTRY.token))

    def test_nobody_publishes_for_somebody_else(self) -> None:
        """Not even what that one signed."""
        self.assertRaises(WrongIssuer, directory.publish, ENTRY.token, BOB.public, NETWORK, NOW_S)

    def test_claims_that_no_entry_may_have(self) -> None:
        """All of them signed by Ann."""
        cases: tuple[tuple[type[RemoteError], dict[str, object]], ...] = (
            (WrongNetwork, {"net": "streembit"}),
            (EntryExpired, {"exp": NOW_S}),
            (EntryExpired, {"exp": 0}),
            (BadEntry, {"iat": NOW_S + CLOCK_SKEW_S + 1}),
            (BadEntry, {"iat": NOW_S + 9, "exp": NOW_S + 9}),
            (BadEntry, {"exp": NOW_S + MAX_LIFE_S + 1}),
            (BadEntry, {"exp": 2**53 - 1}),
            (BadEntry, {"name": "ann\u202e"}),
            (BadEntry, {"name": "\u0430nn"}),
            (BadEntry, {"note": "two\nlines"}),
            (BadEntry, {"agreement": ANN.public.text}),
            (BadKey, {"agreement": "A" * 44}),
            (BadSignature, {"iss": BOB.public.text}),
            (BadKey, {"iss": "A" * 44}),
        )
        for kind, changes in cases:
            self.assertRaises(kind, directory.judge, signed(**changes), NETWORK, NOW_S)

    def test_claims_at_the_bounds(self) -> None:
        """The longest life, and a publisher's clock that is ahead as far as may be."""
        ahead_s = NOW_S + CLOCK_SKEW_S
        for iat in (NOW_S, ahead_s):
            directory.judge(signed(iat=iat, exp=iat + MAX_LIFE_S), NETWORK, NOW_S)

    def test_an_entry_that_nobody_could_show_is_not_made(self) -> None:
        """The publisher is told before anybody else."""
        nameless = Identity.from_seed(bytes(32), "")
        self.assertRaises(BadName, directory.make, nameless, network=NETWORK, now_unix_s=NOW_S)
        for arguments, kind in (
            ({"note": "two\nlines"}, BadName),
            ({"life_s": MAX_LIFE_S + 1}, BadEntry),
            ({"life_s": 0}, EntryExpired),
        ):
            said: dict[str, object] = {"network": NETWORK, "now_unix_s": NOW_S} | arguments
            self.assertRaises(kind, directory.make, ANN, **said)

    def test_A4_every_flipped_bit_of_an_entry(self) -> None:
        """None is shown."""
        token = ENTRY.token.encode()
        for bit in range(len(token) * 8):
            text = flipped(token, bit).decode("latin-1")
            self.assertRaises(RemoteError, directory.judge, text, NETWORK, NOW_S)

    def test_A5_other_headers_and_A8_other_kinds(self) -> None:
        """An entry is an entry by its header."""
        payload = base64url.decode(ENTRY.token.split(".")[1])
        for name, token in with_other_headers(payload, "entry+jwt", ANN.signing):
            error = self.assertRaises(
                RemoteError, directory.judge, token.decode("latin-1"), NETWORK, NOW_S
            )
            self.assertIsInstance(error, BadHeader | BadToken, name)
        for kind, token in of_every_kind(payload, ANN.signing):
            if kind != "entry+jwt":
                text = token.decode("latin-1")
                self.assertRaises(RemoteError, directory.judge, text, NETWORK, NOW_S)


class SearchTests(SynchronousTestCase):
    """What a searcher believes."""

    def test_a_name_is_found_by_its_beginning_without_case_and_width(self) -> None:
        """And by nothing else; what looks alike is another name."""
        token = directory.make(
            Identity.from_seed(EVE.seed, "Stra\u00dfe 7"), network=NETWORK, now_unix_s=NOW_S
        ).token
        for searched in ("st", "STRA", "strass", "stra\u00df", "  stra", "\uff33\uff34"):
            found = directory.found(token, searched, NETWORK, NOW_S)
            self.assertEqual(found.key, EVE.public, searched)
            self.assertTrue(
                directory.folded("Stra\u00dfe 7").startswith(directory.prefix(searched))
            )
        for searched in ("tr", "strasse7", "strasse 77", "5t"):
            self.assertRaises(BadEntry, directory.found, token, searched, NETWORK, NOW_S)

    def test_a_search_for_everybody_is_refused(self) -> None:
        """A name has two letters at least, to be searched for."""
        for searched in ("", "a", " a ", " "):
            self.assertRaises(BadName, directory.prefix, searched)
        self.assertEqual(len(directory.prefix("an")), MIN_PREFIX_CHARS)

    def test_a_hub_that_shows_what_is_over_or_made_up_shows_it_in_vain(self) -> None:
        """The searcher asks the same questions."""
        self.assertRaises(
            EntryExpired, directory.found, ENTRY.token, "an", NETWORK, ENTRY.claims.exp
        )
        forged = envelope.sign_entry(EVE.signing, ENTRY.claims)
        self.assertRaises(BadSignature, directory.found, forged, "an", NETWORK, NOW_S)
