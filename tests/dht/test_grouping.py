"""Groups of addresses, and which addresses a stranger may tell of."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.grouping import CACHED_HOSTS, Grouping
from streembit.wire.message import Contact


class GroupingTests(SynchronousTestCase):
    """The network's rule for who may be one hand."""

    def test_addresses_of_one_prefix_are_one_group(self) -> None:
        """A /24 for IPv4, a /48 for IPv6, however the address is written."""
        rule = Grouping()
        self.assertEqual(rule.group("192.0.2.1"), rule.group("192.0.2.255"))
        self.assertNotEqual(rule.group("192.0.2.1"), rule.group("192.0.3.1"))
        self.assertEqual(rule.group("2001:db8:1:2::1"), rule.group("2001:db8:1:ffff::9"))
        self.assertNotEqual(rule.group("2001:db8:1::1"), rule.group("2001:db8:2::1"))

    def test_D2_an_ipv4_address_cannot_hide_in_ipv6(self) -> None:
        """The mapped form belongs to the group of the address it maps."""
        rule = Grouping()
        self.assertEqual(rule.group("::ffff:192.0.2.7"), rule.group("192.0.2.1"))

    def test_D2_the_prefix_and_the_exemption_are_settings(self) -> None:
        """Loopback is no special case: without the setting it is a group like any other."""
        self.assertEqual(Grouping().group("127.0.0.1"), "127.0.0.0/24")
        rule = Grouping(v4_bits=16, exempt=["127.0.0.0/8", "::1/128"])
        self.assertEqual(rule.group("127.1.2.3"), "")
        self.assertEqual(rule.group("::1"), "")
        self.assertTrue(rule.exempts("127.0.0.1"))
        self.assertEqual(rule.group("192.0.2.1"), rule.group("192.0.77.1"))

    def test_a_name_is_a_group_of_its_own(self) -> None:
        """In one spelling."""
        rule = Grouping()
        self.assertEqual(rule.group("Seed.Example.org."), rule.group("seed.example.org"))
        self.assertNotEqual(rule.group("a.example.org"), rule.group("b.example.org"))

    def test_D1_a_public_peer_cannot_send_us_into_our_own_network(self) -> None:
        """Private, loopback, link-local and multicast addresses are believed of neighbours only."""
        rule = Grouping()
        inside = ("10.0.0.1", "192.168.1.1", "127.0.0.1", "169.254.1.1", "fe80::1", "::1")
        names = ("localhost", "printer", "seed.example.org")  # that may lead anywhere
        for host in (*inside, "224.0.0.1", "0.0.0.0", "::ffff:10.0.0.1", *names):
            self.assertFalse(rule.believable(host, "198.41.0.4"), host)
            self.assertTrue(rule.believable(host, "192.168.1.7"), host)
        for host in ("1.1.1.1", "2606:4700::1"):
            self.assertTrue(rule.believable(host, "198.41.0.4"), host)
        told = [Contact("A" * 44, host, 1) for host in ("1.1.1.1", "10.0.0.1")]
        self.assertEqual(rule.believed(told, "198.41.0.4"), told[:1])
        self.assertEqual(rule.believed(told, "192.168.1.7"), told)

    def test_C6_what_is_remembered_of_hosts_is_bounded(self) -> None:
        """More hosts than the cache holds leave it at its size."""
        rule = Grouping()
        for number in range(CACHED_HOSTS + 500):
            rule.group(f"2001:db8:{number:x}::1")
        self.assertEqual(rule._group.cache_info().currsize, CACHED_HOSTS)
