"""Send a file to a contact, and wait until it is there.

python examples/send_file.py HOME CONTACT FILE
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from streembit import Client
from streembit.service.people_events import Transferred


async def send(reactor: Any) -> None:
    """Offer the file; the contact's user decides, and the nodes do the rest."""
    home, contact, file = sys.argv[1:]
    client = Client(reactor, home)
    begun = await client.position()
    offered = await client.file.send(contact, file)
    print(f"offered {offered.name}, {offered.total_bytes} bytes", flush=True)
    async for happened in client.events(begun):
        event = happened.event
        if isinstance(event, Transferred) and event.transfer.id == offered.id:
            row = event.transfer
            print(f"{row.state}: {row.done_bytes} of {row.total_bytes} bytes", flush=True)
            if row.state in ("done", "denied", "failed"):
                return


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(send(reactor)))
