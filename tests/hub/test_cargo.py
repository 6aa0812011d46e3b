"""What envelopes carry, and what answers what."""

from __future__ import annotations

import msgspec
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadCargo, BadToken
from streembit.hub import cargo
from streembit.hub.answers import due
from tests.hub.samples import COMMANDS, LIVE


class CargoTests(SynchronousTestCase):
    """One byte says what the others are."""

    def test_a_cargo_is_its_kind_and_its_content(self) -> None:
        """Kinds that are not known come back as they are: whoever reads them drops them."""
        for kind in (cargo.STREAM, cargo.PARCEL, 0, 255):
            self.assertEqual(cargo.unpack(cargo.pack(kind, b"content")), (kind, b"content"))
        self.assertEqual(cargo.unpack(b"\x02"), (cargo.PARCEL, b""))
        self.assertRaises(BadCargo, cargo.unpack, b"")

    def test_the_cargo_of_an_envelope_has_one_text(self) -> None:
        """Anything but canonical base64url is refused."""
        self.assertEqual(cargo.of(LIVE), b"\x01hello")
        for text in ("A", "AB", "AWhlbGxv=", "AWhl bGxv", "\u00e9\u00e9"):
            bad = msgspec.structs.replace(LIVE, val=text)
            self.assertRaises(BadToken, cargo.of, bad)


class AnswerTests(SynchronousTestCase):
    """A hub may not answer one question with another's answer."""

    def test_each_command_has_one_reply(self) -> None:
        """As docs/protocol/hub.md has it."""
        self.assertEqual(
            {type(body).__name__: due(body).__name__ for body in COMMANDS},
            {
                "Join": "Welcome",
                "Ack": "Done",
                "Put": "Placed",
                "Get": "Found",
                "Publish": "Done",
                "Withdraw": "Done",
                "Search": "Entries",
                "Show": "Done",
                "Watch": "Done",
                "Observe": "Seen",
                "DialBack": "Dialled",
                "Kick": "Done",
                "Dismiss": "Done",
            },
        )
