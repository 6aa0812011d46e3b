"""Everything that leaves a process, read before it is encrypted: nothing of people is in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer

from streembit.errors import StreembitError
from streembit.jose import base64url
from streembit.jose.envelope import parse_rpc
from streembit.net.events import LinkEvents
from streembit.net.tcp import LinkProtocol
from streembit.service.node import Node
from streembit.wire.message import Body, FindNode, Nodes, Store, Stored, Value
from tests.people.village import PeopleCase, Person

RUN = re.compile(rb"[A-Za-z0-9_-]{22,}")
DEPTH = 4  # a value in a record in a store in a message
Heard = tuple[str, bytes]  # whose it is, and the payload


class Ears:
    """The owner of links who remembers every payload before passing it on."""

    def __init__(self, real: LinkEvents, heard: list[Heard]) -> None:
        self._real, self._heard = real, heard

    def link_open(self, link: LinkProtocol) -> None:
        self._real.link_open(link)

    def message(self, link: LinkProtocol, payload: bytes) -> None:
        assert link.link is not None
        self._heard.append((link.link.peer.public.text, payload))
        self._real.message(link, payload)

    def link_lost(self, link: LinkProtocol, reason: StreembitError) -> None:
        self._real.link_lost(link, reason)

    def refused(self, peer_host: str, error: StreembitError) -> None:
        self._real.refused(peer_host, error)


class Listener(Node):
    """A node that keeps all that others say to it."""

    @property
    def events(self) -> LinkEvents:
        """See `Node`."""
        heard: list[Heard] = self.__dict__.setdefault("heard", [])
        return Ears(super().events, heard)


def said_to(node: Node, by: Person) -> Iterator[bytes]:
    """Yield the payloads that a person said to a node."""
    text = by.node.identity.public.text
    return (payload for key, payload in node.__dict__.get("heard", []) if key == text)


def unwrapped(data: bytes, depth: int = DEPTH) -> Iterator[bytes]:
    """Yield data, and all that is base64 in it, and in that."""
    yield data
    if depth:
        for run in RUN.findall(data):
            try:
                inner = base64url.decode(run.decode())
            except StreembitError:
                continue
            yield from unwrapped(inner, depth - 1)


def bodies(payloads: Iterator[bytes]) -> Iterator[Body]:
    """Yield the bodies of the messages among these."""
    for payload in payloads:
        if payload.startswith(b"eyJ"):
            yield parse_rpc(payload).rpc.body


def is_sealed(store: Store) -> bool:
    """Tell whether a record between contacts is to be stored."""
    return any(b'"kind":"sealed"' in layer for layer in unwrapped(store.item.encode()))


@implementer(ILogObserver)
class LogEars:
    """Remembers every line of the log, with all its fields."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, event: LogEvent) -> None:
        self.lines.append(f"{formatEvent(event)} {event!r}")


class CaptureCase(PeopleCase):
    kind = Listener

    def setUp(self) -> None:
        super().setUp()
        self.log = LogEars()
        globalLogPublisher.addObserver(self.log)
        self.addCleanup(globalLogPublisher.removeObserver, self.log)

    def everything(self, by: Person) -> list[bytes]:
        """Return all that a person said to anybody, unwrapped."""
        said = [payload for node in self.town.nodes for payload in said_to(node, by)]
        self.assertGreater(len(said), 100)
        return [layer for payload in said for layer in unwrapped(payload)]

    def check_absent(self, secrets: dict[str, bytes], layers: list[bytes]) -> None:
        """Check that none of the secrets is in any layer, as it is or in hex."""
        for name, secret in secrets.items():
            for form in (secret, secret.hex().encode()):
                found = [layer[:80] for layer in layers if form in layer]
                self.assertEqual(found, [], name)


class SecretsTests(CaptureCase):
    def test_no_text_name_key_or_address_leaves_in_the_clear(self) -> None:
        """Online and away: what the network carries and keeps is sealed, also for the contact."""
        self.village.acquaint(self.ann, self.bob)
        self.town.result(self.ann.desk.rename_contact(self.bob.key, "bobby tables"))
        self.ann.say(self.bob, "a very secret text")
        self.bob.say(self.ann, "another secret text")
        self.village.until(lambda: self.delivered(self.ann, self.bob))
        self.village.until(lambda: self.delivered(self.bob, self.ann))
        pair = self.ann.people.friends[self.bob.node.identity.public].pair
        self.town.run(60)
        self.town.end(self.bob.node)
        self.village.until(lambda: not self.ann.linked(self.bob))
        self.ann.say(self.bob, "left in the network")
        self.town.run(120)
        day = int(self.town.memory.clock.seconds()) // 86_400
        secrets = {
            "text": b"a very secret text",
            "their text": b"another secret text",
            "left text": b"left in the network",
            "petname": b"bobby tables",
            "pair secret": pair._secret,
            "record key": pair.record_key("ours", day).scalar,
            "parcel key": pair.parcel_key("ours", 1).scalar,
            "seed": self.ann.node.identity.seed,
        }
        self.check_absent(secrets, self.everything(self.ann))
        for name, secret in secrets.items():
            if name != "seed":
                text = secret.decode("latin-1")
                self.assertEqual([line for line in self.log.lines if text in line], [], name)

    def test_what_is_stored_names_nobody(self) -> None:
        """No record for a contact holds a key, a name or an address of either of them."""
        self.village.acquaint(self.ann, self.bob)
        self.town.run(60)
        stores = [
            body
            for node in self.town.nodes
            for body in bodies(said_to(node, self.ann))
            if isinstance(body, Store)
        ]
        sealed = [store for store in stores if is_sealed(store)]
        self.assertGreater(len(sealed), 1)
        people = (self.ann, self.bob)
        secrets = {
            **{f"{each.name} key": each.node.identity.public.point for each in people},
            **{f"{each.name} text": each.node.identity.public.text.encode() for each in people},
            **{f"{each.name} name": each.name.encode() for each in people},
            **{f"{each.name} host": self.town.host(each.node).address.encode() for each in people},
        }
        layers = [layer for store in sealed for layer in unwrapped(store.item.encode())]
        self.check_absent(secrets, layers)


class AccountsTests(CaptureCase):
    def test_two_accounts_have_nothing_in_common(self) -> None:
        """Both know carl; no long text that one says was ever said by the other."""
        carl = self.village.person()
        self.village.acquaint(self.ann, carl)
        self.village.acquaint(self.bob, carl)
        self.ann.say(carl, "hello")
        self.bob.say(carl, "hello")
        self.town.run(60)
        own = [self.long_runs(person) for person in (self.ann, self.bob)]
        public = {
            text.encode()
            for node in self.town.nodes
            for text in (
                node.identity.public.text,
                node.identity.agreement.public.text,
                node.identity.public.hex,
            )
            if node not in (self.ann.node, self.bob.node)
        }
        headers = {run for run in own[0] & own[1] if run.startswith(b"eyJhbGci")}
        self.assertEqual(own[0] & own[1] - headers - public, set())

    def long_runs(self, person: Person) -> set[bytes]:
        """Return the long texts in all that a person said, but of nodes and public records."""
        runs: set[bytes] = set()
        for node in self.town.nodes:
            for body in bodies(said_to(node, person)):
                if isinstance(body, Store) and not is_sealed(body):
                    continue  # everybody passes those of everybody on
                if not isinstance(body, Nodes | Stored | FindNode | Value):
                    runs.update(RUN.findall(repr(body).encode()))
        return {run for run in runs if len(run) >= 40}
