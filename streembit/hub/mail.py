"""What a hub keeps for those who are away: their mail, and entries of who wants to be found.

Keys and ids are the texts that stand in the frames; a token is what its
sender signed, and is never changed.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mail:
    """An envelope that waits for its recipient; `kept_s` is Unix time.

    One recipient, sender and `id` name one mail, whatever its token: a
    sender that did not hear that it was kept signs it anew.
    """

    recipient: str
    sender: str
    id: str
    token: bytes
    kept_s: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail in its mailbox: the greater `position` came later; "" is before all."""

    position: str
    token: bytes


@dataclass(frozen=True, slots=True)
class Listing:
    """A directory entry whose signature was checked; `expires_s` is Unix time."""

    key: str
    name: str
    expires_s: int
    token: str
