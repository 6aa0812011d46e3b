"""Asks the router for a port of its own that leads to one of ours, by UPnP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from streembit.errors import LibraryMissing, MappingRefused, NoRouter
from streembit.net.aloof import Aloof
from streembit.router.terms import LEASE_S, Mapped, is_outside

NAME: Final = "UPnP"
CALL_WITHIN_S: Final = 20.0  # the router is looked for and asked a few times
DISCOVER_MS: Final = 2_000  # routers answer within a second or two
TRIES: Final = 4  # ports that somebody else in this network has already
FREE_PORTS: Final = (20_000, 60_000)  # where to look for another one
DESCRIPTION: Final = "streembit"  # what the router shows beside the port

# Of the router's refusals (WANIPConnection, section 2.4.16): lets no port go again, port taken.
_PERMANENT_ONLY: Final = "OnlyPermanentLeasesSupported"
_TAKEN: Final = ("ConflictInMappingEntry", "ConflictWithOtherMechanisms")


class Device:
    """The router of this network, looked for anew at each `map`: it may be another one by then.

    Each call blocks, `map` for two seconds and some more where the answers are slow.

    Args:
        draw: chance, an integer below its argument: for ports where the wanted one is taken.
    """

    def __init__(self, draw: Callable[[int], int]) -> None:
        self._draw = draw
        self._router: Any = None  # the one that leads to us

    def map(self, inner: int, wanted: int) -> Mapped:
        """Have a port of the router lead to `inner`, the wanted one if it is free, for a lease.

        What is ours already is renewed.

        Raises:
            LibraryMissing, NoRouter, MappingRefused
        """
        router = _found()
        host = _outside(router)
        self._router = router
        for port in self._ports(wanted):
            lease_s = _lease(router, port, inner)
            if lease_s is not None:
                return Mapped(host, port, lease_s, NAME)
        raise MappingRefused("the ports tried are taken", tried=TRIES)

    def unmap(self, port: int) -> None:
        """Have the router close a port again that `map` opened.

        Raises:
            MappingRefused
        """
        router, self._router = self._router, None
        if router is None:
            return
        try:
            router.deleteportmapping(port, "TCP")
        except Exception as e:  # noqa: BLE001 - the library raises nothing more exact
            raise MappingRefused(str(e)) from None

    def _ports(self, wanted: int) -> Iterator[int]:
        yield wanted
        first, beyond = FREE_PORTS
        for _ in range(TRIES - 1):
            yield first + self._draw(beyond - first)


class Upnp:
    """Asks by UPnP in a thread of its own, for its calls block.

    Args:
        aloof: makes the calls.
    """

    name = NAME

    def __init__(self, device: Device, aloof: Aloof) -> None:
        self._device = device
        self._aloof = aloof
        self._port = 0

    async def map(self, inner: int, wanted: int) -> Mapped:
        """See `service.routers.Router`."""
        mapped = await self._aloof.run(lambda: self._device.map(inner, wanted), CALL_WITHIN_S)
        self._port = mapped.port
        return mapped

    async def holds(self) -> bool:
        """Tell that it does: by UPnP a router says nothing of having been started anew."""
        return True

    async def unmap(self) -> None:
        """See `service.routers.Router`."""
        await self._aloof.run(lambda: self._device.unmap(self._port), CALL_WITHIN_S)


def _found() -> Any:
    """Return the router that leads out of this network."""
    try:
        import miniupnpc
    except ImportError:
        raise LibraryMissing("not asked: pip install streembit[upnp]") from None
    asked = miniupnpc.UPnP()
    asked.discoverdelay = DISCOVER_MS
    try:
        asked.discover()
        asked.selectigd()
    except Exception:  # noqa: BLE001 - likewise
        raise NoRouter("nothing in this network answers to UPnP") from None
    return asked


def _outside(router: Any) -> str:
    """Return the router's address on its other side."""
    try:
        host = str(router.externalipaddress() or "")
    except Exception as e:  # noqa: BLE001 - likewise
        raise MappingRefused(f"the router does not tell its address: {e}") from None
    if not is_outside(host):
        raise MappingRefused("the router has no address outside: it is not connected")
    return host


def _lease(router: Any, port: int, inner: int) -> int | None:
    """Have one port lead to us; return for how long, None where it is taken."""
    for lease_s in (LEASE_S, 0):
        try:
            router.addportmapping(port, "TCP", router.lanaddr, inner, DESCRIPTION, "", lease_s)
        except Exception as e:  # noqa: BLE001 - the library raises nothing more exact
            refusal = str(e)
        else:
            return lease_s
        if refusal in _TAKEN:
            return None
        if refusal != _PERMANENT_ONLY:
            break
    raise MappingRefused(refusal)
