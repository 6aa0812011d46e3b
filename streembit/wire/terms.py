"""The bounded texts and numbers that messages are made of."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

MAX_INT: Final = 2**53 - 1  # the integers that every JSON reader keeps exactly

_URL = "A-Za-z0-9_-"
# Texts that come in dozens have only their length checked here: whoever decodes one must be
# ready for BadToken or BadKey (a pattern costs a third of a microsecond each).
KeyText = Annotated[str, Meta(min_length=44, max_length=44)]  # 33 bytes: a compressed point
LinkText = Annotated[str, Meta(min_length=22, max_length=22)]  # 16 bytes
NearIdText = Annotated[str, Meta(min_length=27, max_length=27)]  # 20 bytes
IdText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{26}}[AEIMQUYcgkosw048]\Z")]  # 20 bytes
DigestText = Annotated[str, Meta(pattern=rf"^[{_URL}]{{42}}[AEIMQUYcgkosw048]\Z")]  # 32 bytes
HostText = Annotated[str, Meta(min_length=1, max_length=255)]
NetText = Annotated[str, Meta(min_length=1, max_length=64)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Whole = Annotated[int, Meta(ge=0, le=MAX_INT)]
