"""The configuration file: TOML in, one frozen value out, and errors that name the line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from streembit.disk import atomic, tomltext
from streembit.disk.files import SYSTEM, Files
from streembit.disk.hubconfig import HubConfig
from streembit.disk.limits import Limits
from streembit.errors import BadConfig, BadHubAddress, BadKey, TooLarge

MAX_LISTEN: Final = 8  # addresses of one machine
MAX_SEEDS: Final = 64  # a list that people keep by hand
MAX_HUBS: Final = 4  # a session with each is kept; contacts are told of the first two
MAX_EXEMPT: Final = 64  # likewise
MAX_ALSO: Final = 15  # accounts beside the first: each is a whole node with its own stores
MAX_CONFIG_BYTES: Final = 256 * 1024  # all of the above, and many remarks

Role = Literal["node", "seed", "hub"]
LISTEN: Final[dict[Role, str]] = {"node": "tcp:8905", "seed": "tcp:32319", "hub": "tcp:32318"}
# A hub has many members, of whom many are behind one address.
_LIMITS: Final[dict[Role, dict[str, int]]] = {
    "node": {},
    "seed": {},
    "hub": {
        "connections_total": 8000,
        "connections_per_address": 64,
        "connections_per_group": 512,
        "connections_unknown": 256,  # all members come back at once when it was started again
        "checks_per_peer_per_s": 2000,  # a member that sends a file sends some 40 frames a MiB
        "checks_per_node_per_s": 20_000,
    },
}


class SeedAddress(Struct, frozen=True):
    """Where a seed answers; `key` is its public key in lower-case hex, "" when any key will do."""

    host: str
    port: int
    key: str = ""


AccountName = Annotated[str, Meta(pattern=r"^[a-z0-9_][a-z0-9._-]{0,63}\Z")]
Listen = Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_LISTEN)]


class Also(Struct, frozen=True, forbid_unknown_fields=True):
    """A further account in the same process: a node of its own, on its own endpoints."""

    account: AccountName
    listen: Listen
    metrics: str = ""


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator decides; what the file does not say has its default.

    listen: Twisted endpoints where to accept links; a node that has hubs
    needs none. seeds: where to begin,
    each `HOST:PORT` or `KEY@HOST:PORT` (`parse_seed`). network: its name;
    nodes of other networks are refused. account: "" is the home's default.
    client_only: take part without storing for others. map_port: have the
    router lead to us (PCP, NAT-PMP, UPnP). lan: be announced in the local network, and
    look who else is (multicast DNS). private: the one hub, `wss://HOST:PORT#KEY`,
    through which the node is in the network of its members, and nowhere else;
    seeds and network are then those of the network that it leaves. metrics: endpoint of
    the figures, "" for none. exempt: networks (CIDR) whose addresses are
    neither counted nor grouped, for tests on one machine. id_scheme: what
    the node id is made of; "address" is for entries of a seed list, which
    never store, and needs advertise, the `HOST:PORT` that everybody reaches
    the node at; a hub shows it to who is to join. also: further accounts in
    the same process. hub: what only a hub has. hubs: where a node is to be
    found besides, each `wss://HOST:PORT`, with the hub's key behind `#`
    where the certificate does not say who it is (`wire.hubtext`).
    agreement_days: how long a node's agreement key is in use.
    """

    listen: Annotated[tuple[str, ...], Meta(max_length=MAX_LISTEN)]
    seeds: Annotated[tuple[str, ...], Meta(max_length=MAX_SEEDS)] = ()
    network: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}\Z")] = "streembit"
    account: Annotated[str, Meta(pattern=r"^([a-z0-9_][a-z0-9._-]{0,63})?\Z")] = ""
    client_only: bool = False
    map_port: bool = False
    lan: bool = False
    private: str = ""
    metrics: str = ""
    exempt: Annotated[tuple[str, ...], Meta(max_length=MAX_EXEMPT)] = ()
    id_scheme: Literal["key", "address", "composite"] = "key"
    advertise: str = ""
    agreement_days: Annotated[int, Meta(ge=30, le=3650)] = 90  # a former key is good for 30 days
    log_level: Literal["debug", "info", "warn", "error"] = "info"
    limits: Limits = Limits()
    also: Annotated[tuple[Also, ...], Meta(max_length=MAX_ALSO)] = ()
    hub: HubConfig = HubConfig()
    hubs: Annotated[tuple[str, ...], Meta(max_length=MAX_HUBS)] = ()

    def each(self) -> list[Config]:
        """Return the configuration of each account, those of `also` last."""
        own = replace(self, also=())
        others = (
            replace(own, account=also.account, listen=also.listen, metrics=also.metrics)
            for also in self.also
        )
        return [own, *others]


