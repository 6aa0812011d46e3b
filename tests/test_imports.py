"""The house stands: who may know whom, walked over every import of the package."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable

from twisted.trial.unittest import SynchronousTestCase

from tests.sources import CORE, ROOT, Source, sources

# From the ground up; rooms of one floor do not know each other.
FLOORS = (
    ("_version", "errors"),
    ("wire",),
    ("jose",),
    ("link", "dht", "contacts", "chat", "files", "hub", "router", "calls", "things", "updates"),
    ("rpc", "net", "disk"),
    ("service",),
    ("api", "web"),
    ("cli", "client"),
    ("tap",),
    ("testing",),
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

# What the core does without: a reactor, a clock, chance, the network, the disk.
NOT_IN_THE_CORE = (
    "twisted",
    "zope",
    "asyncio",
    "datetime",
    "io",
    "logging",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
    "tempfile",
    "threading",
    "time",
)
# Who may use `os.urandom`: keys, salts, and the nonces of a handshake are drawn there.
OS_IN_THE_CORE = {"jose", "link"}
# All that rpc may know of Twisted.
TWISTED_IN_RPC = (
    "twisted.internet.defer",
    "twisted.internet.error",
    "twisted.internet.interfaces",
    "twisted.logger",
    "twisted.python.failure",
)


# What a link tells its owner names the link: these two are one thing, in two modules for length.
TIED = (("streembit.net.events", "streembit.net.tcp"),)


def graph(modules: Iterable[Source]) -> dict[str, set[str]]:
    """Return which other modules each of these imports."""
    known = {source.module: source for source in modules}

    def home(name: str) -> str:
        """Return the module in which an imported name lies, "" for a stranger's."""
        while name and name not in known:
            name = name.rpartition(".")[0]
        return name

    return {
        module: {home(name) for name, _ in source.imports()} - {module, "", "streembit"}
        for module, source in known.items()
    }


def starts(name: str, roots: tuple[str, ...]) -> bool:
    """Say whether a dotted name is one of the roots or lies below one."""
    return any(name == root or name.startswith(root + ".") for root in roots)


def strangers(source: Source) -> list[str]:
    """Return the imports of a module that its floor does not allow."""
    floor = FLOOR[source.room]
    return [
        f"{source.path}:{line} imports {name}"
        for name, line in source.imports()
        if starts(name, ("streembit",)) and not allowed(source.room, floor, name)
    ]


def allowed(room: str, floor: int, name: str) -> bool:
    """Say whether a module of `room` may import `name`, which lies in streembit."""
    parts = name.split(".")
    other = parts[1] if len(parts) > 1 else ""
    return other == room or FLOOR.get(other, len(FLOORS)) < floor


class FloorTests(SynchronousTestCase):
    """A room imports only from the floors below it."""

    def test_every_module_has_a_floor(self) -> None:
        """A new folder is given its place in the table before anything else."""
        rooms = {source.room for source in sources("streembit")} - {""}
        self.assertEqual(rooms - FLOOR.keys(), set())

    def test_nobody_looks_up_or_aside(self) -> None:
        """Each import goes to the same room or to a lower floor."""
        found = [
            line for source in sources("streembit") if source.room for line in strangers(source)
        ]
        self.assertEqual(found, [])

    def test_the_table_can_refuse(self) -> None:
        """The rule itself: up and aside are refused, down and home are not."""
        for room, name, expected in (
            ("dht", "streembit.jose.envelope", True),
            ("dht", "streembit.dht.table", True),
            ("dht", "streembit.link.channel", False),
            ("jose", "streembit.dht.keyspace", False),
            ("service", "streembit.api.http", False),
            ("service", "streembit.testing", False),
            ("wire", "streembit.elsewhere", False),
            ("wire", "streembit", False),
        ):
            self.assertEqual(allowed(room, FLOOR[room], name), expected, f"{room} {name}")

    def test_the_package_itself_imports_its_version_only(self) -> None:
        """`import streembit` costs nothing and binds nobody; the client comes when asked for."""
        (package,) = (source for source in sources("streembit") if source.module == "streembit")
        names = {name for name, _ in package.imports() if starts(name, ("streembit",))}
        self.assertEqual(names, {"streembit._version.__version__", "streembit.client.Client"})
        code = (
            "import sys, streembit; print(*(n for n in sys.modules if n.startswith("
            "('streembit', 'twisted', 'msgspec')))); print(streembit.Client.__name__)"
        )
        told = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)
        self.assertEqual(sorted(told.split()), ["Client", "streembit", "streembit._version"])

    def test_the_plugin_imports_nothing_of_streembit(self) -> None:
        """A plugin that fails to import makes a command vanish without a word."""
        names = [name for source in sources("twisted") for name, _ in source.imports()]
        self.assertEqual(names, ["twisted.application.service.ServiceMaker"])


