"""The allowlist of a private hub: who gets in, and what each may do there.

A list is taken whole or not at all: `read` judges a document of strict
JSON and says where in it a fault lies. Whoever reads long lists again and
again judges each row by itself (`judged`), once, and brings the members
together in an `Enrolment`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Final, NamedTuple, cast, get_args

from streembit.errors import BadAllowlist, BadKey, BadName
from streembit.hub.grant import PERMISSIONS, Grant
from streembit.jose.keys import PublicKey
from streembit.wire import texts
from streembit.wire.codec import Json
from streembit.wire.hub import Permission
from streembit.wire.offer import UserType
from streembit.wire.terms import MAX_INT

MAX_MEMBERS: Final = 10_000  # twice what a process holds; judged in half a second
NETWORK_PREFIX: Final = "private."  # so that no list can name the public network
USER_TYPES: Final[tuple[UserType, ...]] = get_args(UserType)

_NETWORK: Final = re.compile(r"private\.[a-z0-9._-]{1,56}", re.ASCII)
_LIST_MEMBERS: Final = frozenset({"members", "network", "note"})
_MEMBER_MEMBERS: Final = frozenset(
    {"account", "public_key", "user_type", "permissions", "expires", "note"}
)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One member as the list has it.

    Attributes:
        note: a comment of the operator's, which decides nothing.
    """

    key: PublicKey
    grant: Grant
    note: str = ""


@dataclass(frozen=True, slots=True)
class Allowlist:
    """Who gets in, by the text of each key, in the order of the file.

    Attributes:
        network: the private network's name, "" for the one that is
            made of the hub's key.
    """

    members: Mapping[str, Member]
    network: str = ""
    note: str = ""

    def find(self, key: str) -> Grant | None:
        """Return what the holder of a key (its text) may do, None for a stranger."""
        member = self.members.get(key)
        return None if member is None else member.grant


class Entry(NamedTuple):
    """A member whose row was found sound by itself.

    `look` is what accounts that look alike have in common.
    """

    member: Member
    look: str


