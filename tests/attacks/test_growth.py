"""Rows C6 and C7: strangers make neither memory nor answers grow as they like."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterator
from random import Random
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.candidates import MAX_CANDIDATES, MAX_UNREACHED
from streembit.dht.grouping import Grouping
from streembit.dht.keyspace import ID_BITS, K, to_text
from streembit.dht.record import make
from streembit.dht.store import StoreLimits
from streembit.jose import base64url
from streembit.jose.keys import MAX_PARSED_KEYS, PrivateKey
from streembit.net.gate import GateLimits
from streembit.service.deposit import MAX_HEARD
from streembit.service.limits import NodeLimits
from streembit.service.metrics import MAX_LABELS
from streembit.wire.message import (
    MAX_CONTACTS,
    MAX_RADIUS,
    MAX_VALUE_BYTES,
    Body,
    Contact,
    DialBack,
    FindNode,
    FindValue,
    Nodes,
    Ping,
    Pong,
    Request,
    Rpc,
    Store,
    Stored,
    Value,
)
from tests.attacks.watched import AttackTests
from tests.dht.made import WHOLE
from tests.dht.made import node as made_node
from tests.dht.test_bounds import attributes
from tests.rig.evil import EvilLink, framed
from tests.rig.refusal import HOST, Watch
from tests.service.town import NETWORK, PORT, Town
from tests.sources import sources

KIB: Final = 1024
RATIO: Final = 6.5  # of twenty contacts with the longest IPv4 addresses to a question, on the wire

# What objects outside of streembit.dht that live longer than a call may hold, and why not more.
BOUNDS: Final = {
    "api.caller.Lines._ready": "MAX_LINES, and one read",
    "api.caller._Whole._parts": "MAX_ANSWER_BYTES of our own node",
    "chat.flight.Flight._sent": "wire.content.MAX_EARLY: pieces within the window",
    "chat.inbox.Inbox._pieces": "MAX_PIECES of one message, and MAX_EARLY",
    "chat.left.Leaving._left": "MAX_SPAN, with those to be deleted",
    "chat.left.Leaving._refusals": "MAX_SPAN, with those to be deleted",
    "chat.notices.Notices._waiting": "one of each kind",
    "chat.outbox.Outbox._messages": "MAX_MESSAGES",
    "chat.prekeys.Prekeys._points": "MAX_ONE_TIME, and one",
    "chat.prekeys.Prekeys.signed": "MAX_SIGNED",
    "chat.rows.Rows._changed": "the rows of one turn",
    "chat.sessions.Sessions._changed": "the sessions changed in one turn",
    "chat.sessions.Sessions._sessions": "MAX_SESSIONS",
    "chat.steps._Keys._kept": "MAX_KEPT_KEYS",
    "chat.taking.Taking._absent": "wire.card.MAX_WAITING: places of the newest card",
    "contacts.index.Index._entries": "MAX_CONTACTS and MAX_REMOVED",
    "contacts.index.Index._former": "MAX_FORMER a contact",
    "contacts.index.Index._looks": "as many as entries",
    "contacts.rows.Changes._changed": "the rows of one turn",
    "contacts.rows.Room._kept": "MAX_WAITING, MAX_ASKED, MAX_DENIED or MAX_OPEN, by what is kept",
    "contacts.pair.Pair._points": "two",
    "disk.allowlist.AllowlistFile._known": "MAX_MEMBERS",
    "disk.downloads.Download._parts": "MAX_OPEN_PARTS",
    "disk.downloads.Download._paths": "MAX_FILES of one offer",
    "disk.downloads.Download._unsynced": "MAX_FILES of one offer",
    "disk.sources.Reading._open": "MAX_OPEN_FILES",
    "disk.ledger.Ledger._owners": "those with items",
    "disk.ledger.Ledger._addresses": "those with items",
    "disk.ledger.Ledger._users": "those with items",
    "disk.ledger.Ledger._largest": "twice the users and _SPARE_ENTRIES",
    "disk.ledger._Sums.items": "lives as long as one count of the shelf",
    "disk.ledger._Sums.size_bytes": "lives as long as one count of the shelf",
    "disk.peers.PeersFile.moved_aside": "once a start, and our own doing",
    "disk.published.PublishedRecords.moved_aside": "a damaged disk, and nobody else's doing",
    "disk.records.SqliteShelf.moved_aside": "a damaged disk, and nobody else's doing",
    "disk.records.SqliteShelf._counted": "the changes of one batch, which is one turn",
    "files.incoming.Incoming._marks": "MAX_MARKS",
    "files.incoming.Incoming._own": "MAX_MARKS: no byte is taken a chunk beyond what is proven",
    "files.names._Tree._folders": "MAX_FILES of one offer",
    "files.names._Tree._last": "MAX_FILES of one offer",
    "files.names._Tree._taken": "MAX_FILES of one offer",
    "files.receiving.Receiving._open": "MAX_OPEN_FILES",
    "files.receiving.Receiving._runs": "MAX_OPEN_FILES",
    "files.sending.Sending._ends": "MAX_FILES of our own offer",
    "files.sending.Sending._runs": "MAX_OPEN_FILES",
    "files.sending.Sending._turns": "MAX_OPEN_FILES",
    "files.turns.Turns._waiting": "our own transfers to one contact",
    "hub.allowlist.Enrolment._looks": "MAX_MEMBERS",
    "hub.allowlist.Enrolment._members": "MAX_MEMBERS",
    "hub.presence.Shown._to": "MAX_PAIRS",
    "hub.presence.Watches._told": "MAX_PAIRS",
    "hub.presence.Watches._watchers": "MAX_PAIRS",
    "hub.presence.Watches._watching": "MAX_PAIRS",
    "hub.session.MemberSession._seqs": "MAX_RECIPIENTS",
    "hub.stream.Streams._over": "MAX_OVER",
    "hub.stream.Streams._resets": "MAX_RESETS",
    "hub.stream.Streams._streams": "MAX_STREAMS",
    "hub.witness.Witness._acked": "MAX_MAILS",
    "hub.witness.Witness._heard": "MAX_SENDERS",
    "jose.keys.ParsedKeys._keys": "MAX_PARSED_KEYS",
    "net.budget.Buckets._buckets": "max_keys",
    "net.gate.Discouraging._until_s": "GateLimits.discouraged_entries",
    "net.gate.Gate._of_address": "GateLimits.total",
    "net.gate.Gate._of_group": "GateLimits.total",
    "net.gate.Gate._strangers": "GateLimits.strangers",
    "net.admission.Admission._entrants": "GateLimits.strangers, and those that are exempt",
    "net.backlog.Backlog._queued_bytes": "GateLimits.total, twice",
    "net.budget.Budgets._turns_s": "max_peers",
    "net.mdns.Mdns._asking": "ASKED_AT_ONCE",
    "net.relayed.RelayedTransport._inbox": "hub.stream.WINDOW_BYTES",
    "net.websocket.WebSocketCarrier.message_data": "CarrierLimits.member_bytes",
    "net.turn.Turn._waiting": "the frames of one reading",
    "rpc.pending.Pending._waiting": "MAX_PENDING",
    "service.batch.Batch._waiting": "the stores served in one turn: MAX_SERVING a peer",
    "service.deposit.Deposit._heard_s": "MAX_HEARD",
    "service.dht.Dht.jobs": "our own",
    "service.entrance.Entrance._remembered": "disk.peers' own bound, read once",
    "service.entrance.Entrance._seeds": "the configuration",
    "service.errands.Errands._running": "MAX_ERRANDS",
    "service.hub.hub.Hub._by_name": "GateLimits.total",
    "service.hub.hub.Hub._sessions": "GateLimits.total",
    "service.hub.hub.Hub.listening": "our own ports",
    "service.hub.local.LocalBackplane._claims": "GateLimits.total",
    "service.hub.local.Shelving._waiting": "MAX_WAITING",
    "service.hub.parked.Parked._lines": "GateLimits.total; PARKED_BYTES_TOTAL and one of each",
    "service.hub.postman.Postman._receipts": "GateLimits.total",
    "service.hub.postman.Postman.kept": "a count",
    "service.hub.redis.backplane.RedisBackplane._claims": "GateLimits.total",
    "service.hub.redis.routes.Routes._answers": "what one turn brings, a process each",
    "service.hub.redis.routes.Routes._under": "MAX_ROUTED",
    "service.hub.rounds.Rounds._round": "GateLimits.total, for ROUND_S",
    "service.hub.router.Router._busy_afar": "GateLimits.total",
    "service.hub.router.Router._slow": "GateLimits.total",
    "service.hub.router.Router._waiting_afar": "GateLimits.total of the other processes",
    "service.hub.session.Session.kept": "MAX_BUSY",
    "service.hub.watchers.Watchers._due": "GateLimits.total, and what each watches",
    "service.lan.Lan._seen": "MAX_SEEN",
    "service.log.Refusals._windows": "the tally's labels",
    "service.metrics.Tally._counts": "MAX_LABELS",
    "service.metrics.Metrics._readings": "the program's own figures",
    "service.metrics.Metrics._tallies": "the program's own figures",
    "service.network.Network._reaching": "GateLimits.total: each is a dial under way",
    "service.people.arrival.Arrival._idle": "who waits for our own stop",
    "service.people.arrival.Arrival._steps": "MAX_WINDOW_BYTES, MAX_OPEN_FILES of the rest",
    "service.people.cards.Cards._friends": "MAX_CONTACTS",
    "service.people.cards.Cards._numbers": "MAX_CONTACTS",
    "service.people.cards.Cards._told": "MAX_CONTACTS, four cards each, and those who were removed",
    "service.people.circle.Circle._over": "MAX_CONTACTS",
    "service.people.cards.Cards.days": "yesterday, today and tomorrow",
    "service.people.diary.Diary._times_s": "as many as contacts and requests",
    "service.people.drops.Drops._fetching": "MAX_CONTACTS",
    "service.people.drops.Drops._friends": "MAX_CONTACTS",
    "service.people.drops.Drops._new": "MAX_LEFT a contact",
    "service.people.drops.Drops._taking_back": "MAX_LEFT a contact",
    "service.people.farewell.Farewell._leaving": "MAX_REMOVED",
    "service.people.letters.Letters._on_their_way": "MAX_ASKED and MAX_WAITING",
    "service.people.links.Links._lines": "MAX_CONTACTS",
    "service.people.news.News._heard": "MAX_CONTACTS",
    "service.people.outflow.Outflow._readings": "our own transfers to one contact",
    "service.people.outflow.Outflow._ready": "what two reads bring",
    "service.people.pace.Pace._patient": "the contacts' own jobs: a few a contact",
    "service.people.pace.Pace._running": "AT_ONCE",
    "service.people.pace.Pace._urgent": "the contacts' own jobs: a few a contact",
    "service.people.holdings.Holdings.friends": "MAX_CONTACTS",
    "service.people.listed.Listed._places": "MAX_PLACES",
    "service.people.listed.Listed._told": "service.relay.hubs.MAX_HUBS of our own",
    "service.people.post.Post._new": "MAX_LEFT a contact",
    "service.people.post.Post._sending": "MAX_LEFT a contact",
    "service.people.presence.Presences._know": "MAX_CONTACTS",
    "service.people.presence.Presences._theirs": "MAX_CONTACTS",
    "service.people.seeking.Seeking._sought": "MAX_CONTACTS",
    "service.people.showing.Showing._in_vain": "MAX_CONTACTS",
    "service.people.showing.Showing._told_addresses": "our own addresses",
    "service.people.refused.Refused._codes": "MAX_ASKED",
    "service.people.roll.Roll.all": (
        "MAX_OFFERS_WAITING a contact, MAX_FINISHED, and what our user agreed to"
    ),
    "service.people.former.FormerCards.all": "our own changes of keys",
    "service.people.talk.Talk.events": "the events of one turn",
    "service.people.talk.Talk.waiting": "what arrived in one turn: MAX_SERVING a peer",
    "service.people.talks.Talks._talks": "MAX_CONTACTS",
    "service.people.talks.Talks._touched": "MAX_CONTACTS",
    "service.people.traffic.Traffic._companies": "our contacts",
    "service.people.inbound.Inbound.paths": "the names that `Download.complete` returns",
    "service.people.watch.Watch._places": "MAX_PLACES",
    "service.probes.Probes._groups": "MAX_PROBES",
    "service.probes.Probes._under_way": "MAX_PROBES",
    "service.punching.Punching._lines": "MAX_KNOWN",
    "service.reach.Reach.listening": "our own ports",
    "service.recall.Memory._met": "the table",
    "service.relay.asked.Asked._waiting": "MAX_ASKED",
    "service.relay.hub.Hub._waiting": "MAX_JOINING",
    "service.relay.hub.Hub.findings": "the kinds of findings",
    "service.relay.hubs.Hubs._aliases": "MAX_HUBS",
    "service.relay.hubs.Hubs._hubs": "MAX_HUBS",
    "service.relay.hubs.Hubs._leaving": "hubs whose connections are being closed",
    "service.relay.lines.Lines._lines": "GateLimits.total: each has a stream",
    "service.relay.lines.Lines._ready": "as many as lines",
    "service.relay.lines._Line.transports": "hub.stream.MAX_STREAMS",
    "service.relay.seat.Seat._acks": "wire.hub.MAX_MAILS",
    "service.replication.Replication._newcomers": "MAX_NEWCOMERS",
    "service.roster.Roster._peers": "GateLimits.total",
    "service.roster.Roster._by_link": "GateLimits.total",
    "service.roster.Roster._links": "GateLimits.total",
    "service.roster.Roster._graces": "GateLimits.total",
    "service.feed.Feed._kept": "KEPT",
    "service.feed.Feed._notices": "MAX_NOTICES",
    "service.feed.Feed._waiting": "MAX_WAITING",
}
# What may fill up while a test looks; all else must stay as it is.
FILLED: Final = {
    "Candidates._waiting": MAX_CANDIDATES,
    "Candidates._unreached_s": MAX_UNREACHED,
    "ParsedKeys._keys": MAX_PARSED_KEYS,
    "Buckets._buckets": GateLimits().rated_entries,
    "Deposit._heard_s": MAX_HEARD,
    "MemoryShelf._floors": StoreLimits().floors,
    "Tally._counts": MAX_LABELS,
}
ELSEWHERE: Final = ("dht", "cli", "tap", "testing")  # the first has a test of its own


class BoundTests(SynchronousTestCase):
    """The lint."""

    def test_C6_every_container_of_a_running_node_has_a_bound(self) -> None:
        """A new attribute that may hold others' data fails here until its bound is written down."""
        self.assertEqual(set(containers()), set(BOUNDS))


