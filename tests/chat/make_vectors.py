"""Make docs/protocol/vectors/chat.json with the second implementation.

Run as `python -m tests.chat.make_vectors` from the project's root. The
output is the same each time: all keys are fixed, all signatures
deterministic, and nonces follow from what they seal.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from streembit.jose.keys import Identity
from tests.chat.second import (
    Begun,
    Keys,
    Side,
    answer,
    begin,
    one_time,
    pad,
    parcel,
    piece,
    signed_prekey,
)

FILE = Path(__file__).parents[2] / "docs" / "protocol" / "vectors" / "chat.json"
SIGNED_ID, ONCE_ID = 7, 9
STREAM = (0x006B49D200C0FFEE).to_bytes(8, "big")
Json = dict[str, Any]


def fixed(name: str) -> bytes:
    """Return 32 bytes that depend on a name only."""
    return sha256(b"streembit chat vector " + name.encode()).digest()


def keys(name: str) -> Keys:
    """Return a side's scalars, which follow from its seed as keys.md says."""
    identity = Identity.from_seed(fixed(name))
    return Keys(identity.signing.scalar, identity.agreement.scalar)


ANN, BOB = keys("ann"), keys("bob")
SIGNED, ONCE = fixed("signed prekey"), fixed("one-time prekey")


def begun(once: bool) -> Begun:
    """Return how Ann begins a session with Bob."""
    number = (ONCE_ID, ONCE) if once else None
    return Begun(ANN, BOB, fixed("ephemeral"), (SIGNED_ID, SIGNED), number)


def agreement(once: bool) -> Json:
    """Return every value of an agreement."""
    how = begun(once)
    return {
        "one_time": once,
        "initial": how.initial().hex(),
        "secrets": [secret.hex() for secret in how.secrets()],
        "shared": how.shared().hex(),
        "ad": how.ad().hex(),
        "session": how.session().hex(),
    }


def contents() -> list[tuple[str, bytes]]:
    """Return what is said, by whom: two of Ann, two of Bob, one of Ann."""
    text = b'{"t":"text","id":"AAAAAAAAAAAAAAAAAAAAAA","sent_s":1800000000,"text":"hello"}'
    return [
        ("ann", piece(STREAM, 1, 1, 3, text)),
        ("ann", b'\x02{"t":"typing","on":true}'),
        ("bob", b'\x02{"t":"receipt","stream":"AGtJ0gDA_-4","upto":1,"early":[3],"read":1}'),
        ("bob", b'\x02{"t":"presence","state":"here"}'),
        ("ann", piece(STREAM, 2, 2, 4, b"")),
    ]


def parcels() -> list[Json]:
    """Return the parcels of one session, with the keys of each."""
    how = begun(True)
    sides = {"ann": begin(how, fixed("ratchet 0")), "bob": answer(how)}
    spoke, made = "ann", list[Json]()
    for number, (name, content) in enumerate(contents()):
        side, other = sides[name], sides["bob" if name == "ann" else "ann"]
        if name != spoke:
            side.turn(fixed(f"ratchet {number}"))
        initial = how.initial() if name == "ann" and number < 2 else b""
        spoke = name
        message = side.seal(pad(content))
        assert other.open(message) == pad(content)
        made.append(
            {
                "from": name,
                "content": content.hex(),
                "state_after": state(side),
                "message_key": side.values["message_key"].hex(),
                "nonce": side.values["nonce"].hex(),
                "parcel": parcel(how.session(), initial, message).hex(),
            }
        )
    return made


def state(side: Side) -> Json:
    """Return the sender's ratchet after a message."""
    return {
        "ratchet_scalar": side.own.hex(),
        "other_point": side.other.hex(),
        "root_key": side.root.hex(),
        "sending_chain": side.sending.hex(),
        "sent": side.sent,
        "previous": side.before,
    }


def made() -> Json:
    """Return the whole vector."""
    bundle = signed_prekey(BOB, ANN, SIGNED_ID, SIGNED) + one_time(ONCE_ID, ONCE)
    return {
        "comment": "docs/protocol/chat.md; bytes in hex; signatures by RFC 6979, low s",
        "seeds": {"ann": fixed("ann").hex(), "bob": fixed("bob").hex()},
        "prekeys": {
            "signed": {"id": SIGNED_ID, "scalar": SIGNED.hex()},
            "one_time": {"id": ONCE_ID, "scalar": ONCE.hex()},
            "bundle": bundle.hex(),
        },
        "ephemeral_scalar": fixed("ephemeral").hex(),
        "agreements": [agreement(True), agreement(False)],
        "parcels": parcels(),
        "paddings": [
            {"data": data.hex(), "padded": pad(data).hex()}
            for data in (b"", b"\x80", b"x" * 255, b"x" * 256)
        ],
    }


def text_of() -> str:
    """Return the text of the vector file."""
    return json.dumps(made(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text_of())
