"""What is wrong with an account, its passcode or its key file."""

from __future__ import annotations

from streembit.errors.base import LocalError


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


class SecretWords(LocalError):
    """These words may be a key's secret: tell nobody, and compare fingerprints instead.

    Of what was given nothing is told, neither here nor in a log.
    """

    code = "secret-words"


class NoSuchAccount(LocalError):
    """There is no account of this name."""

    code = "no-such-account"


class BadName(LocalError):
    """The name or text given is not of the allowed form."""

    code = "bad-name"
