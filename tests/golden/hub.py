"""Write what a hub of this release keeps, once: `python -m tests.golden.hub`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from streembit import __version__
from streembit.disk.allowlist import add
from streembit.disk.mailbox import Mailbox
from streembit.hub.allowlist import Member
from streembit.hub.grant import Grant
from streembit.hub.mail import Listing, Mail
from streembit.jose.keys import Identity
from streembit.wire.hub import MailName

FOLDER: Final = Path(__file__).parent / __version__ / "hub"
NOW_S: Final = 1_800_000_000
MEMBERS: Final = {name: Identity.from_seed(name.encode() * 8, name) for name in ("anna", "otto")}
ANNA, OTTO = (member.public for member in MEMBERS.values())
TOKENS: Final = [b"first", b"\x00" * 4_000, b"deleted", b"last"]


def main() -> None:
    """Make the files and the facts that they must still tell; refuse to replace them."""
    FOLDER.mkdir()
    keep_mail()
    write_allowlist()


def keep_mail() -> None:
    """Keep mail for Otto and acknowledge one, and show an entry of Anna's."""
    box = Mailbox(FOLDER / "mailbox.sqlite")
    mails = [
        Mail(OTTO.text, ANNA.text, f"{number:022d}", token, NOW_S + number)
        for number, token in enumerate(TOKENS)
    ]
    for mail in mails:
        box.keep(mail)
    box.ack(OTTO.text, [MailName(ANNA.text, mails[2].id)])
    entry = Listing(ANNA.text, "anna", NOW_S + 86_400, "an entry")
    box.publish(entry)
    box.close()
    facts = {
        "waiting": [mail.token.hex() for mail in mails if mail.token != b"deleted"],
        "entry": asdict(entry),
        "to": OTTO.text,
        "now": NOW_S,
    }
    (FOLDER / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")


def write_allowlist() -> None:
    """Write a list of two, in which every member of a member is used."""
    path = FOLDER / "allowlist.json"
    path.write_text('{"note": "A golden list", "network": "private.golden", "members": []}')
    path.chmod(0o600)
    add(path, Member(ANNA, Grant("anna", "human", frozenset({"relay", "mailbox", "admin"}))))
    device = Grant("otto", "device", frozenset({"dht", "directory"}), NOW_S)
    add(path, Member(OTTO, device, "in the hall"))


if __name__ == "__main__":
    main()
