"""What a node tells of its hubs: immutable rows, as the local API shows them.

Keys are 66 lower-case hexadecimal digits; times are whole Unix seconds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from streembit.wire.hub import Permission
from streembit.wire.offer import UserType

Count = Annotated[int, Meta(ge=0)]
HubState = Literal["off", "joining", "joined", "waiting", "refused"]


class HubRow(Struct, frozen=True):
    """A hub that a node uses.

    `own` says that contacts find us there; others are left again when they
    are of no use. `key` is "" until the hub has shown it, `why` the code of
    why we are not joined, `observed` our "host:port" as the hub sees it.
    `links` go through it now; `findings` counts by kind what the hub, or
    somebody behind it, did that no honest one does: forged, misdirected,
    elsewhere, old-session, future, repeated, moved, lost.
    """

    url: str
    name: str
    key: str
    state: HubState
    own: bool
    why: str
    observed: str
    links: Count
    findings: dict[str, Count]
    permissions: list[Permission]


class FoundRow(Struct, frozen=True):
    """Somebody who wants to be found at a hub; the entry's signature was checked.

    `known_as` is what we call them, "" for a stranger; `alarm` says why to
    be careful, "" for no reason.
    """

    name: str
    public_key: str
    fingerprint: str
    user_type: UserType
    hub: str
    expires: Count
    note: str = ""
    known_as: str = ""
    alarm: str = ""


class Found(Struct, frozen=True):
    """Who was found; `more` says that there are others, whom a longer name finds."""

    found: list[FoundRow]
    more: bool


class Entered(Struct, frozen=True):
    """Whether the account wants to be found, and how that stands.

    `hubs` are those that show it, until `expires`; `failed` tells by hub the
    code of why it does not.
    """

    wanted: bool
    note: str
    hubs: list[str]
    expires: Count
    failed: dict[str, str]
