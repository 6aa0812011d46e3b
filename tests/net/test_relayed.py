"""Relayed links: the hosts that stand for people at a hub."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadKey
from streembit.net.relayed import hub_host, is_hub_host, read_hub_host
from tests.link.party import ALICE, BOB

HUB = "0123456789abcdef"


class HostTests(SynchronousTestCase):
    """A key and a hub are told by a host, and by nothing else."""

    def test_a_host_names_a_key_and_a_hub(self) -> None:
        """It is a name in the form of the DNS, and is read again."""
        for key in (ALICE.public, BOB.public):
            for hub in ("", HUB):
                host = hub_host(key, hub)
                self.assertTrue(is_hub_host(host))
                self.assertEqual(read_hub_host(host), (key, hub))
                self.assertLessEqual(max(map(len, host.split("."))), 63)

    def test_B5_other_hosts(self) -> None:
        """Names and addresses of others, and what only looks alike."""
        good = hub_host(ALICE.public, HUB)
        for host in (
            "",
            "192.0.2.7",
            "hub.example.org",
            "my.hub",
            good.upper(),
            good + ".",
            good + "\n",
            good.replace(".hub", ".Hub"),
            good.replace(HUB, "hub"),
            "x" + good,
            good.replace(".", ""),
        ):
            self.assertFalse(is_hub_host(host), host)
            self.assertRaises(BadKey, read_hub_host, host)

    def test_B5_a_host_that_names_no_key(self) -> None:
        """It has the form, and is on no curve."""
        host = f"02{'f' * 31}.{'f' * 33}.hub"
        self.assertTrue(is_hub_host(host))
        self.assertRaises(BadKey, read_hub_host, host)
