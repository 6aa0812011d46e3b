"""The SIGMA-I handshake: three frames that turn two strangers into a link.

docs/protocol/handshake.md describes it byte by byte and argues why it is sound.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from streembit.errors import (
    HandshakeFailed,
    SelfConnect,
    VersionMismatch,
    WrongIdentity,
    WrongNetwork,
)
from streembit.jose import base64url
from streembit.jose.keys import POINT_BYTES, SIGNATURE_BYTES, PrivateKey, PublicKey
from streembit.link import hello as hellos
from streembit.link.channel import Channel
from streembit.link.hello import Hello
from streembit.link.schedule import (
    RoleKeys,
    channel_keys,
    digest,
    handshake_keys,
    link_id,
    network_tag,
    signed_bytes,
)

VERSIONS: Final = (1, 1)  # lowest and highest that this code speaks
MAGIC: Final = b"STRB"
NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
INITIATOR: Final = b"initiator"
RESPONDER: Final = b"responder"

ParsePoint = Callable[[bytes], PublicKey]

_FIRST: Final = struct.Struct(">4sBB16s32s33s")
_SECOND: Final = struct.Struct(">BBB32s33sH")
_BODY: Final = struct.Struct(f">{POINT_BYTES}s{SIGNATURE_BYTES}s{PROOF_BYTES}s")


@dataclass(slots=True)
class Link:
    """An open link, as one of its two sides holds it.

    Attributes:
        id: 16 bytes, the same on both sides and on no other link.
        peer: what the other side said of itself, signature checked.
        initiator: whether this side dialled.
    """

    id: bytes
    id_text: str
    peer: Hello
    channel: Channel
    initiator: bool
    version: int


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A sealed handshake frame as its sender knows it."""

    body: bytes
    frame: bytes


class Initiator:
    """The side that dials. It shows its identity only to a responder that proved its own.

    Args:
        identity: the key that signs; `hello.public` is its public half.
        network: the network's name; the other side must have the same.
        expect: the only key that may answer, or None for any.
        parse: reads the other side's long-lived point, or remembers it; raises BadKey. It is asked
            only once the other side has tied that point to the agreed secret.
        ephemeral, nonce: drawn afresh unless given by a test.
        versions: lowest and highest version spoken.
    """

    def __init__(
        self,
        identity: PrivateKey,
        hello: Hello,
        network: str,
        *,
        expect: PublicKey | None = None,
        parse: ParsePoint = PublicKey.parse,
        ephemeral: PrivateKey | None = None,
        nonce: bytes | None = None,
        versions: tuple[int, int] = VERSIONS,
    ) -> None:
        self._identity = identity
        self._hello = hello
        self._network = network
        self._expect = expect
        self._parse = parse
        self._ephemeral = ephemeral or PrivateKey.generate()
        self._nonce = nonce or os.urandom(NONCE_BYTES)
        self._versions = versions
        self._first = b""

    def start(self) -> bytes:
        """Return the first frame's payload."""
        self._first = _FIRST.pack(
            MAGIC,
            *self._versions,
            network_tag(self._network, self._nonce),
            self._nonce,
            self._ephemeral.public.point,
        )
        return self._first

    def receive(self, frame: bytes) -> tuple[bytes, Link]:
        """Return the third frame's payload and the open link, for the second frame.

        Raises:
            HandshakeFailed, VersionMismatch, BadKey, DecryptFailed,
            BadSignature, WrongIdentity, SelfConnect: the frame is
                refused, and the connection is of no use any more.
        """
        version, point, clear_bytes = _read_second(frame, self._versions)
        if point == self._ephemeral.public.point:
            raise SelfConnect("our own ephemeral key came back")
        secret = self._ephemeral.exchange(PublicKey.parse(point))
        greeted = digest(b"greeting", self._network.encode(), self._first, frame[:clear_bytes])
        theirs, ours = handshake_keys(secret, greeted)
        body = theirs.open(frame[clear_bytes:], greeted)
        own, expect = self._identity.public, self._expect
        peer = _check_body(RESPONDER, body, theirs, greeted, own, expect, self._parse)
        answered = digest(b"answer", greeted, body, frame)
        last = _make_body(INITIATOR, self._identity, self._hello, ours, answered)
        finished = digest(b"finish", answered, last.body, last.frame)
        forth, back = channel_keys(secret, finished)
        return last.frame, _link(finished, peer, Channel(forth, back), True, version)


