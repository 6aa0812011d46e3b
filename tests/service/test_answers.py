"""What a node answers to each kind of request, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from twisted.trial.unittest import SynchronousTestCase

from streembit.dht.keyspace import to_text
from streembit.dht.record import Blob, Record, make
from streembit.errors import RemoteRefusal
from streembit.jose import base64url
from streembit.jose.keys import PrivateKey
from streembit.wire.message import (
    Body,
    FindNode,
    FindValue,
    Nodes,
    Ping,
    Pong,
    Request,
    Store,
    Stored,
    Value,
)
from tests.service.town import NETWORK, PORT, SETTINGS, Town

ITEM: Final = b"an item"


class AnswersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.town = Town(self)
        for number in range(6):  # their canaries, whom nobody here asks, would be most of a day
            settings = replace(SETTINGS, canary_every_s=7200.0)
            self.town.add(f"10.0.{number}.1", settings=settings)
        self.town.join()
        self.asker, self.node = self.town.nodes[1], self.town.nodes[2]

    def ask(self, body: Request) -> Body:
        """Return the answer to a request of the asker's."""
        known = self.asker.network.table.get(self.node.network.id)
        assert known is not None
        return self.town.result(self.asker.network.ask_one(known, body)).claims.body

    def refusal(self, body: Request) -> str:
        """Return why a request is refused."""
        with self.assertRaises(RemoteRefusal) as caught:
            self.ask(body)
        return str(caught.exception.code)

    def record(self, seq: int = 1, life_s: int = 3600) -> Record:
        """Return a record that is good for so long."""
        exp = int(self.town.memory.clock.seconds()) + life_s
        key = PrivateKey.from_scalar(bytes(31) + b"\x07")
        return make(key, "name", "a", b"%d" % seq, seq, exp, NETWORK)

    def test_a_ping_tells_where_its_sender_is_seen(self) -> None:
        """The address that its link comes from."""
        answer = self.ask(Ping())
        assert isinstance(answer, Pong)
        self.assertEqual(answer.observed.partition(":")[0], "10.0.1.1")

    def test_nodes_are_named_but_never_the_asker_and_ourselves(self) -> None:
        """The nearest first, by the address at which each was met."""
        target = self.asker.network.id
        answer = self.ask(FindNode(to_text(target)))
        assert isinstance(answer, Nodes)
        ids = {n.identity.public.text: n.network.id for n in self.town.nodes}
        named = [ids[contact.key] for contact in answer.nodes]
        self.assertEqual(named, sorted(named, key=lambda each: each ^ target))
        own = {self.asker.network.id, self.node.network.id}
        self.assertEqual(set(named), set(ids.values()) - own)
        self.assertEqual({contact.port for contact in answer.nodes}, {PORT})

    def test_a_value_where_there_is_one_and_else_nodes(self) -> None:
        """Records and blobs alike."""
        record, blob = self.record(), Blob.of(ITEM)
        for item, kind, text in (
            (record, "record", record.token),
            (blob, "blob", base64url.encode(ITEM)),
        ):
            self.assertIsInstance(self.ask(FindValue(to_text(item.place))), Nodes)
            self.ask(Store(text, kind))  # type: ignore[arg-type]
            found = self.ask(FindValue(to_text(item.place)))
            self.assertEqual(found, Value(text, kind))  # type: ignore[arg-type]

    def test_a_receipt_tells_what_is_kept(self) -> None:
        """Also for what was here already; and no more of whom the publisher knows."""
        record = self.record()
        for _ in range(2):
            answer = self.ask(Store(record.token, "record"))
            assert isinstance(answer, Stored)
            self.assertEqual(
                (answer.place, answer.seq, answer.digest, answer.exp),
                (to_text(record.place), 1, base64url.encode(record.digest), record.exp),
            )
            self.assertNotIn(
                self.asker.identity.public.text, [contact.key for contact in answer.nearer]
            )

    def test_a_receipt_promises_no_more_than_is_held(self) -> None:
        """An hour at a node that has just come, more later; of blobs as of records."""
        for up_s, promised_s in ((0, 3600), (20 * 3600, 5 * 3600)):
            self.town.run(up_s)
            now_s = self.town.memory.clock.seconds()
            record, blob = self.record(up_s, 24 * 3600), Blob.of(b"%d" % up_s)
            for body in (Store(record.token, "record"), Store(base64url.encode(blob.data), "blob")):
                answer = self.ask(body)
                assert isinstance(answer, Stored)
                self.assertLess(abs(answer.exp - now_s - promised_s), 60)

    def test_refusals_say_why_and_change_nothing(self) -> None:
        """By the codes that the protocol has."""
        newer, older = self.record(seq=2), self.record(seq=1)
        self.ask(Store(newer.token, "record"))
        before = self.node.dht.deposit.usage()
        for body, code in (
            (Store(older.token, "record"), "seq-too-low"),
            (Store("x", "record"), "bad-token"),
            (Store("*", "blob"), "bad-token"),
            (Store(newer.token, "record", ["A" * 26 + "B"]), "bad-token"),
        ):
            self.assertEqual(self.refusal(body), code, body)
        self.assertEqual(self.node.dht.deposit.usage(), before)

    def test_requests_are_counted_by_kind(self) -> None:
        """Each once."""
        before = self.node._answers._asked.counts()
        for body in (Ping(), FindNode(to_text(1)), FindNode(to_text(2)), FindValue(to_text(3))):
            self.ask(body)
        after = self.node._answers._asked.counts()
        more = {kind: count - before.get(kind, 0) for kind, count in after.items()}
        self.assertEqual(
            {kind: count for kind, count in more.items() if count},
            {"ping": 1, "find_node": 2, "find_value": 1},
        )
