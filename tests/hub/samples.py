"""One frame of each kind between a hub and a member, for tests to share."""

from __future__ import annotations

from typing import Final

from streembit.wire.hub import (
    Ack,
    Busy,
    Challenge,
    Command,
    DialBack,
    Dialled,
    Dismiss,
    Done,
    Entries,
    Envelope,
    Found,
    Get,
    Gone,
    HubClaims,
    Join,
    Kept,
    Kick,
    MailName,
    Observe,
    Placed,
    Presence,
    Publish,
    Put,
    Quota,
    Ready,
    Refused,
    Reply,
    Search,
    Seen,
    Show,
    Watch,
    Welcome,
    Withdraw,
)
from tests.wire.samples import DIGEST, KEY, LINK, PLACE

COMMANDS: Final[tuple[Command, ...]] = (
    Join(DIGEST, DIGEST, DIGEST, 1_700_000_000_000, 1, "streembit/1"),
    Ack([MailName(KEY, LINK), MailName(KEY, LINK)]),
    Put("item", "record"),
    Get(PLACE),
    Publish("entry"),
    Withdraw(),
    Search("an"),
    Show([KEY]),
    Watch([KEY, KEY]),
    Observe(),
    DialBack(8905),
    Kick(KEY),
    Dismiss(KEY),
)
REPLIES: Final[tuple[Reply, ...]] = (
    Challenge(DIGEST, True),
    Welcome(DIGEST, LINK, "192.0.2.7:40000", ["relay", "dht"], Quota(1, 2, 3), 4, "a hub"),
    Refused("not-permitted", "mailbox"),
    Kept([1, 2]),
    Gone(KEY),
    Placed(20),
    Found("item", "blob"),
    Entries(["entry"], True),
    Presence([KEY], [KEY]),
    Seen("192.0.2.7:40000"),
    Dialled(False, "peer-gone"),
    Done(),
    Busy(KEY),
    Ready(KEY),
)
LIVE: Final = Envelope(KEY, KEY, KEY, LINK, 1_700_000_000_000, 3, 2, "", "AWhlbGxv")
MAIL: Final = Envelope(KEY, KEY, KEY, LINK, 1_700_000_000_000, 4, 0, LINK, "AmhlbGxv")


def frame(body: Command | Reply, **claims: object) -> HubClaims:
    """Return the claims of a frame with this body; others can be given."""
    said: dict[str, object] = {"iss": KEY, "aud": LINK, "net": "private.test", "n": 2, "re": 0}
    return HubClaims(body=body, **(said | claims))  # type: ignore[arg-type]
