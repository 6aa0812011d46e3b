"""Write the golden home of this release, once: `python -m tests.golden.make`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from streembit import __version__
from streembit.contacts import offer
from streembit.contacts.book import Book
from streembit.contacts.book import contact as known
from streembit.contacts.invitations import Invitations
from streembit.contacts.requests import Requests
from streembit.dht import record as records
from streembit.dht.peers import PeersCache
from streembit.dht.record import Record
from streembit.dht.shelf import StoredItem
from streembit.disk.accounts import Accounts
from streembit.disk.chest import Chest, Kept
from streembit.disk.home import Home
from streembit.disk.peers import PeersFile
from streembit.disk.published import Published, PublishedRecords, Slot
from streembit.disk.records import SqliteShelf
from streembit.jose import base64url, fingerprint, words
from streembit.jose.keys import Identity, PublicKey
from streembit.jose.passcode import LEAST
from streembit.wire.message import Contact
from streembit.wire.offer import Address, ContactRequest
from tests.golden import people

GOLDEN = Path(__file__).parent
NETWORK = "golden"
PASSCODE = "Golden-Passcode-1"
EXP = 1_900_000_000
NOW_S = 1_800_000_000
SIZES = (0, 251, 252, 253, 5000)
HOMES = [Address("192.0.2.7", 32319), Address("2001:db8::7", 443, "wss")]
NONCES = [base64url.encode(bytes([number]) * 16) for number in range(1, 4)]
NAMES = ("BusinessName/Usecase/AppName", "plain", "deleted")


def main() -> None:
    """Make the home and the facts that it must still tell; refuse to replace one."""
    folder = GOLDEN / __version__
    folder.mkdir()
    home = Home.create(folder / "home")
    accounts = Accounts(home.accounts.folder, params=LEAST)
    alice = accounts.create("alice", PASSCODE)
    device = accounts.create("device", None)
    made = [make_record(alice, number, name) for number, name in enumerate(NAMES)]
    fill_shelf(home, made)
    fill_published(home, alice, made)
    fill_peers(home, [alice, device])
    fill_chest(home, alice, device)
    home.config_path("node").write_text(CONFIG)
    facts = facts_of(alice, device, made)
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    for left in ("lock", "records.sqlite-wal", "published.sqlite-wal", "accounts/.lock"):
        (home.path / left).unlink(missing_ok=True)
    for path in home.path.rglob("*-shm"):
        path.unlink()
    shutil.copy(home.accounts.key_path("alice"), folder / "backup-of-alice.json")
    people.main()


CONFIG = """\
listen = ["tcp:8905"]
seeds = ["seed.example.org:32319"]
network = "golden"

[limits]
store_bytes = 1_000_000
"""


def make_record(owner: Identity, seq: int, name: str) -> Record:
    """Return a record of the owner's; the last one of NAMES is a tombstone."""
    if name == "deleted":
        return records.tombstone(owner.signing, "name", name, seq, EXP, NETWORK)
    value = f"value of {name}".encode()
    return records.make(owner.signing, "name", name, value, seq, EXP, NETWORK)


def fill_shelf(home: Home, made: list[Record]) -> None:
    """Store the records as a node does, and a floor."""
    shelf = SqliteShelf(home.records_path)
    for number, record in enumerate(made):
        shelf.save(
            StoredItem(
                place=record.place,
                kind="record",
                body=record.token.encode(),
                owner=record.key.point,
                address="192.0.2.1",
                user="192.0.2.0/24",
                seq=record.seq,
                expires_unix_s=record.exp,
                digest=record.digest,
                stored_s=float(number),
                kept_until_s=1e9,
            )
        )
    shelf.set_floor(7, 41, 1e9)
    shelf.close()


def fill_published(home: Home, owner: Identity, made: list[Record]) -> None:
    """Keep the records as our own, under reserved numbers."""
    published = PublishedRecords(home.published_path)
    for record in made:
        slot = Slot(owner.public.point, "name", record.claims.salt)
        published.reserve(slot, seen=record.seq - 1)
        token = record.token.encode()
        published.keep(Published(slot, record.seq, token, 3600, record.exp, record.tombstone))
    published.reserve(Slot(owner.public.point, "name", "reserved"), seen=98)
    published.close()


