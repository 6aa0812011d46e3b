"""What a hub lets a key do: permissions, and which frame needs which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from streembit.wire.hub import (
    Ack,
    Command,
    DialBack,
    Dismiss,
    Envelope,
    Get,
    Join,
    Kick,
    Observe,
    Permission,
    Publish,
    Put,
    Search,
    Show,
    Watch,
    Withdraw,
)
from streembit.wire.offer import UserType

# In the order in which a Welcome tells them.
PERMISSIONS: Final[tuple[Permission, ...]] = ("relay", "mailbox", "dht", "directory", "admin")


@dataclass(frozen=True, slots=True)
class Grant:
    """What one key may do at a hub, and until when.

    Attributes:
        account: its name in the allowlist, "" at a public hub.
        expires_s: unix time in seconds from which on it may nothing;
            None for no end.
    """

    account: str
    user_type: UserType
    permissions: frozenset[Permission]
    expires_s: int | None = None

    def is_over(self, now_unix_s: float) -> bool:
        """Say whether its time has come."""
        return self.expires_s is not None and now_unix_s >= self.expires_s

    def listed(self) -> list[Permission]:
        """Return the permissions in their order."""
        return [each for each in PERMISSIONS if each in self.permissions]


# What a public hub lets every key do that signs.
EVERYBODY: Final = Grant("", "human", frozenset({"relay", "mailbox", "dht", "directory"}))


def needed(body: Command) -> Permission | None:
    """Return the permission that a command needs, None for one that all members may give."""
    match body:
        case Put() | Get():
            return "dht"
        case Publish() | Withdraw() | Search():
            return "directory"
        case Ack():
            return "mailbox"
        case Kick() | Dismiss():
            return "admin"
        case Join() | Show() | Watch() | Observe() | DialBack():
            return None
        case other:
            assert_never(other)


def needed_to_send(envelope: Envelope) -> Permission:
    """Return the permission that the sender of an envelope needs."""
    return "mailbox" if envelope.id else "relay"
