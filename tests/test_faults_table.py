"""No attack's tests vanish: each row that is due has a test whose name carries its id."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.sources import sources

# The attacks and faults that the capabilities built so far must survive, each
# with the levels at which it is tested: U in memory, P with real processes. A
# row is added with the capability it belongs to, and none is ever taken out.
DUE = {
    "A1": ("UP", "replay inside a session"),
    "A2": ("UP", "replay across sessions, to another peer, after a restart"),
    "A3": ("UP", "replay of a record"),
    "A4": ("UP", "altered bytes, another signer"),
    "A5": ("UP", "a header that chooses the algorithm or the key"),
    "A6": ("U", "points off the curve, signatures out of range"),
    "A7": ("U", "a signature's twin"),
    "A8": ("UP", "one kind of message in the place of another"),
    "A9": ("U", "posing as somebody to the owner of a stolen key"),
    "B1": ("UP", "a length that lies"),
    "B2": ("UP", "a byte now and then"),
    "B3": ("UP", "a peer that vanished"),
    "B4": ("UP", "deep JSON"),
    "B5": ("U", "JSON that two readers understand differently"),
    "B6": ("UP", "small bytes, large objects"),
    "B7": ("U", "a decompression bomb"),
    "B8": ("UP", "unknown members, versions, types"),
    "B9": ("UP", "an exception in the code that answers"),
    "C1": ("UP", "a flood of connections"),
    "C2": ("UP", "no file descriptors left"),
    "C3": ("UP", "a flood of signatures to check"),
    "C4": ("UP", "a flood of TLS handshakes"),
    "C5": ("UP", "a flood of records"),
    "C6": ("UP", "memory that grows as strangers like"),
    "C7": ("U", "answers larger than their requests"),
    "C8": ("UP", "a peer that does not read"),
    "D1": ("UP", "lies about contacts"),
    "D2": ("U", "many ids in one network"),
    "D3": ("UP", "liars around a key"),
    "D4": ("UP", "old over new, two versions of one number"),
    "D5": ("UP", "a sequence number lost or far ahead"),
    "D6": ("UP", "clocks that differ"),
    "D7": ("UP", "a third of the nodes gone at once"),
    "D8": ("UP", "the seeds gone, the seeds all restarted"),
    "D9": ("UP", "two halves that hear nothing of each other"),
    "D10": ("UP", "a node that cannot be dialled"),
    "H1": ("UP", "a stranger at a hub"),
    "H2": ("UP", "a member removed while it is joined"),
    "H3": ("UP", "an allowlist that is wrong"),
    "H4": ("UP", "a hub that is started again"),
    "H5": ("UP", "a public and a private network mixed"),
    "H6": ("UP", "TLS stripped, or ended in the middle"),
    "S1": ("UP", "killed while writing"),
    "S2": ("UP", "truncated and corrupt files"),
    "S3": ("UP", "disk full"),
    "S4": ("P", "two processes, one home"),
    "S5": ("P", "SIGTERM, and the unit's hardening"),
    "S6": ("U", "formats older and newer"),
    "L1": ("UP", "log lines made by strangers"),
    "L2": ("U", "names and paths in what others send"),
    "L3": ("U", "files that are not what was said"),
    "L4": ("U", "a web page that speaks to the local API"),
    "L6": ("UP", "guessing the passcode"),
    "L7": ("UP", "secrets in arguments, environment, logs"),
}
# Of these rows what a hub has to survive by itself, at which levels; and where its tests are.
AT_A_HUB = {
    **dict.fromkeys(("A5", "A8", "B1", "B2", "B3", "B6", "B8", "B9"), "UP"),
    **dict.fromkeys(("C1", "C2", "C3", "C4", "C8"), "UP"),
    **dict.fromkeys(("H1", "H2", "H3", "H4", "H5", "H6", "S1", "S2", "S3", "S5"), "UP"),
    **dict.fromkeys(("A1", "A4"), "UP"),
    **dict.fromkeys(("B4", "D10"), "P"),
    **dict.fromkeys(("A2", "A9", "B5", "B7", "D6", "S6"), "U"),
}
OF_A_HUB = (
    "tests/hub/",
    "tests/hubs/",
    "tests/net/test_hubdial.py",
    "tests/service/test_relay.py",
    "tests/attacks/test_hubs.py",
    "tests/fuzz/test_hub.py",
    "tests/disk/test_mailbox.py",
    "tests/disk/test_allowlist.py",
    "tests/tap/test_hub",
    "tests/tap/test_private.py",
    "tests/process/test_hub",
    "tests/process/test_autobahn.py",
    "tests/process/test_nat.py",
    "tests/process/test_private.py",
    "tests/process/test_redis.py",
)
# Whatever starts processes or a machine of its own; all else runs in memory.
WITH_PROCESSES = (
    "tests/process/",
    "tests/fuzz/test_live.py",
    "tests/tap/test_processes.py",
    "tests/tap/test_hub_processes.py",
    "tests/api/test_village.py",
    "tests/disk/test_kills.py",
    "tests/disk/test_small_disk.py",
    "tests/test_deploy.py",
)

IDS = re.compile(r"test_(?P<ids>(?:[A-Z]{1,2}\d{1,2}_)+)\w")


def tests() -> Iterator[tuple[str, ast.ClassDef, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the path, class and function of each test method that trial would find."""
    for source in sources("tests"):
        if not source.path.rpartition("/")[2].startswith("test_"):
            continue
        for kind in ast.walk(source.tree):
            if isinstance(kind, ast.ClassDef):
                yield from ((source.path, kind, method) for method in methods(kind))


