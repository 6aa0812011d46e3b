"""Fixed identities and a finished handshake, for the tests of links."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

from streembit.jose.keys import PrivateKey
from streembit.link.handshake import Initiator, Link, Responder
from streembit.link.hello import Hello

NETWORK = "test"


def key(name: str) -> PrivateKey:
    """Return a private key that depends on its name only."""
    return PrivateKey.from_scalar(sha256(b"key of " + name.encode()).digest())


ALICE, BOB, CAROL, MALLORY = (key(name) for name in ("alice", "bob", "carol", "mallory"))


def hello_of(identity: PrivateKey, **fields: object) -> Hello:
    """Return a plausible hello of an identity."""
    said: dict[str, object] = {"name": "a.name", "port": 8905, "agent": "test/1", "clock_s": 9}
    return Hello(identity.public, **(said | fields))  # type: ignore[arg-type]


@dataclass
class Handshake:
    """A handshake, run step by step; the frames can be altered on the way."""

    initiator_key: PrivateKey = ALICE
    responder_key: PrivateKey = BOB
    network: str = NETWORK
    hello: Hello | None = None  # the initiator's, where it is not the usual one
    initiator: Initiator = field(init=False)
    responder: Responder = field(init=False)
    frames: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.initiator = Initiator(
            self.initiator_key, self.hello or hello_of(self.initiator_key), self.network
        )
        self.responder = Responder(self.responder_key, hello_of(self.responder_key), self.network)

    def run(self) -> tuple[Link, Link]:
        """Return both ends of the link."""
        first = self.initiator.start()
        second = self.responder.receive_first(first)
        last, ours = self.initiator.receive(second)
        theirs = self.responder.receive_last(last)
        self.frames = [first, second, last]
        return ours, theirs
