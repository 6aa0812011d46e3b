"""Memory does not grow as strangers like: every container of the hash table has a bound."""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht import keyspace
from streembit.dht.keyspace import CACHED_IDS, ID_BITS, K
from streembit.wire import codec
from streembit.wire.message import MAX_CONTACTS, Contact, FindNode, Nodes
from tests.dht.made import contact, table
from tests.sources import sources

# What every object of streembit.dht that lives longer than a call may hold, and why not more.
BOUNDS = {
    "candidates.Candidates._waiting": "MAX_CANDIDATES",
    "candidates.Candidates._unreached_s": "MAX_UNREACHED",
    "disjoint.DisjointLookup._owners": "20 contacts an answer, MAX_REQUESTS answers a path",
    "disjoint.DisjointLookup._paths": "the number of paths",
    "lookup.Lookup._asked": "MAX_REQUESTS",
    "memory.MemoryShelf._items": "StoreLimits.total_bytes",
    "memory.MemoryShelf._floors": "StoreLimits.floors",
    "memory.MemoryShelf._owners": "those with items",
    "memory.MemoryShelf._addresses": "those with items",
    "memory.MemoryShelf._users": "those with items",
    "memory.MemoryShelf._places": "as many as items",
    "nearby.Nearby._groups": "as many as nodes",
    "nearby.Nearby._ids": "the open links",
    "nearby.Nearby._nodes": "the open links",
    "peers.PeersCache._peers": "MAX_PEERS",
    "put.Put._asked": "MAX_REQUESTS",
    "put.Put._receipts": "MAX_REQUESTS",
    "put.Put._refusals": "MAX_REQUESTS",
    "put.Put._targets": "MAX_REGION",
    "reach.Reach._dials": "MAX_REPORTS",
    "reach.Reach._sights": "MAX_REPORTS",
    "shortlist.Shortlist._distances": "MAX_HEARD",
    "shortlist.Shortlist._entries": "MAX_HEARD",
    "shortlist.Shortlist._given": "MAX_HEARD",
    "skew.Skew._ahead_s": "MAX_REPORTS",
    "table.Table._nodes": "2 k a bucket",
    "table.Table._buckets": "160",
    "groups.Groups._held": "as many as nodes",
    "table.Table._touched_s": "160",
    "values.FindFirst.answers": "MAX_REQUESTS",
    "values.FindFirst.without": "MAX_REQUESTS",
    "values.FindLatest.answers": "MAX_REQUESTS",
    "values.FindLatest.without": "MAX_REQUESTS",
}
LITERALS = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
CONTAINERS = {"dict", "list", "set", "Counter", "deque", "OrderedDict", "defaultdict"}


class BoundTests(SynchronousTestCase):
    """The lint, and a million ids."""

    def test_C6_every_container_has_a_bound(self) -> None:
        """A new attribute that holds others' data fails here until its bound is written down."""
        self.assertEqual(set(containers()), set(BOUNDS))

    def test_C6_every_cache_has_a_size(self) -> None:
        """`lru_cache` and `cache` without a number are not for data from the network."""
        for name, decorator in caches():
            self.assertIsInstance(decorator, ast.Call, f"{name}: a cache without a size")
            assert isinstance(decorator, ast.Call)
            sizes = [k.value for k in decorator.keywords if k.arg == "maxsize"]
            self.assertEqual(len(sizes), 1, name)
            self.assertFalse(isinstance(sizes[0], ast.Constant) and sizes[0].value is None, name)

    def test_C6_a_million_random_ids_leave_the_sizes_flat(self) -> None:
        """The table, its groups, and the memory of ids."""
        made = table(500)
        chance = random.Random(1)
        somebody = next(iter(made))
        sizes = []
        for _ in range(4):
            for _ in range(250_000):
                probe = type(somebody)(chance.getrandbits(ID_BITS), somebody.contact)
                made.add(probe, 1.0)
            sizes.append(len(made))
        self.assertLess(sizes[-1], 2 * K * 20)
        self.assertLess(sizes[-1] - sizes[0], 2 * K * 2)
        for number in range(CACHED_IDS + 1_000):
            keyspace.id_of(contact(number))
        self.assertEqual(keyspace._id_of.cache_info().currsize, CACHED_IDS)

    def test_C7_an_answer_is_20_contacts_and_8_KiB_at_most(self) -> None:
        """Even with the longest names; a usual one is six times its question, over TCP."""
        longest = Contact(contact(1).key, "h" * 255, 65535, "composite", "n" * 64)
        self.assertLess(len(codec.encode(Nodes([longest] * MAX_CONTACTS))), 8 * 1024 + 256)
        with self.assertRaises(Exception):  # noqa: B017 - the reader refuses one more
            codec.decode(codec.encode(Nodes([longest] * (MAX_CONTACTS + 1))), Nodes)
        usual = codec.encode(Nodes([contact(n, "198.51.100.123") for n in range(MAX_CONTACTS)]))
        question = codec.encode(FindNode(keyspace.to_text(1)))
        signed = 300  # bytes that the envelope of either adds
        self.assertLess((len(usual) + signed) / (len(question) + signed), 6.0)

    def test_C7_the_table_names_no_more_than_asked_for(self) -> None:
        """Whatever is in it."""
        self.assertEqual(len(table(500).nearest(1)), MAX_CONTACTS)


def containers() -> Iterator[str]:
    """Yield each attribute of streembit.dht that starts as a container."""
    for source in sources("streembit"):
        if source.room != "dht":
            continue
        for owner in ast.walk(source.tree):
            if isinstance(owner, ast.ClassDef):
                module = source.module.removeprefix("streembit.dht.")
                yield from (f"{module}.{owner.name}.{name}" for name in attributes(owner))


def attributes(owner: ast.ClassDef) -> Iterator[str]:
    for node in ast.walk(owner):
        match node:
            case ast.AnnAssign(target=ast.Attribute(attr=name), annotation=kind):
                if is_container(kind):
                    yield name
            case ast.Assign(targets=[ast.Attribute(attr=name)], value=value):
                if isinstance(value, LITERALS):
                    yield name
            case _:
                pass


def is_container(kind: ast.expr) -> bool:
    names = {node.id for node in ast.walk(kind) if isinstance(node, ast.Name)}
    return bool(names & CONTAINERS)


def caches() -> Iterator[tuple[str, ast.expr]]:
    """Yield each use of a cache, as a decorator or called on a function."""
    for source in sources("streembit"):
        if source.room != "dht":
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef):
                for decorator in node.decorator_list:
                    if is_cache(decorator):
                        yield f"{source.module}.{node.name}", decorator
            elif isinstance(node, ast.Call) and is_cache(node.func):
                inner = node.func if isinstance(node.func, ast.Call) else node
                yield f"{source.module}:{node.lineno}", inner


def is_cache(node: ast.expr) -> bool:
    named = node.func if isinstance(node, ast.Call) else node
    return isinstance(named, ast.Name) and named.id in {"lru_cache", "cache"}