class GrowthTests(AttackTests):
    """A node that is fed ids, keys, places and addresses without end."""

    NEIGHBOURS: Final = 10

    def setUp(self) -> None:
        super().setUp()
        self.chance = Random(6)
        self.named = 0
        for number in range(self.NEIGHBOURS):
            self.watch.neighbour(self.invent, number)
        self.link = self.watch.link()

    def invent(self, _link: EvilLink, request: Rpc) -> Body:
        """Answer every look-up with twenty nodes that nobody has heard of."""
        if isinstance(request.body, Ping):
            return Pong("")
        self.named += MAX_CONTACTS
        return Nodes([self.somebody() for _ in range(MAX_CONTACTS)])

    def somebody(self) -> Contact:
        """Return a contact that does not exist."""
        chance = self.chance
        host = f"{chance.randrange(11, 100)}.{chance.randrange(256)}.{chance.randrange(256)}.1"
        return Contact(base64url.encode(b"\x02" + chance.randbytes(32)), host, PORT)

    def round(self, lookups: int, requests: int, strangers: int) -> None:
        """Let the node look around, serve, and meet strangers."""
        node = self.watch.node
        for _ in range(lookups):
            target = self.chance.getrandbits(ID_BITS)
            searches = [node.dht.finder.nodes(target), node.dht.finder.first(target)]
            for search in map(Deferred.fromCoroutine, searches):
                search.addErrback(lambda _: None)
            self.town.run(0.5)
        for _ in range(requests):
            place = to_text(self.chance.getrandbits(ID_BITS))
            owner = PrivateKey.generate()
            record = make(owner, "name", "", b"", 1, self.now() + 60, NETWORK).token
            for body in (FindNode(place), FindValue(place), Store(record, "record"), Ping()):
                self.link.ask(body).addErrback(lambda _: None)
            self.link.say(self.link.token(Pong(""), re=place))
            self.town.run(0.02)
        for _ in range(strangers):
            host = f"{self.chance.randrange(100, 200)}.{self.chance.randrange(256)}.0.1"
            self.town.result(self.watch.evil(host).open(HOST, PORT)).leave()
        self.town.run(130)  # the records of this round are past their end, and swept

    def test_C6_ids_without_end(self) -> None:
        """Ten times as many made-up nodes as are remembered, and places: every size stays flat."""
        self.round(60, 50, 20)
        before = sizes(self.watch.node)
        while self.named < 10 * MAX_PARSED_KEYS:
            self.round(30, 50, 20)
        after = sizes(self.watch.node)
        for name, size in after.items():
            self.assertLessEqual(size, FILLED.get(name, before[name] + 8), name)
        self.assertEqual(after["ParsedKeys._keys"], FILLED["ParsedKeys._keys"])
        self.assertEqual(after["Candidates._unreached_s"], MAX_UNREACHED)
        self.watch.harmless()

    def test_C6_requests_without_end(self) -> None:
        """Places, keys, records that end soon, and addresses: nothing of it is kept for long."""
        self.round(0, 400, 200)
        before = sizes(self.watch.node)
        for _ in range(3):
            self.round(0, 400, 200)
        after = sizes(self.watch.node)
        for name, size in after.items():
            self.assertLessEqual(size, FILLED.get(name, before[name] + 8), name)
        self.assertLess(after["MemoryShelf._items"], 50)
        self.assertEqual(after["Pending._waiting"], 0)
        self.watch.harmless()


