"""Accounts on the command line: made, shown, protected, backed up and restored."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from twisted.trial.unittest import SynchronousTestCase

from streembit.cli.main import streembit
from streembit.jose import fingerprint, keyfile
from streembit.jose.keys import PublicKey
from streembit.jose.words import from_seed
from tests.cli.harness import PASSCODE, Ended, invoke, private_file

OTHER = "Other-Canary-8"


class AccountTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.home = self.folder / "home"
        self.code = private_file(self.folder / "code", PASSCODE + "\n")
        self.other = private_file(self.folder / "other", OTHER)

    def run_ok(self, *arguments: str | Path, typed: bytes = b"") -> Ended:
        ended = invoke("--home", self.home, *arguments, typed=typed)
        self.assertEqual((ended.status, ended.err), (0, ""))
        return ended

    def run_bad(self, code: str, *arguments: str | Path, typed: bytes = b"") -> Ended:
        ended = invoke("--home", self.home, *arguments, typed=typed)
        self.assertEqual((ended.status, ended.out, ended.code), (1, "", code), ended.err)
        self.assertRegex(ended.err, r"\Astreembit: error: [^\n]+ \([a-z-]+\)\n\Z")
        return ended

    def key_path(self, name: str) -> Path:
        return self.home / "accounts" / name / "key.json"

    def words_of(self, name: str, *options: str | Path) -> str:
        told = self.run_ok("--json", "--account", name, "account", "words", *options).json
        return " ".join(told["words"])


class ClearAccountTests(AccountTestCase):
    """Key files without a passcode, which cost no time to open."""

    def test_create_and_show_agree(self) -> None:
        """Name, key, node id and fingerprint are those of the key file."""
        made = self.run_ok("account", "create", "alice", "--no-passcode", "--json").json
        shown = self.run_ok("account", "show", "--json").json
        self.assertEqual(made, shown)
        identity = keyfile.unlock(self.key_path("alice").read_bytes(), None)
        self.assertEqual(shown["public_key"], identity.public.hex)
        self.assertEqual(
            fingerprint.parse(shown["fingerprint"]),
            fingerprint.digest_of(PublicKey.from_hex(shown["public_key"])),
        )
        self.assertEqual((shown["protection"], shown["accounts"]), ("none", ["alice"]))

    def test_show_for_people(self) -> None:
        """What two people compare stands on lines of its own."""
        self.run_ok("account", "create", "alice", "--no-passcode")
        out = self.run_ok("account", "show").out
        for name in ("name", "public key", "node id", "fingerprint", "key file", "accounts"):
            self.assertRegex(out, rf"(?m)^{name} +\S")

    def test_several_accounts(self) -> None:
        """The first is used until another is named."""
        for name in ("alice", "bob"):
            self.run_ok("account", "create", name, "--no-passcode")
        self.assertEqual(self.run_ok("--json", "account", "show").json["name"], "alice")
        bob = self.run_ok("--account", "bob", "--json", "account", "show").json
        self.assertEqual((bob["name"], bob["accounts"]), ("bob", ["alice", "bob"]))
        self.assertIn(
            "alice, bob",
            self.run_bad("no-such-account", "--account", "carol", "account", "show").err,
        )

    def test_what_cannot_be_made(self) -> None:
        """Bad names and taken ones are refused before anybody types a passcode."""
        for name in ("../x", "A", "", "a b", ".a", "x" * 65, "a\n"):
            self.run_bad("bad-name", "account", "create", name, "--no-passcode")
        self.assertFalse(self.home.exists())
        self.run_ok("account", "create", "alice", "--no-passcode")
        before = self.key_path("alice").read_bytes()
        self.run_bad("key-file-exists", "account", "create", "alice", "--no-passcode")
        self.assertEqual(self.key_path("alice").read_bytes(), before)

    def test_without_a_terminal_nothing_waits(self) -> None:
        """Where nobody can type, the missing passcode is said at once."""
        self.run_bad("bad-config", "account", "create", "alice")
        both = ("--no-passcode", "--passcode-file", self.code)
        self.run_bad("usage", "account", "create", "alice", *both)

    def test_words_restore_the_whole_identity(self) -> None:
        """24 words from a file or from standard input make the same key again."""
        key = self.run_ok("--json", "account", "create", "alice", "--no-passcode").json
        words = self.words_of("alice")
        self.assertEqual(len(words.split()), 24)
        paper = private_file(self.folder / "paper", words.upper().replace(" ", "\n"))
        restore = ("account", "restore", "--words", "--no-passcode", "--json")
        for name, more, typed in (("bob", (paper,), b""), ("carol", (), words.encode())):
            again = self.run_ok("--account", name, *restore, *more, typed=typed).json
            self.assertEqual(again["public_key"], key["public_key"])
        self.run_bad("usage", *restore, typed=words.encode())

    def test_words_with_a_mistake_are_refused(self) -> None:
        """Too few, unknown and exchanged words are refused without being repeated."""
        words = from_seed(bytes(range(32))).split()
        for bad in (words[:-1], ["xyzzy", *words[1:]], [words[1], words[0], *words[2:]]):
            restore = ("--account", "bob", "account", "restore", "--words", "--no-passcode")
            ended = self.run_bad("bad-words", *restore, typed=" ".join(bad).encode())
            self.assertFalse(set(words) & set(ended.err.split()))
        self.assertFalse(self.key_path("bob").exists())

    def test_L7_files_are_for_their_owner(self) -> None:
        """Folders are 0700, key files and backups 0600, whatever the umask."""
        before = os.umask(0)
        try:
            self.run_ok("account", "create", "alice", "--no-passcode")
            self.run_ok("account", "backup", self.folder / "backup.json")
        finally:
            os.umask(before)
        for path in (self.key_path("alice"), self.folder / "backup.json"):
            self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        for folder in (self.home, self.home / "accounts"):
            self.assertEqual(stat.S_IMODE(folder.stat().st_mode), 0o700)

    def test_L7_a_home_that_others_can_read_is_refused(self) -> None:
        """Modes are enforced, with the command that puts them right."""
        self.run_ok("account", "create", "alice", "--no-passcode")
        self.key_path("alice").chmod(0o644)
        self.assertIn("chmod 600", self.run_bad("home-permissions", "account", "words").err)

    def test_a_backup_comes_back(self) -> None:
        """Under its own name into another home, or under another into this one."""
        key = self.run_ok("--json", "account", "create", "alice", "--no-passcode").json
        copy = self.folder / "alice.json"
        self.assertEqual(self.run_ok("account", "backup", copy).out, f"written: {copy}\n")
        self.run_bad("key-file-exists", "account", "backup", copy)
        self.run_bad("key-file-exists", "account", "restore", copy)
        bob = self.run_ok("--json", "--account", "bob", "account", "restore", copy).json
        self.assertEqual((bob["name"], bob["public_key"]), ("bob", key["public_key"]))
        self.home = self.folder / "elsewhere"
        alice = self.run_ok("--json", "account", "restore", copy).json
        self.assertEqual((alice["name"], alice["public_key"]), ("alice", key["public_key"]))

    def test_backups_that_are_none(self) -> None:
        """Missing, empty, damaged and endless files are refused in a line."""
        self.run_bad("os-error", "account", "restore", self.folder / "missing")
        self.run_bad("usage", "account", "restore")
        for text in ("", "{}", "x" * 100_000):
            path = private_file(self.folder / f"bad{len(text)}", text)
            ended = invoke("--home", self.home, "account", "restore", path)
            self.assertEqual(ended.status, 1)
            self.assertIn(ended.code, ("key-file-corrupt", "too-large"))


class ProtectedAccountTests(AccountTestCase):
    """Key files under a passcode: few tests, since each opening takes its time."""

    def test_L7_a_passcode_from_start_to_end_shows_nowhere(self) -> None:
        """Neither passcode, nor seed, nor words are in any output or other file."""
        outputs = [
            self.run_ok("account", "create", "alice", "--passcode-file", self.code),
            self.run_ok("--json", "account", "show"),
            self.run_ok("account", "backup", self.folder / "backup.json"),
            self.run_bad("wrong-passcode", "account", "words", "--passcode-file", self.other),
            self.run_ok(
                "account", "passcode",
                "--passcode-file", self.code, "--new-passcode-file", self.other,
            ),
            invoke("--home", self.home, "doctor"),
        ]  # fmt: skip
        words = self.words_of("alice", "--passcode-file", self.other)
        seed = keyfile.unlock(self.key_path("alice").read_bytes(), OTHER).seed
        kept = [path.read_bytes() for path in self.home.rglob("*") if path.is_file()]
        seen = b"".join(kept) + "".join(ended.out + ended.err for ended in outputs).encode()
        for secret in (PASSCODE, OTHER, words, " ".join(words.split()[:3]), seed.hex()):
            self.assertNotIn(secret.encode(), seen)
        self.assertNotIn(seed, seen)

    def test_the_passcode_is_changed_with_the_old_one_only(self) -> None:
        """A wrong old passcode changes nothing; afterwards only the new one opens."""
        self.run_ok("account", "create", "alice", "--passcode-file", self.code)
        before = self.key_path("alice").read_bytes()
        change = ("account", "passcode", "--passcode-file")
        self.run_bad("wrong-passcode", *change, self.other, "--new-passcode-file", self.code)
        self.assertEqual(self.key_path("alice").read_bytes(), before)
        weak = private_file(self.folder / "weak", "short")
        self.run_bad("weak-passcode", *change, self.code, "--new-passcode-file", weak)
        self.run_ok(*change, self.code, "--new-passcode-file", self.other)
        self.run_bad("wrong-passcode", "account", "words", "--passcode-file", self.code)

    def test_L7_a_passcode_file_that_others_can_read_is_refused(self) -> None:
        """What everybody can read is no secret."""
        self.code.chmod(0o640)
        ended = self.run_bad("bad-config", "account", "create", "a", "--passcode-file", self.code)
        self.assertIn("chmod 600", ended.err)


class NoWayForSecretsTests(SynchronousTestCase):
    def test_L7_no_option_takes_a_secret(self) -> None:
        """No passcode or word can be given as an argument or in the environment."""
        for path, option in all_parameters(streembit, ()):
            where = " ".join((*path, option.name or ""))
            if "passcode" in where.split()[-1]:
                is_file = isinstance(option.type, click.Path)
                self.assertTrue(is_file or getattr(option, "is_flag", False), where)
            allowed = "STREEMBIT_HOME" if option.name == "home" else None
            self.assertEqual(option.envvar, allowed, where)


def all_parameters(
    command: click.Command, path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], click.Parameter]]:
    """Return the parameters of a command and of all below it."""
    found = [((*path, command.name or ""), parameter) for parameter in command.params]
    if isinstance(command, click.Group):
        for below in command.commands.values():
            found += all_parameters(below, (*path, command.name or ""))
    return found
