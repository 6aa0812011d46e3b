"""Every error that Streembit raises on purpose, each with its wire code and whose fault it is.

One module a subject; all of them are read as names of this package, so
that a class is written down once and imported from one place.
"""

from __future__ import annotations

from collections.abc import Iterator

from streembit.errors.accounts import *
from streembit.errors.api import *
from streembit.errors.base import *
from streembit.errors.contacts import *
from streembit.errors.files import *
from streembit.errors.home import *
from streembit.errors.hub import *
from streembit.errors.links import *
from streembit.errors.parcels import *
from streembit.errors.reach import *
from streembit.errors.records import *
from streembit.errors.wire import *


def every() -> Iterator[type[StreembitError]]:
    """Yield StreembitError and each class below it that this package declares, parents first."""
    waiting: list[type[StreembitError]] = [StreembitError]
    while waiting:
        kind = waiting.pop(0)
        yield kind
        waiting.extend(
            each for each in kind.__subclasses__() if each.__module__.startswith(f"{__name__}.")
        )


_BY_CODE: dict[str, type[StreembitError]] = {kind.code: kind for kind in every()}


def by_code(code: str) -> type[StreembitError] | None:
    """Return the class that has this code, or None for a code unknown here."""
    return _BY_CODE.get(code)
