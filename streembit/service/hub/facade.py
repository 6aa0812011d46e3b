"""What a running hub answers to its operator: one Protocol and its immutable answers.

Keys are 66 lower-case hexadecimal digits, times whole Unix seconds of this
machine's clock; `_s` ends a length of time in seconds.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Protocol

from msgspec import Meta, Struct

from streembit.service.facade import Readiness, Status
from streembit.wire.hub import Permission, Permissions
from streembit.wire.offer import HexKey, NameText, NoteText, UserType
from streembit.wire.terms import Whole

MAX_MEMBER_CHARS: Final = 128  # of how a member is named: a key has 66, a fingerprint 95

Count = Annotated[int, Meta(ge=0)]


class HubStatus(Struct, frozen=True):
    """What `streembit status` shows of a hub beside what every node has.

    `members` counts those of the allowlist, None where every key may join;
    `generation` counts the allowlists used since the start, from 1, and is 0
    without one; `allowlist` is "" or why the file on the disk is not the one
    in use. `sessions` are those of this process, `joined` the keys that are
    joined to all processes of the hub, of which `processes` are alive.
    `accelerated` says that WebSocket frames are unmasked by native code;
    `security` is what the hub's own port speaks.
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

    public_key: HexKey
    account: str
    user_type: UserType
    permissions: list[Permission]
    expires: Count
    note: str
    joined: bool


class NewMember(Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to add to the allowlist."""

    public_key: HexKey
    account: NameText
    user_type: UserType = "human"
    permissions: Permissions = ["relay", "mailbox", "dht", "directory"]
    expires: Whole = 0
    note: NoteText = ""


class Reloaded(Struct, frozen=True):
    """The allowlist that is in use now; `added` and `removed` are keys.

    `closed` counts the sessions of this process that were ended by it.
    """

    generation: Count
    members: Count
    added: list[str]
    removed: list[str]
    closed: Count


class SessionRow(Struct, frozen=True):
    """A joined member's session with this process.

    `session` is its name in the protocol; `observed` the member's
    "host:port" as we see it; `frames_in`, `frames_out` count what it sent
    and was sent; `queued_bytes` wait for it to read.
    """

    public_key: HexKey
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


class HubFacade(Protocol):
    """A running hub as its local API sees it.

    Every method may raise a `LocalError`: what was asked cannot be. Members
    are named by public key, fingerprint or, in an allowlist, by account.
    """

    async def ready(self) -> Readiness:
        """Return whether members can join now; cheap."""

    async def status(self) -> Status:
        """Return the state of the hub, its part `hub` included; cheap."""

    async def members(self) -> list[MemberRow]:
        """Return the members of the allowlist in use, by account.

        Raises:
            NoAllowlist: the hub is public.
        """

    async def add_member(self, member: NewMember) -> Reloaded:
        """Write a member into the allowlist's file, and use it from now on.

        Raises:
            NoAllowlist: the hub is public.
            BadAllowlist: key or account is there, or the file is not sound
                as it is; it stays as it is.
            DiskFull, DiskFailed: it could not be written.
        """

    async def remove_member(self, member: str) -> Reloaded:
        """Take a member out of the file, and end its sessions within a second.

        Raises:
            NotFound: there is no such member.
            As `add_member`.
        """

    async def reload(self) -> Reloaded:
        """Read the allowlist's file, and use it from now on.

        Raises:
            NoAllowlist: the hub is public.
            BadAllowlist: the file is not sound; the list in use stays.
        """

    async def sessions(self) -> list[SessionRow]:
        """Return the sessions of this process, the newest first."""

    async def kick(self, member: str) -> Kicked:
        """End the sessions of a member, which may join again.

        Raises:
            NotFound: it has none.
        """
