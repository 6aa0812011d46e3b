"""The API keeps to its own OpenAPI document: schemathesis asks for everything it promises."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.task import LoopingCall
from twisted.internet.utils import getProcessOutputAndValue
from twisted.trial.unittest import SynchronousTestCase, TestCase

from streembit.api import openapi
from streembit.api.answers import status_of_code
from streembit.api.desks import HubDesk
from streembit.api.http import make_site, site_of
from streembit.api.network import VALUE_PATTERN
from streembit.api.operations import OF_HUB, OF_NODE, OPERATIONS
from streembit.errors import by_code
from streembit.service.desk import Desk
from tests.api.fake import FakeNode
from tests.api.hub import FakeHub
from tests.api.people import FakePeople
from tests.api.village import Village
from tests.people.village import Village as PeopleVillage
from tests.sources import ROOT

EXAMPLES = 10  # an operation, in each of three phases: some 400 requests
SEED = 20_26
PUMP_EVERY_S, PUMP_S = 0.001, 0.02  # the village's time runs at most 20 times as fast as ours
CANARY_WITHIN_S = 300.0

# Text of the right form need not be a key on the curve, a fingerprint whose check fits, or a
# contact.
CONFIG = """
[[operations]]
include-path-regex = "/owners/|/ping|/contacts|/requests|offers|/files|/wipe|/hubs?/"
checks.positive_data_acceptance.expected-statuses = ["200", "400", "404", "409"]