class Responder:
    """The side that was dialled. It proves its identity first.

    The arguments are those of `Initiator`.
    """

    def __init__(
        self,
        identity: PrivateKey,
        hello: Hello,
        network: str,
        *,
        parse: ParsePoint = PublicKey.parse,
        ephemeral: PrivateKey | None = None,
        nonce: bytes | None = None,
        versions: tuple[int, int] = VERSIONS,
    ) -> None:
        self._identity = identity
        self._hello = hello
        self._network = network
        self._parse = parse
        self._ephemeral = ephemeral or PrivateKey.generate()
        self._nonce = nonce or os.urandom(NONCE_BYTES)
        self._versions = versions
        self._version = 0
        self._secret = b""
        self._answered = b""
        self._theirs: RoleKeys | None = None

    def receive_first(self, frame: bytes) -> bytes:
        """Return the second frame's payload, for the first frame.

        Raises:
            HandshakeFailed, VersionMismatch, WrongNetwork, BadKey: the
                frame is refused.
        """
        self._version, point = _read_first(frame, self._versions, self._network)
        self._secret = self._ephemeral.exchange(PublicKey.parse(point))
        clear = _SECOND.pack(
            self._version, *self._versions, self._nonce, self._ephemeral.public.point, 0
        )
        greeted = digest(b"greeting", self._network.encode(), frame, clear)
        ours, self._theirs = handshake_keys(self._secret, greeted)
        answer = _make_body(RESPONDER, self._identity, self._hello, ours, greeted)
        second = clear + answer.frame
        self._answered = digest(b"answer", greeted, answer.body, second)
        return second

    def receive_last(self, frame: bytes) -> Link:
        """Return the open link, for the third frame.

        Raises:
            HandshakeFailed, BadKey, DecryptFailed, BadSignature,
            SelfConnect: the frame is refused.
        """
        if self._theirs is None:
            raise HandshakeFailed("the first frame is missing")
        body = self._theirs.open(frame, self._answered)
        own = self._identity.public
        peer = _check_body(INITIATOR, body, self._theirs, self._answered, own, None, self._parse)
        finished = digest(b"finish", self._answered, body, frame)
        forth, back = channel_keys(self._secret, finished)
        return _link(finished, peer, Channel(back, forth), False, self._version)


def _read_first(frame: bytes, versions: tuple[int, int], network: str) -> tuple[int, bytes]:
    """Return the version to speak and the initiator's ephemeral point."""
    if len(frame) < _FIRST.size:
        raise HandshakeFailed("first frame: truncated")
    magic, low, high, tag, nonce, point = _FIRST.unpack_from(frame)
    if magic != MAGIC:
        raise HandshakeFailed("first frame: not this protocol")
    version = _common_version((low, high), versions)
    if tag != network_tag(network, nonce):
        raise WrongNetwork
    hellos.check_extensions(frame[_FIRST.size :])
    return version, point


def _read_second(frame: bytes, versions: tuple[int, int]) -> tuple[int, bytes, int]:
    """Return the version, the responder's ephemeral point and the clear part's size."""
    if len(frame) < _SECOND.size:
        raise HandshakeFailed("second frame: truncated")
    version, low, high, _nonce, point, extension_bytes = _SECOND.unpack_from(frame)
    if version != _common_version(versions, (low, high)):
        raise VersionMismatch("not the highest common version", version=version)
    clear_bytes = _SECOND.size + extension_bytes
    if clear_bytes > len(frame):
        raise HandshakeFailed("second frame: truncated")
    hellos.check_extensions(frame[_SECOND.size : clear_bytes])
    return version, point, clear_bytes


def _common_version(initiator: tuple[int, int], responder: tuple[int, int]) -> int:
    version = min(initiator[1], responder[1])
    if version < max(initiator[0], responder[0]):
        raise VersionMismatch(initiator=initiator, responder=responder)
    return version


def _make_body(
    role: bytes, identity: PrivateKey, hello: Hello, keys: RoleKeys, transcript: bytes
) -> _Sealed:
    packed = hellos.pack(hello)
    said = digest(role, transcript, identity.public.point, packed)
    signature = identity.sign(signed_bytes(role, said))
    proof = keys.name_proof(said, signature)
    body = _BODY.pack(identity.public.point, signature, proof) + packed
    return _Sealed(body, keys.seal(body, transcript))


def _check_body(
    role: bytes,
    body: bytes,
    keys: RoleKeys,
    transcript: bytes,
    own: PublicKey,
    expect: PublicKey | None,
    parse: ParsePoint,
) -> Hello:
    """Return what the other side says of itself, once all proofs hold; cheap ones first."""
    if len(body) < _BODY.size:
        raise HandshakeFailed("sealed part: truncated")
    point, signature, proof = _BODY.unpack_from(body)
    packed = body[_BODY.size :]
    said = digest(role, transcript, point, packed)
    if not hmac.compare_digest(proof, keys.name_proof(said, signature)):
        raise HandshakeFailed("the identity is not tied to the secret")
    if point == own.point:
        raise SelfConnect
    if expect is not None and point != expect.point:
        raise WrongIdentity(expected=expect.hex, found=point.hex())
    public = expect or parse(point)
    public.verify(signature, signed_bytes(role, said))
    return hellos.unpack(packed, public)


def _link(finished: bytes, peer: Hello, channel: Channel, initiator: bool, version: int) -> Link:
    name = link_id(finished)
    return Link(name, base64url.encode(name), peer, channel, initiator, version)
