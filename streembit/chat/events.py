"""What a conversation tells its user, and what it hands to those who carry it."""

from __future__ import annotations

from typing import NamedTuple

from streembit.wire.content import Goodbye, Presence, Spoken, Typing


class Spoke(NamedTuple):
    """The contact said something; it is in the history at this number.

    `spoken` is None where it is of a kind that is not known here.
    """

    number: int
    spoken: Spoken | None


class Moved(NamedTuple):
    """One of our messages is in another state now."""

    number: int


class ReadTo(NamedTuple):
    """The contact has read all of ours up to this number of the history."""

    number: int


class BegunAnew(NamedTuple):
    """The conversation goes on with new keys: `ours` says whose state was lost or set back."""

    ours: bool


Event = Spoke | Moved | ReadTo | BegunAnew | Typing | Presence | Goodbye


class Outgoing(NamedTuple):
    """A parcel to be carried: directly, or where `place` is not 0, to that place in the network.

    `piece` is the number in `stream` of what is in it, 0 for a notice.
    """

    parcel: bytes
    session: bytes
    piece: int
    place: int = 0
    stream: bytes = b""
