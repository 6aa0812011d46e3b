"""UPnP where its library is not installed; with it, tests/process/test_router.py."""

from __future__ import annotations

import sys
from typing import Any, cast

from twisted.internet import reactor as installed
from twisted.trial.unittest import TestCase

from streembit.errors import LibraryMissing
from streembit.net.aloof import Aloof
from streembit.net.upnp import Device, Upnp

LIBRARY = "miniupnpc"


class WithoutTests(TestCase):
    """`pip install streembit`, and no more."""

    def setUp(self) -> None:
        modules: dict[str, Any] = sys.modules
        former = {name: module for name, module in modules.items() if name == LIBRARY}
        modules[LIBRARY] = None  # it cannot be imported then
        self.addCleanup(modules.update, former)
        self.addCleanup(modules.pop, LIBRARY)

    async def test_nobody_is_asked(self) -> None:
        """And it is said what is missing."""
        router = Upnp(Device(lambda _: 0), Aloof(cast(Any, installed), "test"))
        with self.assertRaises(LibraryMissing) as missing:
            await router.map(8905, 8905)
        self.assertEqual(missing.exception.detail, "not asked: pip install streembit[upnp]")
