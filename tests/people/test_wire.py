"""Every byte on every wire, of links and of hubs: nothing of people is in it."""

from __future__ import annotations

from collections.abc import Iterator

from streembit.testing import MemoryTransport
from tests.people.test_capture import RUN, unwrapped
from tests.people.test_hubs import HubCase
from tests.people.village import Person

HEAD_END = b"\r\n\r\n"
LENGTH_BYTES = {126: 2, 127: 8}  # what the second byte of a WebSocket frame announces


class Wire:
    """Remembers all that each end of each connection wrote."""

    def __init__(self) -> None:
        self._written: dict[MemoryTransport, bytearray] = {}

    def __call__(self, end: MemoryTransport, data: bytes) -> None:
        """See `MemoryNetwork.tap`."""
        self._written.setdefault(end, bytearray()).extend(data)

    def between(self, one: str, other: str) -> list[bytes]:
        """Return what went over the connections of two addresses, what clients masked in clear."""
        return [
            unmasked(bytes(data))
            for end, data in self._written.items()
            if {end.local.address, end.remote.address} == {one, other}
        ]

    def said(self, by: str, to: str) -> set[bytes]:
        """Return every long word that one address wrote to another, also within others."""
        return {
            run
            for end, data in self._written.items()
            if (end.local.address, end.remote.address) == (by, to)
            for layer in unwrapped(unmasked(bytes(data)))
            for run in RUN.findall(layer)
        }

    def everything(self) -> list[bytes]:
        """Return all that was written, what clients masked in clear."""
        return [unmasked(bytes(data)) for data in self._written.values()]


def unmasked(data: bytes) -> bytes:
    """Return what a client of a WebSocket wrote as it was before it was masked; else the data."""
    if not data.startswith(b"GET "):
        return data
    head, _, frames = data.partition(HEAD_END)
    return head + HEAD_END + b"\n".join(_payloads(frames))


def _payloads(frames: bytes) -> Iterator[bytes]:
    at = 0
    while at + 2 <= len(frames):
        size, at = frames[at + 1] & 0x7F, at + 2
        if (count := LENGTH_BYTES.get(size)) is not None:
            size, at = int.from_bytes(frames[at : at + count]), at + count
        mask, at = frames[at : at + 4], at + 4
        payload = frames[at : at + size]
        key = (mask * (len(payload) // 4 + 1))[: len(payload)]
        masked = int.from_bytes(payload) ^ int.from_bytes(key)
        yield masked.to_bytes(len(payload))
        at += size


class WireCase(HubCase):
    def setUp(self) -> None:
        super().setUp()
        self.wire = Wire()
        self.town.memory.tap = self.wire

    def address(self, person: Person) -> str:
        """Return where a person is."""
        return self.town.host(person.node).address


class SecretsTests(WireCase):
    def test_no_text_name_file_address_or_key_is_on_a_wire(self) -> None:
        """Directly, through a hub, as mail, and in the network: also not to the hub."""
        ann = self.village.person()
        bob, carl = self.hidden(), self.hidden()
        self.village.acquaint(bob, carl)
        self.village.acquaint(bob, ann)
        self.town.result(bob.desk.rename_contact(carl.key, "canary petname"))
        for other in (carl, ann):
            self.send_file(bob, other)
            bob.say(other, "canary of a text")
            self.village.until(lambda other=other: self.delivered(bob, other))
        self.assertEqual((self.via(bob, carl), self.via(bob, ann)), ("hub", "direct"))
        for away in (carl, ann):
            self.town.end(away.node)
            self.village.until(lambda away=away: not bob.linked(away))
            bob.say(away, "canary of a text")
        for away, where in ((carl, "in-mailbox"), (ann, "in-the-network")):
            self.village.until(lambda away=away, where=where: bob.mine(away)[-1].why == where, 600)
        pair, day = bob.people.friends[carl.node.identity.public].pair, self.today()
        secrets = {
            "text": b"canary of a text",
            "petname": b"canary petname",
            "file": b"canary of a file",
            "content": b"canary of a content",
            "secret of the pair": pair._secret,
            "key of a record": pair.record_key("ours", day).scalar,
            "place of a record": pair.place_salt("theirs", day).encode(),
            "seed": bob.node.identity.seed,
        }
        layers = [layer for data in self.wire.everything() for layer in unwrapped(data)]
        self.assertTrue(any(carl.node.identity.public.text.encode() in each for each in layers))
        self.check_absent(secrets, layers)
        hub = self.hub.address.host
        for one, other in ((bob, carl), (carl, bob)):
            told = [
                layer
                for data in self.wire.between(self.address(one), hub)
                for layer in unwrapped(data)
            ]
            self.check_absent({"address": self.address(other).encode()}, told)

    def send_file(self, one: Person, other: Person) -> None:
        """Send a file, which is taken, and wait until it has come."""
        path = self.village.folder / "canary of a file"
        path.write_text("canary of a content\n" * 50_000)
        self.town.result(one.desk.send_files(other.key, [str(path)]))
        self.village.until(lambda: bool(self.town.result(other.desk.list_files())))
        (row,) = self.town.result(other.desk.list_files())
        self.town.result(other.desk.accept_files(row.id, ""))
        self.village.until(
            lambda: [each.state for each in self.town.result(other.desk.list_files())] == ["done"]
        )

    def today(self) -> int:
        """Return the number of the UTC day."""
        return int(self.town.memory.clock.seconds()) // 86_400

    def check_absent(self, secrets: dict[str, bytes], layers: list[bytes]) -> None:
        """Check that none of the secrets is in any layer, as it is or in hex."""
        for name, secret in secrets.items():
            for form in (secret, secret.hex().encode()):
                self.assertEqual([layer[:80] for layer in layers if form in layer], [], name)


class AccountsTests(WireCase):
    def test_a_hub_cannot_tell_that_two_accounts_are_of_one_process(self) -> None:
        """What both say to it, everybody says: no word, key, nonce or name is theirs alone."""
        bob, dora, carl, eve = (self.hidden() for _ in range(4))
        self.village.acquaint(bob, carl)
        self.village.acquaint(dora, eve)
        for one, other in ((bob, carl), (dora, eve)):
            one.say(other, "hello")
            self.village.until(lambda one=one, other=other: self.delivered(one, other))
        self.town.end(carl.node, eve.node)
        for one, other in ((bob, carl), (dora, eve)):
            one.say(other, "later")
        self.town.run(3600)
        hub = self.hub.address.host
        everybody = (bob, dora, carl, eve)
        said = {each.name: self.wire.said(self.address(each), hub) for each in everybody}
        for name, words in said.items():
            self.assertGreater(len(words), 20, name)
        common = said[bob.name] & said[dora.name]
        self.assertEqual(common - (said[carl.name] & said[eve.name]), set())
        for one, other in ((bob, dora), (dora, bob)):
            text = other.node.identity.public.text.encode()
            self.assertIn(one.node.identity.public.text.encode(), b" ".join(said[one.name]))
            self.assertNotIn(text, b" ".join(said[one.name]))
