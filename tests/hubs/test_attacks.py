"""Attacks on a hub by strangers, by floods, and by who stands in the middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions, TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from streembit.errors import NotAdmitted
from streembit.hub.grant import Grant
from streembit.jose.envelope import parse_hub_frame
from streembit.net.budget import Rate
from streembit.net.certificate import ServerTls
from streembit.net.gate import GateLimits
from streembit.net.hubdial import Unnamed
from streembit.service.hub.settings import HubSettings
from streembit.wire.hub import (
    Refused,
)
from tests.hubs.house import (
    ALL,
    HUB_HOST,
    PEM,
    PORT,
    PRIVATE,
    Guest,
    Held,
    House,
    Raw,
    flipped,
    identity,
    listed,
)
from tests.hubs.middle import Middle, made


class StrangerTests(SynchronousTestCase):
    """Who has no right learns nothing, not even why."""

    def setUp(self) -> None:
        self.asked: list[str] = []
        expired = Grant("m3", "human", ALL, 1)
        self.list = listed(1, 2, 3, m3=expired)
        self.house = House(self, members=self)
        self.addCleanup(self.house.stop)

    def find(self, key: str) -> Grant | None:
        """Remember who is looked up."""
        self.asked.append(key)
        return self.list.find(key)

    def refused(self, number: int, change: Callable[[bytes], bytes] = lambda token: token) -> Guest:
        """Return a guest whose Join was refused."""
        guest = self.house.guest(number, joins=False).connect()
        self.house.run(1.0)
        guest.send(change(guest.join()))
        self.house.run(7.0)
        self.assertIsNotNone(guest.end)
        return guest

    def test_H1_a_stranger_a_bad_signature_and_an_expired_member_get_the_same(self) -> None:
        """The same claims, the same length, the same close code, after the same look-ups."""
        guests = [self.refused(99), self.refused(1, flipped), self.refused(3)]
        said = []
        for guest in guests:
            self.assertEqual(len(guest.tokens), 2)
            claims = parse_hub_frame(guest.tokens[1]).claims
            self.assertEqual(claims.aud, guest.who.public.text)
            said.append((claims.body, claims.n, claims.re, len(guest.tokens[1])))
            close_code = guest.end.fields["close_code"] if guest.end is not None else 0
            self.assertEqual(close_code, 1008)
        self.assertEqual(said[0][0], Refused(NotAdmitted.code))
        self.assertEqual(len(set(said)), 1, said)
        self.assertEqual(self.asked, [guest.who.public.text for guest in guests])
        reasons = {"unknown-key": 1, "bad-signature": 1, "expired": 1}
        self.assertEqual(self.house.refusals(), reasons)
        self.assertEqual(self.house.hub.sessions(), [])

    def test_H1_a_stranger_has_no_route(self) -> None:
        """Envelopes and commands before the welcome end the connection."""
        member, guest = self.house.joined(1), self.house.guest(99, joins=False).connect()
        self.house.run(1.0)
        token = member.own.live(identity(2).public, b"of another session")[1]
        guest.send(token)
        self.house.run(7.0)
        self.assertIsNotNone(guest.end)
        self.assertEqual(self.house.hub.router.relayed, 0)
        self.assertEqual(self.asked, [member.who.public.text] * 2)

    def test_H1_the_hubs_own_key_joins_from_nowhere_but_its_home(self) -> None:
        """Who comes with it from elsewhere is refused, though it signs well."""
        self.refused(1000)
        self.assertEqual(self.house.refusals(), {"self-connect": 1})

    def test_A2_a_join_of_another_connection_is_refused(self) -> None:
        """It answers another challenge."""
        first = self.house.guest(1, joins=False).connect()
        second = self.house.guest(1, joins=False).connect()
        self.house.run(1.0)
        second.send(first.join())
        self.house.run(7.0)
        self.assertEqual(self.house.refusals(), {"wrong-audience": 1})
        self.assertEqual(self.house.hub.sessions(), [])

    def test_H1_who_speaks_twice_before_it_is_answered_is_refused(self) -> None:
        """A stranger has one thing to say."""
        disk = Held()
        house = House(self, members=self, disk=disk)
        self.addCleanup(house.stop)
        guest = house.guest(1, joins=False).connect()
        house.run(1.0)
        disk.holds = True  # its mail is being counted
        guest.send(guest.join())
        guest.send(b"and another thing")
        house.run(1.0)
        disk.holds = False
        disk.work()
        house.run(1.0)
        self.assertEqual(house.refusals(), {"bad-frame": 1})
        self.assertEqual(house.hub.sessions(), [])

    def test_nobody_joins_a_hub_that_is_about_to_end(self) -> None:
        """Also one that had connected before."""
        house = House(self)
        guest = house.guest(1, joins=False).connect()
        house.run(1.0)
        stopped = house.hub.stopService()
        guest.send(guest.join())
        house.run(0.02)
        self.assertEqual(house.hub.sessions(), [])
        house.run(10.0)
        self.successResultOf(stopped)

    def test_H5_a_member_of_another_network_is_not_let_in(self) -> None:
        """It notices that itself, and says nothing."""
        guest = self.house.guest(1, network="another").connect()
        self.house.run(1.0)
        self.assertIsNone(guest.session)
        assert guest.refusal is not None
        self.assertEqual(guest.refusal.code, "wrong-network")

    def test_C3_joins_of_one_address_are_judged_at_a_rate(self) -> None:
        """A flood of them waits; each is judged once, and the honest one comes in."""
        settings = HubSettings(PRIVATE, private=True, address_joins=Rate(1.0, 3.0))
        gate = GateLimits(per_address=64, new_per_address=Rate(100.0, 100.0))
        house = House(self, members=self, settings=settings, gate=gate)
        self.addCleanup(house.stop)
        for _ in range(20):
            house.guest(99, host="203.0.113.9").connect()
        house.run(1.0)
        self.assertLessEqual(sum(house.refusals().values()), 5)
        honest = house.joined(1)
        self.assertIsNone(honest.end)
        house.run(30.0)
        self.assertEqual(house.hub.gate.total, 1)


class FloodTests(SynchronousTestCase):
    """Many connections of one hand."""

    def test_C1_one_address_holds_few_places_and_honest_members_come_in(self) -> None:
        """The gate counts before anything is read."""
        house = House(self, gate=GateLimits(strangers=16, per_address=8, per_group=16))
        self.addCleanup(house.stop)
        raws = [Raw(house, host=f"203.0.113.{n % 4}") for n in range(60)]
        self.assertEqual(sum(not raw.ended for raw in raws), 16)
        self.assertEqual(sum(house.refusals().values()), 44)
        self.assertIsNone(house.joined(1).end)

    def test_C1_members_of_one_address_do_not_crowd_each_other_out(self) -> None:
        """Who has joined as a member counts no more against its address."""
        gate = GateLimits(per_address=2, new_per_address=Rate(0.01, 2.0), members_exempt=True)
        house = House(self, members=listed(*range(1, 11)), gate=gate)
        self.addCleanup(house.stop)
        for number in range(1, 11):
            house.joined(number, host="203.0.113.1")
        self.assertEqual(len(house.hub.sessions()), 10)
        self.assertEqual(house.refusals(), {})

    def test_C4_no_tls_is_done_for_who_is_not_admitted(self) -> None:
        """The bucket of an address is asked first."""
        house = House(self, tls=True, gate=GateLimits(new_per_address=Rate(0.1, 2.0)))
        self.addCleanup(house.stop)
        raws = [Raw(house, host="203.0.113.7") for _ in range(5)]
        self.assertEqual([raw.ended for raw in raws], [False] * 2 + [True] * 3)
        self.assertEqual([raw.got for raw in raws], [b""] * 5)
        self.assertEqual(house.refusals(), {"rate-limited": 3})


class TlsTests(SynchronousTestCase):
    """TLS 1.3, and nobody in the middle."""

    def setUp(self) -> None:
        self.house = House(self, tls=True)
        self.addCleanup(self.house.stop)

    def test_H6_a_member_joins_bound_to_its_connection(self) -> None:
        """Both ends hold the same exporter, and the join is signed with it."""
        guest = self.house.joined(1, tls=Unnamed(HUB_HOST), must_bind=True)
        session = self.house.hub.find(guest.who.public.text)
        assert session is not None and guest.carrier is not None
        self.assertEqual(session.carrier.exporter, guest.carrier.exporter)
        self.assertEqual(len(guest.carrier.exporter), 32)

    def test_H6_nothing_below_1_3_is_spoken(self) -> None:
        """The handshake fails, is counted once, and the hub goes on."""
        old = CertificateOptions(
            verify=False,
            insecurelyLowerMinimumTo=TLSVersion.TLSv1_2,
            lowerMaximumSecurityTo=TLSVersion.TLSv1_2,
        )
        guest = self.house.guest(1, tls=Options(old)).connect()
        self.house.run(1.0)
        self.assertIsNone(guest.carrier)
        self.assertEqual(self.house.refusals(), {"tls-refused": 1})
        self.assertIsNone(self.house.joined(2, tls=Unnamed(HUB_HOST)).end)

    def test_H6_who_stands_in_the_middle_with_its_own_certificate_is_found_out(self) -> None:
        """The hub sees an exporter that is not its own."""
        network, clock = self.house.network, self.house.clock

        def to_the_hub(factory: Factory) -> None:
            tls = TLSMemoryBIOFactory(Unnamed(HUB_HOST), True, factory, clock)
            network.host("10.0.9.9").connect(HUB_HOST, PORT, tls)

        factory = made(lambda: Middle(to_the_hub))
        secured = TLSMemoryBIOFactory(ServerTls(lambda: PEM), False, factory, clock)
        network.host("192.0.2.66").listen(PORT, secured)
        guest = self.house.guest(1, tls=Unnamed("192.0.2.66"), at="192.0.2.66").connect()
        self.house.run(8.0)
        self.assertIsNone(guest.session)
        self.assertEqual(self.house.refusals(), {"bad-binding": 1})

    def test_H6_plain_text_is_no_tls(self) -> None:
        """There is no port that speaks both."""
        raw = Raw(self.house).upgrade()
        self.assertTrue(raw.ended)
        self.assertNotIn(b"101", raw.got)
        self.assertEqual(self.house.refusals(), {"tls-refused": 1})


@implementer(IOpenSSLClientConnectionCreator)
class Options:
    """TLS as its options say."""

    def __init__(self, options: CertificateOptions) -> None:
        self._options = options

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        """See IOpenSSLClientConnectionCreator."""
        return SSL.Connection(self._options.getContext(), None)
