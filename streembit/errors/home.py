"""What is wrong with the home folder, the disk or the configuration."""

from __future__ import annotations

from streembit.errors.base import LocalError


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
