"""The command line as a program: help, usage, exit status, terminals and pipes."""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from twisted.trial.unittest import SynchronousTestCase

import streembit
from streembit.cli import main, show
from streembit.cli.command import Settings
from tests.cli.harness import PASSCODE, invoke, private_file

PROGRAM = [sys.executable, "-c", "from streembit.cli.main import main; main()"]
ROOT = str(Path(streembit.__file__).parents[1])
MAX_HELP_S = 0.3


class HelpTests(SynchronousTestCase):
    def test_every_command_has_help_with_examples(self) -> None:
        """Each command says what it does in its first line and shows how it is used."""
        for path, command in commands(main.streembit, ()):
            ended = invoke(*path, "--help")
            self.assertEqual((ended.status, ended.err), (0, ""), path)
            self.assertIn("\nExamples:\n  ", ended.out, path)
            self.assertTrue((command.help or "").splitlines()[0].endswith("."))
            self.assertLessEqual(max(map(len, ended.out.splitlines())), 80, path)

    def test_every_example_is_a_command(self) -> None:
        """What a help text shows can be typed: its arguments and options are known."""
        for _, command in commands(main.streembit, ()):
            for example in command.examples:  # type: ignore[attr-defined]
                for words in streembit_in(example):
                    self.assertEqual(misunderstood(main.streembit, words), "", example)

    def test_commands_are_not_cut_in_the_overview(self) -> None:
        """The short lines of the overview are whole sentences."""
        for path, command in commands(main.streembit, ()):
            if isinstance(command, click.Group):
                overview = invoke(*path, "--help").out.partition("Commands:\n")[2]
                self.assertTrue(overview)
                self.assertNotIn("...", overview)

    def test_every_command_that_prints_takes_json(self) -> None:
        """`--json` is there, after the command too."""
        for path, command in commands(main.streembit, ()):
            if not isinstance(command, click.Group):
                names = [name for parameter in command.params for name in parameter.opts]
                self.assertIn("--json", names, path)

    def test_help_is_quick(self) -> None:
        """Help comes in a fraction of a second, without cryptography, Twisted and tables."""
        code = "import streembit.cli.main, sys; print(*sys.modules)"
        loaded = subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).split()
        for name in ("cryptography", "twisted", "rich", "http.client", "klein", "sqlite3"):
            self.assertNotIn(name, loaded)
        took_s = min(self._helped() for _ in range(3))
        self.assertLess(took_s, MAX_HELP_S)

    def _helped(self) -> float:
        """Return the processor's time that it takes, which a busy machine does not lengthen."""
        before = os.times()
        subprocess.run([*PROGRAM, "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])


class UsageTests(SynchronousTestCase):
    def test_what_is_not_understood_is_one_line(self) -> None:
        """Unknown options and commands and missing arguments end with status 1 and one line."""
        for arguments in (
            [],
            ["--bad"],
            ["bad"],
            ["record"],
            ["record", "put"],
            ["record", "put", "--ttl"],
            ["peer", "ping", "a", "b"],
            ["account", "restore"],
        ):
            ended = invoke("--home", "/nonexistent/home", *arguments)
            self.assertEqual((ended.status, ended.out, ended.code), (1, "", "usage"), arguments)
            self.assertRegex(ended.err, r"\Astreembit: error: [^\n]+ \(usage\)\n\Z")

    def test_a_missing_home_is_said(self) -> None:
        """No home: the line says how to make one, whatever was asked."""
        for arguments in (
            ["status"],
            ["doctor"],
            ["account", "show"],
            ["account", "words"],
            ["record", "list"],
            ["record", "put", "a", "b"],
            ["peer", "list"],
        ):
            ended = invoke("--home", "/nonexistent/home", *arguments)
            self.assertEqual((ended.status, ended.out, ended.code), (1, "", "home-missing"))
            self.assertIn("streembit account create NAME", ended.err)

    def test_version(self) -> None:
        """The version is the package's."""
        self.assertEqual(invoke("--version").out, f"streembit {streembit.__version__}\n")

    def test_a_reader_that_leaves_is_no_error_message(self) -> None:
        """`streembit ... | head -1` says nothing of broken pipes."""
        read, write = os.pipe()
        os.close(read)
        ended = subprocess.run(
            [*PROGRAM, "--help"], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, check=False
        )
        os.close(write)
        self.assertEqual((ended.returncode, ended.stderr), (1, b""))


class TerminalTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_L7_the_passcode_is_typed_twice_and_not_shown(self) -> None:
        """A new passcode is asked for twice on the terminal, an old one once, and never echoed."""
        home = str(self.folder / "home")
        made = self.on_terminal(["--home", home, "account", "create", "alice"], [PASSCODE] * 2)
        self.assertIn("New passcode of alice: ", made)
        self.assertIn("Once more: ", made)
        self.assertIn("fingerprint", made)
        words = self.on_terminal(["--home", home, "account", "words"], [PASSCODE])
        self.assertEqual(len(words.split("alice: ")[1].split()), 24)
        self.assertNotIn(PASSCODE, made + words)

    def test_two_different_passcodes_make_nothing(self) -> None:
        """A typing mistake is noticed."""
        home = self.folder / "home"
        told = self.on_terminal(
            ["--home", str(home), "account", "create", "alice"], [PASSCODE, PASSCODE + "x"]
        )
        self.assertIn("the two passcodes differ", told)
        self.assertFalse((home / "accounts" / "alice").exists())

    def test_a_table_is_drawn_on_a_wide_terminal_only(self) -> None:
        """Where it does not fit, the columns stay whole, so that ids can be copied."""
        code = "from streembit.cli.show import table; table(['ID', 'B'], [['f' * 40, '[red]x']])"
        wide = self.terminal([sys.executable, "-c", code], [], columns=100)
        narrow = self.terminal([sys.executable, "-c", code], [], columns=40)
        self.assertIn("\u2500", wide)
        self.assertNotIn("\u2500", narrow)
        for drawn in (wide, narrow):
            self.assertIn("f" * 40, drawn)
            self.assertIn("[red]x", drawn)

    def on_terminal(self, arguments: list[str], answers: list[str]) -> str:
        return self.terminal([*PROGRAM, *arguments], answers)

    def terminal(self, command: list[str], answers: list[str], columns: int = 80) -> str:
        """Run a command on a terminal of its own; return all that it showed."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.environ |= {"COLUMNS": str(columns), "TERM": "xterm"}
            os.execv(command[0], command)
        shown, waiting = b"", list(answers)
        while True:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # Linux says so when the other side closed its terminal
                break
            shown += data
            if waiting and shown.rstrip(b" ").endswith(b":"):
                os.write(terminal, waiting.pop(0).encode() + b"\n")
        os.close(terminal)
        os.waitpid(pid, 0)
        return shown.decode()


class ShowTests(SynchronousTestCase):
    def test_L1_only_what_is_seen_as_itself_passes(self) -> None:
        """Controls, escapes and marks that turn text around are written out."""
        self.assertEqual(show.plain("a\x1b[2J\n\u202eb\x7f"), "a\\x1b[2J\\n\\u202eb\\x7f")
        self.assertEqual(show.plain("Grüße, 日本 🙂"), "Grüße, 日本 🙂")

    def test_lengths_of_time(self) -> None:
        """Two units at most, the larger first."""
        for seconds, text in (
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (59.4, "59 s"),
            (59.6, "1 min 0 s"),
            (3725, "1 h 2 min"),
            (90000, "1 d 1 h"),
        ):
            self.assertEqual(show.span(seconds), text)

    def test_a_time_beyond_the_calendar_is_a_number(self) -> None:
        """A record may say any time."""
        self.assertEqual(show.moment(2**53 - 1), str(2**53 - 1))


class OfflineDoctorTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = Path(folder.name) / "home"
        invoke("--home", self.home, "account", "create", "alice", "--no-passcode")

    def checks(self) -> dict[str, tuple[bool, str, str]]:
        ended = invoke("--home", self.home, "--json", "doctor")
        self.assertEqual((ended.status, ended.err), (1, ""))
        return {c["name"]: (c["ok"], c["detail"], c["advice"]) for c in ended.json["checks"]}

    def test_a_sound_home_without_a_node(self) -> None:
        """Only the node itself is missing, and the advice starts it."""
        checks = self.checks()
        self.assertEqual(
            [n for n, (ok, _, _) in checks.items() if not ok and n != "port"], ["node"]
        )
        self.assertEqual(
            checks["node"][2], f"start it: twistd -n streembit-node --home {self.home}"
        )
        self.assertIn("alice", checks["key file"][1])

    def test_S2_a_damaged_key_file_is_found(self) -> None:
        """It is named, and nothing is changed."""
        path = self.home / "accounts" / "alice" / "key.json"
        private_file(path, "{")
        self.assertFalse(self.checks()["key file"][0])
        self.assertEqual(path.read_text(), "{")

    def test_modes_are_found(self) -> None:
        """A home that others can read comes with the command that closes it."""
        self.home.chmod(0o755)
        ok, _, advice = self.checks()["home"]
        self.assertFalse(ok)
        self.assertEqual(advice, f"take away what others may do: chmod 700 {self.home}")

    def test_D6_a_clock_before_the_key_file_is_found(self) -> None:
        """A key file from the future means that the clock is wrong."""
        future_s = time.time() + 86400
        os.utime(self.home / "accounts" / "alice" / "key.json", (future_s, future_s))
        ok, _, advice = self.checks()["clock"]
        self.assertFalse(ok)
        self.assertIn("timedatectl", advice)

    def test_a_taken_port_is_found(self) -> None:
        """The configured port is tried."""
        import socket

        with socket.socket() as taken:
            taken.bind(("", 0))
            taken.listen()
            port = taken.getsockname()[1]
            private_file(self.home / "node.toml", f'listen = ["tcp:{port}"]\n')
            ok, detail, _ = self.checks()["port"]
        self.assertFalse(ok)
        self.assertIn(f"{port} cannot be used: another process", detail)


def commands(
    command: click.Command, path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return a command and all below it, each with the words that call it."""
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            found += commands(below, (*path, name))
    return found


def streembit_in(example: str) -> list[list[str]]:
    """Return what a line of a shell gives to `streembit`, each time that it calls it."""
    lexer = shlex.shlex(example, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word[0] in "|&<>;":
            parts.append([])
        else:
            parts[-1].append(word)
    return [words for _, *words in (part for part in parts if part[:1] == ["streembit"])]


def misunderstood(command: click.Command, words: list[str]) -> str:
    """Return what is wrong with these arguments of a command, "" for nothing; none is run.

    That a file which they name is not here is not wrong with them.
    """
    try:
        with command.make_context(command.name, words, obj=Settings(Path(), None, False)) as made:
            if not isinstance(command, click.Group):
                return ""
            _, below, rest = command.resolve_command(made, [*made._protected_args, *made.args])
            assert below is not None
            return misunderstood(below, rest)
    except click.UsageError as error:
        message = error.format_message()
        return "" if message.endswith("does not exist.") else message
