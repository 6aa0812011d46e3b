"""The operations of people byte by byte: what is passed on, refused, streamed, and waited for."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase

from streembit import errors
from streembit.api.http import make_site
from tests.api.fake import FINGERPRINT, FakeNode
from tests.api.people import BOB_KEY, CARL_KEY, NUMBER, OFFER_TEXT, an_id, contact
from tests.api.test_http import Answered, Browser, Connection, request_of, taken_apart


class PeopleCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.browser = Browser()
        self.people = self.browser.people

    def good(self, method: str, path: str, body: object = None) -> Any:
        """Return the JSON of an answer that has to be good."""
        answer = self.browser.ask(method, path, body)
        self.assertEqual(answer.status, 200, answer.body)
        return answer.json

    def assert_refused(self, answer: Answered, status: int, code: str) -> None:
        self.assertEqual((answer.status, answer.code), (status, code), answer.body)


class OperationTests(PeopleCase):
    def test_offers_are_made_shown_listed_and_revoked(self) -> None:
        """What is decided arrives, and defaults are a week, for everybody, without a note."""
        made = self.good("POST", "/v1/offers", {})
        self.assertEqual(made["offer"]["expires"] - made["offer"]["created"], 7 * 24 * 3600)
        self.assertEqual((made["offer"]["once"], made["text"]), (False, OFFER_TEXT))
        once = self.good("POST", "/v1/offers", {"life_s": 60, "once": True, "note": "hi"})["offer"]
        self.assertEqual((once["once"], once["note"]), (True, "hi"))
        shown = self.good("POST", "/v1/shown-offers", {"text": OFFER_TEXT})["offers"]
        self.assertEqual([offer["account"] for offer in shown], ["Dora"])
        gone = self.good("DELETE", f"/v1/offers/{once['id']}")
        self.assertTrue(gone["revoked"])
        self.assertEqual(len(self.good("GET", "/v1/offers")["offers"]), 2)

    def test_a_contact_from_offer_to_removal(self) -> None:
        """Added, shown by name, key and fingerprint, renamed, verified, blocked, removed."""
        added = self.good("POST", "/v1/contacts", {"text": OFFER_TEXT, "name": "Dora B"})
        self.assertEqual((added["name"], added["state"]), ("Dora B", "asked"))
        self.good("DELETE", f"/v1/contacts/{CARL_KEY}")
        for who in ("Bob", BOB_KEY, FINGERPRINT):
            shown = self.good("GET", f"/v1/contacts/{quote(who)}")
            self.assertEqual((shown["public_key"], shown["number"]), (BOB_KEY, NUMBER))
        self.good("PUT", "/v1/contacts/Bob/name", {"name": "Bob Jr."})
        path = "/v1/contacts/" + quote("Bob Jr.")
        self.assertTrue(self.good("PUT", path + "/verified", {"proof": FINGERPRINT})["verified"])
        self.assertEqual(self.good("PUT", path + "/block")["state"], "blocked")
        self.assertEqual(self.good("DELETE", path + "/block")["state"], "contact")
        self.assertEqual(self.good("DELETE", path)["state"], "removed")
        self.assertEqual(self.good("GET", "/v1/contacts")["contacts"], [])

    def test_requests(self) -> None:
        """Asked by key; listed, accepted under another name, denied."""
        body = {"node": CARL_KEY, "name": "Carl", "note": "it is me"}
        self.assertEqual(self.good("POST", "/v1/requests", body)["state"], "asked")
        (waiting,) = self.good("GET", "/v1/requests")["requests"]
        self.assertEqual((waiting["name"], waiting["incoming"]), ("Carl", True))
        path = f"/v1/requests/{waiting['id']}/accept"
        self.assertEqual(self.good("POST", path, {"name": "Karl"})["name"], "Karl")
        self.assert_refused(self.browser.ask("POST", "/v1/requests/Carl/deny"), 404, "not-found")

    def test_a_conversation(self) -> None:
        """Sent, read page by page, deleted, marked as read, with typing and presence."""
        path = "/v1/contacts/Bob"
        sent = [self.good("POST", path + "/messages", {"text": f"m{n}"}) for n in range(4)]
        self.assertEqual(sent[0]["state"], "queued")
        newest = self.good("GET", path + "/messages?limit=2")["messages"]
        self.assertEqual([row["text"] for row in newest], ["m2", "m3"])
        older = self.good("GET", path + f"/messages?limit=2&before={newest[0]['number']}")
        self.assertEqual([row["text"] for row in older["messages"]], ["m0", "m1"])
        self.assertEqual(self.good("DELETE", f"{path}/messages/{sent[1]['id']}"), {})
        self.assertEqual(len(self.good("GET", path + "/messages")["messages"]), 3)
        self.good("PUT", path + "/read", {"upto": 4})
        self.good("PUT", path + "/typing", {"on": True})
        self.good("PUT", "/v1/presence", {"state": "away"})
        self.assertEqual((self.people.typing, self.people.presence), ([True], ["away"]))

    def test_the_signalling_of_a_call(self) -> None:
        """Each step is passed on as it is; what no call has is refused, and so is who is away."""
        path, call = "/v1/contacts/Bob/signals", an_id("call")
        offer = {"call": call, "step": "offer", "text": "v=0\r\ns=-\r\n"}
        self.assertEqual(self.good("POST", path, offer), {})
        self.good("POST", path, {"call": call, "step": "end"})
        expected = [(call, "offer", "v=0\r\ns=-\r\n"), (call, "end", "")]
        self.assertEqual(self.people.signals, expected)
        for change in (
            {"step": "ring"},
            {"call": "x"},
            {"text": "x" * 16_385},
            {"text": "\x9b2J"},
            {"text": None},
            {"more": 1},
        ):
            refused = self.browser.ask("POST", path, {**offer, **change})
            self.assert_refused(refused, 400, "bad-json")
        self.people.book[BOB_KEY] = contact("Bob", BOB_KEY, linked=False)
        self.assert_refused(self.browser.ask("POST", path, offer), 503, "peer-gone")
        self.assertEqual(self.people.signals, expected)

    def test_what_one_contact_is_told(self) -> None:
        """Decided for this contact, or as the settings say; a missing decision is refused."""
        path = "/v1/contacts/Bob"
        row = self.good("PUT", path + "/receipts", {"on": True})
        self.assertEqual((row["receipts"], row["told"]), (True, ["receipts", "presence"]))
        row = self.good("PUT", path + "/presence", {"on": False})
        self.assertEqual((row["shows_presence"], row["told"]), (False, ["receipts"]))
        row = self.good("PUT", path + "/receipts", {"on": None})
        self.assertEqual((row["receipts"], row["told"]), (None, []))
        for what in ("/receipts", "/presence"):
            self.assert_refused(self.browser.ask("PUT", path + what, {}), 400, "bad-json")

    def test_files(self) -> None:
        """Offered with absolute paths; accepted into a folder, denied, cancelled, paused."""
        sent = self.good("POST", "/v1/contacts/Bob/files", {"paths": ["/a/b", "/c"]})
        self.assertEqual((sent["state"], sent["files"]), ("offered", 2))
        path = f"/v1/files/{sent['id']}"
        self.assertEqual(self.good("POST", path + "/accept", {})["folder"], "/home/alice/Downloads")
        self.assertEqual(self.good("POST", path + "/accept", {"folder": "/x"})["folder"], "/x")
        self.assertEqual(self.good("POST", path + "/cancel")["why"], "cancelled")
        self.assertEqual(self.good("POST", path + "/pause")["state"], "paused")
        self.assertEqual(self.good("POST", path + "/resume")["state"], "running")
        self.assertEqual(self.good("POST", path + "/deny")["state"], "denied")
        self.assertEqual(len(self.good("GET", "/v1/files")["files"]), 1)

    def test_the_account(self) -> None:
        """Settings keep what is left out; keys want the passcode; a wipe wants the name."""
        self.good("PUT", "/v1/settings", {"read_receipts": True})
        changed = self.good("PUT", "/v1/settings", {"downloads": "/d"})
        settings = {"read_receipts": True, "downloads": "/d", "presence": True}
        self.assertEqual(changed, {**settings, "user_type": "human"})
        self.assertFalse(self.good("PUT", "/v1/settings", {"presence": False})["presence"])
        self.good("PUT", "/v1/settings", {"presence": True})
        self.assertEqual(self.good("GET", "/v1/settings"), changed)
        self.assertEqual(self.good("POST", "/v1/key/rotate", {})["public_key"], CARL_KEY)
        self.assertEqual(self.good("POST", "/v1/key/revoke", {"passcode": "x"})["public_key"], "")
        refused = self.browser.ask("POST", "/v1/key/rotate", {"passcode": "wrong"})
        self.assert_refused(refused, 403, "wrong-passcode")
        refused = self.browser.ask("POST", "/v1/wipe", {"account": "Bob"})
        self.assert_refused(refused, 400, "bad-name")
        self.assertEqual(self.people.wiped, [])
        self.good("POST", "/v1/wipe", {"account": "alice"})
        self.assertEqual(self.people.wiped, ["alice"])

    def test_what_is_refused(self) -> None:
        """Bad members, numbers, ids and paths do not reach the people."""
        for method, path, body, status, code in (
            ("GET", "/v1/contacts/Nobody", None, 404, "no-such-contact"),
            ("GET", "/v1/contacts/%E2%80%AEBob", None, 400, "bad-name"),
            ("GET", "/v1/contacts/Bob/messages?limit=0", None, 400, "bad-request"),
            ("GET", "/v1/contacts/Bob/messages?limit=501", None, 400, "bad-request"),
            ("GET", "/v1/contacts/Bob/messages?before=x", None, 400, "bad-request"),
            ("GET", "/v1/contacts/Bob/messages?limit=1&limit=2", None, 400, "bad-request"),
            ("GET", "/v1/contacts/Bob/messages?limit=%D9%A1", None, 400, "bad-request"),
            ("DELETE", "/v1/contacts/Bob/messages/1", None, 400, "bad-name"),
            ("POST", "/v1/contacts/Bob/messages", {"text": ""}, 400, "bad-json"),
            ("POST", "/v1/contacts/Bob/messages", {"text": "x" * 16_385}, 400, "bad-json"),
            ("POST", "/v1/contacts/Bob/files", {"paths": ["a/b"]}, 400, "bad-json"),
            ("POST", "/v1/contacts/Bob/files", {"paths": []}, 400, "bad-json"),
            ("POST", f"/v1/files/{an_id('x')}/deny", None, 404, "no-such-transfer"),
            ("POST", "/v1/offers", {"life_s": 59}, 400, "bad-json"),
            ("POST", "/v1/shown-offers", {"text": "nothing"}, 400, "bad-offer"),
            ("PUT", "/v1/contacts/Bob/verified", {"proof": "x"}, 409, "fingerprint-differs"),
            ("PUT", "/v1/presence", {"state": "asleep"}, 400, "bad-json"),
            ("GET", "/v1/events?after=x", None, 400, "bad-request"),
            ("GET", "/v1/events?wait_s=26", None, 400, "bad-request"),
            ("GET", "/v1/events?after=%ff", None, 400, "bad-request"),
        ):
            self.assert_refused(self.browser.ask(method, path, body), status, code)
        self.assertEqual((self.people.offers, self.people.history[BOB_KEY]), ({}, []))

    def test_L4_web_pages_can_neither_read_nor_destroy(self) -> None:
        """A page's Origin and a name for the host are refused, whatever is asked."""
        for method, path, body in (
            ("POST", "/v1/wipe", {"account": "alice"}),
            ("DELETE", "/v1/contacts/Bob", None),
            ("POST", "/v1/contacts/Bob/messages", {"text": "spam"}),
            ("GET", "/v1/export", None),
            ("GET", "/v1/events", None),
        ):
            for headers, code in (
                ({"origin": "http://localhost"}, "forbidden-origin"),
                ({"host": "evil.example"}, "forbidden-host"),
            ):
                answer = self.browser.ask(method, path, body, **headers)
                self.assert_refused(answer, 403, code)
        self.assertEqual((self.people.wiped, self.people.history[BOB_KEY]), ([], []))
        self.assertIn(BOB_KEY, self.people.book)

    def test_a_text_of_the_greatest_length_fits_in_every_spelling(self) -> None:
        """16,384 characters, each escaped as a pair of surrogates."""
        text = "\U0001f642" * 16_384
        body = json.dumps({"text": text}).encode()
        sent = self.good("POST", "/v1/contacts/Bob/messages", body)
        self.assertEqual(sent["text"], text)

    def test_errors_have_their_status(self) -> None:
        """Each kind of refusal has a status of its own kind."""
        for error, status in (
            (errors.NameTaken(), 409),
            (errors.KeyAlarm(), 409),
            (errors.OutboxFull(), 429),
            (errors.RequestQuota(), 429),
            (errors.ChestDamaged(), 503),
            (errors.NotEnoughSpace(), 507),
            (errors.BadSignature(), 400),
            (errors.OfferExpired(), 409),
        ):
            self.people.broken = error
            self.assert_refused(self.browser.ask("GET", "/v1/contacts"), status, error.code)

    def test_a_node_without_people_has_no_such_operations(self) -> None:
        """Neither served nor promised."""
        site = make_site(FakeNode(), self.browser.counted.append, self.browser.clock)
        for path, status in (("/v1/contacts", 404), ("/openapi.json", 200)):
            connection = Connection(site)
            connection.send(request_of("GET", path))
            answer = taken_apart(connection.transport.value())
            self.assertEqual(answer.status, status)
            self.assertNotIn(b"/v1/contacts", answer.body)


