"""Write the golden chests of two people of this release, once: `python -m tests.golden.people`.

They have talked, and stopped in the middle of a long message and of files. A later release lets
them go on.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from streembit import __version__
from streembit.chat.conversation import Conversation
from streembit.chat.events import Outgoing
from streembit.disk.chest import Chest, Kept
from streembit.disk.sources import Source, pack_sources
from streembit.files import manifest as manifests
from streembit.files.state import Journal, State
from streembit.jose import base64url
from streembit.jose.keys import Identity
from streembit.service.people.keeping import Entry, Keeping
from streembit.wire.content import Text
from tests.chat.people import contact_of

GOLDEN = Path(__file__).parent
NOW_S = 1_800_000_000
SEEDS = {"alice": bytes([31]) * 32, "bob": bytes([32]) * 32}
LONG = "a long message " * 400
FILES = [(("pictures", "one.jpg"), 70_000), (("pictures", "deep", "two.jpg"), 5)]


class Talker:
    """One of two people: a conversation that is committed to a chest."""

    def __init__(self, folder: Path, name: str, other: str) -> None:
        self.own, self.other = identity(name), identity(other)
        self.chest = Chest(folder / f"{name}.sqlite", self.own.at_rest_key())
        self.chance = Random(name)
        self.talk = Conversation(self.own, contact_of(self.other), self.chest, self.chance)

    def commit(self) -> None:
        """Keep what has changed."""
        self.chest.commit(Kept(*row) for row in self.talk.changes())

    def say(self, text: str) -> int:
        """Write a message; return its number."""
        word = Text(base64url.encode(self.chance.randbytes(16)), NOW_S, text)
        number = self.talk.write(word, NOW_S)
        self.commit()
        return number

    def due(self, now_s: float = NOW_S) -> list[Outgoing]:
        """Return what is to be handed over."""
        due: list[Outgoing] = []
        while more := self.talk.due(now_s):
            due += more
        self.commit()
        return due

    def texts(self) -> list[list[Any]]:
        """Return the history, oldest first: how the text begins, whose it is, and its state."""
        page = reversed(self.talk.page(None, 99))
        spoken = [(each, each.spoken()) for each in page]
        return [
            [word.text[:30], each.ours, each.state]
            for each, word in spoken
            if isinstance(word, Text)
        ]


def identity(name: str) -> Identity:
    """Return who somebody is."""
    return Identity.from_seed(SEEDS[name], name)


def acquaint(alice: Talker, bob: Talker) -> None:
    """Let each have the other's prekeys, and a way to the other."""
    for one, other in ((alice, bob), (bob, alice)):
        bundle = other.talk.bundle(NOW_S)
        other.commit()
        one.talk.learn(bundle, NOW_S)
        one.talk.opened()
        one.commit()


def exchange(alice: Talker, bob: Talker, now_s: float = NOW_S) -> None:
    """Carry all that is due."""
    while any([carry(alice, bob, alice.due(now_s)), carry(bob, alice, bob.due(now_s))]):
        pass


def carry(one: Talker, other: Talker, parcels: list[Outgoing]) -> int:
    """Hand over parcels; return how many."""
    for outgoing in parcels:
        other.talk.hear(outgoing.parcel, NOW_S)
        other.commit()
        one.talk.handed(outgoing)
        one.commit()
    return len(parcels)


def make(folder: Path) -> dict[str, Any]:
    """Make both chests; return what a later release must find in them."""
    alice, bob = Talker(folder, "alice", "bob"), Talker(folder, "bob", "alice")
    bob.talk.receipts = True
    acquaint(alice, bob)
    alice.say("one")
    gone = alice.say("deleted")
    exchange(alice, bob)
    bob.say("two")
    bob.talk.see(gone)
    exchange(alice, bob)
    alice.talk.delete(gone)
    alice.say(LONG)
    carry(alice, bob, alice.due()[:1])  # and the link is gone
    for each in (alice, bob):
        each.talk.closed("peer-gone", NOW_S)
        each.commit()
    alice.talk.unreachable("peer-gone", NOW_S)
    left = [outgoing for outgoing in alice.talk.deposit(NOW_S) if alice.talk.handed(outgoing) == []]
    alice.commit()
    bob.say("waits")
    facts = {
        "alice": alice.texts(),
        "bob": bob.texts(),
        "left": list(alice.talk.left.waiting()),
        "parcels": len(left),
        "transfers": {"alice": fill_transfers(alice, True), "bob": fill_transfers(bob, False)},
    }
    for each in (alice, bob):
        each.chest.close()
    return facts


def fill_transfers(one: Talker, outgoing: bool) -> list[list[Any]]:
    """Keep a transfer in each state that lasts; return the name, state and reason of each."""
    keeping, kept = Keeping(one.chest), []
    manifest = manifests.make(FILES)
    sources = pack_sources(
        [Source(b"/golden/%d" % n, 1, n, size, NOW_S) for n, (_, size) in enumerate(FILES)]
    )
    ends = {State.DENIED: "denied", State.FAILED: "changed-file"}
    for number, state in enumerate(State):
        offer = manifest.offer(bytes([number]) * 16, f"transfer {number}")
        journal = Journal(offer, state, ends.get(state, ""), b"").pack()
        entry = Entry(one.other.public.hex, outgoing, NOW_S + number, journal)
        has_list = outgoing and not ends.get(state) and state is not State.DONE
        if has_list:
            keeping.put_lists(offer.transfer, entry, manifest.data, sources)
        else:
            keeping.put(offer.transfer, entry)
        kept.append([offer.name, state.value, ends.get(state, "")])
    return kept


def main() -> None:
    """Make the chests and the facts that they must still tell; refuse to replace them."""
    folder = GOLDEN / __version__ / "people"
    folder.mkdir()
    facts = make(folder)
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    for left in [*folder.glob("*-wal"), *folder.glob("*-shm"), *folder.glob("*lock*")]:
        left.unlink()


if __name__ == "__main__":
    main()
