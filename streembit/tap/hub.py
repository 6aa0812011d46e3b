"""`twistd streembit-hub`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from twisted.application.service import IService

from streembit.disk import config
from streembit.disk.config import Config
from streembit.tap.launch import Grow, launched
from streembit.tap.options import RoleOptions

__all__ = ["Options", "makeService"]

# Options that are members of the part [hub] of the configuration.
_PARAMETERS = (
    *("name", "private", "certificate", "private-key"),
    *("backplane", "backplane-password-file"),
)
_FLAGS = ("plain", "behind-proxy")


class Options(RoleOptions):
    """The options of a hub."""

    role = "hub"
    optParameters: ClassVar[list[list[Any]]] = [
        ["name", None, None, "The hub's name, for people to read."],
        ["advertise", None, None, "HOST:PORT where members reach it, as it tells them."],
        ["private", None, None, "The allowlist's file: nobody else is let in."],
        ["certificate", None, None, "A PEM file [default: one that the hub makes by itself]"],
        ["private-key", None, None, "The certificate's private key, a PEM file."],
        ["backplane", None, None, "redis://..., where several processes serve one hub."],
        ["backplane-password-file", None, None, "A file with the password of Redis."],
    ]
    optFlags: ClassVar[list[list[Any]]] = [
        ["plain", None, "WebSocket without TLS, on loopback only."],
        ["behind-proxy", None, "No TLS; each connection begins with HAProxy's PROXY header."],
        ["no-node", None, "No node of its own: another process of this hub has it."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self._origins: list[str] = []

    def opt_origin(self, origin: str) -> None:
        """A page whose scripts may connect, https://HOST; may be repeated."""
        self._origins.append(origin)

    def configuration(self) -> Config:
        """See `RoleOptions`."""
        read = super().configuration()
        part = {name.replace("-", "_"): self[name] for name in _PARAMETERS if self[name]}
        part |= {name.replace("-", "_"): True for name in _FLAGS if self[name]}
        if self["no-node"]:
            part["node"] = False
        if self._origins:
            part["origins"] = self._origins
        whole = {**msgspec.to_builtins(read.hub), **part}
        return config.amend(read, "hub", {"hub": whole})


def of_hub() -> Callable[..., Grow]:
    """Return what makes the services of a hub, loading it now."""
    from streembit.tap.hubgrow import HubGrower

    return HubGrower


def makeService(options: Options) -> IService:  # noqa: N802 - Twisted's name
    """Return the service that the options describe; exit with one line where they cannot be met."""
    return launched(options, of_hub)
