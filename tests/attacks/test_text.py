"""Row L1: what strangers say of themselves reaches the log only escaped, and decides nothing."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred

from streembit.service.log import line
from streembit.wire.message import Contact, Dialled, FindNode, Nodes, Ping, Pong, Refused
from tests.attacks.watched import AttackTests
from tests.link.second import hello_bytes
from tests.rig.evil import EvilLink
from tests.rig.shake import twisted_by

HOSTILE = (
    'x"} {"level":"critical"',
    "two\nlines",
    "back\rto the start",
    "\x1b[2J\x1b[31mred",
    "\u202edesrever",
    "\u2028line",
    "{0.__class__} {x} {log_failure}",
    "%s%n%(x)s",
    "nul\0",
    "../../etc/passwd",
    "a" * 64,
)


def text_of(value: str) -> bytes:
    """Return a text of a hello, whatever it holds."""
    data = value.encode()[:255]
    return bytes((len(data),)) + data


class TextTests(AttackTests):
    def hello(self, name: str = "", agent: str = "", observed: str = "") -> bytes:
        """Return a hello with these texts, well-formed but for them."""
        fixed = hello_bytes()[:12]
        return fixed + text_of(name) + text_of(agent) + text_of(observed)

    def assert_plain_log(self) -> None:
        """Every event that was logged is one line of printable ASCII, and JSON."""
        for event in self.watch.events:
            text = line(event)
            self.assertTrue(text.endswith("\n") and text[:-1].isprintable() and text.isascii())
            json.loads(text)

    def test_L1_hostile_names_in_a_hello(self) -> None:
        """Name, agent and address seen: out of bounds, the link is refused."""
        plain = [text for text in HOSTILE if text.isascii() and text.isprintable()]
        for text in HOSTILE:
            for field in ("name", "agent", "observed"):
                shake = twisted_by(hello=self.hello(**{field: text}))
                if field != "name" and text in plain:
                    link = self.watch.link(shake=shake)
                    self.assertIsInstance(self.town.result(link.ask(Ping())).body, Pong)
                elif not (field == "name" and text == "a" * 64):
                    link = self.watch.dial(shake=shake)
                    self.watch.refused("handshake-failed", link.attempt)
        self.assert_plain_log()

    def test_L1_hostile_texts_in_messages(self) -> None:
        """In what a peer sees, refuses, and tells of others, and in what it calls its messages."""
        told: list[object] = []
        evil = self.watch.neighbour(lambda _link, _request: told[0])  # type: ignore[arg-type,return-value]
        peer = self.watch.node.network.roster.get(evil.key.public)
        assert peer is not None
        for text in HOSTILE:
            contact = Contact(evil.key.public.text, text, 1, "composite", text)
            for request, answer in (
                (Ping(), Pong(text)),
                (FindNode("A" * 27), Nodes([contact])),
                (Ping(), Refused(text, text)),
                (FindNode("A" * 27), Refused("internal-error", text)),
            ):
                told[:] = [answer]
                peer.request(request).addErrback(lambda _: None)
                self.town.run(0.1)
            told[:] = [Nodes([contact])]
            search = Deferred.fromCoroutine(self.watch.node.dht.finder.nodes(1))
            self.town.run(5)
            self.successResultOf(search)
            link = self.watch.link()
            self.town.result(link.ask(Ping(), jti=text[:32]))
        self.watch.harmless()
        self.assert_plain_log()

    def test_L1_a_refusal_does_not_repeat_what_was_said(self) -> None:
        """The line names the reason and the address, and nothing that the peer chose."""
        link = self.watch.link()
        self.watch.refused("wrong-network", link.say, link.token(Ping(), net="\x1b[31m{x}\n"))
        (event,) = [e for e in self.watch.events if e.get("reason") == "wrong-network"]
        self.assertEqual(
            set(json.loads(line(event))), {"time", "level", "system", "msg", "reason", "peer"}
        )
        self.assertNotIn("31m", line(event))

    def test_L1_a_dial_back_that_lies(self) -> None:
        """What a peer says of our address is read as an address or not at all."""
        evil = self.watch.neighbour(self.lie)
        self.watch.node.reach.listening_on(8905, ["10.0.0.1:8905"])
        peer = self.watch.node.network.roster.get(evil.key.public)
        assert peer is not None
        for text in HOSTILE:
            self.text = text
            self.town.result(self.watch.node.reach.reachability.ask([peer]))
        self.assertNotIn("\n", self.watch.node.reach.reachability.observed)
        self.assertIn(self.watch.node.reach.reachability.observed, ("", "10.0.0.1:8905"))
        self.assert_plain_log()

    text = ""

    def lie(self, _link: EvilLink, _request: object) -> Dialled:
        """Return a hostile answer to a dial-back."""
        return Dialled(True, self.text, 1, self.text[:64])
