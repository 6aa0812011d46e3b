"""Frames that come together and leave together: the same as one by one."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from streembit.net.turn import TOGETHER_BYTES
from tests.hubs.house import Guest, House, head

CARGO = bytes(1024)


def frame(token: bytes) -> bytes:
    """Return a member's frame, masked with zeros."""
    return head(len(token)) + token


class TogetherTests(SynchronousTestCase):
    """A member says much at once."""

    def setUp(self) -> None:
        self.house = House(self)
        self.addCleanup(self.house.stop)
        self.sender, self.recipient = self.house.joined(1), self.house.joined(2)

    def tokens(self, count: int, to: Guest | None = None) -> list[bytes]:
        """Return so many envelopes of the sender, in their order."""
        key = (to or self.recipient).who.public
        return [self.sender.own.live(key, CARGO)[1] for _ in range(count)]

    def write(self, data: bytes) -> None:
        """Send bytes past autobahn."""
        carrier: Any = self.sender.carrier
        carrier.transport.write(data)
        self.house.run()

    def got(self) -> list[bytes]:
        """Return what the recipient was sent, after the welcome."""
        return self.recipient.tokens[2:]

    def test_all_that_came_is_passed_on_in_its_order_however_it_is_cut(self) -> None:
        """Between the frames are a message in fragments, and pings."""
        for size in (1_000_000, 16_384, 5_000, 1_001):
            tokens = self.tokens(24)
            parts = [frame(token) for token in tokens]
            parts[7] = (
                head(100, fin=False)
                + tokens[7][:100]
                + head(2, 9)
                + b"hi"
                + head(len(tokens[7]) - 100, 0)
                + tokens[7][100:]
            )
            parts[9] = head(0, 9) + parts[9]
            stream, before = b"".join(parts), len(self.got())
            for at in range(0, len(stream), size):
                self.write(stream[at : at + size])
            self.assertEqual(self.got()[before:], tokens, f"in pieces of {size}")
        self.assertEqual(self.house.refusals(), {})

    def test_more_than_waits_for_the_end_of_a_turn_keeps_its_order(self) -> None:
        """Three times as much."""
        tokens = self.tokens(3 * TOGETHER_BYTES // 2048)
        self.write(b"".join(map(frame, tokens)))
        self.assertEqual(self.got(), tokens)

    def test_what_came_before_a_bad_frame_is_passed_on(self) -> None:
        """What came behind it is not."""
        good, lost = self.tokens(3), self.tokens(1)
        self.write(b"".join(map(frame, [*good, b"bad", *lost])))
        self.assertEqual(self.got(), good)
        self.assertEqual(self.house.refusals(), {"bad-token": 1})
        self.assertIsNotNone(self.sender.end)

    def test_a_recipient_that_goes_within_a_turn_disturbs_nobody(self) -> None:
        """It joined anew elsewhere, or was removed: others get theirs."""
        third = self.house.joined(3)
        first = self.house.hub.find(self.recipient.who.public.text)
        assert first is not None
        tokens = self.tokens(2), self.tokens(2, third)
        with self.house.hub.factory.turn:
            self.write(b"".join(map(frame, [*tokens[0], *tokens[1]])))
            first.carrier.abort()
        self.house.run()
        self.assertEqual(third.tokens[2:], tokens[1])
        self.assertEqual(self.got(), [])
        self.assertEqual(self.house.refusals(), {})

    def test_a_close_leaves_behind_what_was_gathered(self) -> None:
        """A member that joins anew reads what was passed on before the old session ended."""
        first = self.house.hub.find(self.recipient.who.public.text)
        assert first is not None
        tokens = self.tokens(2)
        with self.house.hub.factory.turn:
            self.write(b"".join(map(frame, tokens)))
            first.supersede()
        self.house.run()
        self.assertEqual(self.got(), tokens)
