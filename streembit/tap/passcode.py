"""Where the passcode of a key file comes from: as for the command line."""

from streembit.disk.passcode import CREDENTIAL, MAX_FILE_BYTES, Source

__all__ = ["CREDENTIAL", "MAX_FILE_BYTES", "Source"]
