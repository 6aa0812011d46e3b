"""What a hub opens: its ports, its certificate, how many may come, and how members know it."""

from __future__ import annotations

import os
import re
import resource
import socket
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from streembit.disk import atomic
from streembit.disk.config import Config
from streembit.errors import BadCertificate, BadConfig
from streembit.net.certificate import Pem, is_worn, self_signed, trouble_of
from streembit.net.gate import DESCRIPTORS_SHARE, GateLimits
from streembit.service.hub.desk import Security
from streembit.service.hub.hub import Hub
from streembit.tap.grow import gate_limits
from streembit.tap.listening import shown

CERTIFICATE_FILE: Final = "hub-certificate.pem"
KEY_FILE: Final = "hub-key.pem"
PROXY: Final = "haproxy:"  # Twisted's endpoint that reads a PROXY header
_NOT_THEIRS: Final = 0o027  # of a private key: a group may read it, as that of a machine's keys

_log = Logger()


def gate_of(config: Config, *, private: bool) -> GateLimits:
    """Return who may connect; at a public hub nobody is a member more than another."""
    gate = replace(gate_limits(config.limits, config.exempt), members_exempt=True)
    return gate if private else replace(gate, reserved_share=0.0)


def make_room(connections: int) -> None:
    """Let the process open as many files as so many connections need, as far as it may."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = int(connections / DESCRIPTORS_SHARE) + 1
    if soft != resource.RLIM_INFINITY and soft < wanted:
        allowed = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, allowed), most))


def given(certificate: Path, key: Path) -> Pem:
    """Return an operator's certificate and its key.

    A certificate that is over is used, and the log tells of it: who knows the hub by its key
    does not look at it.

    Raises:
        BadConfig: one of the files is missing.
        BadCertificate: other users may read the key, or change it.
    """
    pem = _read(certificate), _read(key)
    if key.stat().st_mode & _NOT_THEIRS:
        raise BadCertificate("others may use its private key: chmod 600", file=str(key))
    if trouble := trouble_of(pem[0], datetime.now(UTC)):
        _log.warn(
            "the certificate {file} {trouble}: only who knows the hub's key joins",
            file=str(certificate),
            trouble=trouble,
        )
    return pem


def own(folder: Path) -> Pem:
    """Return the hub's own certificate and its key, made where there is none that lasts."""
    certificate, key = folder / CERTIFICATE_FILE, folder / KEY_FILE
    now = datetime.now(UTC)
    if is_worn(atomic.read(certificate) or b"", now) or not key.exists():
        made = self_signed(now)
        atomic.write(key, made[1])
        atomic.write(certificate, made[0])
    return _read(certificate), _read(key)


def endpoints(config: Config) -> list[str]:
    """Return where to listen, as Twisted endpoints.

    Raises:
        BadConfig: plain WebSocket elsewhere than on loopback.
    """
    if config.hub.behind_proxy:
        for text in config.listen:
            if not on_loopback(text):
                _log.warn("whoever reaches {endpoint} can claim any address", endpoint=text)
        return [PROXY + text for text in config.listen]
    if config.hub.plain and not all(map(on_loopback, config.listen)):
        raise BadConfig("without TLS a hub listens on loopback only, or behind a proxy")
    return list(config.listen)


def on_loopback(endpoint: str) -> bool:
    """Tell whether an endpoint is one that only this machine reaches."""
    kind, _, rest = endpoint.partition(":")
    if kind == "unix":
        return True
    parts = re.split(r"(?<!\\):", rest)
    interface = next((part[10:] for part in parts if part.startswith("interface=")), "")
    try:
        return kind.startswith("tcp") and ip_address(interface.replace("\\", "")).is_loopback
    except ValueError:
        return False


def security_of(config: Config) -> Security:
    """Return what the hub's own port speaks."""
    if config.hub.behind_proxy:
        return "proxy"
    return "plain" if config.hub.plain else "tls"


def pinned(config: Config, hub: Hub, secure: bool) -> str:
    """Return what to give members, so that they know this hub; "" where it has no such place."""
    where = config.advertise or next(iter(hub.listening), "")
    host, _, port = where.rpartition(":")
    if not host:  # nothing listens, or only a socket that is a file
        return ""
    if host in ("0.0.0.0", "[::]", "::"):
        host = socket.gethostname()
    scheme = "wss" if secure or config.hub.behind_proxy else "ws"
    return f"{scheme}://{host}:{port}#{hub.identity.public.hex}"


def place_of(port: IListeningPort) -> str:
    """Return "host:port" of a port, or its path where it is a file."""
    address = port.getHost()
    return os.fsdecode(address.name or b"") if isinstance(address, UNIXAddress) else shown(port)


def path_of(text: str) -> Path:
    """Return a path of the configuration."""
    return Path(text).expanduser()


def _read(path: Path) -> bytes:
    data = atomic.read(path)
    if data is None:
        raise BadConfig("there is no such file", file=str(path))
    return data
