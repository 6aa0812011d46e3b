"""Write the vectors of hub.md: `python -m tests.hub.make_vectors`.

Tokens are others each time, for signatures are drawn; all else is the same.
"""

from __future__ import annotations

import json
from typing import Any, Final

from streembit.errors import RemoteError
from streembit.hub import cargo, directory, stream
from streembit.hub.allowlist import network_of
from streembit.hub.stream import WINDOW_BYTES, Streams
from streembit.jose import envelope
from streembit.wire import codec
from tests.hub.people import BINDING, HUB, NETWORK, NOW_S, OTHER_HUB, QUOTA, Door, everybody
from tests.hub.samples import COMMANDS, LIVE, MAIL, REPLIES, frame
from tests.hub.test_allowlist import BAD, GOOD
from tests.jose.people import ANN, BOB, EVE
from tests.sources import ROOT

PATH: Final = ROOT / "docs/protocol/vectors/hub.json"
STREAM_ID: Final = 0x0123456789ABCDEF
NAMES: Final = ("Ann", "Stra\u00dfe 7", "\uff21\uff22", "\u041e\u043b\u044c\u0433\u0430", " bob ")


def main() -> None:
    """Write the file."""
    PATH.write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")


def document() -> dict[str, Any]:
    """Return all vectors."""
    return {
        "about": (
            "Hubs (docs/protocol/hub.md). Keys and bytes are hex unless a token holds them. Ann"
            " joins the hub; Bob is another member, Eve none; `now` is the hub's time."
        ),
        "now": NOW_S,
        "network": NETWORK,
        "identities": {
            name: {"seed": identity.seed.hex(), "signing": identity.public.hex}
            for name, identity in (
                ("hub", HUB),
                ("other hub", OTHER_HUB),
                ("ann", ANN),
                ("bob", BOB),
                ("eve", EVE),
            )
        },
        "admission": admission(),
        "frames": frames(),
        "session": session(),
        "streams": streams(),
        "directory": entries(),
        "allowlists": {
            "taken": GOOD,
            "refused": [{"path": list(path), "document": document} for path, document in BAD],
            "network_of_the_hub": network_of(HUB.public),
        },
    }


def admission() -> dict[str, Any]:
    """Return one connection's first frames, and Joins that are refused at it."""
    door = Door()
    challenge = door.hub.challenge()
    join = door.member.join(challenge)
    applicant = door.hub.judge(join, everybody, NOW_S)
    welcome, served = door.hub.welcome(
        applicant, observed="192.0.2.7:40000", quota=QUOTA, waiting=3, name="a hub"
    )
    return {
        "binding": BINDING.hex(),
        "challenge": challenge.decode(),
        "join": join.decode(),
        "join_digest": applicant.digest.hex(),
        "session": served.name,
        "welcome": welcome.decode(),
        "refused": [refused(why, token) for why, token in bad_joins(join)],
    }


def bad_joins(join: bytes) -> list[tuple[str, bytes]]:
    """Return Joins that are none at the door of the vectors."""
    claims = envelope.parse_hub_frame(join).claims
    return [
        ("signed by Eve in Ann's name", envelope.sign_frame(EVE.signing, claims)),
        ("of another connection", Door(number=2).joined()),
        ("for another hub", Door(hub_key=OTHER_HUB.signing).joined()),
        ("of another network", Door(network="private.other").joined()),
        ("of another TLS connection", Door(binding=bytes(32)).joined()),
        ("without TLS", Door(binding=None).joined()),
        ("not a join", Door().hub.challenge()),
        ("cut off", join[:-1]),
    ]


def refused(why: str, token: bytes) -> dict[str, str]:
    """Return a Join with the code of its refusal."""
    try:
        Door().hub.judge(token, everybody, NOW_S)
    except RemoteError as e:
        return {"why": why, "join": token.decode(), "code": e.code}
    raise AssertionError(why)


def frames() -> dict[str, list[str]]:
    """Return the canonical claims of each frame, and those of the two envelopes."""
    return {
        "commands": [codec.encode(frame(body)).decode() for body in COMMANDS],
        "replies": [codec.encode(frame(body)).decode() for body in REPLIES],
        "envelopes": [codec.encode(claims).decode() for claims in (LIVE, MAIL)],
    }


def session() -> dict[str, Any]:
    """Return what Ann and the hub say in one session, in order, and what Bob gets of it."""
    served, joined = Door().open()
    ours = joined.session
    said = [ours.command(COMMANDS[9])[1]]
    said.append(ours.live(BOB.public, cargo.pack(cargo.STREAM, b"live"))[1])
    said.append(ours.mail(BOB.public, bytes(range(16)), cargo.pack(cargo.PARCEL, b"mail"))[1])
    said.append(ours.live(BOB.public, cargo.pack(cargo.STREAM, b"live again"))[1])
    heard = [served.say(REPLIES[9], 2), served.say(REPLIES[3])]
    return {
        "ann": [token.decode() for token in said],
        "hub": [token.decode() for token in heard],
        "cargo": [
            cargo.pack(kind, text).hex()
            for kind, text in (
                (cargo.STREAM, b"live"),
                (cargo.PARCEL, b"mail"),
                (cargo.STREAM, b"live again"),
            )
        ],
    }


def streams() -> dict[str, Any]:
    """Return the frames of one stream as both sides say them, and breaches with what follows."""
    ann = Streams()
    ours = ann.open(STREAM_ID)
    ours.write(b"hello")
    ours.close()
    said = drained(ann)
    head = STREAM_ID.to_bytes(8).hex()
    return {
        "id": head,
        "opens_writes_hello_and_closes": [each.hex() for each in said],
        "credit_after_a_quarter_was_taken": f"0103{head}{WINDOW_BYTES + stream.GRANT_BYTES:016x}",
        "answer_to_what_is_not_known": f"0105{head}03",
        "breaches_of_a_stream_that_took_5_bytes": [
            f"0102{head}{0:016x}" + b"again".hex(),
            f"0102{head}{6:016x}" + b"a hole".hex(),
            f"0102{head}{5:016x}",
            f"0103{head}{WINDOW_BYTES:016x}",
            f"0103{head}{WINDOW_BYTES + 1:016x}",
            f"0104{head}{4:016x}",
            f"0101{head}",
        ],
        "no_frames": ["", "01", f"0100{head}", f"0106{head}", f"0105{head}", f"0201{head}"],
        "window": WINDOW_BYTES,
    }


def drained(side: Streams) -> list[bytes]:
    """Return all that a side has to say."""
    out = []
    while (each := side.next_cargo()) is not None:
        out.append(each)
    return out


def entries() -> dict[str, Any]:
    """Return an entry, and names in their folded form."""
    entry = directory.make(ANN, network=NETWORK, now_unix_s=NOW_S, note="of the hills")
    return {
        "token": entry.token,
        "claims": json.loads(codec.encode(entry.claims)),
        "folded": {name: directory.folded(name) for name in NAMES},
    }


if __name__ == "__main__":
    main()