def fill_peers(home: Home, identities: list[Identity]) -> None:
    """Note some peers."""
    cache = PeersCache()
    for number, identity in enumerate(identities):
        cache.met(Contact(identity.public.text, f"192.0.2.{number + 1}", 8905), 1000.0)
    PeersFile(home.peers_path).save(cache.document())


def fill_chest(home: Home, owner: Identity, contact: Identity) -> None:
    """Keep a contact with all that can be known of one, an offer, requests, and other rows."""
    chest = Chest(home.settle(owner.name).chest_path, owner.at_rest_key())
    book, offers, requests = Book(), Invitations(), Requests(chest.all)
    former = Identity.from_seed(bytes([7]) * 32)
    entry = known(former.public, "Lamp", NOW_S, called="lamp", note="In the hall", addresses=HOMES)
    book.add(entry)
    rotated = (contact.public, contact.agreement.public, b"d" * 32)
    book.replace_key(former.public, *rotated)
    book.verify(contact.public, fingerprint.of(contact.public))
    book.seen(contact.public, NOW_S + 9)
    book.set_receipts(contact.public, True)
    for number, name in enumerate(("asked", "blocked", "removed")):
        key = Identity.from_seed(bytes([10 + number]) * 32).public
        book.add(known(key, name, NOW_S, asked=name == "asked"))
        requests.ask(key, NONCES[number], "", "hello", NOW_S)
    book.block(book.find("blocked").public(), NOW_S + 1)
    book.remove(book.find("removed").public(), NOW_S + 2)
    made = offer.make(owner, network=NETWORK, now_unix_s=NOW_S, life_s=999, nonce=bytes(16))
    offers.add(made, NOW_S)
    offers.use(made.claims.nonce, contact.public, NOW_S)
    for number, name in enumerate(("waits", "welcome", "denied")):
        requests.receive(*request_of(number, name), book, offers, NOW_S, NETWORK)
    requests.accept(requests.find("welcome"), NOW_S)
    requests.deny(requests.find("denied"), NOW_S)
    chest.commit([*book.changes(), *offers.changes(), *requests.changes()])
    chest.commit([Kept("room", b"name", b"value"), *(Kept("list", n, bytes(n)) for n in SIZES)])
    chest.close()


def request_of(number: int, name: str) -> tuple[PublicKey, ContactRequest]:
    """Return somebody's key, and the request that comes from it."""
    asker = Identity.from_seed(bytes([20 + number]) * 32)
    text = asker.agreement.public.text
    letter = ContactRequest(NONCES[number], name, "human", text, HOMES, NETWORK, NOW_S, "", "hi")
    return asker.public, letter


def facts_of_chest(contact: Identity) -> dict[str, Any]:
    """Return what a later release must find in the chest."""
    return {
        "contact": {"name": "Lamp", "public_key": contact.public.hex, "verified": True},
        "former": Identity.from_seed(bytes([7]) * 32).public.hex,
        "states": {"Lamp": "contact", "asked": "asked", "blocked": "blocked", "removed": "removed"},
        "offer": base64url.encode(bytes(16)),
        "asked": 3,
        "waiting": ["waits"],
        "owed": {"accepted": 1, "denied": 1},
        "sizes": list(SIZES),
        "now": NOW_S,
    }


def facts_of(alice: Identity, device: Identity, made: list[Record]) -> dict[str, Any]:
    """Return what a later release must find in the home."""
    return {
        "passcode": PASSCODE,
        "default": "alice",
        "accounts": {
            identity.name: {
                "public_key": identity.public.hex,
                "agreement_key": identity.agreement.public.hex,
                "words": words.from_seed(identity.seed),
            }
            for identity in (alice, device)
        },
        "records": [
            {
                "place": record.place.to_bytes(20).hex(),
                "name": record.claims.salt,
                "seq": record.seq,
                "exp": record.exp,
                "value": record.value.decode(),
                "deleted": record.tombstone,
                "digest": record.digest.hex(),
            }
            for record in made
        ],
        "reserved": 99,
        "floor": {"place": 7, "seq": 41},
        "peers": ["192.0.2.1", "192.0.2.2"],
        "chest": facts_of_chest(device),
    }


if __name__ == "__main__":
    main()
