"""The configuration file: every option, its bounds, and errors that name the line."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from streembit.disk import config
from streembit.disk.config import Config, SeedAddress
from streembit.disk.limits import Limits
from streembit.errors import BadConfig
from streembit.jose.keys import PrivateKey

FULL = """\
# a seed
listen = ["tcp:32319", "tcp6:32319"]
seeds = [
    "seed-1.example.org:32319",  # ours
    "[2001:db8::1]:32319",
]
network = "test-1"
metrics = "tcp:9109:interface=127.0.0.1"
exempt = ["127.0.0.0/8", "::1/128"]
log-level = "warn"
account = "alice"

[limits]
connections-total = 100
store_bytes = 1_000_000
new_connections_per_s = 5
"""

FAULTS = [
    ("network = 'x'\nlisten = [\n'tcp:1'", 3, "unclosed"),
    ("network = 'x'\nnetwork = 'y'\n", 2, "overwrite"),
    ("# hello\n\nnetwork = 7\n", 3, "network: expected str, got int"),
    ("network = ''\n", 1, "network"),
    ("network = 'Main'\n", 1, "network"),
    ("account = '../x'\n", 1, "account"),
    ("log_level = 'loud'\n", 1, "log_level: invalid enum value 'loud'"),
    ("listen = []\n", 1, "listen"),
    ("listen = 'tcp:8905'\n", 1, "listen: expected array, got str"),
    ("listen = ['tcp:1',\n\n 'nonsense']\n", 3, "listen: 'nonsense' is no endpoint"),
    ('listen = ["tcp:8905\\n"]\n', 1, "no endpoint"),
    ("\nmetrics = ':9109'\n", 2, "metrics: ':9109' is no endpoint"),
    ("seeds = [\n'a:1',\n'b'\n]\n", 3, "seeds: 'b' is not HOST:PORT"),
    ("seeds = ['a:70000']", 1, "not HOST:PORT"),
    ("hubs = ['wss://a', 'http://b']", 1, "hubs: 'http://b' is not wss://HOST:PORT"),
    ("hubs = ['ws://a:80']", 1, "without TLS only on this machine"),
    (f"hubs = ['wss://a#02{'f' * 64}']", 1, "no public key"),
    ("hubs = ['wss://a', 'wss://b', 'wss://c', 'wss://d', 'wss://e']", 1, "hubs: "),
    ("seeds = ['2001:db8::1:80']", 1, "write an IPv6 address as"),
    ("seeds = ['00@host:1']", 1, "'00' is no public key"),
    ("seeds = [\n'a:1',\n2\n]\n", 1, "seeds: expected str, got int"),
    ("exempt = ['127.0.0.1/8']\n", 1, "has host bits set"),
    ("client_only = 1\n", 1, "client_only: expected bool"),
    ("agreement_days = 29\n", 1, "agreement_days: expected int >= 30"),
    ("listne = ['tcp:1']\n", 1, "'listne' is no option; the nearest is 'listen'"),
    ("queue_bytes = 70000\n", 1, "the nearest is 'limits.queue_bytes'"),
    ("[limits]\nstore_byte = 70000\n", 2, "'limits.store_byte' is no option"),
    ("[limits]\nstore_byte = 70000\n", 2, "the nearest is 'limits.store_bytes'"),
    ("[limits]\nqueue_bytes = 70000\nconnections_total = 0\n", 3, "connections_total"),
    ("limits = { queue_bytes = 1 }\n", 1, "limits.queue_bytes: expected int >= 65536"),
    ("limits = 3\n", 1, "limits: expected object, got int"),
    ("[limits]\nnew_connections_per_s = nan\n", 2, "new_connections_per_s"),
    ("[limits]\nnew_connections_per_s = inf\n", 2, "new_connections_per_s"),
    ("[limits]\nqueue_bytes = true\n", 2, "limits.queue_bytes: expected int, got bool"),
    ("[streembit]\nx = 1\n", 1, "'streembit' is no option"),
    ("zzzzqqqq = 1\n", 1, "'zzzzqqqq' is no option"),
    ("network = 'x'\nseeds = ['a:1', 'é:1']\n", 2, "not HOST:PORT"),
]


class ConfigTest(SynchronousTestCase):
    def test_nothing_said_is_all_defaults(self) -> None:
        """An empty file, and no file, give the defaults of the role."""
        node = config.parse(b"", "node")
        self.assertEqual(node, Config(listen=("tcp:8905",)))
        self.assertEqual(config.parse(b"", "seed").listen, ("tcp:32319",))
        self.assertEqual(config.load(Path(self.mktemp()), "node"), node)

    def test_everything_can_be_said(self) -> None:
        """Each option of the file arrives; a dash in a name is as good as an underscore."""
        found = config.parse(FULL.encode(), "seed")
        expected = Config(
            listen=("tcp:32319", "tcp6:32319"),
            seeds=("seed-1.example.org:32319", "[2001:db8::1]:32319"),
            network="test-1",
            account="alice",
            metrics="tcp:9109:interface=127.0.0.1",
            exempt=("127.0.0.0/8", "::1/128"),
            log_level="warn",
            limits=Limits(connections_total=100, store_bytes=1_000_000, new_connections_per_s=5.0),
        )
        self.assertEqual(found, expected)

    def test_every_limit_of_the_design_can_be_set(self) -> None:
        """Each limit takes another value than its default, by its name."""
        for name in Limits.__struct_fields__:
            value = getattr(Limits(), name) + 1
            found = config.parse(f"[limits]\n{name} = {value}\n".encode(), "node")
            self.assertEqual(getattr(found.limits, name), value)

    def test_the_defaults_are_those_of_the_design(self) -> None:
        """The shipped limits are the documented ones."""
        limits = Limits()
        self.assertEqual(limits.connections_total, 2000)
        self.assertEqual(limits.connections_per_address, 8)
        self.assertEqual(limits.connections_per_group, 64)
        self.assertEqual(limits.connections_unknown, 64)
        self.assertEqual(limits.new_connections_per_s, 0.2)
        self.assertEqual(limits.new_connections_burst, 16)
        self.assertEqual(limits.checks_per_peer_per_s, 200)
        self.assertEqual(limits.checks_per_node_per_s, 4000)
        self.assertEqual(limits.store_bytes, 64 << 20)
        self.assertEqual(limits.records_per_owner, 64)
        self.assertEqual(limits.queue_bytes, 1 << 20)

    def test_hubs_are_for_nodes(self) -> None:
        """A seed is found at its address."""
        self.assertRaises(BadConfig, config.parse, b"hubs = ['wss://a']", "seed")

    def test_each_fault_names_its_line_and_what_is_wrong(self) -> None:
        """A wrong file is refused with the line, the option and the reason."""
        for text, line, words in FAULTS:
            with self.assertRaises(BadConfig) as caught:
                config.parse(text.encode(), "node", "node.toml")
            error = caught.exception
            self.assertIn(words.lower(), error.detail.lower(), text)
            self.assertEqual((error.file, error.line), ("node.toml", line), text)

    def test_text_that_is_not_utf8(self) -> None:
        """Bytes that are no UTF-8 are refused with their line."""
        with self.assertRaises(BadConfig) as caught:
            config.parse(b"# one\n# two \xff\n", "node")
        self.assertEqual(caught.exception.line, 2)

    def test_a_seed_serves(self) -> None:
        """A seed that stores nothing for others is a contradiction."""
        self.assertTrue(config.parse(b"client-only = true", "node").client_only)
        self.assertRaises(BadConfig, config.parse, b"client-only = true", "seed")

    def test_a_named_file_must_exist(self) -> None:
        """A file that was asked for and is not there is an error, as is one far too long."""
        path = Path(self.mktemp())
        with self.assertRaises(BadConfig):
            config.load(path, "node", must_exist=True)
        path.write_bytes(b"#" * (config.MAX_CONFIG_BYTES + 1))
        with self.assertRaises(BadConfig):
            config.load(path, "node")

    def test_a_long_file_with_a_fault_is_refused_quickly(self) -> None:
        """The line is found by halving, not by reading the file once for each line."""
        text = "# a remark that takes up some room in the file\n" * 5000 + "[limits]\nx = 1\n"
        with self.assertRaises(BadConfig) as caught:
            config.parse(text.encode(), "node")
        self.assertEqual(caught.exception.line, 5002)

    def test_S2_every_truncation_is_read_or_refused(self) -> None:
        """However the file was cut, it is read or refused with a line; nothing else happens."""
        data = FULL.encode()
        for length in range(len(data)):
            try:
                config.parse(data[:length], "seed")
            except BadConfig as e:
                self.assertTrue(1 <= int(str(e.line)) <= FULL.count("\n") + 1, data[:length])

    @settings(deadline=None, derandomize=True, database=None, max_examples=300)
    @given(
        st.dictionaries(
            st.sampled_from([*Config.__struct_fields__, "limits.queue_bytes", "other"]),
            st.sampled_from(["1", "-1", "''", "'x'", "[]", "['x']", "[1]", "{}", "true", "1.5"]),
        )
    )
    def test_S2_any_values_are_read_or_refused(self, options: dict[str, str]) -> None:
        """Whatever stands in the file, the answer is a configuration or a BadConfig."""
        text = "".join(f"{name} = {value}\n" for name, value in options.items())
        try:
            msgspec.json.encode(config.parse(text.encode(), "node"))
        except BadConfig as e:
            self.assertTrue(e.detail)


class SeedAddressTest(SynchronousTestCase):
    def test_forms(self) -> None:
        """A seed is host and port, with its key before them where it is pinned."""
        key = PrivateKey.generate().public.hex
        for text, expected in [
            ("seed.example.org:32319", SeedAddress("seed.example.org", 32319)),
            ("192.0.2.1:1", SeedAddress("192.0.2.1", 1)),
            ("[2001:db8::1]:65535", SeedAddress("2001:db8::1", 65535)),
            (f"{key}@host:80", SeedAddress("host", 80, key)),
            (f"{key}@[::1]:80", SeedAddress("::1", 80, key)),
        ]:
            self.assertEqual(config.parse_seed(text), expected)

    def test_refused(self) -> None:
        """Anything else is refused."""
        for text in [
            "",
            ":",
            "host",
            "host:",
            ":80",
            "host:0",
            "host:65536",
            "host:8 0",
            "ho st:1",
        ]:
            self.assertRaises(BadConfig, config.parse_seed, text)
        for text in [
            "[::1]",
            "[]:80",
            "::1:80",
            "[host]:80",
            "a/b:80",
            "@host:80",
            "a@b@c:80",
            "ho st:1",
        ]:
            self.assertRaises(BadConfig, config.parse_seed, text)
        for text in [
            "host:\u0661",
            "host:+1",
            "h" * 254 + ":1",
            "\u00e9.org:80",
            "host:00000080",
            "h h:1",
        ]:
            self.assertRaises(BadConfig, config.parse_seed, text)
