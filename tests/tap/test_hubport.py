"""How a hub is put together: where it may listen, its certificate, and how members know it."""

from __future__ import annotations

import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.logger import LogLevel, capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import config
from streembit.errors import BadCertificate, BadConfig
from streembit.net.certificate import LIFE, self_signed
from streembit.tap.hubport import (
    CERTIFICATE_FILE,
    KEY_FILE,
    endpoints,
    gate_of,
    given,
    make_room,
    on_loopback,
    own,
    pinned,
    security_of,
)
from tests.hubs.house import House, identity


def configured(**part: Any) -> config.Config:
    """Return a configuration whose part for hubs says this."""
    listen = part.pop("listen", ["tcp:1:interface=127.0.0.1"])
    advertise = part.pop("advertise", "")
    return config.amend(
        config.parse(b"", "hub"), "hub", {"hub": part, "listen": listen, "advertise": advertise}
    )


class ListenTests(SynchronousTestCase):
    """Without TLS a hub is not for everybody's ears."""

    def test_H6_plain_websocket_is_on_loopback_only(self) -> None:
        """Whatever the endpoint's form; with TLS any will do."""
        open_ones = ("tcp:1", "tcp:1:interface=192.0.2.1", "tcp6:1", "systemd:domain=INET:index=0")
        for text in open_ones:
            self.assertFalse(on_loopback(text), text)
            with self.assertRaises(BadConfig):
                endpoints(configured(plain=True, listen=[text]))
            self.assertEqual(endpoints(configured(listen=[text])), [text])
        for text in ("tcp:1:interface=127.0.0.1", "tcp6:1:interface=\\:\\:1", "unix:/tmp/x.sock"):
            self.assertTrue(on_loopback(text), text)
            self.assertEqual(endpoints(configured(plain=True, listen=[text])), [text])

    def test_behind_a_proxy_each_port_reads_its_header(self) -> None:
        """Twisted's endpoint for that stands before each."""
        proxied = configured(behind_proxy=True, listen=["tcp:1", "unix:/run/hub.sock"])
        with capturedLogs() as logged:
            self.assertEqual(endpoints(proxied), ["haproxy:tcp:1", "haproxy:unix:/run/hub.sock"])
        self.assertEqual([event["endpoint"] for event in logged], ["tcp:1"], "all reach it")
        self.assertEqual(security_of(proxied), "proxy")

    def test_what_contradicts_itself_is_refused(self) -> None:
        """In one line, before anything is opened."""
        parts: tuple[dict[str, Any], ...] = (
            {"certificate": "a.pem"},
            {"private_key": "a.pem"},
            {"plain": True, "behind_proxy": True},
            {"plain": True, "certificate": "a", "private_key": "b"},
            {"origins": ["evil"]},
            {"backplane": "mongodb://here"},
            {"name": "two\nlines"},
            {"name": "\u202eturned"},
            {"listen": []},
        )
        for part in parts:
            with self.assertRaises(BadConfig):
                configured(**part)

    def test_only_a_hub_has_these_settings(self) -> None:
        """In the file of a node they are a mistake."""
        with self.assertRaises(BadConfig):
            config.parse(b"[hub]\nplain = true\n", "node")
        with self.assertRaises(BadConfig):
            config.parse(b'[[also]]\naccount = "b"\nlisten = ["tcp:2"]\n', "hub")

    def test_a_hub_has_limits_of_its_own(self) -> None:
        """The file's are used where it says some."""
        limits = config.parse(b"[limits]\nconnections_total = 10\n", "hub").limits
        self.assertEqual((limits.connections_total, limits.connections_per_address), (10, 64))
        self.assertEqual(config.parse(b"", "node").limits.connections_per_address, 8)