class EventsTests(PeopleCase):
    def test_a_client_waits_and_goes_on(self) -> None:
        """An answer comes with the event; the next one begins behind it."""
        begun = self.good("GET", "/v1/events")
        self.assertEqual((begun["events"], begun["lost"]), ([], False))
        path = f"/v1/events?after={begun['next']}&wait_s=25"
        waiting = self.browser.raw(request_of("GET", path)).transport
        self.assertEqual(waiting.value(), b"")
        self.people.hear("hello")
        told = taken_apart(waiting.value()).json
        (happened,) = told["events"]
        self.assertEqual(happened["event"]["kind"], "arrived")
        self.assertEqual(happened["event"]["message"]["text"], "hello")
        after = f"/v1/events?after={told['next']}"
        self.assertEqual(self.good("GET", after)["events"], [])

    def test_a_wait_that_ends_is_empty(self) -> None:
        """After `wait_s` the position is the same."""
        waiting = self.browser.raw(request_of("GET", "/v1/events?wait_s=2")).transport
        self.browser.clock.advance(2)
        self.assertEqual(taken_apart(waiting.value()).json["events"], [])

    def test_a_client_that_leaves_is_forgotten(self) -> None:
        """No timer stays behind."""
        connection = self.browser.raw(request_of("GET", "/v1/events?wait_s=25"))
        connection.protocol.connectionLost(Failure(ConnectionLost()))
        self.browser.clock.advance(1)
        self.assertEqual(self.browser.clock.getDelayedCalls(), [])


