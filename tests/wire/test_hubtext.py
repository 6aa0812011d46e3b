"""Hubs as people write them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadHubAddress
from streembit.wire import codec, hubtext
from streembit.wire.offer import Address
from tests.jose.people import ANN

KEY = ANN.public.hex


class HubTextTests(SynchronousTestCase):
    """A text names one hub, or is refused."""

    def test_what_is_read(self) -> None:
        """Names and addresses of both kinds, with a key and without."""
        for text, address in {
            "wss://hub.example.org:32318": Address("hub.example.org", 32318, "wss"),
            "wss://hub.example.org": Address("hub.example.org", 443, "wss"),
            "wss://hub.example.org/": Address("hub.example.org", 443, "wss"),
            f"wss://192.0.2.7:32318#{KEY}": Address("192.0.2.7", 32318, "wss", KEY),
            f"wss://[2001:db8::7]:32318#{KEY}": Address("2001:db8::7", 32318, "wss", KEY),
            "ws://127.0.0.1:32318": Address("127.0.0.1", 32318, "ws"),
            "ws://localhost:80": Address("localhost", 80, "ws"),
            "ws://[::1]:80": Address("::1", 80, "ws"),
        }.items():
            self.assertEqual(hubtext.read(text), address, text)
            codec.decode(codec.encode(address), Address)  # of a form that a card may have

    def test_B5_what_is_refused(self) -> None:
        """Other schemes, paths, users, ports that are none, keys that are none, other machines."""
        for text in (
            "",
            "hub.example.org:32318",
            "http://hub.example.org:32318",
            "WSS://hub.example.org:32318",
            "wss://hub.example.org:0",
            "wss://hub.example.org:65536",
            "wss://hub.example.org:032318",
            "wss://hub.example.org:32318/path",
            "wss://hub.example.org:32318?x=1",
            "wss://ann@hub.example.org:32318",
            "wss://hub.example.org:32318#",
            f"wss://hub.example.org:32318#{KEY[:-1]}",
            f"wss://hub.example.org:32318#{KEY.upper()}",
            f"wss://hub.example.org:32318#{KEY}\n",
            "wss://2001:db8::7:32318",
            "wss://[hub]:32318",
            "wss:// hub.example.org:32318",
            "ws://192.0.2.7:32318",
            "ws://hub.example.org:32318",
            "ws://localhost.example.org:80",
            "ws://127.0.0.1.example.org:80",
        ):
            self.assertRaises(BadHubAddress, hubtext.read, text)

    @settings(deadline=None, derandomize=True, database=None)
    @given(host=st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True), port=st.integers(1, 65535))
    def test_what_is_written_is_read(self, host: str, port: int) -> None:
        """The text of an address names it again."""
        address = Address(host, port, "wss")
        self.assertEqual(hubtext.read(hubtext.write(address)), address)
