"""Logs are JSON lines that remote text cannot break, and refusals are few and canonical."""

from __future__ import annotations

import io
import json
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher, globalLogPublisher
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from streembit.service.log import FAIL2BAN_REGEX, JsonLog, Refusals, json_log
from streembit.service.metrics import Metrics

FORGED = (
    'x\n{"time":"0","level":"warn","system":"streembit.refused",'
    '"msg":"refused reason=bad-signature peer=192.0.2.7"}'
)
HOSTILE = (
    "one\r\ntwo",
    "\x1b[2J\x1b[31mred",
    "\u202egnp.exe",
    "\u2066left\u2069",
    "{x} {log_failure} {0} {x!r:>99999}",
    "%(x)s %s",
    'quote" , "level":"critical',
    "\x00\x7f\x85\u2028\u2029",
    "\ud800 lone",
    "a" * 100_000,
    FORGED,
)
FAIL2BAN = re.compile(FAIL2BAN_REGEX.replace("<HOST>", r"(?P<host>[0-9A-Fa-f.:]+)"))


class Recorder:
    """A logger of its own whose lines are kept."""

    def __init__(self) -> None:
        self.out = io.StringIO()
        self.log = Logger(namespace="streembit.test", observer=LogPublisher(JsonLog(self.out)))

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().split("\n")[:-1]

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


