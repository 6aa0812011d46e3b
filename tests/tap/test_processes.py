"""The commands as operators meet them: real processes, their exit status and what they say."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

from twisted.web.client import Agent, readBody

from streembit.contacts.book import Book, contact
from streembit.disk.chest import Chest
from streembit.disk.home import Home
from streembit.jose.keys import Identity
from tests.tap.twistd import TWISTD, Process, TwistdCase, reactor

LOOPBACK = "tcp:0:interface=127.0.0.1"
PASSCODE = "Canary-Secret-1!"


class NodeCase(TwistdCase):
    """Homes and nodes."""

    def home(self, name: str = "home") -> Path:
        """Return an empty folder for a home."""
        path = self.folder / name
        path.mkdir(mode=0o700)
        return path

    def account(self, passcode: str | None) -> Path:
        """Return a home with one account."""
        path = self.folder / "home"
        Home.create(path).accounts.create("alice", passcode)
        return path

    def secret(self, text: str, mode: int = 0o600) -> str:
        """Write a passcode file and return its path."""
        path = self.folder / "passcode"
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def node(self, home: Path, *options: str, role: str = "node") -> Process:
        """Start a node that listens on a free loopback port."""
        if "--listen" not in options:
            options = (*options, "--listen", LOOPBACK)
        if "--passcode-file" not in options:
            options = (*options, "--no-passcode")
        return self.twistd(f"streembit-{role}", "--home", str(home), "--network", "test", *options)

    async def refused(self, process: Process) -> str:
        """Wait for an end with status 1 and return the one line that says why."""
        self.assertEqual(await process.ended, 1, process.out + process.err)
        return process.complaint()


class RefusalTests(NodeCase):
    """One clear line on standard error and exit status 1, whatever is wrong."""

    async def test_options(self) -> None:
        """An unknown option, a bad seed, a bad endpoint, a bad network."""
        home = self.home()
        for options, named in (
            (("--nonsense",), "nonsense"),
            (("--seed", "nowhere"), "nowhere"),
            (("--listen", "carrier-pigeon:7"), "carrier-pigeon"),
            (("--network", "Ö"), "network"),
            (("--config", "absent.toml"), "absent.toml"),
        ):
            line = await self.refused(self.node(home, *options))
            self.assertIn(named, line)

    async def test_a_missing_home(self) -> None:
        """It is not made by itself: a typing mistake must not become a new identity."""
        line = await self.refused(self.node(self.folder / "absent"))
        self.assertIn("absent", line)
        self.assertIn("account create", line)
        self.assertFalse((self.folder / "absent").exists())

    async def test_a_home_that_others_can_read(self) -> None:
        """The line says what to do."""
        home = self.account(None)
        home.chmod(0o755)
        self.assertIn("chmod 700", await self.refused(self.node(home)))

    async def test_a_taken_port(self) -> None:
        """The process does not stay up deaf."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            endpoint = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            line = await self.refused(self.node(self.account(None), "--listen", endpoint))
        self.assertIn(endpoint, line)
        self.assertIn("in use", line)

    async def test_passcodes(self) -> None:
        """Wrong, missing, or readable by others."""
        home = self.account(PASSCODE)
        line = await self.refused(self.node(home))
        self.assertIn("passcode", line)
        for text, mode, named in (("Wrong-One-1!", 0o600, "wrong"), (PASSCODE, 0o644, "chmod 600")):
            file = self.secret(text, mode)
            line = await self.refused(self.node(home, "--passcode-file", file))
            self.assertIn(named, line)
            self.assertNotIn(text, line)
        silent = self.twistd("streembit-node", "--home", str(home), "--listen", LOOPBACK)
        self.assertIn("--passcode-file", await self.refused(silent))

    async def test_a_key_without_passcode_needs_the_word(self) -> None:
        """That the key lies open is the operator's decision, said each time."""
        file = self.secret(PASSCODE)
        line = await self.refused(self.node(self.account(None), "--passcode-file", file))
        self.assertIn("no passcode", line)

    async def test_S4_two_processes_in_one_home(self) -> None:
        """The second names the first and ends; the first goes on."""
        home = self.home()
        first = self.node(home)
        await self.ready(first)
        line = await self.refused(self.node(home))
        self.assertIn(f"pid: {first.pid}", line)
        self.assertFalse(first.ended.called)

    async def test_S2_a_corrupt_key_file(self) -> None:
        """The start is refused, and the file is as it was."""
        home = self.account(None)
        key = home / "accounts" / "alice" / "key.json"
        broken = key.read_bytes()[:-40]
        key.write_bytes(broken)
        line = await self.refused(self.node(home))
        self.assertIn(str(key), line)
        self.assertIn("restore", line)
        self.assertEqual(key.read_bytes(), broken)

    async def test_S2_a_chest_with_an_altered_row(self) -> None:
        """The start is refused before anybody is told that the node is ready."""
        home = self.with_contact()
        with closing(sqlite3.connect(home / "chest.sqlite")) as db, db:
            db.execute("UPDATE rows SET sealed=zeroblob(length(sealed)) WHERE length(sealed)>200")
        line = await self.refused(self.node(home))
        self.assertIn("(chest-damaged)", line)
        self.assertIn("put a copy of chest.sqlite in its place", line)
        self.assertEqual(self.manager.words, [])

    async def test_S2_a_chest_with_a_row_that_makes_no_sense(self) -> None:
        """Such a one is found when the people come: the process ends, and says that it failed."""
        home = self.with_contact(b"no entry")
        process = self.node(home)
        self.assertEqual(await process.ended, 1, process.out + process.err)
        self.assertIn(b"the people cannot be there", process.out)

    def with_contact(self, row: bytes | None = None) -> Path:
        """Return a home whose account has somebody in its book, as this row."""
        home = self.account(None)
        opened = Home.open(home)
        identity = opened.accounts.load("alice", None)
        known = Identity.from_seed(bytes(32)).public
        book = Book()
        book.add(contact(known, "Bob", 1_800_000_000))
        chest = Chest(opened.settle("alice").chest_path, identity.at_rest_key())
        chest.commit([("contacts", known.point, row)] if row else book.changes())
        chest.close()
        return home

    async def test_S2_a_key_file_that_is_gone(self) -> None:
        """A home that was in use does not become somebody else's, whatever the options allow."""
        home = self.account(None)
        first = self.node(home)
        await self.ready(first)
        first.signal("KILL")
        await first.ended
        Home.open(home).accounts.backup("alice", self.folder / "backup.json")
        (home / "accounts" / "alice" / "key.json").unlink()
        for options in ((), ("--create",), ("--passcode-file", self.secret(PASSCODE))):
            line = await self.refused(self.node(home, *options))
            self.assertIn(str(self.folder / "backup.json"), line)
        shutil.rmtree(home / "accounts")
        self.assertIn("is gone", await self.refused(self.node(home)))
        self.assertEqual(list(home.rglob("key.json")), [])

    async def test_a_daemon_says_it_to_whoever_started_it(self) -> None:
        """Without -n the parent's exit status is 1 too, and the reason is in the log."""
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            endpoint = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
            parent = self.spawn(
                [TWISTD, "streembit-node", "--home", str(self.account(None)), "--no-passcode"]
                + ["--listen", endpoint]
            )
            self.assertEqual(await parent.ended, 1)
        self.assertIn(b"ListenFailed", parent.err)


