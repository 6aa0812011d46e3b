"""Where a machine says in the local network that it is reached."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from streembit.net.mdns import own_addresses
from streembit.tap.lan import here, hosts

OWN = [ip_address(host) for host in ("192.168.1.2", "fd00::2", "fe80::2", "127.0.0.1")]
EVERY = [str(address) for address in OWN]


class HereTests(SynchronousTestCase):
    def at(self, *listening: str, port: int = 5) -> list[str]:
        """Return the hosts at which a port is reached."""
        return hosts(listening, port, OWN)

    def test_an_address_that_was_chosen(self) -> None:
        """It is the one."""
        self.assertEqual(self.at("192.168.1.9:5"), ["192.168.1.9"])
        self.assertEqual(self.at("[fd00::9]:5"), ["fd00::9"])

    def test_all_of_the_machine(self) -> None:
        """Of IPv4, or of both: a socket of IPv6 takes connections of IPv4 as well."""
        self.assertEqual(self.at("0.0.0.0:5"), ["192.168.1.2", "127.0.0.1"])
        self.assertEqual(self.at("[::]:5"), EVERY)

    def test_several_endpoints(self) -> None:
        """Those of the one port that is announced, each host once."""
        self.assertEqual(sorted(self.at("0.0.0.0:5", "[::]:5")), sorted(EVERY))
        self.assertEqual(self.at("0.0.0.0:6", "[fd00::9]:5"), ["fd00::9"])
        self.assertEqual(self.at(), [])

    def test_this_machine(self) -> None:
        """Its networks are those of its own addresses of IPv6."""
        found, own = here(["[::]:5"], 5), own_addresses()
        self.assertEqual(found.hosts, [str(each.ip) for each in own])
        self.assertIn("127.0.0.1", found.hosts)
        self.assertEqual(
            set(found.networks), {str(each.network) for each in own if each.version == 6}
        )