def methods(kind: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield the test methods written in a class."""
    for node in kind.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("test"):
            yield node


def rows_of(name: str) -> list[str]:
    """Return the rows that a test's name carries."""
    found = IDS.match(name)
    return [] if found is None else found["ids"].rstrip("_").split("_")


def living() -> Iterator[tuple[str, str]]:
    """Yield the path of each test that does something somewhere, with each of its rows."""
    for path, kind, method in tests():
        if does_something(method) and not is_skipped(kind, method):
            yield from ((path, row) for row in rows_of(method.name))


def level_of(path: str) -> str:
    """Return U for a test in memory, P for one with processes."""
    return "P" if path.startswith(WITH_PROCESSES) else "U"


def is_skipped(kind: ast.ClassDef, method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether the test is skipped whatever the machine."""
    always = {"skip", "todo"}
    names = [d.func if isinstance(d, ast.Call) else d for d in method.decorator_list]
    decorated = any(
        (isinstance(n, ast.Name) and n.id in always)
        or (isinstance(n, ast.Attribute) and n.attr in always)
        for n in names
    )
    class_wide = any(
        isinstance(target, ast.Name) and target.id in always
        for node in kind.body
        if isinstance(node, ast.Assign)
        for target in node.targets
    )
    return decorated or class_wide


def does_something(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether the body is more than a docstring and `pass`."""
    return any(
        not isinstance(node, ast.Pass)
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in method.body
    )


class FaultsTableTests(SynchronousTestCase):
    """The table of attacks and the tests agree."""

    def test_every_row_that_is_due_has_its_tests(self) -> None:
        """Rows without a living test at a level that they are due at are named."""
        covered = {(row, level_of(path)) for path, row in living()}
        missing = [
            f"{row} {level}: {what}"
            for row, (levels, what) in DUE.items()
            for level in levels
            if (row, level) not in covered
        ]
        self.assertEqual(missing, [])

    def test_every_row_that_a_hub_has_to_survive_has_its_tests_at_a_hub(self) -> None:
        """Those of nodes say nothing about it."""
        at_hubs = [(path, row) for path, row in living() if path.startswith(OF_A_HUB)]
        covered = {(row, level_of(path)) for path, row in at_hubs}
        due = {(row, level) for row, levels in AT_A_HUB.items() for level in levels}
        self.assertEqual(sorted(due - covered), [])
        self.assertLessEqual(AT_A_HUB.keys(), DUE.keys())

    def test_no_test_names_a_row_that_is_not_in_the_table(self) -> None:
        """It would not be missed when it is gone."""
        unknown = [
            f"{path} {kind.name}.{method.name}"
            for path, kind, method in tests()
            if not DUE.keys() >= set(rows_of(method.name))
        ]
        self.assertEqual(unknown, [])

    def test_what_starts_processes_is_there(self) -> None:
        """A file that was renamed would be counted at the wrong level."""
        paths = {path for path, _, _ in tests()}
        for begin in (*WITH_PROCESSES, *OF_A_HUB):
            self.assertTrue(any(path.startswith(begin) for path in paths), begin)

    def test_a_coroutine_is_run(self) -> None:
        """An `async def` on a SynchronousTestCase would pass without running."""
        idle = [
            f"{path} {kind.name}.{method.name}"
            for path, kind, method in tests()
            if isinstance(method, ast.AsyncFunctionDef)
            and any("Synchronous" in ast.unparse(base) for base in kind.bases)
        ]
        self.assertEqual(idle, [])

    def test_no_test_hides_another(self) -> None:
        """Two tests of one name in one class: the first would never run."""
        seen: set[tuple[str, str, str]] = set()
        twice = []
        for path, kind, method in tests():
            name = (path, kind.name, method.name)
            if name in seen:
                twice.append(" ".join(name))
            seen.add(name)
        self.assertEqual(twice, [])
