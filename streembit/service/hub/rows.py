"""What a running hub answers to its operator: immutable rows.

Keys are 66 lower-case hexadecimal digits, times whole Unix seconds of this
machine's clock; `_s` ends a length of time in seconds.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct, field

from streembit.wire.hub import Permission, Permissions
from streembit.wire.offer import NameText, NoteText, UserType

DEFAULT_PERMISSIONS: Final[tuple[Permission, ...]] = ("relay", "mailbox", "dht", "directory")
KEY_PATTERN: Final = r"^0[23][0-9a-f]{64}$"

Count = Annotated[int, Meta(ge=0)]
Key = Annotated[str, Meta(pattern=KEY_PATTERN)]
Seconds = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class HubStatus(Struct, frozen=True):
    """What `streembit status` shows of a hub beside what every node has.

    `members` counts those of the allowlist, None where every key may join;
    `generation` counts the allowlists used since the start, from 1, and is 0
    without one; `allowlist` is "" or why the file on the disk is not the one
    in use. `sessions` are those of this process, `joined` the keys that are
    joined to all processes of the hub, of which `processes` are alive.
    `mails` wait in the mailbox, and `mailbox` is "" or why no more can be
    kept. `security` is what the hub's own port speaks; `accelerated` says
    that WebSocket frames are unmasked by native code; `pin` is what to give
    members, so that they know the hub: "wss://HOST:PORT#KEY".
    """

    private: bool
    members: Count | None
    generation: Count
    allowlist: str
    sessions: Count
    joined: Count
    processes: Count
    backplane: Literal["local", "redis"]
    mails: Count
    mail_bytes: Count
    mailbox: str
    security: Literal["tls", "plain", "proxy"]
    accelerated: bool
    pin: str


class MemberRow(Struct, frozen=True):
    """A member of the allowlist; `expires` 0 is never."""

    public_key: str
    account: str
    user_type: UserType
    permissions: list[Permission]
    expires: Count
    note: str
    joined: bool


class NewMember(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to add to the allowlist; `expires` 0 is never."""

    public_key: Key
    account: NameText
    user_type: UserType = "human"
    permissions: Permissions = field(default_factory=lambda: list(DEFAULT_PERMISSIONS))
    expires: Seconds = 0
    note: NoteText = ""


class Reloaded(Struct, frozen=True):
    """The allowlist that is in use now.

    `added`, `removed` and `altered` are keys; `closed` counts the sessions
    of this process that were ended, for their members may do less now.
    """

    generation: Count
    members: Count
    added: list[str]
    removed: list[str]
    altered: list[str]
    closed: Count


class SessionRow(Struct, frozen=True):
    """A joined member's session with this process.

    `session` is its name in the protocol; `observed` the member's
    "host:port" as we see it; `frames_in`, `frames_out` count what it sent
    and was sent; `queued_bytes` wait for it to read.
    """

    public_key: str
    account: str
    session: str
    observed: str
    agent: str
    since: Count
    idle_s: float
    frames_in: Count
    frames_out: Count
    queued_bytes: Count


class Kicked(Struct, frozen=True):
    """How many sessions were ended, on all processes that heard of it."""

    sessions: Count
