"""What a store refuses of a record, and what a peer refused."""

from __future__ import annotations

from streembit.errors.base import RemoteError


class RecordRefused(RemoteError):
    """The record cannot be accepted."""

    code = "record-refused"


class RecordTooLarge(RecordRefused):
    """The record's value is longer than allowed."""

    code = "record-too-large"


class RecordExpired(RecordRefused):
    """The record's time is over."""

    code = "record-expired"


class RecordTooLong(RecordRefused):
    """The record wants to live longer than allowed."""

    code = "record-lives-too-long"


class SeqTooLow(RecordRefused):
    """A newer version of the record is known."""

    code = "seq-too-low"


class SeqConflict(RecordRefused):
    """The same version of the record is known with other contents."""

    code = "seq-conflict"


class NotNear(RecordRefused):
    """The record's place is not near this node."""

    code = "not-near"


class OwnerQuota(RecordRefused):
    """The owner of the record stores too many records here."""

    code = "owner-quota"


class AddressQuota(RecordRefused):
    """The address that sent the record stores too many bytes here."""

    code = "address-quota"


class StoreFull(RecordRefused):
    """The store is full."""

    code = "store-full"


class StoreDegraded(RecordRefused):
    """The node cannot write to its disk at the moment."""

    code = "store-degraded"


class WrongPlace(RecordRefused):
    """The record does not belong to the place where it was found."""

    code = "wrong-place"


class RemoteRefusal(RemoteError):
    """The peer refused the request.

    `code` is the one that the peer gave, cut to 64 characters.
    """

    code = "refused"

    def __init__(self, code: str, detail: str = "", **fields: object) -> None:
        super().__init__(detail, **fields)
        self.code = code[:64]
