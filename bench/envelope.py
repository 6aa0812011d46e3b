"""What signing and verifying a message cost beside the bare cryptography that they need.

Run `python -m bench.envelope`. Every figure is the median of short
rounds that alternate with rounds of the bare operation, so that a busy
machine slows both.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from streembit.jose import base64url, envelope
from streembit.jose.keys import Identity
from streembit.wire import codec, frame
from streembit.wire.message import Body, Contact, FindNode, Nodes, Rpc, Store

ROUNDS = 41
CALLS_PER_ROUND = 25
MAX_ABOVE_SIGN_US = 8.0
MAX_ABOVE_VERIFY_US = 15.0


@dataclass(frozen=True)
class Cost:
    """Median times of one message, in microseconds."""

    name: str
    token_bytes: int
    bare_sign_us: float
    seal_us: float
    bare_verify_us: float
    read_us: float

    @property
    def sealing_ratio(self) -> float:
        """Encoding and signing, against the signature alone."""
        return self.seal_us / self.bare_sign_us

    @property
    def reading_ratio(self) -> float:
        """Parsing and verifying, against the verification alone."""
        return self.read_us / self.bare_verify_us

    @property
    def is_within(self) -> bool:
        """Whether both stay as close to the bare operations as they must."""
        return (
            self.seal_us - self.bare_sign_us <= MAX_ABOVE_SIGN_US
            and self.read_us - self.bare_verify_us <= MAX_ABOVE_VERIFY_US
        )


def medians_us(*calls: Callable[[], object]) -> list[float]:
    """Return the median time of each call, measured in turns."""
    rounds: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, times in zip(calls, rounds, strict=True):
            begun = time.perf_counter()
            for _ in range(CALLS_PER_ROUND):
                call()
            times.append((time.perf_counter() - begun) / CALLS_PER_ROUND * 1e6)
    return [statistics.median(times) for times in rounds]


def messages(identity: Identity) -> dict[str, Rpc]:
    """Return a request, an answer with twenty contacts, and a store of a 300-byte value."""
    contact = Contact(identity.public.text, "198.51.100.200", 32319)
    place, link = "A" * 27, "A" * 22
    bodies: dict[str, Body] = {
        "find_node": FindNode(place),
        "nodes (20)": Nodes([contact] * 20),
        "store (300 B)": Store("A" * 850, "record", [place] * 20),
    }
    return {
        name: Rpc(identity.public.text, [link], "a1b2c3", 1_700_000_000, "streembit", body)
        for name, body in bodies.items()
    }


def measure(name: str, message: Rpc, identity: Identity) -> Cost:
    """Return what one message costs to seal and to read, and the bare operations beside it."""
    signing, public, es256 = identity.signing, identity.public, ec.ECDSA(SHA256())
    token = envelope.seal_rpc(signing, message)
    data = token.rpartition(b".")[0]
    bare_private = ec.derive_private_key(int.from_bytes(signing.scalar), ec.SECP256R1())
    bare_public, signature = bare_private.public_key(), bare_private.sign(data, es256)
    bare_sign, seal, bare_verify, read = medians_us(
        lambda: bare_private.sign(data, es256),
        lambda: envelope.seal_rpc(signing, message),
        lambda: bare_public.verify(signature, data, es256),
        lambda: envelope.verify_rpc(envelope.parse_rpc(token), public),
    )
    return Cost(name, len(token), bare_sign, seal, bare_verify, read)


def parts(message: Rpc) -> dict[str, float]:
    """Return where the rest of the time goes, in microseconds."""
    text = codec.encode(message)
    encoded = base64url.encode_bytes(text)
    packed, reader = frame.pack(encoded), frame.FrameReader(frame.MAX_FRAME_PEER)

    def read_frame() -> None:
        reader.receive(packed)
        while reader.next_frame() is not None:
            pass

    calls: dict[str, Callable[[], object]] = {
        "JSON written": lambda: codec.encode(message),
        "JSON read, canonical": lambda: codec.decode(text, Rpc),
        "JSON read, other form": lambda: codec.decode(text + b" ", Rpc),
        "base64url written": lambda: base64url.encode_bytes(text),
        "base64url read": lambda: base64url.decode(encoded),
        "frame written and read": read_frame,
    }
    return dict(zip(calls, medians_us(*calls.values()), strict=True))


def main() -> int:
    """Print the table; return 1 if a message costs more above the bare operations than allowed."""
    identity = Identity.generate()
    costs = [measure(name, message, identity) for name, message in messages(identity).items()]
    print(
        f"{'message':<14}{'bytes':>6}{'sign':>9}{'seal':>9}{'ratio':>7}{'verify':>9}{'read':>9}{'ratio':>7}"
    )
    for cost in costs:
        print(
            f"{cost.name:<14}{cost.token_bytes:>6}"
            f"{cost.bare_sign_us:>9.1f}{cost.seal_us:>9.1f}{cost.sealing_ratio:>7.2f}"
            f"{cost.bare_verify_us:>9.1f}{cost.read_us:>9.1f}{cost.reading_ratio:>7.2f}"
        )
    print("\nmicroseconds, medians; sign and verify are the bare operations on the same bytes\n")
    for name, message in messages(identity).items():
        each = parts(message)
        print(f"{name}: " + ", ".join(f"{part} {us:.1f}" for part, us in each.items()))
    return 0 if costs[0].is_within else 1


if __name__ == "__main__":
    raise SystemExit(main())
