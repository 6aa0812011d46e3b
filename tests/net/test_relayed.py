"""Relayed links: the hosts that stand for people at a hub, and the transport of a stream."""

from __future__ import annotations

from twisted.internet.interfaces import IAddress, IConsumer, IPushProducer, ITransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from streembit.errors import BadKey, PeerGone
from streembit.net.relayed import RelayedAddress, hub_host, hub_of, is_hub_host, read_hub_host
from tests.link.party import ALICE, BOB
from tests.net.relay import WINDOW_BYTES, RelayedPair

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

    def test_hosts_of_one_hub(self) -> None:
        """They have a part in common, which those of another do not have."""
        for hub in ("", HUB):
            hosts = [hub_host(key, hub) for key in (ALICE.public, BOB.public)]
            self.assertEqual(len(set(map(hub_of, hosts))), 1)
        self.assertNotEqual(hub_of(hub_host(BOB.public)), hub_of(hub_host(BOB.public, HUB)))

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


class TransportTests(SynchronousTestCase):
    """A link through a hub is a link like any other: the protocol does not know."""

    def end(self, pair: RelayedPair) -> None:
        """Let both ends close; nothing is left on the clock."""
        pair.client.protocol.close()
        pair.pump()
        pair.server.protocol.close()
        pair.pump()
        self.assertEqual([c for c in pair.clock.getDelayedCalls() if c.active()], [])

    def test_the_interfaces(self) -> None:
        """Those of a transport, and of a producer and a consumer."""
        transport = RelayedPair().client.transport
        for interface in (ITransport, IPushProducer, IConsumer):
            verifyObject(interface, transport)
        verifyObject(IAddress, RelayedAddress("x"))

    def test_a_link_opens_carries_both_ways_and_ends_in_order(self) -> None:
        """Each end knows the other by its host; the last words arrive."""
        pair = RelayedPair().open()
        self.assertEqual(pair.client.protocol.host, hub_host(BOB.public))
        self.assertEqual(pair.server.protocol.host, hub_host(ALICE.public))
        for n in range(50):
            pair.client.protocol.send(b"c%d" % n)
            pair.server.protocol.send(b"s%d" % n)
        pair.client.protocol.close()
        pair.pump()
        self.assertEqual(pair.server.owner.payloads, [b"c%d" % n for n in range(50)])
        (lost,) = pair.server.owner.lost
        self.assertTrue(lost.fields["clean"])
        self.assertEqual(len(pair.client.owner.lost), 1)
        self.assertEqual((len(pair.client.streams), len(pair.server.streams)), (0, 0))
        self.end(pair)

    def test_what_is_written_in_one_turn_shares_cargo(self) -> None:
        """A hundred words take a few envelopes, for each costs a signature."""
        pair = RelayedPair().open()
        before = pair.carried
        for _ in range(100):
            pair.client.protocol.send(bytes(100))
        pair.pump()
        self.assertEqual(len(pair.server.owner.payloads), 100)
        self.assertLessEqual(pair.carried - before, 2)
        self.end(pair)

    def test_C8_who_does_not_read_gets_the_window_and_no_more(self) -> None:
        """The sender is full, and goes on as soon as the reader does; nothing is lost."""
        pair = RelayedPair().open()
        pair.server.protocol.pause()
        freed: list[bool] = []
        pair.client.protocol.when_free(lambda: freed.append(True))
        sent = 0
        while not pair.client.protocol.is_full:
            pair.client.protocol.send(sent.to_bytes(4) + bytes(16_000))
            sent += 1
            pair.pump()
        self.assertGreater(sent * 16_000, WINDOW_BYTES)
        self.assertLess(sent * 16_000, 2 * WINDOW_BYTES)
        self.assertEqual((pair.server.owner.payloads, freed), ([], []))
        pair.server.protocol.resume()
        pair.pump()
        self.assertEqual((pair.client.protocol.is_full, freed), (False, [True]))
        numbers = [int.from_bytes(payload[:4]) for payload in pair.server.owner.payloads]
        self.assertEqual(numbers, list(range(sent)))
        self.end(pair)

    def test_C8_a_deaf_reader_costs_the_queue_and_no_more(self) -> None:
        """As on TCP: beyond a megabyte the link ends."""
        pair = RelayedPair().open()
        pair.server.protocol.pause()
        for _ in range(200):
            if pair.client.protocol.is_open:
                pair.client.protocol.send(bytes(16_000))
                pair.pump()
        self.assertEqual([code for _, code in pair.client.owner.refusals], ["slow-reader"])
        self.assertEqual(len(pair.client.owner.lost), 1)
        self.assertEqual(pair.client.backlog.total_bytes, 0)
        pair.server.protocol.resume()
        pair.pump()
        self.assertEqual(len(pair.server.owner.lost), 1)
        self.end(pair)

    def test_an_abort_is_heard_at_the_other_end(self) -> None:
        """At once, and what was queued is thrown away."""
        pair = RelayedPair().open()
        pair.client.protocol.send(b"never")
        pair.client.protocol.abort()
        pair.pump()
        self.assertEqual(pair.server.owner.payloads, [])
        (lost,) = pair.server.owner.lost
        self.assertFalse(lost.fields["clean"])
        self.assertEqual((len(pair.client.streams), len(pair.server.streams)), (0, 0))
        self.end(pair)

    def test_the_end_waits_for_who_paused(self) -> None:
        """What came before the end is read first, however late."""
        pair = RelayedPair().open()
        pair.server.protocol.pause()
        for n in range(9):
            pair.client.protocol.send(bytes([n]))
        pair.client.protocol.close()
        pair.pump()
        self.assertEqual((pair.server.owner.payloads, pair.server.owner.lost), ([], []))
        pair.server.protocol.resume()
        pair.pump()
        self.assertEqual(pair.server.owner.payloads, [bytes([n]) for n in range(9)])
        self.assertEqual(len(pair.server.owner.lost), 1)
        self.end(pair)

    def test_the_hub_goes(self) -> None:
        """All that went through it is gone at once."""
        pair = RelayedPair().open()
        for each in (pair.client, pair.server):
            assert each.transport is not None
            each.streams.end_all()
            each.transport.broken(PeerGone("the hub is gone"))
            self.assertEqual(len(each.owner.lost), 1)
        self.end(pair)