class CircleTests(SynchronousTestCase):
    """A module is understood by those that it imports, and these without it."""

    def test_no_module_needs_itself(self) -> None:
        """Not by way of others either, and not for types."""
        needs = graph(sources("streembit"))
        for module, other in TIED:
            needs[module].remove(other)  # a tie that is none any more is taken out of the list
        while free := [module for module, others in needs.items() if not others & needs.keys()]:
            for module in free:
                del needs[module]
        self.assertEqual(sorted(needs), [])


class CoreTests(SynchronousTestCase):
    """The core is given time and chance, and neither sends nor stores."""

    def core(self) -> list[Source]:
        return [source for source in sources("streembit") if source.room in CORE]

    def test_the_core_knows_no_reactor_no_clock_and_no_chance(self) -> None:
        """None of these modules is imported by it, for types neither."""
        found = [
            f"{source.path}:{line} imports {name}"
            for source in self.core()
            for name, line in source.imports()
            if starts(name, NOT_IN_THE_CORE)
            or (starts(name, ("os",)) and source.room not in OS_IN_THE_CORE)
        ]
        self.assertEqual(found, [])

    def test_the_core_draws_from_the_operating_system_and_does_nothing_else_with_it(self) -> None:
        """Of `os`, the core calls urandom only."""
        used = {
            node.attr
            for source in self.core()
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "os"
        }
        self.assertLessEqual(used, {"urandom"})

    def test_the_core_opens_no_file(self) -> None:
        """Bytes come in as arguments."""
        opened = [
            f"{source.path}:{node.lineno}"
            for source in self.core()
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "open"
        ]
        self.assertEqual(opened, [])

    def test_the_disk_knows_no_twisted(self) -> None:
        """Files are written without a reactor."""
        found = [
            f"{source.path}:{line} imports {name}"
            for source in sources("streembit/disk")
            for name, line in source.imports()
            if starts(name, ("twisted",))
        ]
        self.assertEqual(found, [])

    def test_rpc_knows_deferreds_and_clocks_only(self) -> None:
        """Requests and answers do not know what carries them."""
        found = [
            f"{source.path}:{line} imports {name}"
            for source in sources("streembit/rpc")
            for name, line in source.imports()
            if starts(name, ("twisted",)) and not starts(name, TWISTED_IN_RPC)
        ]
        self.assertEqual(found, [])


class ReactorTests(SynchronousTestCase):
    """One place names the reactor; elsewhere it comes as an argument."""

    def test_only_tap_names_the_reactor(self) -> None:
        """No other room imports it, at the top or in a function."""
        found = [
            f"{source.path}:{line}"
            for source in sources("streembit")
            if source.room != "tap"
            for name, line in source.imports()
            if name == "twisted.internet.reactor"
        ]
        self.assertEqual(found, [])

    def test_nothing_is_imported_by_a_computed_name(self) -> None:
        """What this file proves, it proves for all imports."""
        found = [
            f"{source.path}:{line} imports {name}"
            for source in sources("streembit")
            for name, line in source.imports()
            if starts(name, ("importlib.import_module", "runpy", "pkgutil"))
        ]
        self.assertEqual(found, [])