class ExportTests(TestCase):
    timeout = 120

    def setUp(self) -> None:
        self.browser = Browser()
        self.people = self.browser.people
        for number in range(1000):
            self.people.hear(f"m{number}")

    async def exported(self) -> Connection:
        """Ask for all, and read until the connection is closed."""
        connection = self.browser.raw(request_of("GET", "/v1/export"))
        while not connection.transport.disconnecting:
            await self.turn()
        return connection

    def turn(self) -> Deferred[None]:
        """Let the reactor have a turn, in which more is written."""
        clock: Any = reactor
        return deferLater(clock, 0)

    async def test_all_is_written_line_by_line(self) -> None:
        """A head, the contacts, the messages; each line is JSON."""
        answer = taken_apart((await self.exported()).transport.value())
        self.assertEqual(answer.headers["content-type"], "application/jsonl")
        kinds = [json.loads(line)["kind"] for line in answer.body.splitlines()]
        self.assertEqual(kinds, ["head", "contact", *["message"] * 1000])

    async def test_B6_nothing_is_read_ahead_of_a_slow_client(self) -> None:
        """Who does not read is given what fits on its way, not the history."""
        connection = self.browser.raw(request_of("GET", "/v1/export"))
        assert connection.transport.producer is not None
        connection.transport.producer.pauseProducing()
        for _ in range(5):
            await self.turn()
        self.assertLess(connection.transport.value().count(b"\n{"), 40)
        connection.transport.producer.resumeProducing()
        while not connection.transport.disconnecting:
            await self.turn()
        body = taken_apart(connection.transport.value()).body
        self.assertEqual(body.count(b"\n"), 1002)

    async def test_a_failure_before_the_first_line_has_its_answer(self) -> None:
        """The status is that of the error."""
        self.people.broken = errors.ChestDamaged()
        answer = taken_apart((await self.exported()).transport.value())
        self.assertEqual((answer.status, answer.code), (503, "chest-damaged"))

    async def test_a_failure_behind_it_cuts_the_answer_off(self) -> None:
        """A client must never take a part for the whole."""
        self.people.unreadable = 500
        connection = self.browser.raw(request_of("GET", "/v1/export"))
        while not connection.transport.disconnected:
            await self.turn()
        connection.protocol.connectionLost(Failure(ConnectionAborted()))
        self.assertEqual(self.browser.counted, ["internal"])
        self.assertEqual(len(self.flushLoggedErrors(errors.ChestDamaged)), 1)
