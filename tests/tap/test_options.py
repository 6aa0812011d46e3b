"""What an operator writes becomes one frozen configuration, or one clear refusal."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from streembit._version import __version__
from streembit.disk.config import Config
from streembit.disk.hubconfig import HubConfig
from streembit.errors import BadConfig
from streembit.jose.keys import PrivateKey
from streembit.tap import hub, node, seed
from streembit.tap.options import RoleOptions
from tests.sources import ROOT

PIN = "wss://hub.example#" + PrivateKey.generate().public.hex


class OptionsCase(SynchronousTestCase):
    """A home folder, and commands parsed as twistd parses them."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name)

    def options(self, *arguments: str, kind: type[RoleOptions] = node.Options) -> RoleOptions:
        """Return the options of a command line."""
        options = kind()
        options.parseOptions(["--home", str(self.home), *arguments])
        return options

    def parsed(self, *arguments: str, kind: type[RoleOptions] = node.Options) -> Config:
        """Return the configuration of a command line."""
        return self.options(*arguments, kind=kind).configuration()

    def file(self, text: str, name: str = "node.toml") -> str:
        """Write a TOML file into the home and return its path."""
        path = self.home / name
        path.write_text(text)
        return str(path)


class OptionsTests(OptionsCase):
    """The command line."""

    def test_every_default_works(self) -> None:
        """Without a word, a node listens on its port in the public network."""
        self.assertEqual(self.parsed(), Config(listen=("tcp:8905",)))
        self.assertEqual(self.parsed(kind=seed.Options), Config(listen=("tcp:32319",)))

    def test_all_options(self) -> None:
        """Each option has its place; listen, seed, exempt and hub may be repeated."""
        found = self.parsed(
            *("--listen", "tcp:1:interface=127.0.0.1", "--listen", "tcp6:2"),
            *("--seed", "a.example:3", "--seed", "[::1]:4"),
            *("--network", "plant-7", "--metrics", "tcp:9109:interface=127.0.0.1"),
            *("--account", "bob", "--exempt", "127.0.0.0/8", "--client-only"),
            *("--map-port", "--lan", "--hub", "wss://hub.example", "--hub", "ws://[::1]:5"),
            *("--id-scheme", "address", "--advertise", "a.example:1"),
        )
        expected = Config(
            listen=("tcp:1:interface=127.0.0.1", "tcp6:2"),
            seeds=("a.example:3", "[::1]:4"),
            network="plant-7",
            metrics="tcp:9109:interface=127.0.0.1",
            account="bob",
            exempt=("127.0.0.0/8",),
            client_only=True,
            map_port=True,
            lan=True,
            hubs=("wss://hub.example", "ws://[::1]:5"),
            id_scheme="address",
            advertise="a.example:1",
        )
        self.assertEqual(found, expected)

    def test_a_node_with_a_hub_needs_no_port(self) -> None:
        """Without one it would be reached by nobody."""
        found = self.parsed("--listen", "none", "--hub", "wss://hub.example")
        self.assertEqual(found.listen, ())
        self.assertEqual(self.parsed("--listen", "none", "--private", PIN).listen, ())
        with self.assertRaises(BadConfig) as refused:
            self.parsed("--listen", "none")
        self.assertIn("needs a hub", str(refused.exception))

    def test_an_option_wins_over_the_file_and_the_file_over_the_default(self) -> None:
        """A list given on the command line replaces the file's list."""
        self.file('listen = ["tcp:5"]\nseeds = ["a:1", "b:2"]\nnetwork = "from-file"')
        expected = Config(listen=("tcp:5",), seeds=("c:3",), network="from-file")
        self.assertEqual(self.parsed("--seed", "c:3"), expected)

    def test_the_file_of_the_other_role_is_not_read(self) -> None:
        """The file seed.toml is the seed's."""
        self.file('network = "from-file"', "seed.toml")
        self.assertEqual(self.parsed().network, "streembit")
        self.assertEqual(self.parsed(kind=seed.Options).network, "from-file")

    def test_a_file_that_is_named_must_exist(self) -> None:
        """A typing mistake does not quietly mean the defaults."""
        with self.assertRaises(BadConfig) as refused:
            self.parsed("--config", str(self.home / "absent.toml"))
        self.assertIn("absent.toml", str(refused.exception))

    def test_what_cannot_be_used_is_refused(self) -> None:
        """Each with the value or the member named."""
        for arguments, named in (
            (["--network", "Öl"], "network"),
            (["--network", ""], "network"),
            (["--network", "x" * 65], "network"),
            (["--account", "../x"], "account"),
            (["--seed", "nowhere"], "nowhere"),
            (["--seed", "host:99999"], "host:99999"),
            (["--exempt", "127.0.0.1/8"], "127.0.0.1/8"),
            (["--listen", "8905"], "8905"),
            (["--listen", "tcp:1"] * 9, "listen"),
            (["--id-scheme", "random"], "id_scheme"),
            (["--id-scheme", "address"], "advertise"),
            (["--advertise", "a:1"], "advertise"),
        ):
            with self.assertRaises(BadConfig) as refused:
                self.parsed(*arguments)
            self.assertIn(named, str(refused.exception), arguments)

    def test_a_seed_serves_others(self) -> None:
        """It has no such option, and its file cannot ask for it."""
        self.file("client-only = true", "seed.toml")
        self.assertRaises(BadConfig, self.parsed, kind=seed.Options)
        self.assertRaises(SystemExit, self.options, "--client-only", kind=seed.Options)

    def test_the_home_of_the_environment(self) -> None:
        """Without --home, as the command line has it."""
        options = node.Options()
        options.parseOptions([])
        for environ, expected in (
            ({"STREEMBIT_HOME": "/x/y"}, "/x/y"),
            ({"STREEMBIT_HOME": ""}, os.path.expanduser("~/.streembit")),
        ):
            self.patch(os, "environ", {**os.environ, **environ})
            self.assertEqual(options.home, Path(expected))

    def test_wrong_options_are_one_line_and_status_1(self) -> None:
        """The line says what is wrong and where the help is, not the help itself."""
        for arguments, named in (
            (["--nonsense"], "nonsense"),
            (["--home"], "home"),
            (["surplus"], "Wrong number of arguments"),
            (["--no-passcode", "--passcode-file", "x"], "exclude each other"),
        ):
            with self.assertRaises(SystemExit) as ended:
                self.options(*arguments)
            line = str(ended.exception.code)
            self.assertTrue(line.startswith("streembit-node: "), line)
            self.assertIn(named, line)
            self.assertIn("twistd streembit-node --help", line)
            self.assertNotIn("\n", line)

    def test_L7_a_passcode_is_never_an_argument(self) -> None:
        """Not by an option of that name, nor by a shortened one; what was typed is not repeated."""
        for arguments in (["--passcode", "Secret1!"], ["--passcode=Secret1!"]):
            with self.assertRaises(SystemExit) as ended:
                self.options(*arguments)
            self.assertIn("--passcode-file", str(ended.exception.code))
            self.assertNotIn("Secret1!", str(ended.exception.code))

    def test_version_and_help(self) -> None:
        """Both are ours, and the help shows an example."""
        for option, words in (
            ("--version", f"Streembit {__version__}"),
            ("--help", "twistd -n streembit-node --home DIR"),
        ):
            said = io.StringIO()
            with contextlib.redirect_stdout(said), self.assertRaises(SystemExit) as ended:
                self.options(option)
            self.assertEqual(ended.exception.code, 0)
            self.assertIn(words, " ".join(said.getvalue().split()))


