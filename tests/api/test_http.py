"""The local API byte by byte: operations, errors, and what is refused before they are reached."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from twisted.internet.address import UNIXAddress
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyChannel

from streembit import errors
from streembit.api.guard import IDLE_S, MAX_BODY_BYTES, BoundedRequest
from streembit.api.http import make_site
from streembit.service.facade import Check, NodeFacade, PeerRow
from tests.api.fake import FINGERPRINT, OWN_ID, OWN_KEY, PEER_ID, FakeNode, raised
from tests.api.people import FakePeople

NAME = "BusinessName/Usecase/AppName"


@dataclass
class Answered:
    """An answer taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.json["error"]["code"])


class Connection:
    """A connection in memory to a site."""

    def __init__(self, site: IProtocolFactory) -> None:
        self.transport = StringTransport(UNIXAddress(None), UNIXAddress(None))
        self.protocol = cast(Protocol, site.buildProtocol(UNIXAddress(None)))
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)


def request_of(
    method: str, path: str, body: object = None, host: str = "localhost", **headers: str
) -> bytes:
    """Return the bytes of one request; a body that is not bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": host, "connection": "close"}
    if body is not None:
        lines |= {"content-type": "application/json", "content-length": str(len(data))}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    return head.encode("latin-1") + b"\r\n" + (data if body is not None else b"")


class Browser:
    """Speaks HTTP to a node's API in memory."""

    def __init__(self, node: NodeFacade | None = None) -> None:
        self.clock = Clock()
        self.counted: list[str] = []
        self.node = FakeNode()
        self.people = FakePeople(self.clock)
        self._site = make_site(node or self.node, self.counted.append, self.clock, self.people)

    def raw(self, data: bytes) -> Connection:
        """Send bytes over a new connection."""
        connection = Connection(self._site)
        connection.send(data)
        return connection

    def ask(
        self, method: str, path: str, body: object = None, host: str = "localhost", **headers: str
    ) -> Answered:
        """Return the answer to one request; see `request_of`."""
        connection = self.raw(request_of(method, path, body, host, **headers))
        return taken_apart(connection.transport.value())


