"""What the wheel takes along, what it asks for, and what must never be in it."""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from setuptools import find_namespace_packages
from twisted.trial.unittest import SynchronousTestCase

from tests.sources import ROOT, sources

# Import names that differ from the name of what is installed.
INSTALLED_AS = {"OpenSSL": "pyopenssl", "jwt": "pyjwt", "zope": "zope-interface"}
# Installed with Klein, which cannot do without it and re-exports none of its errors.
WITH_KLEIN = {"werkzeug"}
EXTRAS = ("redis", "upnp")  # what is imported only where it is wanted


def setup() -> configparser.ConfigParser:
    """Return setup.cfg."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def lines(text: str) -> list[str]:
    """Return the lines of a setting that is a list."""
    return [line for line in text.splitlines() if line.strip()]


def requirements(text: str) -> dict[str, Requirement]:
    """Return a list of requirements by their names."""
    found = [Requirement(line) for line in lines(text) if not line.startswith("#")]
    return {canonicalize_name(requirement.name): requirement for requirement in found}


def lower_bound(requirement: Requirement) -> str:
    """Return the version after `>=`; a requirement without one raises ValueError."""
    (bound,) = (s.version for s in requirement.specifier if s.operator == ">=")
    return bound


class PackagesTests(SynchronousTestCase):
    """The packages are those that setup.cfg names, and the plugin is among them."""

    def setUp(self) -> None:
        include = lines(setup()["options.packages.find"]["include"])
        self.packages = set(find_namespace_packages(str(ROOT), include=include))

    def test_every_room_and_the_plugin(self) -> None:
        """Each folder with a module of streembit is shipped, and twisted.plugins."""
        folders = {s.path.rpartition("/")[0].replace("/", ".") for s in sources("streembit")}
        self.assertLessEqual(folders, self.packages)
        self.assertIn("twisted.plugins", self.packages)

    def test_nothing_else(self) -> None:
        """No tests, no demonstration, no benchmark."""
        roots = {package.partition(".")[0] for package in self.packages}
        self.assertEqual(roots, {"streembit", "twisted"})

    def test_twisted_is_not_made_a_package(self) -> None:
        """An __init__.py there would hide Twisted, or overwrite and later delete its file."""
        found = sorted(path.name for path in (ROOT / "twisted").rglob("*.py"))
        self.assertEqual(found, ["streembit_plugins.py"])

    def test_an_editable_install_shows_the_commands(self) -> None:
        """Only with a package_dir is it a path that twisted.plugin looks through."""
        self.assertEqual(lines(setup()["options"]["package_dir"]), ["= ."])

    def test_typed(self) -> None:
        """The marker that makes the annotations count for others is shipped."""
        self.assertTrue((ROOT / "streembit" / "py.typed").is_file())
        self.assertEqual(setup()["options.package_data"]["streembit"], "py.typed")

    def test_the_version_is_a_literal(self) -> None:
        """The build reads it without importing the package."""
        (version,) = (s for s in sources("streembit") if s.module == "streembit._version")
        self.assertEqual(list(version.imports()), [])


class RequirementsTests(SynchronousTestCase):
    """What is imported is asked for, with a lower bound that is tested."""

    def test_every_import_is_asked_for(self) -> None:
        """A fresh install has all that the package imports."""
        asked = requirements(setup()["options"]["install_requires"]).keys() | WITH_KLEIN
        for extra in EXTRAS:
            asked |= requirements(setup()["options.extras_require"][extra]).keys()
        own = {"streembit", "__future__", *sys.stdlib_module_names}
        missing = {
            f"{source.path}:{line} imports {name}"
            for source in [*sources("streembit"), *sources("twisted")]
            for name, line in source.imports()
            if (root := name.partition(".")[0]) not in own
            and canonicalize_name(INSTALLED_AS.get(root, root)) not in asked
        }
        self.assertEqual(missing, set())

    def test_every_import_of_the_tests_is_asked_for(self) -> None:
        """An environment for work has all that tests, demonstration and examples import."""
        asked = {
            *requirements(setup()["options"]["install_requires"]),
            *requirements(setup()["options.extras_require"]["dev"]),
        }
        own = {"streembit", "tests", "demo", "bench", "__future__", *sys.stdlib_module_names}
        missing = {
            f"{source.path}:{line} imports {name}"
            for folder in ("tests", "demo", "examples")
            for source in sources(folder)
            for name, line in source.imports()
            if (root := name.partition(".")[0]) not in own
            and canonicalize_name(INSTALLED_AS.get(root, root)) not in asked
        }
        self.assertEqual(missing, set())

    def test_nothing_is_asked_for_in_vain(self) -> None:
        """Each requirement is imported somewhere."""
        used = {
            canonicalize_name(INSTALLED_AS.get(root, root))
            for source in [*sources("streembit"), *sources("twisted")]
            for name, _ in source.imports()
            for root in [name.partition(".")[0]]
        }
        asked = requirements(setup()["options"]["install_requires"]).keys()
        self.assertEqual(asked - used, set())

    def test_the_oldest_versions_are_the_lower_bounds(self) -> None:
        """What `tox -e oldest` installs is what setup.cfg promises to work."""
        asked = requirements(setup()["options"]["install_requires"])
        oldest = requirements((ROOT / "tests" / "oldest.txt").read_text())
        self.assertEqual(
            {name: Version(lower_bound(r)) for name, r in asked.items()},
            {name: Version(str(r.specifier).removeprefix("==")) for name, r in oldest.items()},
        )

    def test_nothing_is_asked_for_twice(self) -> None:
        """One line a requirement: of two bounds nobody knows which one is meant."""
        lists = [
            setup()["options"]["install_requires"],
            *setup()["options.extras_require"].values(),
        ]
        lists.append((ROOT / "tests" / "oldest.txt").read_text())
        for text in lists:
            asked = [line for line in lines(text) if not line.startswith("#")]
            self.assertEqual(len(asked), len(requirements(text)), text)

    def test_tools_have_lower_bounds_too(self) -> None:
        """A fresh environment does not fail with an old tool from a cache."""
        for extra in ("dev", "bench"):
            for requirement in requirements(setup()["options.extras_require"][extra]).values():
                self.assertTrue(lower_bound(requirement), str(requirement))


class RepositoryTests(SynchronousTestCase):
    """What a newcomer expects to find."""

    def test_files_at_the_root(self) -> None:
        """Each is there and says something."""
        for name in (
            "ARCHITECTURE.md",
            "CONTRIBUTING.md",
            "LICENSE",
            "Makefile",
            "README.md",
            "SECURITY.md",
            "setup.cfg",
            "tox.ini",
        ):
            self.assertGreater((ROOT / name).stat().st_size, 500, name)

    def test_the_licence(self) -> None:
        """It is the one that setup.cfg names, in full."""
        text = (ROOT / "LICENSE").read_text()
        self.assertIn("Apache License", text)
        self.assertIn("END OF TERMS AND CONDITIONS", text)
        self.assertEqual(setup()["metadata"]["license"], "Apache-2.0")

    def test_the_readme_is_short(self) -> None:
        """Who wants to know more follows its links."""
        self.assertLess(len((ROOT / "README.md").read_text().splitlines()), 150)

    def test_links_lead_somewhere(self) -> None:
        """Every relative link in a document names a file that exists."""
        self.assertEqual([link for path in documents() for link in dead_links(path)], [])

    def test_every_decision_is_in_the_index(self) -> None:
        """docs/adr/README.md names each page once, in order."""
        folder = ROOT / "docs" / "adr"
        pages = sorted(path.name for path in folder.glob("[0-9]*.md"))
        index = (folder / "README.md").read_text()
        named = [part.partition(")")[0] for part in index.split("](")[1:]]
        self.assertEqual(named, pages)

    def test_no_cache_of_plugins_is_kept(self) -> None:
        """It is a pickle: it must not travel with the sources."""
        ignored = (ROOT / ".gitignore").read_text().splitlines()
        self.assertIn("dropin.cache", ignored)


def documents() -> list[Path]:
    """Return every Markdown file of the project."""
    folders = ("docs", "deploy", "examples")
    below = [path for folder in folders for path in (ROOT / folder).rglob("*.md")]
    return sorted([*ROOT.glob("*.md"), *below])


def dead_links(path: Path) -> list[str]:
    """Return the relative links of a document that lead nowhere."""
    targets = [part.partition(")")[0] for part in path.read_text().split("](")[1:]]
    local = [t.partition("#")[0] for t in targets if "://" not in t and not t.startswith("#")]
    return [f"{path.relative_to(ROOT)}: {t}" for t in local if not (path.parent / t).exists()]
