"""Set up a call with a contact's program, through the nodes of both.

python examples/call.py HOME              waits for a call, and answers it
python examples/call.py HOME CONTACT      calls

With WebRTC the two texts are what RTCPeerConnection says, and candidates follow them.
"""

from __future__ import annotations

import secrets
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from streembit import Client
from streembit.service.people_events import Signal


async def answer(client: Client) -> None:
    """Answer the first call, and end it."""
    position = await client.position()
    print(f"{(await client.status()).account} waits", flush=True)
    async for happened in client.events(position):
        match happened.event:
            case Signal(contact, call, "offer", text):
                print(f"called: {text}")
                await client.call.signal(contact, call, "answer", "a description of our side")
                await client.call.signal(contact, call, "end")
                return
            case _:
                pass


async def call(client: Client, contact: str) -> None:
    """Call a contact, and take what its program says until the end."""
    name, position = secrets.token_urlsafe(16), await client.position()
    await client.call.signal(contact, name, "offer", "a description of our side")
    async for happened in client.events(position):
        match happened.event:
            case Signal(_, which, "answer", text) if which == name:
                print(f"answered: {text}")
            case Signal(_, which, "end", _) if which == name:
                return
            case _:
                pass


async def main(reactor: Any) -> None:
    """Call, if somebody is named, or wait for a call."""
    client = Client(reactor, sys.argv[1])
    await (call(client, sys.argv[2]) if len(sys.argv) > 2 else answer(client))


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(main(reactor)))
