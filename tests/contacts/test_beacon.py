"""Beacons: known again by who knows the key, and by nobody else."""

from __future__ import annotations

import hmac

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.contacts import beacon
from streembit.contacts.beacon import MAX_HOSTS, SALT_BYTES, TAG_BYTES, Beacon
from streembit.errors import BadMessage
from streembit.jose import base64url
from streembit.jose.keys import Identity

ANN = Identity.from_seed(b"a" * 32, "ann").public
BOB = Identity.from_seed(b"b" * 32, "bob").public
SALT = bytes(range(SALT_BYTES))


def members(said: Beacon) -> dict[bytes, bytes | None]:
    """Return a beacon as it comes over the air."""
    return {name.encode(): text.encode() for name, text in beacon.write(said).items()}


class BeaconTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.said = beacon.make(ANN, "town", "node", SALT)

    def test_who_knows_the_key_knows_whose_it_is(self) -> None:
        """And whose it is not."""
        said = beacon.read(members(self.said))
        self.assertEqual(said, self.said)
        self.assertEqual((said.is_of(ANN), said.is_of(BOB)), (True, False))
        self.assertEqual((said.is_in("town"), said.is_in("tow")), (True, False))

    def test_the_tags_are_what_the_page_says(self) -> None:
        """Another program can compute them (docs/protocol/reachability.md)."""
        of_key = hmac.digest(SALT, b"streembit 1 lan key " + ANN.point, "sha256")
        of_network = hmac.digest(SALT, b"streembit 1 lan network town", "sha256")
        self.assertEqual(self.said.key, of_key[:TAG_BYTES])
        self.assertEqual(self.said.network, of_network[:TAG_BYTES])

    def test_another_salt_another_beacon(self) -> None:
        """Two days' beacons of one node share nothing but what is being announced."""
        other = members(beacon.make(ANN, "town", "node", bytes(SALT_BYTES)))
        same = [name for name, text in members(self.said).items() if other[name] == text]
        self.assertEqual(same, [b"v", b"r"])

    def test_neither_name_nor_key_is_in_it(self) -> None:
        """In no form that anything of ours is written in."""
        text = b" ".join(value or b"" for value in members(self.said).values())
        for secret in (ANN.point, ANN.hex.encode(), ANN.text.encode(), b"ann", b"town"):
            self.assertNotIn(secret, text)

    def test_what_is_none_is_refused(self) -> None:
        """Each member has to be there, of its form and length."""
        good = members(self.said)
        for name, value in (
            (b"v", b"2"),
            (b"v", None),
            (b"r", b"king"),
            (b"r", b"\xff"),
            (b"s", None),
            (b"s", b"!" * 22),
            (b"n", base64url.encode(bytes(TAG_BYTES - 1)).encode()),
            (b"k", b"A" * 100_000),
        ):
            with self.assertRaises(BadMessage, msg=f"{name!r} {value!r}"):
                beacon.read({**good, name: value})
        for name in good:
            with self.assertRaises(BadMessage, msg=str(name)):
                beacon.read({key: value for key, value in good.items() if key != name})
        self.assertEqual(beacon.read({**good, b"x": b"later"}), self.said)

    @given(st.dictionaries(st.binary(max_size=3), st.none() | st.binary(max_size=80)))
    def test_anything_is_read_or_refused(self, garbage: dict[bytes, bytes | None]) -> None:
        """Nothing else is raised, whatever comes over the air."""
        for given_ in (garbage, {**members(self.said), **garbage}):
            try:
                beacon.read(given_)
            except BadMessage:
                pass

    def test_what_lies_in_our_networks(self) -> None:
        """Of IPv6: unique-local addresses, and those of the networks that we are in."""
        told = ["fd00::9", "FD00:0::1", "2001:db8:1::9", "2001:db8:2::9", "fe80::1", "ff02::fb"]
        apart = ["::1", "::", "fd00::1%eth0", "::ffff:8.8.8.8", "fec0::1"]
        networks = ["2001:db8:1::/64", "fe80::/64", "::1/128"]
        self.assertEqual(beacon.near(told + apart), ["fd00::9", "fd00::1"])
        self.assertEqual(
            beacon.near(told + apart, networks), ["fd00::9", "fd00::1", "2001:db8:1::9"]
        )

    def test_a_network_as_large_as_the_world_is_none(self) -> None:
        """Who has such a route can reach everybody; nobody is dialled for that."""
        self.assertEqual(beacon.near(["2001:db8:1::9"], ["2000::/3", "::/0"]), [])

    def test_nobody_is_sent_out_of_the_local_network(self) -> None:
        """Only private addresses, a few of them, are dialled."""
        told = ["192.168.1.2", "8.8.8.8", "127.0.0.1", "0.0.0.0", "224.0.0.251", "fe80::1", "a.b"]
        self.assertEqual(beacon.near(told), ["192.168.1.2"])
        self.assertEqual(len(beacon.near([f"10.0.0.{n}" for n in range(20)])), MAX_HOSTS)
