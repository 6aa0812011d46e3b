"""What is refused of a link, and of a peer that asks for too much."""

from __future__ import annotations

from streembit.errors.base import LocalError, RemoteError

# --- links --------------------------------------------------------------------------------


class HandshakeFailed(RemoteError):
    """The handshake did not follow the protocol."""

    code = "handshake-failed"


class VersionMismatch(RemoteError):
    """The two sides have no protocol version in common."""

    code = "version-mismatch"


class WrongIdentity(RemoteError):
    """Another key answered than the one that was expected."""

    code = "wrong-identity"


class SelfConnect(RemoteError):
    """The node reached itself."""

    code = "self-connect"


class PeerGone(RemoteError):
    """The connection to the peer ended."""

    code = "peer-gone"


class Superseded(PeerGone):
    """Another link to the same peer took over."""

    code = "superseded"


class SlowReader(RemoteError):
    """The peer does not read what it asked for."""

    code = "slow-reader"


class PrivateAddress(RemoteError):
    """The address given cannot be reached from the public network."""

    code = "private-address"


class CallbackFailed(LocalError):
    """A message could not be served because of an error in this program."""

    code = "internal-error"


# --- load ---------------------------------------------------------------------------------


class RateLimited(RemoteError):
    """Too many requests in too short a time."""

    code = "rate-limited"


class TooManyConnections(RemoteError):
    """There are too many connections, in all or from this address."""

    code = "too-many-connections"


class Discouraged(RemoteError):
    """The address misbehaved lately and is not served for some minutes."""

    code = "discouraged"
