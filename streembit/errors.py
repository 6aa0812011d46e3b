"""Every error that Streembit raises on purpose, each with its wire code and whose fault it is."""

from __future__ import annotations

from collections.abc import Iterator


class StreembitError(Exception):
    """Something went wrong in Streembit.

    The docstring of a subclass is the sentence that a user reads;
    `detail` says more about this one case, and the keyword fields,
    which are attributes too, carry its figures. None of them may hold
    secrets: they are logged and shown.
    """

    code: str = "error"

    def __init__(self, detail: str = "", **fields: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = fields

    def __getattr__(self, name: str) -> object:
        fields: dict[str, object] = self.__dict__.get("fields", {})
        if name in fields:
            return fields[name]
        raise AttributeError(f"{type(self).__name__} has no field {name}")

    def __str__(self) -> str:
        figures = " ".join(f"{name}={value}" for name, value in self.fields.items())
        text = f"{self.code}: {self.detail}" if self.detail else self.code
        return f"{text} {figures}" if figures else text

    @classmethod
    def sentence(cls) -> str:
        """Return the first line of the class's docstring: what happened, for a user."""
        return (cls.__doc__ or cls.code).strip().splitlines()[0]


class LocalError(StreembitError):
    """Our own side did something that cannot work: caller, user, or disk."""

    code = "local-error"


class RemoteError(StreembitError):
    """The other side did something that is refused."""

    code = "remote-error"


# --- what arrives as bytes -----------------------------------------------------------------


class FrameTooLarge(RemoteError):
    """The announced frame is longer than allowed."""

    code = "frame-too-large"


class BadFrame(RemoteError):
    """The frame is not of the form that is due here."""

    code = "bad-frame"


class BadJson(RemoteError):
    """The text is not strict JSON of the expected shape."""

    code = "bad-json"


class BadMessage(RemoteError):
    """The message is well formed but makes no sense here."""

    code = "bad-message"


class BadToken(RemoteError):
    """The token is not canonical base64url in the right number of parts."""

    code = "bad-token"


class BadHeader(RemoteError):
    """The token's header is not the one allowed for this kind of message."""

    code = "bad-header"


class BadSignature(RemoteError):
    """The signature does not verify."""

    code = "bad-signature"


class BadKey(RemoteError):
    """The public key is not a point of P-256 in its compressed form."""

    code = "bad-key"


class DecryptFailed(RemoteError):
    """The sealed data cannot be opened with this key."""

    code = "decrypt-failed"


# --- what a message says -------------------------------------------------------------------


class WrongIssuer(RemoteError):
    """The message names another sender than the key that signed it."""

    code = "wrong-issuer"


class WrongAudience(RemoteError):
    """The message is meant for somebody else or for another link."""

    code = "wrong-audience"


class WrongNetwork(RemoteError):
    """The other side belongs to another network."""

    code = "wrong-network"


class DeadlineExceeded(RemoteError):
    """The other side took longer than allowed."""

    code = "deadline-exceeded"


class RequestTimeout(RemoteError):
    """The peer did not answer the request in time."""

    code = "request-timeout"


class TooManyRequests(RemoteError):
    """Too many requests to this peer wait for an answer already."""

    code = "too-many-requests"


class UnknownAnswer(RemoteError):
    """An answer came to a question that nobody asked."""

    code = "unknown-answer"


# --- links ---------------------------------------------------------------------------------


class HandshakeFailed(RemoteError):
    """The handshake did not follow the protocol."""

    code = "handshake-failed"


class VersionMismatch(RemoteError):
    """The two sides have no protocol version in common."""

    code = "version-mismatch"


class WrongIdentity(RemoteError):
    """Another key answered than the one that was expected."""

    code = "wrong-identity"


class SelfConnect(RemoteError):
    """The node reached itself."""

    code = "self-connect"


class PeerGone(RemoteError):
    """The connection to the peer ended."""

    code = "peer-gone"


class SlowReader(RemoteError):
    """The peer does not read what it asked for."""

    code = "slow-reader"


class PrivateAddress(RemoteError):
    """The address given cannot be reached from the public network."""

    code = "private-address"


# --- load ----------------------------------------------------------------------------------


class RateLimited(RemoteError):
    """Too many requests in too short a time."""

    code = "rate-limited"


class TooManyConnections(RemoteError):
    """There are too many connections, in all or from this address."""

    code = "too-many-connections"


class Discouraged(RemoteError):
    """The address misbehaved lately and is not served for some minutes."""

    code = "discouraged"


# --- records -------------------------------------------------------------------------------


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


# --- accounts and key files ----------------------------------------------------------------


class WrongPasscode(LocalError):
    """The passcode is wrong."""

    code = "wrong-passcode"


class WeakPasscode(LocalError):
    """The passcode is too easy to guess."""

    code = "weak-passcode"


class KeyFileCorrupt(LocalError):
    """The key file is damaged."""

    code = "key-file-corrupt"


class KeyFileExists(LocalError):
    """There is a key file already; it is never overwritten."""

    code = "key-file-exists"


class KeyFileWeak(LocalError):
    """The key file is protected by weaker or heavier parameters than allowed."""

    code = "key-file-weak"


class BadSecret(LocalError):
    """The secret key or seed is not of the right form."""

    code = "bad-secret"


class BadWords(LocalError):
    """The words are not a valid list of 24 words."""

    code = "bad-words"


class NoSuchAccount(LocalError):
    """There is no account of this name."""

    code = "no-such-account"


class BadName(LocalError):
    """The name or text given is not of the allowed form."""

    code = "bad-name"


# --- home folder, disk, start --------------------------------------------------------------


class HomeMissing(LocalError):
    """The home folder does not exist."""

    code = "home-missing"


class HomeLocked(LocalError):
    """Another process uses this home folder."""

    code = "home-locked"


class HomeTooNew(LocalError):
    """The home folder was written by a newer version of Streembit."""

    code = "home-too-new"


class HomePermissions(LocalError):
    """The home folder or a file in it can be read by other users."""

    code = "home-permissions"


class DiskFull(LocalError):
    """The disk is full."""

    code = "disk-full"


class DiskFailed(LocalError):
    """A file or folder cannot be read or written."""

    code = "disk-failed"


class BadConfig(LocalError):
    """The configuration cannot be used."""

    code = "bad-config"


class ListenFailed(LocalError):
    """The address to listen on cannot be used."""

    code = "listen-failed"


# --- asking a node -------------------------------------------------------------------------


class NotReady(LocalError):
    """The node is not ready yet."""

    code = "not-ready"


class NoPeers(LocalError):
    """The node knows no other node that answers."""

    code = "no-peers"


class NotFound(LocalError):
    """There is nothing of this name."""

    code = "not-found"


class TooLarge(LocalError):
    """What was given is larger than allowed."""

    code = "too-large"


# --- the local API -------------------------------------------------------------------------


class NodeNotRunning(LocalError):
    """No node is running with this home."""

    code = "node-not-running"


class NodeRefusal(LocalError):
    """The running node refused.

    `code` and `detail` are the node's own.
    """

    code = "node-refused"

    def __init__(self, code: str, detail: str = "", **fields: object) -> None:
        super().__init__(detail, **fields)
        self.code = code


class BadAnswer(LocalError):
    """The node's answer cannot be understood; it may be of another version."""

    code = "bad-answer"


class Internal(LocalError):
    """The node has a defect; its log says more."""

    code = "internal"


class BadRequest(LocalError):
    """The request is not of a form that is served."""

    code = "bad-request"


class ForbiddenHost(LocalError):
    """The request came by a host name that may be another's."""

    code = "forbidden-host"


class ForbiddenOrigin(LocalError):
    """The request came from a web page."""

    code = "forbidden-origin"


class NoSuchPath(LocalError):
    """There is nothing at this path."""

    code = "no-such-path"


class MethodNotAllowed(LocalError):
    """This path does not take this method."""

    code = "method-not-allowed"


class UnsupportedMediaType(LocalError):
    """The body is not JSON by its type."""

    code = "unsupported-media-type"


# --- parcels between contacts --------------------------------------------------------------


class ParcelRefused(RemoteError):
    """The parcel is not taken."""

    code = "parcel-refused"


class BadParcel(ParcelRefused):
    """The parcel is not of the due form, or was altered."""

    code = "bad-parcel"


class ParcelRepeated(ParcelRefused):
    """The parcel was opened before."""

    code = "parcel-repeated"


class ParcelTooFarAhead(ParcelRefused):
    """Too many parcels before this one are missing."""

    code = "parcel-too-far-ahead"


class UnknownSession(ParcelRefused):
    """The parcel belongs to a session that is not known here."""

    code = "unknown-session"


class PrekeyGone(ParcelRefused):
    """The parcel begins a session with a prekey that is used up or too old."""

    code = "prekey-gone"


class UnknownContent(ParcelRefused):
    """The parcel was opened, and what it says is not known here."""

    code = "unknown-content"


class PieceOutOfPlace(ParcelRefused):
    """The piece in the parcel belongs to a stream that is over, or is too far ahead."""

    code = "piece-out-of-place"


class ContactFloods(ParcelRefused):
    """Too much came from this contact within a short time."""

    code = "contact-floods"


class BadPrekeys(RemoteError):
    """The prekeys are not signed by their owner for this contact."""

    code = "bad-prekeys"


class NoSession(LocalError):
    """There is no session with this contact yet, and its prekeys are not known."""

    code = "no-session"


class OutboxFull(LocalError):
    """Too many messages to this contact wait already."""

    code = "outbox-full"


class ChestDamaged(LocalError):
    """The file with contacts and messages is damaged, or not of this account."""

    code = "chest-damaged"


# --- files -------------------------------------------------------------------------------------


class BadManifest(RemoteError):
    """The list of files is not what was offered."""

    code = "bad-manifest"


class BadBlock(RemoteError):
    """Bytes of a file came that are not due there."""

    code = "bad-block"


class BadAsk(RemoteError):
    """Bytes of a file were asked for that are not to be had."""

    code = "bad-ask"


class WrongDigest(RemoteError):
    """The bytes of the file are not those that the sender's digest stands for."""

    code = "wrong-digest"


class NoSuchTransfer(RemoteError):
    """There is no such transfer of files, or it has ended."""

    code = "no-such-transfer"


class TooManyTransfers(RemoteError):
    """Too many offers of files wait for an answer already."""

    code = "too-many-transfers"


class FileChanged(LocalError):
    """The file is not any more what it was when it was offered."""

    code = "file-changed"


class NotEnoughSpace(LocalError):
    """The disk has less free space than the files need."""

    code = "not-enough-space"


class TransferState(LocalError):
    """The transfer is in a state in which this cannot be done."""

    code = "transfer-state"


# --- contacts ------------------------------------------------------------------------------


class BadOffer(RemoteError):
    """The contact offer is damaged or says what no offer may say."""

    code = "bad-offer"


class OfferExpired(RemoteError):
    """The contact offer's time is over."""

    code = "offer-expired"


class OfferUsed(RemoteError):
    """The contact offer was for one person, and somebody has used it."""

    code = "offer-used"


class OwnOffer(RemoteError):
    """The contact offer is one's own."""

    code = "own-offer"


class KeyAlarm(RemoteError):
    """A known name came with another key: somebody may pose as your contact."""

    code = "key-alarm"


class KeyRefused(RemoteError):
    """Nothing is taken from this key: its owner was removed, blocked or denied."""

    code = "key-refused"


class KeyRevoked(RemoteError):
    """The key was declared void by its owner."""

    code = "key-revoked"


class BadRotation(RemoteError):
    """The new key does not follow from the one that is known."""

    code = "bad-rotation"


class RequestQuota(RemoteError):
    """Too many contact requests wait or came today."""

    code = "request-quota"


class StaleLetter(RemoteError):
    """The letter is too old, or from the future."""

    code = "stale-letter"


class NoSuchContact(LocalError):
    """There is no contact of this name or key."""

    code = "no-such-contact"


class AmbiguousContact(LocalError):
    """Several people have this name; give the fingerprint."""

    code = "ambiguous-contact"


class NameTaken(LocalError):
    """Another contact has this name or one that looks like it."""

    code = "name-taken"


class WrongState(LocalError):
    """This cannot be done with a contact in this state."""

    code = "wrong-state"


class BookFull(LocalError):
    """The contact book is full."""

    code = "book-full"


class TooManyOffers(LocalError):
    """Too many contact offers are open: take some back, or wait until they are over."""

    code = "too-many-offers"


class TooManyAsked(LocalError):
    """Too many people have been asked to be contacts and have not answered."""

    code = "too-many-asked"


class FingerprintDiffers(LocalError):
    """The fingerprint is not the one of this contact's key."""

    code = "fingerprint-differs"


def every() -> Iterator[type[StreembitError]]:
    """Yield StreembitError and each class below it that this module declares, parents first."""
    waiting: list[type[StreembitError]] = [StreembitError]
    while waiting:
        kind = waiting.pop(0)
        yield kind
        waiting.extend(each for each in kind.__subclasses__() if each.__module__ == __name__)


_BY_CODE: dict[str, type[StreembitError]] = {kind.code: kind for kind in every()}


def by_code(code: str) -> type[StreembitError] | None:
    """Return the class that has this code, or None for a code unknown here."""
    return _BY_CODE.get(code)