def taken_apart(data: bytes) -> Answered:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {k.lower(): v for k, v in (line.split(": ", 1) for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _joined(body)
    return Answered(int(first.split()[1]), headers, body)


def _joined(body: bytes) -> bytes:
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return whole
        whole, body = whole + body[:length], body[length + 2 :]


def put(browser: Browser, name: str = NAME, value: bytes = b"hello", **more: object) -> Answered:
    body = {"value": base64.b64encode(value).decode(), **more}
    return browser.ask("PUT", "/v1/records/" + name, body)


class OperationTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.browser = Browser()

    def test_status_says_everything(self) -> None:
        """Every member of the status arrives."""
        answer = self.browser.ask("GET", "/v1/status")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/json"))
        self.assertEqual(answer.json["public_key"], OWN_KEY)
        self.assertEqual(answer.json["readiness"]["ready"], True)

    def test_a_record_is_put_read_listed_and_deleted(self) -> None:
        """A name with slashes is one name, in every operation."""
        self.assertEqual(put(self.browser, ttl_s=3600).json["seq"], 1)
        found = self.browser.ask("GET", f"/v1/owners/{OWN_ID}/records/{NAME}")
        self.assertEqual(base64.b64decode(found.json["value"]), b"hello")
        rows = self.browser.ask("GET", "/v1/records").json["records"]
        self.assertEqual([(row["name"], row["ttl_s"]) for row in rows], [(NAME, 3600)])
        self.assertEqual(self.browser.ask("DELETE", f"/v1/records/{NAME}").json["seq"], 2)
        gone = self.browser.ask("GET", f"/v1/owners/{OWN_ID}/records/{NAME}")
        self.assertEqual((gone.status, gone.code), (404, "not-found"))

    def test_a_name_may_be_written_with_escapes(self) -> None:
        """Escaped slashes, spaces and letters of any script are the same name."""
        for name in (NAME, "Grüße/an alle", "a?b#c%d", "日本/語"):
            put(self.browser, quote(name, safe=""))
            self.assertIn(name, self.browser.node.kept)

    def test_a_life_is_a_day_unless_given(self) -> None:
        """The default of `ttl_s` is a day."""
        put(self.browser)
        self.assertEqual(self.browser.node.kept[NAME][1], 24 * 3600)

    def test_a_fingerprint_names_an_owner(self) -> None:
        """The groups of a fingerprint are parted by spaces, escaped."""
        put(self.browser)
        path = f"/v1/owners/{quote(FINGERPRINT)}/records/{NAME}"
        self.assertEqual(self.browser.ask("GET", path).status, 200)

    def test_peers_ping_and_find(self) -> None:
        """The peer operations answer their rows."""
        self.assertEqual(len(self.browser.ask("GET", "/v1/peers").json["peers"]), 1)
        self.assertEqual(self.browser.ask("POST", f"/v1/peers/{PEER_ID}/ping").json["rtt_ms"], 1.25)
        self.assertEqual(self.browser.ask("POST", "/v1/peers/ff/ping").status, 404)
        self.assertEqual(self.browser.ask("GET", f"/v1/find/{PEER_ID}").json["rounds"], 2)
        self.assertEqual(self.browser.ask("GET", "/v1/find/xyz").code, "bad-name")

    def test_doctor_is_ok_when_every_check_is(self) -> None:
        """One finding that is not ok makes the whole not ok."""
        self.assertTrue(self.browser.ask("GET", "/v1/doctor").json["ok"])
        self.browser.node.checks.append(Check("clock", False, "2 h behind", "set it"))
        self.assertFalse(self.browser.ask("GET", "/v1/doctor").json["ok"])

    def test_readiness_is_the_status_code(self) -> None:
        """A load balancer or a shell script needs no JSON."""
        self.assertEqual(self.browser.ask("GET", "/v1/ready").status, 200)
        self.browser.node.is_ready = False
        answer = self.browser.ask("GET", "/v1/ready")
        self.assertEqual((answer.status, answer.json["ready"]), (503, False))

    def test_the_document_is_served(self) -> None:
        """The description of the API comes with the API."""
        self.assertEqual(self.browser.ask("GET", "/openapi.json").json["openapi"], "3.1.0")


class RefusedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.browser = Browser()

    def assert_refused(self, answer: Answered, status: int, code: str) -> None:
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(self.browser.node.kept, {})

    def test_names_that_are_none(self) -> None:
        """Empty, dotted, hidden and overlong names are refused, and nothing is stored."""
        bad = ("a//b", "a/../b", ".a", "%20a", "a%00b", "a%0db", "%E2%80%AEa", "a/", "%C2%85")
        for name in (*bad, "x" * 256, "%C3%A4" * 128):
            self.assert_refused(put(self.browser, name), 400, "bad-name")
        self.assert_refused(put(self.browser, "a%0ab"), 404, "no-such-path")

    def test_B5_bodies_that_are_no_strict_json(self) -> None:
        """Duplicates, wrong types, unknown members, bad base64 and other encodings are refused."""
        for body in (
            b"",
            b"{}",
            b"[]",
            b'{"value":"aGk=","value":"aGk="}',
            b'{"value":"aGk=","ttl_s":true}',
            b'{"value":"aGk=","ttl_s":"60"}',
            b'{"value":"aGk=","ttl_s":59}',
            b'{"value":"aGk=","ttl_s":86401}',
            b'{"value":"aGk=","ttl_s":NaN}',
            b'{"value":"aGk=","ttl":60}',
            b'{"value":"a"}',
            b'{"value":"****"}',
            b'\xef\xbb\xbf{"value":"aGk="}',
            '{"value":"aGk="}'.encode("utf-16"),
            b'{"value":"aGk="' + b"[" * 1000,
        ):
            answer = self.browser.ask("PUT", f"/v1/records/{NAME}", body)
            self.assert_refused(answer, 400, "bad-json")

    def test_B1_bodies_that_are_too_long(self) -> None:
        """Announced or not, a body is never kept beyond its bound."""
        long = b'{"value":"' + b"A" * 400_000 + b'"}'
        self.assert_refused(self.browser.ask("PUT", f"/v1/records/{NAME}", long), 413, "too-large")
        chunk = b"%x\r\n%s\r\n" % (MAX_BODY_BYTES, b"A" * MAX_BODY_BYTES)
        head = f"PUT /v1/records/{NAME} HTTP/1.1\r\nhost: localhost\r\n".encode()
        kind = b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
        answer = taken_apart(
            self.browser.raw(head + kind + chunk * 3 + b"0\r\n\r\n").transport.value()
        )
        self.assert_refused(answer, 413, "too-large")

    def test_B6_what_is_kept_of_a_body_is_bounded(self) -> None:
        """However much comes, and whatever was announced, memory holds 256 KiB of it."""
        for announced in (None, 7, 10**12):
            request = BoundedRequest(DummyChannel(), False)
            request.gotLength(announced)
            for _ in range(100):
                request.handleContentChunk(b"x" * 10_000)
            assert request.content is not None
            self.assertLessEqual(request.content.tell(), MAX_BODY_BYTES)

    def test_a_value_of_8_KiB_fits_and_one_byte_more_does_not(self) -> None:
        """The bound of a value is exact and has its own answer."""
        self.assert_refused(put(self.browser, value=b"x" * 8193), 413, "too-large")
        self.assertEqual(put(self.browser, value=b"x" * 8192).status, 200)

    def test_another_media_type(self) -> None:
        """A form or plain text is not taken for JSON."""
        for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"):
            body = b'{"value":"aGk="}'
            answer = self.browser.ask("PUT", f"/v1/records/{NAME}", body, content_type=kind)
            self.assert_refused(answer, 415, "unsupported-media-type")

    def test_paths_and_methods_that_do_not_exist(self) -> None:
        """Unknown paths are 404, other methods 405 with those that are allowed."""
        for path in ("/", "/v1", "/v1/record", "/v2/status", "/v1/status/x", "/v1/%2e%2e/status"):
            self.assert_refused(self.browser.ask("GET", path), 404, "no-such-path")
        answer = self.browser.ask("POST", f"/v1/records/{NAME}")
        self.assert_refused(answer, 405, "method-not-allowed")
        self.assertEqual(answer.headers["allow"], "DELETE, PUT")
        self.assert_refused(self.browser.ask("TRACE", "/v1/status"), 405, "method-not-allowed")

    def test_a_path_that_is_not_utf8(self) -> None:
        """It is refused before it is routed."""
        self.assert_refused(self.browser.ask("GET", "/v1/find/%ff%fe"), 400, "bad-request")

    def test_L4_host_matrix(self) -> None:
        """Only localhost and addresses are served: a name is how a web page would come in."""
        good = ("localhost", "localhost:80", "LOCALHOST", "127.0.0.1:9", "[::1]", "[::1]:80")
        bad = ("evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "", "a b")
        for host in good:
            self.assertEqual(self.browser.ask("GET", "/v1/status", host=host).status, 200, host)
        for host in bad:
            self.assert_refused(
                self.browser.ask("GET", "/v1/status", host=host), 403, "forbidden-host"
            )
        for lines in (b"", b"host: localhost\r\nhost: evil.example\r\n"):
            sent = self.browser.raw(b"GET /v1/status HTTP/1.1\r\n" + lines + b"\r\n")
            self.assertIn(taken_apart(sent.transport.value()).status, (400, 403))

    def test_L4_web_pages_are_refused(self) -> None:
        """A request that carries an Origin, or that a browser calls cross-site, is refused."""
        for headers in (
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"origin": "http://localhost"},
            {"sec_fetch_site": "cross-site"},
            {"sec_fetch_site": "same-site"},
        ):
            answer = self.browser.ask("DELETE", f"/v1/records/{NAME}", **headers)
            self.assert_refused(answer, 403, "forbidden-origin")
            self.assertNotIn("access-control-allow-origin", answer.headers)

    def test_answers_are_not_kept_by_anybody(self) -> None:
        """No cache stores an answer, and nothing names the server's version."""
        answer = self.browser.ask("GET", "/v1/status")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(answer.headers["server"], "streembit")

    def test_B2_a_silent_client_is_let_go(self) -> None:
        """A request that never ends holds its connection for a minute."""
        transport = self.browser.raw(b"GET /v1/status HTTP/1.1\r\n").transport
        self.browser.clock.advance(IDLE_S - 1)
        self.assertFalse(transport.disconnecting)
        self.browser.clock.pump([1, 0])
        self.assertTrue(transport.disconnecting)


class SlowNode(FakeNode):
    """Answers about its peers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled: list[object] = []
        self.waiting: Deferred[None] = Deferred(self.cancelled.append)

    async def peers(self) -> list[PeerRow]:
        await self.waiting
        return await super().peers()


class BoundaryTests(SynchronousTestCase):
    def test_B9_a_defect_in_any_operation_stops_nothing(self) -> None:
        """It is logged, counted, answered with 500, and the next request is served."""
        node = FakeNode()
        browser = Browser(node)
        paths = ("status", "ready", "doctor", "records", "peers", f"find/{PEER_ID}")
        for path in paths:
            node.broken = ZeroDivisionError("secret detail")
            answer = browser.ask("GET", f"/v1/{path}")
            self.assertEqual((answer.status, answer.code), (500, "internal"))
            self.assertNotIn(b"secret", answer.body)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
            node.broken = None
            self.assertEqual(browser.ask("GET", f"/v1/{path}").status, 200)
        self.assertEqual(browser.counted, ["internal"] * len(paths))

    def test_a_client_that_leaves_ends_what_it_asked_for(self) -> None:
        """The node's work for it is cancelled, and nothing is logged as a defect."""
        node = SlowNode()
        browser = Browser(node)
        connection = browser.raw(request_of("GET", "/v1/peers"))
        self.assertEqual(connection.transport.value(), b"")
        connection.protocol.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(node.cancelled, [node.waiting])
        self.assertEqual((self.flushLoggedErrors(), browser.counted), ([], []))

    def test_an_answer_may_take_its_time(self) -> None:
        """A request that waits for the network is answered when that has answered."""
        node = SlowNode()
        browser = Browser(node)
        transport = browser.raw(request_of("GET", "/v1/peers")).transport
        browser.clock.advance(IDLE_S * 2)
        self.assertEqual((transport.value(), transport.disconnecting), (b"", False))
        node.waiting.callback(None)
        self.assertEqual(taken_apart(transport.value()).status, 200)

    def test_errors_raised_on_purpose_have_their_status(self) -> None:
        """Every error of a node becomes its code under a fitting status, and is no defect."""
        for error, status in (
            (errors.NotReady("still looking"), 503),
            (errors.NoPeers(), 503),
            (errors.RequestTimeout(), 504),
            (errors.BadName("x"), 400),
            (errors.BadKey(), 400),
            (errors.StoreDegraded(), 503),
            (errors.DiskFull(), 503),
            (errors.SeqConflict(), 409),
            (errors.RecordTooLarge(), 413),
            (errors.HandshakeFailed(), 502),
            (errors.RemoteRefusal("odd-code"), 502),
            (errors.HomeLocked(), 500),
        ):
            answer = Browser(raised(error)).ask("GET", "/v1/status")
            self.assertEqual((answer.status, answer.code), (status, error.code))

    def test_the_detail_is_a_sentence_with_its_figures(self) -> None:
        """What went wrong, in words, and the numbers that belong to it."""
        error = errors.TooLarge("value", size_bytes=9, limit_bytes=8)
        answer = Browser(raised(error)).ask("GET", "/v1/status")
        self.assertEqual(
            answer.json["error"]["detail"],
            "What was given is larger than allowed: value [size_bytes: 9, limit_bytes: 8]",
        )