class Enrolment:
    """The members of a list, brought together one by one, of whom no two are taken for one.

    Args:
        top: the document; its members are looked at only for being a list.
        count: how many there are.

    Raises (when made): BadAllowlist: as `read`, for what stands beside the members.
    """

    def __init__(self, top: Json, count: int) -> None:
        fields = _object(top, _LIST_MEMBERS, ())
        if not isinstance(fields.get("members"), list):
            raise _fault("a list of members is due", ("members",) if "members" in fields else ())
        if count > MAX_MEMBERS:
            raise _fault(f"at most {MAX_MEMBERS} members", ("members",))
        self._network, self._note = _network(fields), _note(fields, ())
        self._members: dict[str, Member] = {}
        self._looks: dict[str, int] = {}

    def add(self, entry: Entry) -> None:
        """Take the next member in; raise BadAllowlist where it has another's key or look."""
        at = len(self._members)
        path: Path = ("members", at)
        member, look = entry
        if member.key.text in self._members:
            raise _fault("this key is in the list already", (*path, "public_key"))
        other = self._looks.setdefault(look, at)
        if other != at:
            raise _fault(f"this account looks like that of member {other + 1}", (*path, "account"))
        self._members[member.key.text] = member

    def listed(self) -> Allowlist:
        """Return the list, now that all are in."""
        return Allowlist(MappingProxyType(self._members), self._network, self._note)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of members from one list to the next, by the texts of their keys.

    `added` were not there; `removed` are not any more; `reduced` may do
    less, or their time ends sooner; `altered` may do more, or are described otherwise.
    """

    added: frozenset[str]
    removed: frozenset[str]
    reduced: frozenset[str]
    altered: frozenset[str]


def network_of(hub: PublicKey) -> str:
    """Return the name of the private network of a hub whose list does not give another."""
    return NETWORK_PREFIX + sha256(b"streembit private network" + hub.point).hexdigest()[:32]


def read(document: Json) -> Allowlist:
    """Return the list that a document stands for.

    Raises:
        BadAllowlist: `path` leads to the value at fault, by members'
            names and positions; () for the whole.
    """
    rows = document.get("members") if isinstance(document, dict) else None
    found = rows if isinstance(rows, list) else []
    enrolment = Enrolment(document, len(found))
    for at, row in enumerate(found):
        enrolment.add(judged(row, at))
    return enrolment.listed()


def judged(row: Json, at: int) -> Entry:
    """Return the member that a row stands for, the `at`th of its list.

    Raises:
        BadAllowlist: as `read`.
    """
    member = _member(row, ("members", at))
    return Entry(member, texts.skeleton(member.grant.account))


def change(old: Allowlist, new: Allowlist) -> Change:
    """Return what became of members, of which each is in one of the sets or unchanged."""
    before, after = old.members, new.members
    both = [key for key in before if key in after and before[key] is not after[key]]
    kept = [key for key in both if before[key] != after[key]]
    reduced = frozenset(key for key in kept if _is_less(after[key].grant, before[key].grant))
    return Change(
        frozenset(after.keys() - before.keys()),
        frozenset(before.keys() - after.keys()),
        reduced,
        frozenset(kept) - reduced,
    )


def written(allowlist: Allowlist) -> dict[str, Json]:
    """Return the document that `read` reads as this list."""
    document: dict[str, Json] = {"note": allowlist.note, "network": allowlist.network}
    document = {name: value for name, value in document.items() if value}
    document["members"] = [written_member(member) for member in allowlist.members.values()]
    return document


def written_member(member: Member) -> dict[str, Json]:
    """Return the row of a document that `read` reads as this member."""
    grant = member.grant
    row: dict[str, Json] = {
        "account": grant.account,
        "public_key": member.key.hex,
        "user_type": grant.user_type,
        "permissions": list[Json](grant.listed()),
    }
    if grant.expires_s is not None:
        row["expires"] = grant.expires_s
    if member.note:
        row["note"] = member.note
    return row


def _member(row: Json, path: Path) -> Member:
    fields = _object(row, _MEMBER_MEMBERS, path)
    key = _key(_text(fields, "public_key", path), (*path, "public_key"))
    grant = Grant(
        _account(_text(fields, "account", path), (*path, "account")),
        _user_type(fields.get("user_type", "human"), (*path, "user_type")),
        _permissions(fields, path),
        _expiry(fields.get("expires"), (*path, "expires")),
    )
    return Member(key, grant, _note(fields, path))


def _object(value: Json, known: frozenset[str], path: Path) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _fault("an object is due", path)
    for name in value:
        if name not in known:
            raise _fault("no such member is known", (*path, name))
    return value


def _text(fields: dict[str, Json], name: str, path: Path) -> str:
    if name not in fields:
        raise _fault(f"{name} is missing", path)
    value = fields[name]
    if not isinstance(value, str):
        raise _fault("a text is due", (*path, name))
    return value


def _key(text: str, path: Path) -> PublicKey:
    try:
        return PublicKey.from_hex(text)
    except BadKey as e:
        raise _fault(f"a public key is 66 lower-case hex digits: {e.detail}", path) from None


def _account(name: str, path: Path) -> str:
    try:
        return texts.check_name(name)
    except BadName as e:
        raise _fault(e.detail, path) from None


def _user_type(value: Json, path: Path) -> UserType:
    for each in USER_TYPES:
        if value == each:
            return each
    raise _fault(f"one of {', '.join(USER_TYPES)} is due", path)


def _permissions(fields: dict[str, Json], path: Path) -> frozenset[Permission]:
    if "permissions" not in fields:
        raise _fault("permissions is missing", path)
    value, path = fields["permissions"], (*path, "permissions")
    if not isinstance(value, list):
        raise _fault("a list of permissions is due", path)
    for at, name in enumerate(value):
        if name not in PERMISSIONS:
            raise _fault(f"one of {', '.join(PERMISSIONS)} is due", (*path, at))
        if name in value[:at]:
            raise _fault("this permission is in the list already", (*path, at))
    return frozenset(cast("list[Permission]", value))


def _expiry(value: Json, path: Path) -> int | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_INT:
        raise _fault("unix time in whole seconds is due", path)
    return value


def _network(top: dict[str, Json]) -> str:
    if "network" not in top:
        return ""
    name = top["network"]
    if not isinstance(name, str) or not _NETWORK.fullmatch(name):
        raise _fault(f"a name like {NETWORK_PREFIX}example is due", ("network",))
    return name


def _note(fields: dict[str, Json], path: Path) -> str:
    note = fields.get("note", "")
    if not isinstance(note, str):
        raise _fault("a text is due", (*path, "note"))
    try:
        return texts.check_note(note)
    except BadName as e:
        raise _fault(e.detail, (*path, "note")) from None


def _is_less(now: Grant, before: Grant) -> bool:
    ends_sooner = now.expires_s is not None and (
        before.expires_s is None or now.expires_s < before.expires_s
    )
    return ends_sooner or not now.permissions >= before.permissions


def _fault(detail: str, path: Path) -> BadAllowlist:
    return BadAllowlist(detail, path=path)


def where(path: Path) -> str:
    """Return a path as people read it: `members[3].public_key`."""
    return "".join(_steps(path)).lstrip(".") or "the document"


def _steps(path: Path) -> Iterator[str]:
    for step in path:
        yield f"[{step}]" if isinstance(step, int) else f".{step}"
