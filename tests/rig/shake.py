"""The handshakes of a hostile peer: the real one, and one of which every value can be replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from streembit.jose import base64url
from streembit.jose.keys import PrivateKey, PublicKey
from streembit.link.channel import Channel
from streembit.link.handshake import Initiator, Link, Responder
from streembit.link.hello import Hello
from tests.link.second import SecondInitiator, Twist, hello_bytes, honest


@dataclass(slots=True)
class Opened:
    """A link as a hostile peer holds it."""

    channel: Channel
    link_id: str
    peer: PublicKey | None


class Shake(Protocol):
    """The dialling side of a handshake."""

    def start(self) -> bytes:
        """Return the first frame."""

    def finish(self, second: bytes) -> tuple[bytes, Opened]:
        """Return the last frame and the open link, for the second frame."""


MakeShake = Callable[[PrivateKey, str, Hello], Shake]


def opened(link: Link) -> Opened:
    """Return what the real handshake ended with."""
    return Opened(link.channel, link.id_text, link.peer.public)


class RealShake:
    """The library's own initiator, saying of itself what it likes within the bounds."""

    def __init__(self, key: PrivateKey, network: str, hello: Hello) -> None:
        self._initiator = Initiator(key, hello, network)

    def start(self) -> bytes:
        """See `Shake`."""
        return self._initiator.start()

    def finish(self, second: bytes) -> tuple[bytes, Opened]:
        """See `Shake`."""
        last, link = self._initiator.receive(second)
        return last, opened(link)


class FreeShake:
    """The second implementation: any hello, any versions, any value twisted, nothing checked."""

    def __init__(
        self,
        key: PrivateKey,
        network: str,
        hello: bytes,
        *,
        twist: Twist = honest,
        versions: tuple[int, int] = (1, 1),
        extensions: bytes = b"",
    ) -> None:
        self.side = SecondInitiator(
            key.scalar,
            PrivateKey.generate().scalar,
            os.urandom(32),
            hello,
            network.encode(),
            twist=twist,
            versions=versions,
            extensions=extensions,
        )

    def start(self) -> bytes:
        """See `Shake`."""
        return self.side.start()

    def finish(self, second: bytes) -> tuple[bytes, Opened]:
        """See `Shake`."""
        last, values = self.side.receive(second), self.side.values
        channel = Channel(values["initiator_to_responder"], values["responder_to_initiator"])
        return last, Opened(channel, base64url.encode(values["link_id"]), None)


class Answering:
    """The side that was dialled, as the library has it."""

    def __init__(self, key: PrivateKey, network: str, hello: Hello) -> None:
        self._responder = Responder(key, hello, network)

    def second(self, first: bytes) -> bytes:
        """Return the second frame, for the first."""
        return self._responder.receive_first(first)

    def finish(self, last: bytes) -> Opened:
        """Return the open link, for the last frame."""
        return opened(self._responder.receive_last(last))


def twisted_by(
    twist: Twist = honest,
    *,
    hello: bytes | None = None,
    versions: tuple[int, int] = (1, 1),
    extensions: bytes = b"",
) -> MakeShake:
    """Return what makes `FreeShake`s that differ from the honest one in these things."""
    said = hello_bytes() if hello is None else hello
    return lambda key, network, _hello: FreeShake(
        key, network, said, twist=twist, versions=versions, extensions=extensions
    )
