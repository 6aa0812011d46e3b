"""How far a member's session was given its mail."""

from __future__ import annotations


class Delivery:
    """How far a session has been given its mail.

    Attributes:
        position: of the last mail that was passed on.
        busy: whether the next ones are being fetched.
        again: whether more came meanwhile.
    """

    __slots__ = ("again", "busy", "position")

    def __init__(self) -> None:
        self.position = ""
        self.busy = self.again = False