class RatioTests(AttackTests):
    """C7: the answer to a request is bounded, whatever it asks for and whoever is known."""

    def make_watch(self, town: Town, **more: Any) -> Watch:
        return super().make_watch(town, limits=NodeLimits(store=StoreLimits(owner_items=4)))

    def setUp(self) -> None:
        super().setUp()
        self.link = self.watch.link()
        table = self.watch.node.network.table
        for number in range(300):
            table.add(made_node(number, f"198.{number}.100.100", Grouping()), 1.0)
        self.assertGreater(len(table), 2 * MAX_CONTACTS)

    def near(self) -> PrivateKey:
        """Return the key of somebody whose record belongs to the node."""
        while True:
            key = PrivateKey.generate()
            record = make(key, "name", "a/name", b"", 1, self.now() + 60, NETWORK)
            if self.watch.node.network.table.rank(record.place) < K:
                return key

    def asked(self, request: Request) -> tuple[Body, float, int]:
        """Return the answer, how much larger it is than the request, and its size in bytes."""
        answer = self.town.result(self.link.ask(request)).body
        asked_bytes = len(self.link.sent[-1])
        answer_bytes = len(framed(self.link.frames[-1]))
        return answer, answer_bytes / asked_bytes, answer_bytes

    def test_C7_twenty_contacts_and_8_KiB_at_most(self) -> None:
        """For look-ups of anything, whose answers are some six times the question."""
        for target in (0, 1, self.watch.node.network.id, WHOLE - 1):
            for request in (FindNode(to_text(target)), FindValue(to_text(target))):
                answer, ratio, size_bytes = self.asked(request)
                assert isinstance(answer, Nodes)
                self.assertEqual(len(answer.nodes), MAX_CONTACTS)
                self.assertLess(size_bytes, 8 * KIB)
                self.assertLess(ratio, RATIO)

    def test_C7_a_receipt_names_no_more_either(self) -> None:
        """Not even where the request names nobody, or those farthest away."""
        for radius in ([], [to_text(WHOLE - 1)], [to_text(n) for n in range(MAX_RADIUS)]):
            record = self.record(self.near())
            answer, ratio, size_bytes = self.asked(Store(record, "record", radius))
            assert isinstance(answer, Stored)
            self.assertLessEqual(len(answer.nearer), MAX_CONTACTS)
            self.assertLess(size_bytes, 8 * KIB)
            self.assertLess(ratio, RATIO)

    def test_C7_small_questions_have_small_answers(self) -> None:
        """A Ping, a refusal, and a dial-back: about what they cost to ask."""
        for request in (Ping(), Store("x", "record"), DialBack(1)):
            _, ratio, size_bytes = self.asked(request)
            self.assertLess(ratio, 1.3)
            self.assertLess(size_bytes, KIB)

    def test_C7_a_value_is_as_long_as_somebody_stored_it(self) -> None:
        """The one answer that is longer: 8 KiB of value, within one frame of 16 KiB."""
        value = bytes(MAX_VALUE_BYTES)
        record = make(self.near(), "name", "a/name", value, 1, self.now() + 3600, NETWORK)
        self.assertIsInstance(self.asked(Store(record.token, "record"))[0], Stored)
        answer, _, size_bytes = self.asked(FindValue(to_text(record.place)))
        self.assertIsInstance(answer, Value)
        self.assertLess(size_bytes, 21 * KIB)


