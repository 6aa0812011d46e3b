"""The project's own source text, parsed: what tests about the code's form walk over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = ("errors", "wire", "jose", "link", "dht", "contacts", "chat", "files", "hub", "router")


@dataclass(frozen=True)
class Source:
    """A module: its dotted name, its path from the root, its text as a tree."""

    module: str
    path: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """The part of streembit it lies in: `dht` for streembit.dht.table."""
        parts = self.module.split(".")
        return parts[1] if len(parts) > 1 else ""

    def imports(self) -> Iterator[tuple[str, int]]:
        """Yield each imported name in full, as far as it is written, and its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((f"{self._base(node)}.{a.name}", node.lineno) for a in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = self.path.endswith("__init__.py")
        parts = self.module.split(".")
        kept = parts[: len(parts) - node.level + is_package]
        return ".".join([*kept, node.module] if node.module else kept)


@lru_cache(maxsize=8)
def sources(folder: str) -> tuple[Source, ...]:
    """Return every module below a folder of the project."""
    return tuple(_read(path) for path in sorted((ROOT / folder).rglob("*.py")))


def _read(path: Path) -> Source:
    relative = path.relative_to(ROOT)
    parts = relative.with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Source(module, str(relative), ast.parse(path.read_text(encoding="utf-8")))
