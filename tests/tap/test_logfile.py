"""`twistd --logfile`: a log that does not fill the disk."""

from __future__ import annotations

import json
from pathlib import Path

from twisted.application import _client_service
from twisted.logger import Logger
from twisted.trial.unittest import SynchronousTestCase

from streembit.tap.launch import LOG_BYTES, LOG_FILES, log_file, log_of

TALKATIVE = _client_service.__name__


class LogFileTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()
        self.path.mkdir(parents=True)
        self.path /= "hub.log"

    def say(self, text: str) -> None:
        """Write one line as a process does that has just started."""
        out = log_file(str(self.path))
        out.write(f"{text}\n")
        out.close()

    def test_a_long_log_is_moved_aside_and_the_oldest_is_dropped(self) -> None:
        """As many are kept as the manual says, whatever is written."""
        self.say("first")
        with self.path.open("r+b") as log:
            log.truncate(LOG_BYTES)
        for number in range(1, LOG_FILES + 1):
            self.path.with_name(f"hub.log.{number}").write_text(f"older {number}")
        self.say("second")
        self.assertEqual(self.path.read_text(), "second\n")
        self.assertTrue(self.path.with_name("hub.log.1").read_bytes().startswith(b"first\n"))
        names = sorted(path.name for path in self.path.parent.iterdir())
        self.assertEqual(names, ["hub.log", *(f"hub.log.{n}" for n in range(1, LOG_FILES + 1))])
        self.assertEqual(self.path.with_name(f"hub.log.{LOG_FILES}").read_text(), "older 7")

    def test_tries_without_end_are_not_told_one_by_one(self) -> None:
        """Of a server that is away for a day they would be all that is kept; debug has them."""
        for level, expected in (("info", ["lost"]), ("debug", ["again", "lost"])):
            path = self.path.with_name(level)
            observer = log_of({"logfile": str(path), "nodaemon": True}, level)
            assert observer is not None
            client = Logger(namespace=f"{TALKATIVE}.ClientService", observer=observer)
            client.info("again")
            client.warn("lost")
            told = [json.loads(line)["msg"] for line in path.read_text().splitlines()]
            self.assertEqual(told, expected)
