"""The operation of calls: their signalling, which programs of two contacts say to each other."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from streembit.api.contacts import CONTACT, OF_CONTACT
from streembit.api.operation import Ask, Done, Operation
from streembit.service.people_facade import PeopleFacade
from streembit.wire.message import CallText, SignalText, Step


class SendSignal(Struct, frozen=True, forbid_unknown_fields=True):
    """A step of a call: which call, what it is, and a session description or a candidate."""

    call: CallText
    step: Step
    text: SignalText = ""


async def _signal(people: PeopleFacade, ask: Ask) -> Done:
    body = ask.body
    await people.signal(ask.checked(CONTACT), body.call, body.step, body.text)
    return Done()


OPERATIONS: Final[tuple[Operation[PeopleFacade], ...]] = (
    Operation(
        "signal",
        "POST",
        "/v1/contacts/{contact}/signals",
        "Hand a step of a call to a linked contact's programs, which get it as an event.",
        Done,
        _signal,
        (CONTACT,),
        SendSignal,
        ("peer-gone", "rate-limited", "request-timeout", "wrong-state", *OF_CONTACT),
    ),
)
