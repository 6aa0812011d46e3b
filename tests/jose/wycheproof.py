"""Reads the Wycheproof test vectors from the folder that STREEMBIT_VECTORS names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast

from twisted.trial.unittest import SkipTest

Group = dict[str, Any]
Case = dict[str, Any]
VARIABLE: Final = "STREEMBIT_VECTORS"


def cases(name: str) -> Iterator[tuple[Group, Case]]:
    """Yield each case of a file with its group.

    Raises:
        SkipTest: the variable is not set, so the vectors are not here.
    """
    for group in _groups(name):
        for case in group["tests"]:
            yield group, case


@lru_cache(maxsize=4)
def _groups(name: str) -> list[Group]:
    folder = os.environ.get(VARIABLE)
    if not folder:
        raise SkipTest(f"{VARIABLE} does not name the folder with the Wycheproof vectors")
    text = (Path(folder) / "wycheproof" / name).read_text(encoding="utf-8")
    return cast("list[Group]", json.loads(text)["testGroups"])
