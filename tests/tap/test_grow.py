"""What an operator configured is what the node is given."""

from __future__ import annotations

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IListeningPort
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from streembit.disk.config import Config, amend
from streembit.disk.limits import Limits
from streembit.errors import BadConfig
from streembit.jose.keys import PrivateKey
from streembit.net.budget import Rate
from streembit.net.gate import GateLimits
from streembit.service.settings import NetworkSettings
from streembit.tap.grow import gate_limits, network_settings, seed, store_limits
from streembit.tap.listening import address_of

DEFAULT = Config(listen=("tcp:8905",))


@implementer(IListeningPort)
class UnixPort:
    """A port that is none of TCP."""

    def startListening(self) -> None:
        """It does already."""

    def stopListening(self) -> None:
        """It never does."""

    def getHost(self) -> UNIXAddress:
        """Return a path."""
        return UNIXAddress(b"/tmp/x")


class GrowTests(SynchronousTestCase):
    """The configuration's names become the services' own."""

    def test_the_defaults_are_the_services_own(self) -> None:
        """A default stands once in each place, and they are the same."""
        found = network_settings("node", DEFAULT)
        own = NetworkSettings()
        for name in ("network", "role", "client_only", "scheme", "advertise"):
            self.assertEqual(getattr(found, name), getattr(own, name), name)
        self.assertEqual(found.checks_per_peer_per_s, own.checks_per_peer_per_s)
        self.assertEqual(found.checks_per_node_per_s, own.checks_per_node_per_s)
        self.assertEqual(gate_limits(Limits(), ()), GateLimits())

    def test_what_is_configured_arrives(self) -> None:
        """Each value at its place, none at another's."""
        config = amend(
            DEFAULT,
            "seed",
            {
                "network": "n",
                "exempt": ["10.0.0.0/8"],
                "id_scheme": "address",
                "advertise": "a.example:7",
                "limits": {"checks_per_peer_per_s": 1.0, "checks_per_node_per_s": 2.0},
            },
        )
        found = network_settings("seed", config)
        self.assertEqual((found.network, found.role), ("n", "seed"))
        self.assertEqual((found.scheme, found.advertise), ("address", "a.example:7"))
        self.assertEqual((found.checks_per_peer_per_s, found.checks_per_node_per_s), (1.0, 2.0))
        self.assertTrue(found.grouping.exempts("10.1.2.3"))
        self.assertFalse(found.grouping.exempts("11.1.2.3"))

    def test_limits(self) -> None:
        """Those of connections, and those of the store."""
        limits = Limits(
            connections_total=1,
            connections_per_address=2,
            connections_per_group=3,
            connections_unknown=4,
            new_connections_per_s=5.0,
            new_connections_burst=6,
            store_bytes=70_000,
            records_per_owner=8,
            bytes_per_address=90_000,
            bytes_per_group=100_000,
        )
        gate = gate_limits(limits, ("10.0.0.0/8",))
        self.assertEqual(
            (gate.total, gate.per_address, gate.per_group, gate.strangers), (1, 2, 3, 4)
        )
        self.assertEqual(gate.new_per_address, Rate(5.0, 6))
        self.assertEqual(gate.exempt, ("10.0.0.0/8",))
        store = store_limits(limits)
        self.assertEqual((store.total_bytes, store.owner_items), (70_000, 8))
        self.assertEqual((store.address_bytes, store.group_bytes), (90_000, 100_000))

    def test_seeds(self) -> None:
        """With their key where one is given."""
        key = PrivateKey.generate().public
        self.assertEqual((seed("h:1").host, seed("h:1").port, seed("h:1").key), ("h", 1, None))
        self.assertEqual(seed(f"{key.hex}@[::1]:2").key, key)

    def test_links_are_accepted_on_tcp_only(self) -> None:
        """A node has to be able to say where it is."""
        self.assertRaises(BadConfig, address_of, UnixPort())