# A body may be wrong and too long.
[checks.negative_data_rejection]
expected-statuses = ["400", "404", "405", "409", "413", "415"]
"""


class SchemathesisCase(TestCase):
    timeout = 240

    def setUp(self) -> None:
        self.defects: list[str] = []
        self.folder = Path(self.mktemp())
        self.folder.mkdir(parents=True)
        (self.folder / "schemathesis.toml").write_text(CONFIG)

    def serve(self, site: Any) -> str:
        """Serve a site on a port of its own; return where its document is."""
        port: IListeningPort = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"http://127.0.0.1:{port.getHost().port}/openapi.json"  # type: ignore[attr-defined]

    async def assert_kept(self, location: str, tested: int, *options: str) -> None:
        """Ask for all that the document promises; count what was asked for."""
        out, err, status = await self._schemathesis(location, *options)
        self.assertEqual(status, 0, (out[-6000:] + err).decode(errors="replace"))
        found = re.search(rb"Tested: (\d+)", out)
        assert found is not None
        self.assertEqual(int(found[1]), tested)
        self.assertEqual(self.defects, [])

    def _schemathesis(self, location: str, *more: str) -> Deferred[tuple[bytes, bytes, int]]:
        options = ["--max-examples", str(EXAMPLES), "--seed", str(SEED), "--warnings", "off"]
        ended: Deferred[tuple[bytes, bytes, int]] = getProcessOutputAndValue(
            sys.executable,
            [
                *("-m", "schemathesis.cli", "run", location, *options),
                *("--generation-database", "none", *more),
            ],
            env=os.environ,
            path=str(self.folder),
        )
        return ended


class NodeSchemathesisTests(SchemathesisCase):
    def setUp(self) -> None:
        super().setUp()
        self.village = Village(self.folder)
        self.addCleanup(self.village.stop)
        self.village.start()
        self.village.run_until(lambda: False, CANARY_WITHIN_S)
        pump = LoopingCall(self.village.memory.clock.advance, PUMP_S)
        pump.start(PUMP_EVERY_S)
        self.addCleanup(pump.stop)

    async def test_the_api_keeps_to_its_document(self) -> None:
        """Good, bad and chained requests get documented answers, and no bad one is accepted."""
        clock: Any = reactor
        site = make_site(self.village.desks[0], self.defects.append, clock)
        await self.assert_kept(self.serve(site), len(OF_NODE))


class PeopleSchemathesisTests(SchemathesisCase):
    async def test_the_api_of_people_keeps_to_its_document(self) -> None:
        """The same for contacts, conversations, files and the account; Bob is a contact."""
        village = PeopleVillage(self)
        ann, bob = village.person(), village.person()
        village.acquaint(ann, bob)
        village.town.result(ann.desk.rename_contact(bob.key, "Bob"))
        pump = LoopingCall(village.town.memory.clock.advance, PUMP_S)
        pump.start(PUMP_EVERY_S)
        self.addCleanup(pump.stop)
        clock: Any = reactor
        site = make_site(Desk(ann.node), self.defects.append, clock, ann.desk)
        apart = [*(each.name for each in OF_NODE), "send_files"]
        options = [option for name in apart for option in ("--exclude-operation-id", name)]
        await self.assert_kept(self.serve(site), len(OPERATIONS) - len(apart), *options)

    async def test_files_are_sent_by_a_double(self) -> None:
        """A real desk would take the whole disk for "/"."""
        clock: Any = reactor
        site = make_site(FakeNode(), self.defects.append, clock, FakePeople(clock))
        await self.assert_kept(self.serve(site), 1, "--include-operation-id", "send_files")


class HubSchemathesisTests(SchemathesisCase):
    async def test_the_api_of_a_hub_keeps_to_its_document(self) -> None:
        """The same for members and sessions, over a real allowlist."""
        hub = FakeHub(self.folder / "allowlist.json")
        clock: Any = reactor
        site = site_of(HubDesk(hub, self.defects.append), clock)
        await self.assert_kept(self.serve(site), len(OF_HUB))


class DocumentTests(SynchronousTestCase):
    def test_the_document_is_openapi(self) -> None:
        """The standard's own schema accepts it."""
        validate(openapi.as_object())
        validate(openapi.as_object(OF_HUB))

    def test_every_error_code_is_one_that_exists(self) -> None:
        """What an operation says it refuses with is declared, with a status of its own."""
        for operation in (*OPERATIONS, *OF_HUB):
            for code in operation.errors:
                self.assertIsNotNone(by_code(code), code)
                self.assertNotEqual(status_of_code(code), 500, code)

    def test_every_member_has_a_type(self) -> None:
        """No schema says that anything goes."""
        for where, schema in _properties(openapi.as_object()["components"]["schemas"]):
            self.assertTrue(schema.keys() & {"type", "$ref", "anyOf", "enum"}, where)

    def test_descriptions_have_no_indents(self) -> None:
        """Docstrings read as text."""
        self.assertNotIn("\\n    ", openapi.document().decode())

    def test_the_pattern_of_a_value_is_exact(self) -> None:
        """It takes what base64 makes of up to 8 KiB, and nothing else."""
        from base64 import b64encode

        for size in (0, 1, 2, 3, 8190, 8191, 8192):
            self.assertRegex(b64encode(b"x" * size).decode(), VALUE_PATTERN)
        for text in ("a", "ab", "abc", "a===", "ab=c", b64encode(b"x" * 8193).decode()):
            self.assertNotRegex(text, VALUE_PATTERN)


class ManualTests(SynchronousTestCase):
    """docs/api.md says what the code does."""

    def setUp(self) -> None:
        self.manual = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")

    def test_every_operation_is_in_the_manual(self) -> None:
        """Each method and path has its row."""
        for operation in (*OPERATIONS, *OF_HUB):
            path = operation.path.replace("node_id", "node-id")
            path = re.sub(r"\{([^}]+)\}", lambda found: found[1].upper(), path)
            self.assertIn(f"| `{operation.method} {path}` |", self.manual)

    def test_every_status_is_the_one_of_its_codes(self) -> None:
        """The table of errors is that of the code."""
        rows = re.findall(r"^\| (\d{3}) \| (.*) \|$", self.manual, re.MULTILINE)
        self.assertGreater(len(rows), 9)
        for status, codes in rows:
            for code in re.findall(r"`([a-z-]+)`", codes):
                self.assertEqual(status_of_code(code), int(status), code)


def _properties(schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, schema in schemas.items():
        for member, described in schema.get("properties", {}).items():
            yield f"{name}.{member}", described
