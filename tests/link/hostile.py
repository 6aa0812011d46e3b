"""A hostile or merely different peer: the second implementation beside the real one."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from streembit.jose.keys import PrivateKey
from streembit.link.handshake import Initiator, Link, Responder
from tests.link.party import ALICE, BOB, MALLORY, NETWORK, hello_of
from tests.link.second import SecondInitiator, SecondResponder, Side, Twist, hello_bytes, honest

OPTIONAL, CRITICAL = 0x41, 0xC1


def second(
    kind: type[Side],
    identity: PrivateKey = MALLORY,
    *,
    network: str = NETWORK,
    versions: tuple[int, int] = (1, 1),
    extensions: bytes = b"",
    twist: Twist = honest,
    hello: bytes = hello_bytes(agent="second/1"),
) -> Any:
    """Return a side of the second implementation."""
    return kind(
        identity.scalar,
        PrivateKey.generate().scalar,
        b"\x07" * 32,
        hello,
        network.encode(),
        versions=versions,
        extensions=extensions,
        twist=twist,
    )


def dial_bob(initiator: SecondInitiator) -> Link:
    """Let a side of the second implementation dial the real Bob."""
    bob = Responder(BOB, hello_of(BOB), NETWORK)
    return bob.receive_last(initiator.receive(bob.receive_first(initiator.start())))


def dial_from_alice(responder: SecondResponder) -> Link:
    """Let the real Alice dial a side of the second implementation."""
    alice = Initiator(ALICE, hello_of(ALICE), NETWORK)
    last, link = alice.receive(responder.receive_first(alice.start()))
    responder.receive_last(last)
    return link


class Impostor:
    """A private key that shows one name and signs with another's secret."""

    def __init__(self, shown: PrivateKey, signer: PrivateKey) -> None:
        self.public = shown.public
        self.sign = signer.sign


def swap(name: str, value: bytes) -> Twist:
    """Return a twist that replaces one value."""
    return lambda found, honest_value: value if found == name else honest_value


class AliceShown:
    """Replaces Mallory's name and signature with Alice's from another handshake."""

    def __init__(self, seen: SecondResponder, alice: Initiator) -> None:
        last = alice.receive(seen.values["second"])[0]
        key = seen.values["initiator_seal"]
        body = AESGCM(key).decrypt(bytes(12), last, seen.values["answered"])
        self._point, self._signature = body[:33], body[33:97]

    def twist(self, name: str, value: bytes) -> bytes:
        return {"initiator_point": self._point, "initiator_signature": self._signature}.get(
            name, value
        )


def signed_as(signer: PrivateKey, role: bytes) -> Twist:
    """Return a twist that signs what is said as if in another role."""
    said = b""

    def twist(name: str, value: bytes) -> bytes:
        nonlocal said
        if name == "initiator_said":
            said = value
        if name == "initiator_signature":
            return signer.sign(b"streembit link 1 " + role + b" signature\0" + said)
        return value

    return twist