def sizes(root: object) -> dict[str, int]:
    """Return the greatest length of each container below an object, by its class and name."""
    found: dict[str, int] = {}
    seen: set[int] = set()
    line = deque([root])
    while line:
        owner = line.popleft()
        if id(owner) in seen:
            continue
        seen.add(id(owner))
        for name, value in members(owner):
            if isinstance(value, dict | list | set | deque):
                key = f"{type(owner).__name__}.{name}"
                found[key] = max(found.get(key, 0), len(value))
                line.extend(value.values() if isinstance(value, dict) else value)
                line.extend(value if isinstance(value, dict) else ())
            else:
                line.append(value)
    return found


def members(owner: object) -> Iterator[tuple[str, Any]]:
    """Yield what an object of ours consists of."""
    module = type(owner).__module__
    if not module.startswith("streembit.") or module.startswith("streembit.testing."):
        return
    yield from getattr(owner, "__dict__", {}).items()
    for kind in type(owner).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if hasattr(owner, name):
                yield name, getattr(owner, name)


def containers() -> Iterator[str]:
    """Yield each attribute of a room that runs which starts as a container."""
    for source in sources("streembit"):
        if source.room in ELSEWHERE:
            continue
        for owner in ast.walk(source.tree):
            if isinstance(owner, ast.ClassDef):
                module = source.module.removeprefix("streembit.")
                yield from (f"{module}.{owner.name}.{name}" for name in attributes(owner))