class LifeTests(NodeCase):
    """A node that starts, runs, and ends."""

    async def test_S5_sigterm(self) -> None:
        """Ready, then stopping, then an end with status 0 and nothing left behind."""
        home = self.home()
        process = self.node(home)
        await self.ready(process)
        self.assertTrue((home / "api.sock").is_socket())
        process.signal("TERM")
        self.assertEqual(await process.ended, 0, process.out + process.err)
        self.assertIn("STOPPING=1", self.manager.words)
        self.assertFalse((home / "api.sock").exists())
        self.assertNotIn(b"Traceback", process.out + process.err)

    async def test_no_passcode_makes_an_account_of_mode_0600(self) -> None:
        """It is named after the role, and the start says so; the next start uses it."""
        home = self.home()
        keys = set()
        for _ in range(2):
            process = self.node(home, role="seed")
            await self.ready(process)
            keys.add((home / "accounts" / "seed" / "key.json").read_bytes())
            process.signal("TERM")
            await process.ended
            self.manager.words.clear()
        self.assertEqual(len(keys), 1)
        mode = (home / "accounts" / "seed" / "key.json").stat().st_mode
        self.assertEqual(stat.S_IMODE(mode), 0o600)

    async def test_create_makes_one_with_the_passcode(self) -> None:
        """What a unit does at its first start, by the credential."""
        home = self.home()
        credentials = self.home("credentials")
        (credentials / "passcode").write_text(PASSCODE)
        environ = {"CREDENTIALS_DIRECTORY": str(credentials)}
        options = ("--home", str(home), "--create", "--listen", LOOPBACK)
        process = self.twistd("streembit-seed", *options, environ=environ)
        await self.ready(process)
        process.signal("TERM")
        await process.ended
        self.assertEqual(Home.open(home).accounts.load("seed", PASSCODE).name, "seed")

    async def test_L7_secrets_are_nowhere(self) -> None:
        """Not in the arguments, the environment, the output, nor a file of the home."""
        home = self.account(PASSCODE)
        process = self.node(home, "--passcode-file", self.secret(PASSCODE))
        await self.ready(process)
        for name in ("cmdline", "environ"):
            self.assertNotIn(PASSCODE.encode(), Path(f"/proc/{process.pid}/{name}").read_bytes())
        process.signal("TERM")
        await process.ended
        identity = Home.open(home).accounts.load("alice", PASSCODE)
        secrets = [PASSCODE.encode()]
        for raw in (identity.seed, identity.signing.scalar, identity.agreement.scalar):
            secrets += [raw, raw.hex().encode()]
        written = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
        for place in (process.out, process.err, *written):
            for secret in secrets:
                self.assertNotIn(secret, place)

    async def test_a_socket_that_systemd_opened(self) -> None:
        """The port is the one handed over, by index, and the node listens there."""
        with socket.socket() as opened:
            opened.bind(("127.0.0.1", 0))
            opened.listen()
            where = opened.getsockname()
            script = 'LISTEN_PID=$$ exec "$@"'
            command = [TWISTD, "--nodaemon", "--pidfile=", "streembit-seed"]
            command += ["--home", str(self.home()), "--no-passcode"]
            command += ["--listen", "systemd:domain=INET:index=0"]
            process = self.spawn(
                ["/bin/sh", "-c", script, "sh", *command],
                {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "streembit-seed"},
                {0: "w", 1: "r", 2: "r", 3: opened.fileno()},
            )
        await self.ready(process)
        with socket.create_connection(where, timeout=5):
            pass
        process.signal("TERM")
        self.assertEqual(await process.ended, 0, process.out + process.err)

    async def test_the_log_is_lines_of_json_from_a_level_on(self) -> None:
        """Each line stands for itself; the configuration says from which level on."""
        for level, spoken in (("info", True), ("error", False)):
            home = self.home(level)
            (home / "node.toml").write_text(f'log_level = "{level}"')
            process = self.node(home)
            await self.ready(process)
            process.signal("TERM")
            self.assertEqual(await process.ended, 0)
            events = [json.loads(line) for line in process.out.splitlines()]
            self.assertEqual(any(e["msg"].startswith("listening on") for e in events), spoken)
            self.manager.words.clear()

    async def test_a_daemon_logs_to_its_file(self) -> None:
        """And ends as cleanly as one in the foreground."""
        command = [TWISTD, "streembit-node", "--home", str(self.home()), "--no-passcode"]
        command += ["--listen", LOOPBACK, "--network", "test"]
        # The daemon inherits descriptor 3, so `ended` fires when it is gone, not its parent.
        parent = self.spawn(command, files={0: "w", 1: "r", 2: "r", 3: "r"})
        await self.ready(parent)
        os.kill(int((self.folder / "twistd.pid").read_text()), signal.SIGTERM)
        self.assertEqual(await parent.ended, 0)
        self.assertIn("STOPPING=1", self.manager.words)
        self.assertFalse((self.folder / "twistd.pid").exists())
        log = (self.folder / "twistd.log").read_text().splitlines()
        self.assertTrue(any("listening on" in json.loads(line)["msg"] for line in log))

    async def test_figures_for_prometheus(self) -> None:
        """They are where the option says, and name the refusals by reason."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        metrics = f"tcp:{port}:interface=127.0.0.1"
        process = self.node(self.home(), "--metrics", metrics)
        await self.ready(process)
        page = await self.page(port)
        self.assertIn("streembit_rejected_total", page)
        process.signal("TERM")
        self.assertEqual(await process.ended, 0)

    async def page(self, port: int) -> str:
        """Return what Prometheus would be told."""
        agent = Agent(reactor)
        response = await agent.request(b"GET", f"http://127.0.0.1:{port}/metrics".encode())
        self.assertEqual(response.code, 200)
        return (await readBody(response)).decode()

    async def test_a_home_in_a_deep_folder(self) -> None:
        """The API's socket has a path longer than a socket address holds."""
        deep = self.folder / ("x" * 60) / ("y" * 60)
        deep.mkdir(parents=True)
        home = deep / "home"
        home.mkdir(mode=0o700)
        process = self.node(home)
        await self.ready(process)
        process.signal("TERM")
        self.assertEqual(await process.ended, 0, process.out + process.err)
        self.assertEqual(sorted(os.listdir(deep)), ["home"])
