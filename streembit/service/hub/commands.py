"""What members ask of a hub itself: each command, and its one answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from streembit.errors import BadMessage, NotReady, RateLimited
from streembit.hub import directory
from streembit.hub.grant import Grant
from streembit.net.budget import Buckets
from streembit.service.hub.admins import Admins
from streembit.service.hub.backplane import Backplane
from streembit.service.hub.session import Session
from streembit.service.hub.settings import MEMBER_GETS, MEMBER_PUTS, HubSettings
from streembit.service.hub.watchers import Watchers
from streembit.service.network import show_address
from streembit.wire.hub import (
    MAX_FOUND,
    Ack,
    Command,
    DialBack,
    Dialled,
    Dismiss,
    Done,
    Entries,
    Found,
    Get,
    Join,
    Kick,
    Observe,
    Placed,
    Publish,
    Put,
    Reply,
    Search,
    Seen,
    Show,
    Watch,
    Withdraw,
)
from streembit.wire.message import ItemKind

# How many entries are looked at, while those at the front are of no use; more of a name helps too.
LOOKS: Final = (MAX_FOUND + 1, 100, 1_000)


class Table(Protocol):
    """The distributed table, as far as members use it through a hub."""

    def put(self, item: str, kind: ItemKind) -> Deferred[int]:
        """Fire with how many nodes keep what was verified and put.

        Errbacks:
            RemoteError: it is no record or blob that may be stored.
            NotReady: the hub has nobody to give it to.
        """

    def get(self, place: str) -> Deferred[Found]:
        """Fire with what lies at a place.

        Errbacks:
            NotThere: nothing does, as far as was found.
            BadToken: it is no place.
        """


class Prober(Protocol):
    """Connects to members that want to know whether they can be reached."""

    def dial_back(self, session: Session, port: int) -> Deferred[Dialled]:
        """Fire with whether the member is there, at its own address and this port."""


class Commands:
    """Serves commands whose signature was checked and that are permitted.

    Args:
        table: None where this hub is part of none.
        prober: None where it connects to nobody.
        grant_of: returns what the holder of a key may do.
    """

    def __init__(
        self,
        settings: HubSettings,
        backplane: Backplane,
        watchers: Watchers,
        table: Table | None,
        prober: Prober | None,
        clock: IReactorTime,
        now_s: Callable[[], float],
        grant_of: Callable[[str], Grant | None],
        admins: Admins,
    ) -> None:
        self._settings = settings
        self._backplane = backplane
        self._watchers = watchers
        self.table = table
        self.prober = prober
        self._clock = clock
        self._now_s, self._grant_of = now_s, grant_of
        self.admins = admins
        self._puts, self._gets = Buckets(MEMBER_PUTS), Buckets(MEMBER_GETS)

    def answer(self, session: Session, body: Command) -> Reply | Deferred[Any]:
        """Return the answer to a command, or a Deferred that fires with a Reply.

        Raises:
            StreembitError: it is refused; nothing has changed. The
                Deferred errbacks likewise.
        """
        match body:
            case Observe():
                return Seen(show_address(session.carrier.host, session.carrier.port))
            case Show(keys=keys):
                return self._backplane.show(session.key, keys).addCallback(_done)
            case Watch(keys=keys):
                self._watchers.watch(session.key, keys)
                return Done()
            case Publish() | Withdraw() | Search():
                return self._directory(session, body)
            case Put() | Get():
                return self._records(session, body)
            case DialBack(port=port):
                if self.prober is None:
                    raise NotReady("this hub connects to nobody")
                return self.prober.dial_back(session, port)
            case Kick() | Dismiss():
                return Deferred.fromCoroutine(self.admins.answer(session, body))
            case Join() | Ack():
                raise BadMessage("not a command that is due here")
            case other:
                assert_never(other)

    def _directory(self, session: Session, body: Publish | Withdraw | Search) -> Deferred[Reply]:
        now_s, back = self._now_s(), self._backplane
        match body:
            case Publish(entry=entry):
                network = self._settings.network
                listing = directory.publish(entry, session.served.member, network, now_s)
                return back.publish(listing).addCallback(_done)
            case Withdraw():
                return back.withdraw(session.key).addCallback(_done)
            case Search(name=name):
                return Deferred.fromCoroutine(self._search(directory.prefix(name), int(now_s)))

    async def _search(self, prefix: str, now_s: int) -> Entries:
        """Return the entries of those who may be in the directory now.

        An entry outlives its owner's removal: nobody sees it, and it is asked for more where such
        entries stand before others.
        """
        shown: list[str] = []
        for limit in LOOKS:
            tokens = await self._backplane.search(prefix, now_s, limit)
            shown = [token for token in tokens if self._is_shown(token)]
            if len(shown) > MAX_FOUND or len(tokens) < limit:
                return Entries(shown[:MAX_FOUND], len(shown) > MAX_FOUND)
        return Entries(shown, True)

    def _is_shown(self, entry: str) -> bool:
        grant = self._grant_of(directory.publisher(entry))
        if grant is None or grant.is_over(self._now_s()):
            return False
        return "directory" in grant.permissions

    def _records(self, session: Session, body: Put | Get) -> Deferred[Any]:
        match body:
            case Put(item=item, kind=kind):
                return self._table(session, self._puts).put(item, kind).addCallback(Placed)
            case Get(place=place):
                return self._table(session, self._gets).get(place)

    def _table(self, session: Session, rates: Buckets) -> Table:
        if self.table is None:
            raise NotReady("this hub is part of no table")
        if not rates.of(session.key).take(self._clock.seconds()):
            raise RateLimited("puts and gets")
        return self.table


def _done(_result: object) -> Done:
    return Done()
