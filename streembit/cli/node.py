"""`streembit status` and `streembit doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from streembit.cli import show
from streembit.cli.command import Command, Settings, pass_settings

if TYPE_CHECKING:
    from streembit.api.network import Checks
    from streembit.service.facade import Readiness, Status
    from streembit.service.hub.rows import HubStatus
    from streembit.service.people_rows import PeopleStatus
    from streembit.service.relay.rows import HubRow


@click.command(cls=Command, examples=("streembit status", "streembit --json status"))
@pass_settings
def status(settings: Settings) -> None:
    """Show who and where the running node is, and how it does."""
    from streembit.service.facade import Status

    answer = settings.client().ask("GET", "/v1/status", Status)
    if settings.json:
        show.as_json(answer)
    else:
        show.facts(_facts(answer))


def _facts(answer: Status) -> Iterator[tuple[str, object]]:
    yield "role", f"{answer.role}, streembit {answer.version}, up {show.span(answer.uptime_s)}"
    yield "network", answer.network
    yield "account", answer.account
    yield "public key", answer.public_key
    yield "node id", answer.node_id
    yield "fingerprint", answer.fingerprint
    yield "listening", ", ".join(answer.listening) or "nowhere"
    if _has_node(answer):
        yield "observed", f"{answer.observed or 'not yet'}, {_reach(answer)}"
    if answer.mapped:
        yield "mapped", answer.mapped
    if answer.lan:
        yield "lan", answer.lan
    yield "readiness", _readiness(answer.readiness, answer.hub is not None)
    if _has_node(answer):
        yield "peers", f"{answer.peers:,} in the table, {show.count(answer.links, 'link')}"
        records, size = show.count(answer.records, "record"), show.count(answer.bytes, "byte")
        yield "records", f"{records}, {size}"
    if answer.people is not None:
        yield from _people(answer.people)
    if answer.hubs:
        yield from _hubs(answer.hubs)
    if answer.hub is not None:
        yield from _hub(answer.hub)
    if _has_node(answer):
        store = "accepts writes" if answer.store.ok else f"DEGRADED: {answer.store.detail}"
        yield "store", store
        yield "clock", _clock(answer.clock_skew_s)
    yield "checked", show.count(answer.signed_checked, "signature")
    yield from _listed("refused", answer.refusals)
    yield from _listed("limits", answer.limits)


def _people(people: PeopleStatus) -> Iterator[tuple[str, object]]:
    offers, requests = show.count(people.offers, "offer"), show.count(people.requests, "request")
    yield "contacts", f"{people.contacts:,}, {people.online:,} online; {offers} open, {requests}"
    waits = "" if people.oldest_s is None else f", the oldest for {show.span(people.oldest_s)}"
    outbox = show.count(people.outbox, "message")
    yield "outbox", f"{outbox} not delivered{waits}; {people.unread:,} unread"
    yield "transfers", f"{people.transfers:,} running, {people.transfers_offered:,} offered"
    age_s = people.cards_age_s
    yield "cards", "none published yet" if age_s is None else f"published {show.span(age_s)} ago"
    yield "agreement", f"key in use for {show.span(people.agreement_age_s)}"
    for notice in people.notices:
        yield "notice", f"{show.moment(int(notice.at))}: {notice.text}"


def _hubs(hubs: list[HubRow]) -> Iterator[tuple[str, object]]:
    rows = [f"{row.name}: {show.count(row.links, 'link')}, {standing(row)}" for row in hubs]
    yield from zip(["hubs"] + [""] * len(rows), rows, strict=False)


def standing(row: HubRow) -> str:
    """Return how it stands with a hub, for people."""
    found = ", ".join(f"{count} {kind}" for kind, count in row.findings.items())
    state = {
        "joined": "joined",
        "joining": "being joined",
        "waiting": f"NOT joined ({row.why})",
        "refused": f"NOT let in ({row.why})",
        "off": "left",
    }[row.state]
    return f"{state}; it did wrong: {found}" if found else state


def _hub(hub: HubStatus) -> Iterator[tuple[str, object]]:
    sessions = show.count(hub.sessions, "session")
    there = f"{sessions} here, {hub.joined:,} joined (processes: {hub.processes:,})"
    yield "hub", f"{_members(hub)}; {there}"
    if hub.allowlist:
        yield "allowlist", f"NOT the file on the disk: {hub.allowlist}"
    mails = f"{show.count(hub.mails, 'mail')}, {show.count(hub.mail_bytes, 'byte')}"
    yield "mailbox", f"DEGRADED: {hub.mailbox}" if hub.mailbox else mails
    frames = "accelerated" if hub.accelerated else "NOT accelerated"
    yield "websocket", f"{hub.security}, {frames}; backplane {hub.backplane}"
    yield "pin", hub.pin


def _members(hub: HubStatus) -> str:
    if hub.members is None:
        return "public"
    return f"private: {show.count(hub.members, 'member')}, list {hub.generation}"


def _listed(
    name: str, figures: dict[str, int] | dict[str, int | float]
) -> Iterator[tuple[str, object]]:
    rows = [f"{figure:,} {what}" for what, figure in figures.items()] or ["nothing"]
    yield from zip([name] + [""] * len(rows), rows, strict=False)


def _reach(answer: Status) -> str:
    return {
        "reachable": "reachable from outside",
        "unreachable": "NOT reachable from outside",
        "unknown": "not yet known whether reachable",
    }[answer.reachability]


def _has_node(answer: Status) -> bool:
    """Say whether there is a node: a hub need not have one, or nobody is there to talk to."""
    return answer.hub is None or bool(answer.peers or answer.links or answer.records)


def _readiness(readiness: Readiness, is_hub: bool) -> str:
    age = readiness.canary_age_s
    word = "ready" if readiness.ready else "NOT READY"
    if is_hub and age is None:
        return f"{word}: {readiness.detail}"
    told = "no canary yet" if age is None else f"canary {show.span(age)} ago"
    return f"{word}, {told}" + (f": {readiness.detail}" if readiness.detail else "")


def _clock(skew_s: float | None) -> str:
    if skew_s is None:
        return "not yet compared with 3 peers"
    side = "ahead of" if skew_s > 0 else "behind"
    return f"{show.span(abs(skew_s))} {side} the peers"


@click.command(cls=Command, examples=("streembit doctor", "streembit doctor --json"))
@pass_settings
@click.pass_context
def doctor(context: click.Context, settings: Settings) -> None:
    """Find out what is wrong, and say what to do.

    Checks clock, port, seeds, reachability and disk; without a running
    node, what can be checked then. The exit status is 1 if a check fails.
    """
    found = _found(settings)
    if settings.json:
        show.as_json(found)
    else:
        _print(found)
    if not found.ok:
        context.exit(1)


def _found(settings: Settings) -> Checks:
    from streembit.api.network import Checks
    from streembit.cli.offline import examine
    from streembit.errors import NodeNotRunning

    try:
        return settings.client().ask("GET", "/v1/doctor", Checks)
    except NodeNotRunning:
        checks = examine(settings.home, settings.account)
        return Checks(all(check.ok for check in checks), checks)


def _print(found: Checks) -> None:
    width = max((len(check.name) for check in found.checks), default=0)
    for check in found.checks:
        mark = "ok  " if check.ok else "FAIL"
        show.line(f"{mark}  {check.name:<{width}}  {check.detail}")
        if check.advice and not check.ok:
            show.line(f"      {'':<{width}}  what to do: {check.advice}")
