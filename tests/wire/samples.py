"""One message of each type, and strategies for any message, for tests to share."""

from __future__ import annotations

import base64
from typing import Any, Final, get_args

from hypothesis import strategies as st

from streembit.wire.card import Card
from streembit.wire.message import (
    Body,
    Contact,
    DialBack,
    Dialled,
    FindNode,
    FindValue,
    Hand,
    Handed,
    Knock,
    Knocked,
    Letter,
    Nodes,
    Ping,
    Pong,
    Punch,
    Punched,
    RecordClaims,
    Refused,
    Rpc,
    Show,
    Shown,
    Signal,
    Signalled,
    Step,
    Store,
    Stored,
    Value,
)
from streembit.wire.offer import Address, ContactAnswer, ContactRequest

KEY: Final = "A" * 44
PLACE: Final = "A" * 27
LINK: Final = "A" * 22
DIGEST: Final = "A" * 43
NONCE: Final = "A" * 22
CONTACT: Final = Contact(KEY, "192.0.2.7", 32319)
ADDRESS: Final = Address("192.0.2.7", 32319)
REQUEST: Final = ContactRequest(NONCE, "ann", "human", KEY, [ADDRESS], "main", 1, NONCE, "hello")
CARD: Final = Card(7, 1_700_000_000, "main", [ADDRESS], 32319, "aGVsbG8", 3, 9)
ANSWER: Final = ContactAnswer(NONCE, True, KEY, [ADDRESS], "main", 1)

BODIES: Final[tuple[Body, ...]] = (
    Ping(),
    Pong("192.0.2.7:50000"),
    FindNode(PLACE),
    Nodes([CONTACT, Contact(KEY, "2001:db8::1", 1, "composite", "ann")]),
    FindValue(PLACE),
    Value("item", "record"),
    Store("item", "blob", [PLACE]),
    Stored(PLACE, DIGEST, 3, 1_700_000_000, [CONTACT]),
    DialBack(8905),
    Dialled(False, "192.0.2.7", 8905, "private-address"),
    Hand("aGVsbG8"),
    Handed("unknown-session"),
    Knock(REQUEST),
    Knock(ANSWER),
    Knocked(),
    Show(CARD),
    Shown(),
    Punch("192.0.2.7", 40000, 150),
    Punched("2001:db8::1", 50000),
    Signal(LINK, "offer", "v=0\r\n"),
    Signalled(),
    Refused("rate-limited", "later"),
)


def rpc(body: Body, **changes: Any) -> Rpc:
    """Return the claims of a message with this body, some members replaced."""
    members = {"iss": KEY, "aud": [LINK], "jti": "1", "iat": 1, "net": "main", **changes}
    return Rpc(body=body, **members)


RECORD: Final = RecordClaims(KEY, "main", "app", "a/b", 1, 1_700_000_000, "aGVsbG8")
LETTER: Final = Letter(KEY, KEY, "offer", "aGVsbG8")


def _texts(size_bytes: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=size_bytes, max_size=size_bytes).map(
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
    )


def _words(least: int, most: int) -> st.SearchStrategy[str]:
    characters = st.characters(exclude_categories=["Cs"])
    return st.text(characters, min_size=least, max_size=most)


def _lines(most: int) -> st.SearchStrategy[str]:
    """Return texts as the signalling of calls has them."""
    return st.text(st.sampled_from("\t\r\n" + "".join(map(chr, range(32, 127)))), max_size=most)


KEYS: Final = _texts(33)
IDS: Final = _texts(20)
PORTS: Final = st.integers(1, 65535)
ADDRESSES: Final = st.ip_addresses().map(str)
WHOLE: Final = st.integers(0, 2**53 - 1)
KINDS: Final = st.sampled_from(["record", "blob"])
CONTACTS: Final = st.lists(
    st.builds(
        Contact,
        KEYS,
        _words(1, 255),
        PORTS,
        st.sampled_from(["key", "address", "composite"]),
        _words(0, 64),
    ),
    max_size=20,
)
ANY_BODY: Final[st.SearchStrategy[Body]] = st.one_of(
    st.builds(Ping),
    st.builds(Pong, _words(0, 263)),
    st.builds(FindNode, IDS),
    st.builds(Nodes, CONTACTS),
    st.builds(FindValue, IDS),
    st.builds(Value, _words(0, 300), KINDS),
    st.builds(Store, _words(0, 300), KINDS, st.lists(IDS, max_size=40)),
    st.builds(Stored, IDS, _texts(32), WHOLE, WHOLE, CONTACTS),
    st.builds(DialBack, PORTS),
    st.builds(Dialled, st.booleans(), _words(0, 255), PORTS, _words(0, 64)),
    st.builds(Hand, st.integers(1, 2943).flatmap(_texts)),
    st.builds(Handed, _words(0, 64)),
    st.sampled_from([Knock(REQUEST), Knock(ANSWER)]),
    st.builds(Knocked),
    st.sampled_from([Show(CARD), Shown()]),
    st.builds(Punch, ADDRESSES, PORTS, st.integers(0, 2000)),
    st.builds(Punched, ADDRESSES, PORTS),
    st.builds(Signal, _texts(16), st.sampled_from(get_args(Step)), _lines(300)),
    st.builds(Signalled),
    st.builds(Refused, _words(1, 64), _words(0, 200)),
)
ANY_RPC: Final = st.builds(
    Rpc,
    iss=KEYS,
    aud=st.lists(_texts(16), min_size=1, max_size=40),
    jti=_words(1, 32),
    iat=WHOLE,
    net=_words(1, 64),
    body=ANY_BODY,
    re=_words(0, 32),
)
ANY_RECORD: Final = st.builds(
    RecordClaims,
    iss=KEYS,
    net=_words(1, 64),
    kind=st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
    salt=_words(0, 255),
    seq=WHOLE,
    exp=WHOLE,
    val=st.binary(max_size=300).map(
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")
    ),
    del_=st.booleans(),
)
