"""The store's front desk: items come in as text and are verified before the rules see them."""

from __future__ import annotations

from collections.abc import Callable

from streembit.dht.record import Blob, Record, check
from streembit.dht.store import Receipt, Store
from streembit.errors import BadToken, WrongPlace
from streembit.jose import base64url
from streembit.jose.envelope import verify_record
from streembit.jose.keys import ParsedKeys
from streembit.wire.message import ItemKind, Value