class ExampleTests(OptionsCase):
    """The configuration files that deploy/ shows."""

    def test_they_can_be_used(self) -> None:
        """As they stand, and with what is optional in force."""
        for kind in (node.Options, seed.Options, hub.Options):
            text = (ROOT / "deploy" / "config" / f"{kind.role}.toml").read_text()
            for version in (text, uncommented(text)):
                self.file(version, f"{kind.role}.toml")
                self.parsed(kind=kind)

    def test_they_show_every_option_and_limit(self) -> None:
        """An operator need not read the code to find one, nor its default."""
        defaults = Config(listen=("tcp:8905",))
        text = (ROOT / "deploy" / "config" / "node.toml").read_text()
        for name in set(Config.__struct_fields__) - {"hub"}:
            shown = {"limits": "[limits]", "also": "[[also]]"}.get(name, f"{name} = ")
            self.assertIn(shown, text)
        for name in defaults.limits.__struct_fields__:
            value = getattr(defaults.limits, name)
            self.assertIn(f"#{name} = {value:_}".replace(".0", ""), text.replace(".0", ""), name)

    def test_that_of_a_hub_shows_all_that_only_a_hub_has(self) -> None:
        """With its default, where that is a number or a switch."""
        text = (ROOT / "deploy" / "config" / "hub.toml").read_text()
        for name in HubConfig.__struct_fields__:
            value = getattr(HubConfig(), name)
            if isinstance(value, bool):
                self.assertIn(f"#{name} = {str(value).lower()}\n", text)
            elif isinstance(value, int | float):
                self.assertIn(f"#{name} = {value:_}\n", text)
            else:
                self.assertIn(f"#{name} = ", text)

    def test_the_page_on_configuration_names_every_option_and_limit(self) -> None:
        """What twistd's help shows for our commands stands in docs/configuration.md too."""
        page = (ROOT / "docs" / "configuration.md").read_text()
        longs = [*node.Options().longOpt, *hub.Options().longOpt]
        options = [option.rstrip("=") for option in longs]
        ours = set(options) - {"help", "version", "passcode"}
        limits = Config(listen=("tcp:1",)).limits
        names = [f"`--{name}" for name in ours]
        fields = set(Config.__struct_fields__) - {"limits", "hub"}
        names += [f"`{name}`" for name in (*fields, *HubConfig.__struct_fields__)]
        names += [f"`{name}`" for name in limits.__struct_fields__]
        self.assertEqual([name for name in names if name not in page], [])