def load(path: Path, role: Role, *, must_exist: bool = False, files: Files = SYSTEM) -> Config:
    """Return what the file says, all defaults where there is no file.

    Raises:
        BadConfig: `file`, and `line` where one is at fault, say where.
        DiskFailed: it cannot be read.
    """
    try:
        data = atomic.read(path, files, MAX_CONFIG_BYTES)
    except TooLarge:
        raise BadConfig("the file is too long", file=str(path)) from None
    if data is None and must_exist:
        raise BadConfig("there is no such file", file=str(path))
    return parse(data or b"", role, str(path))


def parse(data: bytes, role: Role, name: str = "") -> Config:
    """Return the configuration that the text says, as `load`; `name` is the file's in errors.

    A `-` in the name of an option stands for `_`.
    """
    import tomllib

    try:
        text = data.decode()
        document = tomltext.read(text)
    except UnicodeDecodeError as e:
        raise BadConfig("not UTF-8", file=name, line=data.count(b"\n", 0, e.start) + 1) from None
    except tomllib.TOMLDecodeError as e:
        raise BadConfig(
            tomltext.complaint(e), file=name, line=tomltext.line_of_fault(e, text)
        ) from None
    try:
        return _checked({"listen": [LISTEN[role]], **document, **_limits(document, role)}, role)
    except _Fault as e:
        raise BadConfig(e.reason, file=name, line=tomltext.line_of(e.path, text)) from None


def amend(config: Config, role: Role, changes: Mapping[str, object]) -> Config:
    """Return the configuration with some members replaced, by the command line's for example.

    Raises:
        BadConfig: a value cannot be used.
    """
    try:
        return _checked({**msgspec.to_builtins(config), **changes}, role)
    except _Fault as e:
        raise BadConfig(e.reason) from None


def parse_seed(text: str) -> SeedAddress:
    """Return the parts of `HOST:PORT`, `[IPv6]:PORT`, or either behind `KEY@`.

    Raises:
        BadConfig: it has another form.
    """
    key, at, address = text.rpartition("@")
    host, colon, port = address.rpartition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    bracketed = inner != host
    plain = inner.isascii() and inner.isprintable() and not set(inner) & set(" []@/")
    if not (colon and inner and plain and len(inner) < 254 and 0 < number < 65536):
        raise BadConfig(f"{text!r} is not HOST:PORT")
    if (":" in inner) != bracketed:
        raise BadConfig(f"{text!r}: write an IPv6 address as [ADDRESS]:PORT")
    if at:
        _check_key(key)
    return SeedAddress(inner, number, key)


class _Fault(Exception):
    """Something wrong at a path of names and indexes in the document."""

    def __init__(self, reason: str, *path: str | int) -> None:
        self.reason = reason
        self.path = path


def _checked(document: dict[str, Any], role: Role) -> Config:
    _refuse_unknown(document)
    try:
        config = msgspec.convert(document, Config)
    except msgspec.ValidationError as e:
        reason, _, where = str(e).partition(" - at ")
        raise _Fault(_reason(reason, where), *_path(where)) from None
    if config.client_only and role == "seed":
        raise _Fault("a seed serves others; it cannot be client_only", "client_only")
    _check_each(config.listen, _check_endpoint, "listen")
    _check_each(config.seeds, parse_seed, "seeds")
    _check_each(config.hubs, _check_hub_address, "hubs")
    _check_each(config.exempt, _check_subnet, "exempt")
    _check_each([config.metrics] if config.metrics else [], _check_endpoint, "metrics")
    _check_each([config.advertise] if config.advertise else [], parse_seed, "advertise")
    for index, also in enumerate(config.also):
        _check_each(also.listen, _check_endpoint, "also", index, "listen")
        _check_each([also.metrics] if also.metrics else [], _check_endpoint, "also", index)
    _check_several(config, role)
    _check_hub(config, role)
    _check_private(config, role)
    if role != "hub" and (config.id_scheme == "address") != bool(config.advertise):
        raise _Fault('id_scheme "address" and advertise need each other', "advertise")
    return config