class GateTests(SynchronousTestCase):
    """How many may connect."""

    def test_C1_a_public_hub_keeps_no_places_for_members(self) -> None:
        """A private one does, for those of its list."""
        self.assertEqual(gate_of(configured(), private=False).reserved_share, 0.0)
        self.assertGreater(gate_of(configured(), private=True).reserved_share, 0.0)

    def test_C1_members_behind_one_address_are_not_counted_against_it(self) -> None:
        """Whom the gate calls one is the hub's to say."""
        for private in (True, False):
            self.assertTrue(gate_of(configured(), private=private).members_exempt)

    def test_C2_the_process_may_open_as_many_files_as_connections_need(self) -> None:
        """As far as the system lets it; what it has is never made less."""
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
        make_room(100)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 256)
        make_room(800)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 1001)
        make_room(10**12)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE)[0], before[1])


class CertificateTests(SynchronousTestCase):
    """The certificate that a hub makes by itself."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)

    def test_it_is_made_once_and_kept(self) -> None:
        """Mode 0600; the next start uses it."""
        made = own(self.folder)
        self.assertEqual(own(self.folder), made)
        for name in (CERTIFICATE_FILE, KEY_FILE):
            self.assertEqual((self.folder / name).stat().st_mode & 0o777, 0o600)

    def test_one_that_is_worn_damaged_or_without_its_key_is_made_anew(self) -> None:
        """Nobody knows the hub by it."""
        made = own(self.folder)
        worn = self_signed(datetime.now(UTC) - LIFE + timedelta(days=3))[0]
        for damage in (worn, b"", made[0][:100]):
            (self.folder / CERTIFICATE_FILE).write_bytes(damage)
            self.assertNotEqual(own(self.folder)[0], damage)
        (self.folder / KEY_FILE).unlink()
        self.assertNotEqual(own(self.folder), made)

    def test_an_operators_own_is_named_where_it_is_missing(self) -> None:
        """Nothing is made in its place."""
        with self.assertRaises(BadConfig) as caught:
            given(self.folder / "absent.pem", self.folder / "key.pem")
        self.assertIn("absent.pem", str(caught.exception))

    def test_an_operators_private_key_is_for_no_other_user(self) -> None:
        """A group may read it, as of a machine's certificates; nobody else, and none may write."""
        certificate, key = self.operators(datetime.now(UTC))
        for mode in (0o400, 0o600, 0o640):
            key.chmod(mode)
            self.assertEqual(given(certificate, key)[1], key.read_bytes())
        for mode in (0o644, 0o604, 0o660, 0o602):
            key.chmod(mode)
            with self.assertRaises(BadCertificate) as caught:
                given(certificate, key)
            self.assertIn("chmod", str(caught.exception))

    def test_an_operators_certificate_that_is_over_is_used_and_told(self) -> None:
        """Members who know the hub's key come all the same; the log says why the others do not."""
        with capturedLogs() as logged:
            self.assertTrue(given(*self.operators(datetime.now(UTC))))
            self.assertEqual(logged, [])
            self.assertTrue(given(*self.operators(datetime.now(UTC) - LIFE - timedelta(days=9))))
        (event,) = logged
        self.assertIn("is over since", str(event["trouble"]))
        self.assertEqual(event["log_level"], LogLevel.warn)

    def operators(self, made: datetime) -> tuple[Path, Path]:
        """Return where a certificate and its key are that were made at this time."""
        found = self.folder / "site.pem", self.folder / "site.key"
        for path, data in zip(found, self_signed(made), strict=True):
            path.write_bytes(data)
            path.chmod(0o600)
        return found


class PinTests(SynchronousTestCase):
    """What members are given."""

    def test_it_names_place_and_key(self) -> None:
        """The place that the operator says, or where it listens."""
        house = House(self)
        self.addCleanup(house.stop)
        key = identity(1000).public.hex
        self.assertEqual(pinned(configured(), house.hub, secure=True), "")
        house.hub.listening = ["192.0.2.1:32318"]
        self.assertEqual(
            pinned(configured(), house.hub, secure=True), f"wss://192.0.2.1:32318#{key}"
        )
        plain = pinned(configured(plain=True), house.hub, secure=False)
        self.assertEqual(plain, f"ws://192.0.2.1:32318#{key}")
        told = configured(behind_proxy=True, advertise="hub.example.org:443")
        self.assertEqual(pinned(told, house.hub, secure=False), f"wss://hub.example.org:443#{key}")
