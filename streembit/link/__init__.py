"""The handshake and the encrypted channel: bytes in, bytes out, no I/O and no clock."""
