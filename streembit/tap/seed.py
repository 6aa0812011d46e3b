"""`twistd streembit-seed`."""

from __future__ import annotations

from twisted.application.service import IService

from streembit.tap.launch import launched
from streembit.tap.options import LinkOptions

__all__ = ["Options", "makeService"]


class Options(LinkOptions):
    """The options of a seed."""

    role = "seed"


def makeService(options: Options) -> IService:  # noqa: N802 - Twisted's name
    """Return the service that the options describe; exit with one line where they cannot be met."""
    return launched(options)
