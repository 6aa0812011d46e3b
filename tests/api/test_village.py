"""The local API over real nodes: what one publishes, another reads, and the status tells of it."""

from __future__ import annotations

import base64
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from streembit.api.http import make_site
from streembit.jose import fingerprint
from tests.api.test_http import Answered, Connection, request_of, taken_apart
from tests.api.village import Village

NAME = "BusinessName/Usecase/AppName"


class VillageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.defects: list[str] = []
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.village = Village(Path(folder.name))
        self.addCleanup(self.village.stop)
        self.village.start()
        self.key = self.village.nodes[0].identity.public
        self.owner = f"{self.village.nodes[0].network.id:040x}"

    def ask(self, number: int, method: str, path: str, body: object = None) -> Answered:
        """Ask one of the nodes, and move the network until it has answered."""
        desk = self.village.desks[number]
        connection = Connection(make_site(desk, self.defects.append, self.village.clock))
        connection.send(request_of(method, path, body))
        self.assertTrue(self.village.run_until(lambda: connection.transport.disconnecting))
        self.assertEqual(self.defects, [])
        return taken_apart(connection.transport.value())

    def put(self, value: bytes) -> Any:
        body = {"value": base64.b64encode(value).decode(), "ttl_s": 3600}
        answer = self.ask(0, "PUT", f"/v1/records/{NAME}", body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def get(self, number: int, owner: str) -> Answered:
        return self.ask(number, "GET", f"/v1/owners/{quote(owner)}/records/{NAME}")

    def test_what_one_publishes_another_reads(self) -> None:
        """By the owner's key, node id and fingerprint alike, with the owner's signature."""
        put = self.put(b"hello")
        self.assertEqual((put["name"], put["seq"]), (NAME, 1))
        self.assertGreaterEqual(len(put["replicas"]), 3)
        for owner in (self.key.hex, self.owner, fingerprint.of(self.key)):
            for number in (0, 3):
                answer = self.get(number, owner)
                self.assertEqual(answer.status, 200, answer.body)
                found = answer.json
                self.assertEqual(base64.b64decode(found["value"]), b"hello")
                self.assertEqual((found["signer"], found["seq"]), (self.key.hex, 1))

    def test_newer_versions_and_tombstones_win(self) -> None:
        """A second put is read everywhere; after the deletion nothing is."""
        self.put(b"one")
        self.assertEqual(self.put(b"two")["seq"], 2)
        found = self.get(2, self.owner).json
        self.assertEqual((base64.b64decode(found["value"]), found["seq"]), (b"two", 2))
        self.assertEqual(self.ask(0, "DELETE", f"/v1/records/{NAME}").json["seq"], 3)
        for number in (0, 2):
            self.assertEqual(self.get(number, self.owner).code, "not-found")
        (row,) = self.ask(0, "GET", "/v1/records").json["records"]
        self.assertEqual((row["name"], row["deleted"]), (NAME, True))

    def test_the_status_tells_what_happened(self) -> None:
        """Identity, peers, records and checked signatures are those of the node."""
        self.put(b"hello")
        status = self.ask(1, "GET", "/v1/status").json
        self.assertEqual(status["public_key"], self.village.nodes[1].identity.public.hex)
        self.assertEqual((status["account"], status["network"]), ("node1", "village"))
        self.assertGreaterEqual(status["peers"], 3)
        self.assertGreaterEqual(status["records"], 1)
        self.assertGreater(status["signed_checked"], 0)
        self.assertTrue(status["store"]["ok"])
        self.assertTrue(status["limits"])

    def test_the_canary_makes_it_ready(self) -> None:
        """Readiness follows the first canary that others brought back."""
        self.village.run_until(lambda: False, 300)
        answer = self.ask(0, "GET", "/v1/ready")
        self.assertEqual((answer.status, answer.json["ready"]), (200, True), answer.body)

    def test_peers_ping_and_find(self) -> None:
        """Each peer of the list answers a ping, and a look-up for it ends at it."""
        rows = self.ask(0, "GET", "/v1/peers").json["peers"]
        self.assertGreaterEqual(len(rows), 3)
        for row in rows:
            pong = self.ask(0, "POST", f"/v1/peers/{row['node_id']}/ping").json
            self.assertEqual(pong["public_key"], row["public_key"])
            self.assertTrue(pong["observed"].startswith("10.0.0.1:"), pong)
        found = self.ask(0, "GET", f"/v1/find/{rows[-1]['node_id']}").json
        self.assertEqual(found["nearest"][0]["node_id"], rows[-1]["node_id"])
        self.assertEqual(found["nearest"][0]["distance_bits"], 0)
        self.assertGreaterEqual(len(found["hops"]), 1)

    def test_whom_nobody_knows(self) -> None:
        """Unknown owners and nodes are not found; references that are none are said to be so."""
        self.assertEqual(self.get(0, "aa" * 20).code, "not-found")
        self.assertEqual(self.ask(0, "POST", f"/v1/peers/{'aa' * 20}/ping").code, "not-found")
        self.assertEqual(self.get(0, "02" + "ff" * 32).code, "bad-key")
        self.assertEqual(self.get(0, "nobody").code, "bad-name")
        self.assertEqual(self.ask(0, "DELETE", f"/v1/records/{NAME}").code, "not-found")

    def test_the_doctor_finds_a_sound_node(self) -> None:
        """Each finding has a name and words; what is not well comes with advice."""
        found = self.ask(0, "GET", "/v1/doctor").json
        self.assertGreaterEqual(len(found["checks"]), 3)
        for check in found["checks"]:
            self.assertTrue(check["name"] and check["detail"], check)
            self.assertTrue(check["ok"] or check["advice"], check)
