"""The part of the configuration that only a hub has."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Struct

from streembit.disk.mailbox import DEFAULTS, MailLimits
from streembit.errors import BadName
from streembit.wire import texts

MAX_ORIGINS: Final = 64  # pages of an operator's own

_Bytes = Annotated[int, Meta(ge=64 * 1024, le=2**40)]
Origin = Annotated[str, Meta(pattern=r"^https?://[A-Za-z0-9._:\[\]-]{1,255}\Z")]


class HubConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator decides about a hub.

    name: the hub's, for people to read. node: have a node of its own, by
    which members put and get records; it begins at the seeds, or is the
    seed of a private network; of several processes of one hub, one has it.
    private: the allowlist's file, "" for a hub that lets everybody in.
    certificate, private_key: PEM files of the TLS certificate, "" for one
    that the hub makes by itself; the certificate's file may hold those that
    signed it behind it. plain:
    WebSocket without TLS, on loopback only. behind_proxy: without TLS as
    well, and each connection begins with a PROXY header (HAProxy), whose
    address counts. backplane: "redis://..." where several processes serve
    one hub, "" for a hub of one process; backplane_password_file: where
    its password is, if it has one. origins: pages whose scripts may connect,
    each "https://HOST". mail_*: what waits at most, for one recipient, of
    one sender and in all, and how long. joins_per_address_per_s: how many
    join from one address in the long run, as those behind one router do;
    the others wait for their turn.
    """

    name: Annotated[str, Meta(max_length=64)] = ""
    node: bool = True
    private: str = ""
    certificate: str = ""
    private_key: str = ""
    plain: bool = False
    behind_proxy: bool = False
    backplane: Annotated[str, Meta(pattern=r"^(rediss?://\S{1,250}|unix://\S{1,250})?\Z")] = ""
    backplane_password_file: str = ""
    mail_messages: Annotated[int, Meta(ge=1, le=100_000)] = DEFAULTS.box_messages
    mail_bytes: _Bytes = DEFAULTS.box_bytes
    mail_messages_per_sender: Annotated[int, Meta(ge=1, le=1_000_000)] = DEFAULTS.sender_messages
    mail_bytes_per_sender: _Bytes = DEFAULTS.sender_bytes
    mail_bytes_total: _Bytes = DEFAULTS.total_bytes
    mail_days: Annotated[int, Meta(ge=1, le=366)] = DEFAULTS.days
    joins_per_address_per_s: Annotated[float, Meta(ge=0.1, le=10_000)] = 10.0
    origins: Annotated[tuple[Origin, ...], Meta(max_length=MAX_ORIGINS)] = ()

    @property
    def mail_limits(self) -> MailLimits:
        """What the mailbox keeps at most."""
        return MailLimits(
            box_messages=self.mail_messages,
            box_bytes=self.mail_bytes,
            sender_messages=self.mail_messages_per_sender,
            sender_bytes=self.mail_bytes_per_sender,
            total_bytes=self.mail_bytes_total,
            days=self.mail_days,
        )

    def fault(self) -> str:
        """Return what contradicts itself, "" for nothing."""
        if bool(self.certificate) != bool(self.private_key):
            return "a certificate and its private_key need each other"
        if self.certificate and (self.plain or self.behind_proxy):
            return "without TLS no certificate is used"
        if self.plain and self.behind_proxy:
            return "plain and behind_proxy exclude each other"
        if self.backplane_password_file and not self.backplane:
            return "without a backplane there is no password for it"
        try:
            texts.check_note(self.name)
        except BadName as error:
            return f"name: {error.detail}"
        return ""