class JsonLogTests(SynchronousTestCase):
    def test_an_event_is_one_line_with_its_fields(self) -> None:
        """Time, level, system, message and fields are members of one object."""
        recorder = Recorder()
        recorder.log.error(
            "frame refused: {code}", code="bad-json", size_bytes=7, odd=None, ok=True
        )
        (event,) = recorder.events
        self.assertRegex(event.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(
            event,
            {
                "level": "error",
                "system": "streembit.test",
                "msg": "frame refused: bad-json",
                "code": "bad-json",
                "size_bytes": 7,
                "odd": None,
                "ok": True,
            },
        )

    def test_L1_hostile_names_stay_inside_their_line(self) -> None:
        """CR, LF, ESC, bidi marks and braces in a name add no line and reach no terminal."""
        for name in HOSTILE:
            recorder = Recorder()
            recorder.log.info("hello from {name}", name=name, code=name)
            (line,) = recorder.lines
            self.assertTrue(line.isascii() and line.isprintable(), repr(line)[:200])
            self.assertLess(len(line), 30_000)
            (event,) = recorder.events
            self.assertEqual(event["level"], "info")
            self.assertEqual(event["msg"][:1000], f"hello from {name}"[:1000])

    def test_L1_remote_text_as_format_is_no_error(self) -> None:
        """Even remote text that was wrongly passed as the format is one harmless line."""
        for name in HOSTILE:
            recorder = Recorder()
            recorder.log.info(name)
            (line,) = recorder.lines
            self.assertTrue(line.isascii() and line.isprintable())

    def test_a_time_that_no_calendar_knows_is_now(self) -> None:
        """An event is shown whatever its maker took for the time."""
        for moment in (float("nan"), float("inf"), -1e300, "then"):
            recorder = Recorder()
            JsonLog(recorder.out)({"log_time": moment, "log_format": "x"})
            (line,) = recorder.lines
            self.assertRegex(json.loads(line)["time"], r"\A20\d\d-\d\d-\d\dT.*Z\Z")

    @settings(deadline=None, derandomize=True, database=None)
    @given(st.text(), st.one_of(st.text(), st.binary(), st.floats(), st.integers()))
    def test_L1_any_value_is_one_line(self, name: str, value: object) -> None:
        """Whatever is logged is one printable ASCII line of strict JSON."""
        recorder = Recorder()
        event = {name: value, "log_format": "{name} {value}", "name": name, "value": value}
        JsonLog(recorder.out)(event)
        (line,) = recorder.lines
        self.assertTrue(line.isascii() and line.isprintable())
        json.loads(line, parse_constant=self.fail)

    def test_L1_nobody_can_have_another_address_banned(self) -> None:
        """What a peer says in any field never looks like a refusal to fail2ban."""
        for name in HOSTILE:
            recorder = Recorder()
            recorder.log.error("{name}", name=name, peer=name, **{name[:40]: name})
            Refusals(Metrics(), Clock().seconds, log=recorder.log).refuse(name, name)
            for line in recorder.lines:
                self.assertIsNone(FAIL2BAN.search(line), line[:300])

    def test_a_failure_shows_its_trace(self) -> None:
        """A defect is logged with its traceback, inside the line."""
        recorder = Recorder()
        try:
            raise ZeroDivisionError("by\nnothing")
        except ZeroDivisionError:
            recorder.log.failure("round failed", Failure())
        (event,) = recorder.events
        self.assertEqual((event["level"], event["msg"]), ("critical", "round failed"))
        self.assertIn("ZeroDivisionError: by\nnothing", event["trace"])

    def test_L7_a_trace_shows_no_values_of_variables(self) -> None:
        """A secret in a variable of a failing function stays out of the log."""
        recorder = Recorder()

        def unlock(passcode: str) -> None:
            raise OSError("disk")

        try:
            unlock("Canary-" + "Secret-1")
        except OSError:
            recorder.log.failure("unlock failed")
        self.assertNotIn("Canary-Secret-1", recorder.out.getvalue())

    def test_an_object_that_cannot_be_shown_does_not_stop_the_log(self) -> None:
        """A field whose text fails is named instead."""

        class Broken:
            def __repr__(self) -> str:
                raise RuntimeError("no text")

        recorder = Recorder()
        recorder.log.info("seen", what=Broken())
        self.assertIn("Broken", recorder.events[0]["what"])

    def test_an_event_of_the_old_logger_is_shown(self) -> None:
        """Twisted's own older messages become lines too."""
        out = io.StringIO()
        event = {"log_text": "Starting factory", "log_format": "{log_text}", "isError": 0}
        JsonLog(out)(event)
        self.assertEqual(json.loads(out.getvalue())["msg"], "Starting factory")

    def test_twistd_gets_an_observer(self) -> None:
        """`twistd --logger streembit.service.log.json_log` has its factory."""
        self.assertIsInstance(json_log(), JsonLog)


class RefusalsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.out = io.StringIO()
        log = Logger(namespace="streembit.refused", observer=LogPublisher(JsonLog(self.out)))
        self.refusals = Refusals(Metrics(), self.clock.seconds, lines_per_s=3, log=log)

    def messages(self) -> list[str]:
        return [json.loads(line)["msg"] for line in self.out.getvalue().splitlines()]

    def test_a_refusal_is_one_canonical_line_that_fail2ban_reads(self) -> None:
        """Reason and address stand at a fixed place; the expression we publish finds them."""
        self.refusals.refuse("bad-signature", "192.0.2.7")
        self.assertEqual(self.messages(), ["refused reason=bad-signature peer=192.0.2.7"])
        found = FAIL2BAN.search(self.out.getvalue())
        assert found is not None
        self.assertEqual(found["host"], "192.0.2.7")

    def test_the_default_logger_is_the_one_that_fail2ban_expects(self) -> None:
        """The system that the expression names is the default."""
        out = io.StringIO()
        observer = JsonLog(out)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        Refusals(Metrics(), self.clock.seconds).refuse("bad-token", "2001:db8::7")
        self.assertRegex(out.getvalue(), FAIL2BAN)

    def test_a_flood_writes_few_lines_and_is_counted_whole(self) -> None:
        """Above the rate, refusals are counted but not written, and the next line says so."""
        for _ in range(1000):
            self.refusals.refuse("bad-json", "192.0.2.7")
        self.assertEqual(len(self.messages()), 3)
        self.clock.advance(1)
        self.refusals.refuse("bad-json", "192.0.2.8")
        self.assertEqual(
            self.messages()[3:], ["refused reason=bad-json peer=192.0.2.8 suppressed=997"]
        )
        self.assertEqual(self.refusals.counts(), {"bad-json": 1001})

    def test_each_reason_has_its_own_rate(self) -> None:
        """A flood for one reason hides no other."""
        for _ in range(10):
            self.refusals.refuse("bad-json", "192.0.2.7")
        self.refusals.refuse("rate-limited", "192.0.2.9")
        self.assertEqual(self.messages()[-1], "refused reason=rate-limited peer=192.0.2.9")

    def test_what_was_suppressed_is_told_at_last(self) -> None:
        """When the flood is over, one line a reason tells what it spared, once."""
        for _ in range(5):
            self.refusals.refuse("bad-json", "192.0.2.7")
        self.refusals.settle()
        self.refusals.settle()
        self.assertEqual(self.messages()[3:], ["refused reason=bad-json suppressed=2"])

    def test_a_clock_that_steps_back_does_not_silence_the_log(self) -> None:
        """A step of the clock begins a new second."""
        for _ in range(5):
            self.refusals.refuse("bad-json", "192.0.2.7")
        self.clock.rightNow = -3600.0
        self.refusals.refuse("bad-json", "192.0.2.7")
        self.assertEqual(len(self.messages()), 4)

    def test_C6_invented_reasons_share_one_line_budget(self) -> None:
        """Invented codes count and are written as one reason."""
        for n in range(1000):
            self.refusals.refuse(f"Invented {n}", "192.0.2.7")
        self.assertEqual(self.messages(), ["refused reason=other peer=192.0.2.7"] * 3)

    def test_an_address_that_is_none_is_not_shown(self) -> None:
        """Only what looks like an address stands behind `peer=`."""
        for peer in ("", "a b", "1.2.3.4\n", "x" * 65):
            self.refusals.refuse(f"bad-{len(peer)}", peer)
        self.assertTrue(all(text.endswith("peer=-") for text in self.messages()))
