"""Make docs/protocol/vectors/{handshake,channel,frames}.json with the second implementation.

Run as `python -m tests.link.make_vectors` from the project's root. The output is
the same each time: keys and nonces are fixed and signatures deterministic.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.link.second import LABEL, SecondInitiator, SecondResponder, expand, hello_bytes

FOLDER = Path(__file__).parents[2] / "docs" / "protocol" / "vectors"
Json = dict[str, Any]


def fixed(name: str) -> bytes:
    """Return 32 bytes that depend on a name only."""
    return hashlib.sha256(b"streembit vector " + name.encode()).digest()


def side(name: str, hello: Json) -> Json:
    """Return one side's inputs."""
    return {
        "identity_scalar": fixed(f"{name} identity").hex(),
        "ephemeral_scalar": fixed(f"{name} ephemeral").hex(),
        "nonce": fixed(f"{name} nonce").hex(),
        "hello": hello,
        "hello_bytes": hello_bytes(**hello).hex(),
    }


def inputs() -> Json:
    """Return what the two sides start from."""
    return {
        "network": "vector-net",
        "versions": [1, 1],
        "initiator": side(
            "initiator",
            {
                "flags": 1,
                "scheme": 0,
                "port": 0,
                "clock_s": 1_800_000_000,
                "name": "edsger",
                "agent": "second/1",
                "observed": "192.0.2.1:32319",
            },
        ),
        "responder": side(
            "responder",
            {
                "flags": 0,
                "scheme": 2,
                "port": 32319,
                "clock_s": 1_800_000_001,
                "name": "ada.l",
                "agent": "",
                "observed": "[2001:db8::1]:40000",
            },
        ),
    }


def made(kind: type[Any], given: Json, network: str) -> Any:
    """Return a side of the second implementation for its inputs."""
    names = ("identity_scalar", "ephemeral_scalar", "nonce", "hello_bytes")
    return kind(*(bytes.fromhex(given[name]) for name in names), network.encode())


def handshake() -> Json:
    """Return the handshake's vector: inputs, and every value on the way."""
    given = inputs()
    dialler = made(SecondInitiator, given["initiator"], given["network"])
    dialled = made(SecondResponder, given["responder"], given["network"])
    first = dialler.start()
    second = dialled.receive_first(first)
    dialled.receive_last(dialler.receive(second))
    values = dialled.values | dialler.values
    return {
        "comment": "docs/protocol/handshake.md; bytes in hex; signatures by RFC 6979, low s",
        "inputs": given,
        "values": {name: value.hex() for name, value in values.items()},
    }


def channel() -> Json:
    """Return the channel's vector: payloads of one direction and their frames."""
    key = fixed("channel key")
    steps: list[Json] = []
    count = 0
    for payload in (b"one", b"two" * 50, b"", b"three", b"", b"\0"):
        frame = AESGCM(key).encrypt(count.to_bytes(12, "big"), payload, None)
        steps.append(
            {
                "key": key.hex(),
                "number": count,
                "payload": payload.hex(),
                "frame": frame.hex(),
                "ends_key": not payload,
            }
        )
        count += 1
        if not payload:
            key, count = expand(key, LABEL + b"rekey", 32), 0
    return {"comment": "an empty payload ends the key", "steps": steps}


def frames() -> Json:
    """Return the frames' vector: payloads and streams, refused lengths."""
    payloads = [b"", b"\0", b"hello", bytes(range(256))]
    stream = b"".join(len(p).to_bytes(4, "big") + p for p in payloads)
    refused = [
        {"limit_bytes": limit, "header": size.to_bytes(4, "big").hex()}
        for limit in (16384, 65536)
        for size in (limit + 1, 2**31, 2**32 - 1)
    ]
    return {
        "comment": "a 4-byte big-endian length, then the payload",
        "payloads": [p.hex() for p in payloads],
        "stream": stream.hex(),
        "accepted": [
            {"limit_bytes": limit, "header": size.to_bytes(4, "big").hex(), "size_bytes": size}
            for limit in (16384, 65536)
            for size in (0, 1, limit)
        ],
        "refused": refused,
    }


MAKERS = {"handshake": handshake, "channel": channel, "frames": frames}


def text_of(name: str) -> str:
    """Return the text of one vector file."""
    return json.dumps(MAKERS[name](), indent=1) + "\n"


def main() -> None:
    """Write the files."""
    for name in MAKERS:
        (FOLDER / f"{name}.json").write_text(text_of(name))


if __name__ == "__main__":
    main()
