"""Answer each message of contacts with the same words, through the node that runs with a home.

python examples/echo.py HOME
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from streembit import Client
from streembit.service.people_events import Arrived, Asked


async def echo(reactor: Any) -> None:
    """Take everybody who asks as a contact, and follow what they say, for ever."""
    client = Client(reactor, sys.argv[1])
    print(f"{(await client.status()).account} listens", flush=True)
    async for happened in client.events():
        match happened.event:
            case Asked(request):
                contact = await client.contact.accept(request.id)
                print(f"{contact.name!r} is a contact now", flush=True)
            case Arrived(message) if message.text != "/quit" and not message.transfer:
                await client.message.send(message.contact, message.text)
                await client.message.read(message.contact, message.number)
            case Arrived():
                return
            case _:
                pass


if __name__ == "__main__":
    react(lambda reactor: Deferred.fromCoroutine(echo(reactor)))
