"""The hub's certificate: made, checked, and read anew without harm."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from twisted.trial.unittest import SynchronousTestCase

from streembit.errors import BadCertificate
from streembit.net.certificate import LAST, LIFE, Pem, ServerTls, is_worn, self_signed, trouble_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def served(tls: ServerTls) -> x509.Certificate:
    """Return the certificate that a connection would show."""
    connection: Any = tls.serverConnectionForTLS(None)
    shown = connection.get_certificate()
    assert shown is not None
    certificate: x509.Certificate = shown.to_cryptography()
    return certificate


class SelfSignedTests(SynchronousTestCase):
    """One that a hub makes by itself."""

    def test_it_lasts_for_years_and_its_last_month_is_worn(self) -> None:
        """So a new one is made in time; what is no certificate is worn as well."""
        pem, _ = self_signed(NOW)
        self.assertFalse(is_worn(pem, NOW))
        self.assertFalse(is_worn(pem, NOW + LIFE - LAST - timedelta(minutes=1)))
        self.assertTrue(is_worn(pem, NOW + LIFE - LAST + timedelta(minutes=1)))
        self.assertTrue(is_worn(b"", NOW))

    def test_what_is_wrong_with_its_time_is_told(self) -> None:
        """Before it holds, and when it is over; between them nothing."""
        pem, _ = self_signed(NOW)
        self.assertEqual(trouble_of(pem, NOW), "")
        self.assertEqual(trouble_of(pem, NOW - timedelta(days=2)), "holds from 2026-05-31 on")
        self.assertEqual(trouble_of(pem, NOW + LIFE), "")
        over = trouble_of(pem, NOW + LIFE + timedelta(seconds=1))
        self.assertEqual(over, f"is over since {NOW + LIFE:%Y-%m-%d}")
        self.assertEqual(trouble_of(b"none", NOW), "")

    def test_two_are_never_the_same(self) -> None:
        """Neither key nor number."""
        one, other = (x509.load_pem_x509_certificate(self_signed(NOW)[0]) for _ in range(2))
        self.assertNotEqual(one.serial_number, other.serial_number)
        self.assertNotEqual(one.public_key(), other.public_key())


class ServerTlsTests(SynchronousTestCase):
    """What connections are given."""

    def setUp(self) -> None:
        self.pem: Pem = self_signed(NOW)
        self.tls = ServerTls(lambda: self.pem)

    def test_new_files_serve_new_connections(self) -> None:
        """Those that are open keep theirs."""
        before = served(self.tls)
        self.pem = self_signed(NOW)
        self.assertEqual(served(self.tls), before)
        self.tls.load()
        self.assertNotEqual(served(self.tls), before)

    def test_files_that_cannot_be_used_are_refused_and_the_old_ones_stay(self) -> None:
        """No certificate, no key, or a key of another one."""
        before = served(self.tls)
        other = self_signed(NOW)
        good = self.pem
        no_certificate, no_key = "no certificate in PEM", "no private key in PEM"
        for bad, why in (
            ((b"", good[1]), no_certificate),
            ((good[0][:200], good[1]), no_certificate),
            ((good[1], good[1]), no_certificate),
            ((good[0], b""), no_key),
            ((good[0], good[0]), no_key),
            ((good[0], other[1]), "another certificate's"),
        ):
            self.pem = bad
            with self.assertRaises(BadCertificate) as caught:
                self.tls.load()
            self.assertIn(why, str(caught.exception))
            self.assertNotIn("[(", str(caught.exception))
            self.assertEqual(served(self.tls), before)

    def test_a_private_key_with_a_passphrase_is_told_apart(self) -> None:
        """A hub cannot ask for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        sealed = key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
        self.pem = (self.pem[0], sealed)
        with self.assertRaises(BadCertificate) as caught:
            self.tls.load()
        self.assertIn("passphrase", str(caught.exception))

    def test_those_that_signed_it_are_shown_behind_it(self) -> None:
        """A chain is one file."""
        above = self_signed(NOW)
        self.pem = (self.pem[0] + above[0], self.pem[1])
        self.tls.load()
        self.assertEqual(served(self.tls), x509.load_pem_x509_certificate(self.pem[0]))
