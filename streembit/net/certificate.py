"""The hub's side of TLS: 1.3 only, with a certificate from files that may be read anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from OpenSSL.SSL import Connection
from OpenSSL.SSL import Error as SSLError
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.ssl import CertificateOptions, TLSVersion
from zope.interface import implementer

from streembit.errors import BadCertificate

LIFE: Final = timedelta(days=3650)  # nobody checks it: members know the hub by its own key
LAST: Final = timedelta(days=30)  # of its life, in which a new one is made
NAME: Final = "streembit-hub"

Pem = tuple[bytes, bytes]  # the certificate, with those that signed it, and its private key


def self_signed(now: datetime) -> Pem:
    """Return a fresh certificate and its key, of P-256, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), secret


def is_worn(pem: bytes, now: datetime) -> bool:
    """Tell whether a certificate's life is nearly over, or it is none."""
    try:
        return x509.load_pem_x509_certificate(pem).not_valid_after_utc < now + LAST
    except ValueError:
        return True


def trouble_of(pem: bytes, now: datetime) -> str:
    """Return what is wrong with a certificate's time, "" for nothing, or where it is none."""
    try:
        own = x509.load_pem_x509_certificate(pem)
    except ValueError:
        return ""
    if now < own.not_valid_before_utc:
        return f"holds from {own.not_valid_before_utc:%Y-%m-%d} on"
    if now > own.not_valid_after_utc:
        return f"is over since {own.not_valid_after_utc:%Y-%m-%d}"
    return ""


@implementer(IOpenSSLServerConnectionCreator)
class ServerTls:
    """TLS 1.3 for each connection, with the certificate that was loaded last.

    Args:
        read: returns the PEM of certificate and key.

    Raises:
        BadCertificate, and what `read` does.
    """

    def __init__(self, read: Callable[[], Pem]) -> None:
        self._read = read
        self.load()

    def load(self) -> None:
        """Take what the files hold now, for the connections to come.

        Raises:
            BadCertificate: they cannot be used; the one before stays in use.
        """
        certificate, key = self._read()
        self._options = _options(certificate, key)

    def serverConnectionForTLS(self, tlsProtocol: Any) -> Connection:  # noqa: N802
        """See the interface."""
        return Connection(self._options.getContext(), None)


def _options(certificate: bytes, key: bytes) -> CertificateOptions:
    own, *above = _certificates(certificate)
    secret = _secret(key)
    try:
        if own.public_key() != secret.public_key():
            raise BadCertificate("the private key is another certificate's")
        options = CertificateOptions(
            privateKey=crypto.PKey.from_cryptography_key(secret),  # type: ignore[arg-type]
            certificate=crypto.X509.from_cryptography(own),
            extraCertChain=[crypto.X509.from_cryptography(each) for each in above],
            raiseMinimumTo=TLSVersion.TLSv1_3,
        )
        options.getContext().check_privatekey()
    except (ValueError, TypeError, UnsupportedAlgorithm, SSLError, crypto.Error) as error:
        raise BadCertificate(_reason(error)) from None
    return options


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise BadCertificate("there is no certificate in PEM in its file") from None


def _secret(pem: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(pem, None)
    except TypeError:
        raise BadCertificate("the private key has a passphrase, and nobody is asked") from None
    except (ValueError, UnsupportedAlgorithm):
        raise BadCertificate("there is no private key in PEM in its file") from None


def _reason(error: Exception) -> str:
    """Return what OpenSSL says, without its lists of parts."""
    parts = error.args[0] if error.args else ""
    if isinstance(parts, list):
        return "; ".join(str(part[-1]) for part in parts if part)
    return str(error)[:200]
