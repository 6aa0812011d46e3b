"""No attack's tests vanish: each row that is due has a test whose name carries its id."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.sources import sources

# The attacks and faults that the capabilities built so far must survive. A
# row is added with the capability it belongs to, and none is ever taken out.
DUE = {
    "A1": "replay inside a session",
    "A2": "replay across sessions, to another peer, after a restart",
    "A3": "replay of a record",
    "A4": "altered bytes, another signer",
    "A5": "a header that chooses the algorithm or the key",
    "A6": "points off the curve, signatures out of range",
    "A7": "a signature's twin",
    "A8": "one kind of message in the place of another",
    "A9": "posing as somebody to the owner of a stolen key",
    "B1": "a length that lies",
    "B2": "a byte now and then",
    "B3": "a peer that vanished",
    "B4": "deep JSON",
    "B5": "JSON that two readers understand differently",
    "B6": "small bytes, large objects",
    "B7": "a decompression bomb",
    "B8": "unknown members, versions, types",
    "B9": "an exception in the code that answers",
    "C1": "a flood of connections",
    "C2": "no file descriptors left",
    "C3": "a flood of signatures to check",
    "C5": "a flood of records",
    "C6": "memory that grows as strangers like",
    "C7": "answers larger than their requests",
    "C8": "a peer that does not read",
    "D1": "lies about contacts",
    "D2": "many ids in one network",
    "D4": "old over new, two versions of one number",
    "D5": "a sequence number lost or far ahead",
    "D6": "clocks that differ",
    "D7": "a third of the nodes gone at once",
    "D8": "the seeds gone, the seeds all restarted",
    "D10": "a node that cannot be dialled",
    "S1": "killed while writing",
    "S2": "truncated and corrupt files",
    "S3": "disk full",
    "S4": "two processes, one home",
    "S5": "SIGTERM, and the unit's hardening",
    "S6": "formats older and newer",
    "L1": "log lines made by strangers",
    "L6": "guessing the passcode",
    "L7": "secrets in arguments, environment, logs",
}

ID = re.compile(r"test_(?P<id>[A-Z]{1,2}\d{1,2})_\w")


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

    def test_every_row_that_is_due_has_a_test(self) -> None:
        """Rows without a living test are named."""
        covered = {
            found["id"]
            for _, kind, method in tests()
            if (found := ID.match(method.name))
            and does_something(method)
            and not is_skipped(kind, method)
        }
        missing = [f"{row}: {what}" for row, what in DUE.items() if row not in covered]
        self.assertEqual(missing, [])

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