def uncommented(text: str) -> str:
    """Return an example with its optional members in force: lines that begin `#name` or `#[[`."""
    return re.sub(r"^#(?=[a-z]|\[\[)", "", text, flags=re.MULTILINE)


class SeveralAccountsTests(OptionsCase):
    """More than one account in a process."""

    def test_each_account_has_the_endpoints_behind_it(self) -> None:
        """On the command line and in the file alike."""
        written = self.parsed(
            *("--account", "ann", "--listen", "tcp:1", "--listen", "tcp6:1"),
            *("--account", "bob", "--listen", "tcp:2", "--network", "n"),
        )
        self.file(
            'account = "ann"\nlisten = ["tcp:1", "tcp6:1"]\nnetwork = "n"\n'
            '[[also]]\naccount = "bob"\nlisten = ["tcp:2"]\n'
        )
        for found in (written, self.parsed()):
            self.assertEqual(
                found.each(),
                [
                    Config(listen=("tcp:1", "tcp6:1"), account="ann", network="n"),
                    Config(listen=("tcp:2",), account="bob", network="n"),
                ],
            )

    def test_one_named_account_is_one_account(self) -> None:
        """Whatever the file says of others; where its --listen stands does not matter."""
        self.file('account = "ann"\n[[also]]\naccount = "bob"\nlisten = ["tcp:2"]\n')
        for arguments in (
            ["--account", "carol", "--listen", "tcp:3"],
            ["--listen", "tcp:3", "--account", "carol"],
        ):
            expected = [Config(listen=("tcp:3",), account="carol")]
            self.assertEqual(self.parsed(*arguments).each(), expected)

    def test_what_cannot_be(self) -> None:
        """Shared endpoints and names, and accounts of a seed."""
        for arguments in (
            ["--account", "a", "--account", "b", "--listen", "tcp:1"],
            ["--listen", "tcp:1", "--account", "a", "--account", "b", "--listen", "tcp:2"],
        ):
            self.assertRaises(SystemExit, self.options, *arguments)
        twice = ["--account", "a", "--listen", "tcp:1"] * 2
        self.assertRaises(BadConfig, self.parsed, *twice)
        for text, named in (
            ('[[also]]\naccount = "bob"\nlisten = ["tcp:2"]\n', "account"),
            ('account = "a"\n[[also]]\naccount = "a"\nlisten = ["tcp:2"]\n', "twice"),
            ('account = "a"\n[[also]]\naccount = "b"\nlisten = []\n', "also"),
            ('account = "a"\n[[also]]\naccount = "b"\nlisten = ["2"]\n', "'2' is no endpoint"),
            ('account = "a"\n[[also]]\naccount = "b"\nlisten = ["tcp:2"]\nseeds = []\n', "seeds"),
        ):
            with self.assertRaises(BadConfig) as refused:
                self.parsed("--config", self.file(text))
            self.assertIn(named, str(refused.exception))
        both = 'account = "a"\n[[also]]\naccount = "b"\nlisten = ["tcp:2"]\n'
        self.file(both, "seed.toml")
        self.assertRaises(BadConfig, self.parsed, kind=seed.Options)