def _limits(document: dict[str, Any], role: Role) -> dict[str, Any]:
    """Return the table of limits with the role's own defaults, where it can be read as one."""
    given = document.get("limits", {})
    return {"limits": {**_LIMITS[role], **given}} if isinstance(given, dict) else {}


def _check_hub(config: Config, role: Role) -> None:
    if not config.listen and role != "node":
        raise _Fault(f"listen: a {role} is reached at an address", "listen")
    if not config.listen and not (config.hubs or config.private):
        raise _Fault("listen: who is reached at no address needs a hub: hubs", "listen")
    if role != "node" and config.hubs:
        raise _Fault("only a node has hubs", "hubs")
    if role != "hub" and config.hub != HubConfig():
        raise _Fault("only a hub has these settings", "hub")
    if role == "hub" and config.also:
        raise _Fault("a hub runs as one account", "also")
    if fault := config.hub.fault():
        raise _Fault(fault, "hub")


def _check_private(config: Config, role: Role) -> None:
    if not config.private:
        return
    if role != "node" or config.map_port or config.hubs or config.id_scheme == "address":
        raise _Fault("a private node has one hub, and listens nowhere", "private")
    _check_each([config.private], _check_hub_address, "private")
    if "#" not in config.private:
        raise _Fault("private: the hub's key belongs behind a #", "private")


def _check_each(
    texts: Iterable[str], check: Callable[[str], object], name: str, *within: str | int
) -> None:
    for index, text in enumerate(texts):
        try:
            check(text)
        except BadConfig as e:
            raise _Fault(f"{name}: {e.detail}", name, *within, index) from None


def _check_several(config: Config, role: Role) -> None:
    """Refuse further accounts that cannot be: of a seed, without names, or one twice."""
    if not config.also:
        return
    if role == "seed" or config.id_scheme == "address":
        raise _Fault("several accounts are for nodes whose id is not an address", "also")
    names = [config.account, *(also.account for also in config.also)]
    if not config.account:
        raise _Fault("the first of several accounts needs its name: account", "also")
    if len(set(names)) < len(names):
        raise _Fault("an account is named twice", "also")


def _check_endpoint(text: str) -> None:
    kind, colon, rest = text.partition(":")
    if not (kind.isascii() and kind.isalnum() and colon and rest and text.isprintable()):
        raise BadConfig(f"{text!r} is no endpoint such as tcp:8905")


def _check_hub_address(text: str) -> None:
    from streembit.wire import hubtext

    try:
        key = hubtext.read(text).hub
    except BadHubAddress as e:
        raise BadConfig(e.detail) from None
    if key:
        _check_key(key)


def _check_subnet(text: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_network(text)
    except ValueError as e:
        raise BadConfig(str(e)) from None


def _check_key(text: str) -> None:
    from streembit.jose.keys import PublicKey

    try:
        PublicKey.from_hex(text)
    except BadKey:
        raise BadConfig(f"{text!r} is no public key in hexadecimal") from None


# --- names of options ----------------------------------------------------------------------


def _names() -> Iterator[str]:
    yield from Config.__struct_fields__
    yield from (f"limits.{name}" for name in Limits.__struct_fields__)


def _refuse_unknown(document: dict[str, Any]) -> None:
    known = set(_names())
    limits = document.get("limits", {})
    given: list[tuple[str, ...]] = [(name,) for name in document]
    if isinstance(limits, dict):
        given += [("limits", name) for name in limits]
    for path in given:
        if ".".join(path) not in known:
            raise _Fault(f"{'.'.join(path)!r} is no option{_nearest(path, known)}", *path)


def _nearest(path: tuple[str, ...], known: set[str]) -> str:
    from difflib import get_close_matches

    by_last = {name.rpartition(".")[2]: name for name in known}
    found = get_close_matches(path[-1], sorted(by_last), n=1, cutoff=0.5)
    return f"; the nearest is {by_last[found[0]]!r}" if found else ""


def _path(where: str) -> list[str | int]:
    """Turn msgspec's `$.limits.queue_bytes` or `$.seeds[...]` into names."""
    return [part.partition("[")[0] for part in where.strip("`").split(".")[1:] if part]


def _reason(reason: str, where: str) -> str:
    name = ".".join(str(part) for part in _path(where))
    return f"{name}: {reason[:1].lower()}{reason[1:].replace('`', '')}"
