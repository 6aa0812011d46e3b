"""The gate: how many may connect, how fast, from where, and who not at all."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import Discouraged, RateLimited, RemoteError, TooManyConnections
from streembit.jose.keys import Identity
from streembit.net.budget import Rate
from streembit.net.gate import Gate, GateLimits, Pass
from streembit.net.relayed import hub_host

FAST = Rate(per_s=1e6, burst=1e6)
UNRATED = GateLimits(new_per_address=FAST)


def admitted(gate: Gate, hosts: list[str], now_s: float = 0.0) -> list[Pass]:
    """Return the places of those that get in."""
    got = []
    for host in hosts:
        try:
            entry = gate.admit(host, now_s)
        except RemoteError:
            continue
        try:
            gate.known(entry, member=False)
        except RemoteError:
            gate.leave(entry)
        else:
            got.append(entry)
    return got


class AddressTests(SynchronousTestCase):
    """C1: what one address and one network may hold."""

    def count(self, hosts: list[str], limits: GateLimits = UNRATED) -> int:
        """Return how many of these connections are admitted."""
        return len(admitted(Gate(limits), hosts))

    def test_C1_an_ipv4_address_holds_8(self) -> None:
        """The ninth is refused, another address is not."""
        self.assertEqual(self.count(["192.0.2.1"] * 20), 8)
        self.assertEqual(self.count(["192.0.2.1"] * 20 + ["192.0.2.2"]), 9)

    def test_C1_an_ipv4_24_holds_64(self) -> None:
        """However many addresses it has."""
        self.assertEqual(self.count([f"192.0.2.{n}" for n in range(256)]), 64)
        self.assertEqual(self.count([f"192.0.{n}.1" for n in range(256)]), 256)

    def test_C1_an_ipv6_56_holds_8_and_a_48_holds_64(self) -> None:
        """An address of its own costs nothing there."""
        self.assertEqual(self.count([f"2001:db8:0:0:{n:x}::1" for n in range(99)]), 8)
        self.assertEqual(self.count([f"2001:db8:0:{n:x}00::1" for n in range(99)]), 64)
        self.assertEqual(self.count([f"2001:db8:{n:x}::1" for n in range(99)]), 99)

    def test_C1_an_ipv4_address_in_ipv6_form_is_that_address(self) -> None:
        """A listening socket for both shows it so."""
        self.assertEqual(self.count(["::ffff:192.0.2.1"] * 8 + ["192.0.2.1"] * 8), 8)
        self.assertEqual(self.count(["fe80::1%eth0"] * 5 + ["fe80::1%eth1"] * 5), 8)

    def test_C1_what_is_no_address_counts_as_one(self) -> None:
        """It is bounded like any other."""
        self.assertEqual(self.count(["not an address"] * 20), 8)

    def test_C1_exempt_networks_are_bound_by_the_total_alone(self) -> None:
        """A setting, for tests and for proxies; not a rule about loopback."""
        exempt = replace(UNRATED, exempt=("127.0.0.0/8", "::1/128"), total=500)
        self.assertEqual(self.count(["127.0.0.1"] * 300, exempt), 300)
        self.assertEqual(self.count(["::1"] * 300, exempt), 300)
        self.assertEqual(self.count(["127.0.0.1"] * 600, exempt), 500)
        self.assertEqual(self.count(["127.0.0.1"] * 300), 8)

    def test_places_are_given_back(self) -> None:
        """Nothing is left behind by those who went."""
        gate = Gate(UNRATED)
        for _ in range(3):
            entries = admitted(gate, ["192.0.2.1"] * 20)
            self.assertEqual(len(entries), 8)
            for entry in entries:
                gate.leave(entry)
        self.assertEqual((gate.total, gate.strangers), (0, 0))
        self.assertEqual(len(gate._of_address) + len(gate._of_group), 0)


class RateTests(SynchronousTestCase):
    """C1: how fast one address may connect."""

    def test_C1_16_at_once_and_then_one_each_5_s(self) -> None:
        """Even if each hangs up at once."""
        gate = Gate()
        for _ in range(16):
            gate.leave(gate.admit("192.0.2.1", 0.0))
        self.assertRaises(RateLimited, gate.admit, "192.0.2.1", 0.0)
        self.assertRaises(RateLimited, gate.admit, "192.0.2.1", 4.9)
        gate.leave(gate.admit("192.0.2.1", 5.0))
        self.assertRaises(RateLimited, gate.admit, "192.0.2.1", 5.0)
        gate.admit("198.51.100.1", 5.0)

    def test_C1_exempt_networks_have_no_rate(self) -> None:
        """A test network starts at once."""
        gate = Gate(GateLimits(exempt=("127.0.0.0/8",)))
        for _ in range(100):
            gate.leave(gate.admit("127.0.0.1", 0.0))

    def test_C6_addresses_remembered_are_bounded(self) -> None:
        """Whatever strangers come from."""
        gate = Gate(GateLimits(rated_entries=100, discouraged_entries=50))
        for n in range(5000):
            host = f"10.{n >> 8}.{n & 255}.1"
            gate.leave(gate.admit(host, 0.0))
            gate.discourage(host, 0.0)
        self.assertLessEqual(len(gate._rates), 100)
        self.assertLessEqual(len(gate._discouraged), 50)


class MembersTests(SynchronousTestCase):
    """Many members of a hub behind one address."""

    def test_C1_who_comes_through_one_hub_is_one_group(self) -> None:
        """A key costs nothing; contacts among them are not counted, nor those of another hub."""
        keys = [Identity.from_seed(n.to_bytes(32)).public for n in range(1, 101)]
        hosts = [hub_host(key, "0" * 16) for key in keys]
        gate = Gate(UNRATED)
        self.assertEqual(len(admitted(gate, hosts)), 64)
        self.assertEqual(len(admitted(gate, [hub_host(keys[0], "1" * 16), "192.0.2.1"])), 2)
        gate = Gate(UNRATED)
        for host in hosts:
            gate.known(gate.admit(host, 0.0), member=True)
        self.assertEqual(gate.total, 100)

    def test_C1_a_member_gives_back_what_its_address_had_to_spare(self) -> None:
        """Its place in all, its coming forgotten; a stranger keeps both taken."""
        rate = Rate(per_s=0.001, burst=2.0)
        gate = Gate(GateLimits(per_address=2, new_per_address=rate, members_exempt=True))
        for _ in range(5):
            gate.known(gate.admit("203.0.113.1", 0.0), member=True)
        first, second = (gate.admit("203.0.113.1", 0.0) for _ in range(2))
        with self.assertRaises(TooManyConnections):
            gate.admit("203.0.113.1", 0.0)
        gate.leave(first)
        with self.assertRaises(RateLimited):
            gate.admit("203.0.113.1", 0.0)
        gate.leave(second)
        self.assertEqual(gate.total, 5)


class TotalTests(SynchronousTestCase):
    """C1, C2: all connections together."""

    def hosts(self, count: int) -> list[str]:
        """Return hosts of different networks."""
        return [f"10.{n >> 8}.{n & 255}.1" for n in range(count)]

    def test_C1_the_last_quarter_is_for_members(self) -> None:
        """Known members get in when everybody else is refused."""
        gate = Gate(replace(UNRATED, total=100))
        self.assertEqual(len(admitted(gate, self.hosts(100))), 75)
        gate = Gate(replace(UNRATED, total=100))
        others = admitted(gate, self.hosts(75))
        self.assertEqual(len(others), 75)
        for n in range(25):
            gate.known(gate.admit(f"192.0.{n}.2", 0.0), member=True)
        self.assertRaises(TooManyConnections, gate.admit, "198.51.100.1", 0.0)
        self.assertEqual(gate.total, 100)

    def test_C1_who_is_refused_as_known_still_gives_its_place_back(self) -> None:
        """The connection ends, and then it counts no more."""
        gate = Gate(replace(UNRATED, total=4))
        admitted(gate, self.hosts(3))
        entry = gate.admit("192.0.2.1", 0.0)
        self.assertRaises(TooManyConnections, gate.known, entry, member=False)
        gate.leave(entry)
        self.assertEqual((gate.total, gate.strangers), (3, 0))

    def test_C1_connections_that_we_open_count_in_the_total(self) -> None:
        """And only there."""
        gate = Gate(replace(UNRATED, total=3))
        entries = [gate.dialled() for _ in range(3)]
        self.assertRaises(TooManyConnections, gate.dialled)
        self.assertRaises(TooManyConnections, gate.admit, "192.0.2.1", 0.0)
        gate.leave(entries[0])
        gate.admit("192.0.2.1", 0.0)

    def test_C2_a_fifth_of_the_descriptors_is_left_for_files(self) -> None:
        """With 128 descriptors, 102 connections."""
        self.assertEqual(GateLimits().within(128).total, 102)
        self.assertEqual(GateLimits().within(1 << 20).total, 2000)
        gate = Gate(replace(UNRATED, reserved_share=0.0).within(128))
        self.assertEqual(len(admitted(gate, self.hosts(128))), 102)

    def test_C1_the_oldest_stranger_makes_room(self) -> None:
        """64 may be at their handshake; whoever is through it is no stranger."""
        gate = Gate(UNRATED)
        entries = []
        for host in self.hosts(64):
            entries.append(gate.admit(host, 0.0))
            self.assertIsNone(gate.crowd_out())
        gate.known(entries[0], member=False)
        gate.admit("192.0.2.1", 0.0)
        self.assertIsNone(gate.crowd_out())
        gate.admit("192.0.2.2", 0.0)
        self.assertIs(gate.crowd_out(), entries[1])
        self.assertEqual(gate.strangers, 64)
        self.assertIsNone(gate.crowd_out())
        gate.leave(entries[1])
        self.assertEqual(gate.total, 65)


class DiscourageTests(SynchronousTestCase):
    """C3: who misbehaved waits ten minutes."""

    def test_C3_a_discouraged_address_is_refused_for_10_minutes(self) -> None:
        """Its neighbours are not."""
        gate = Gate(UNRATED)
        gate.discourage("192.0.2.1", 100.0)
        self.assertRaises(Discouraged, gate.admit, "192.0.2.1", 699.9)
        self.assertTrue(gate.is_discouraged("192.0.2.1", 100.0))
        gate.admit("192.0.2.2", 100.0)
        gate.admit("192.0.2.1", 700.0)
        self.assertFalse(gate.is_discouraged("192.0.2.1", 700.0))

    def test_C3_an_ipv6_site_is_discouraged_as_a_whole(self) -> None:
        """A new address of the same /56 does not help."""
        gate = Gate(UNRATED)
        gate.discourage("2001:db8::1", 0.0)
        self.assertRaises(Discouraged, gate.admit, "2001:db8:0:0:ffff::2", 0.0)

    def test_C3_exempt_networks_are_never_discouraged(self) -> None:
        """Many stand behind one address there."""
        gate = Gate(GateLimits(exempt=("127.0.0.0/8",)))
        gate.discourage("127.0.0.1", 0.0)
        gate.admit("127.0.0.1", 0.0)

    def test_C3_a_refused_connection_changes_nothing(self) -> None:
        """Neither counts nor rates."""
        gate = Gate()
        gate.discourage("192.0.2.1", 0.0)
        for _ in range(100):
            self.assertRaises(Discouraged, gate.admit, "192.0.2.1", 0.0)
        self.assertEqual((gate.total, gate.strangers), (0, 0))
        self.assertEqual(len(gate._rates) + len(gate._of_address), 0)
