"""Errors as HTTP answers: which status stands for which code."""

from __future__ import annotations

from typing import Final

from streembit import errors
from streembit.api.operation import ErrorAnswer, ErrorBody
from streembit.errors import RecordRefused, RemoteError, StreembitError

# The first class that an error belongs to decides; what no line names is a defect: 500.
_STATUS: Final = (
    (errors.BadRequest, 400),
    (errors.ForbiddenHost, 403),
    (errors.ForbiddenOrigin, 403),
    (errors.NoSuchPath, 404),
    (errors.MethodNotAllowed, 405),
    (errors.UnsupportedMediaType, 415),
    (errors.NotFound, 404),
    (errors.NoSuchAccount, 404),
    (errors.NoSuchContact, 404),
    (errors.NoSuchTransfer, 404),
    (errors.TooLarge, 413),
    (errors.RecordTooLarge, 413),
    (errors.StoreDegraded, 503),
    (errors.DiskFull, 503),
    (errors.DiskFailed, 503),
    (errors.NotReady, 503),
    (errors.NoPeers, 503),
    (errors.PeerGone, 503),
    (errors.RequestTimeout, 504),
    (errors.DeadlineExceeded, 504),
    (errors.ChestDamaged, 503),
    (errors.NotEnoughSpace, 507),
    (errors.RequestQuota, 429),
    (errors.OutboxFull, 429),
    (errors.TooManyTransfers, 429),
    (errors.WrongPasscode, 403),
    (errors.AmbiguousContact, 409),
    (errors.NameTaken, 409),
    (errors.WrongState, 409),
    (errors.BookFull, 409),
    (errors.FingerprintDiffers, 409),
    (errors.KeyAlarm, 409),
    (errors.KeyRefused, 409),
    (errors.KeyRevoked, 409),
    (errors.OfferExpired, 409),
    (errors.OfferUsed, 409),
    (errors.OwnOffer, 409),
    (errors.WrongNetwork, 409),
    (errors.FileChanged, 409),
    (errors.TransferState, 409),
    (errors.NoAllowlist, 409),
    (errors.NoHub, 409),
    (errors.BadEntry, 400),
    (errors.BadAllowlist, 409),
    (errors.MailboxDegraded, 503),
    (RecordRefused, 409),
    (errors.BadName, 400),
    (errors.BadKey, 400),
    (errors.BadToken, 400),
    (errors.BadHeader, 400),
    (errors.BadSignature, 400),
    (errors.BadOffer, 400),
    (errors.BadWords, 400),
    (errors.SecretWords, 400),
    (errors.BadJson, 400),
    (RemoteError, 502),
)


def status_of(error: StreembitError) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def status_of_code(code: str) -> int:
    """Return the HTTP status of the error that has this code, 500 for an unknown one."""
    kind = errors.by_code(code)
    return 500 if kind is None else status_of(kind())


def answer_of(error: StreembitError) -> ErrorAnswer:
    """Return what the API says about an error: its code, and all else in one sentence."""
    return ErrorAnswer(ErrorBody(error.code, in_words(error)))


def in_words(error: StreembitError) -> str:
    """Return what happened for a person: the sentence, this case's detail, and its figures."""
    text = error.sentence().removesuffix(".")
    if error.detail:
        text += f": {error.detail}"
    figures = [f"{name}: {_shown(value)}" for name, value in error.fields.items() if value != []]
    return f"{text} [{', '.join(figures)}]" if figures else text


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
