"""PublishRequests as bytes (OPC 10000-4, 5.14.5): one goes out with every message, and little of it ever changes."""

from __future__ import annotations

from itertools import chain
from struct import Struct, pack
from typing import TYPE_CHECKING

from asyncua.ua.ua_binary import nodeid_to_binary

from gateway.opcua.variant import EPOCH_TICKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncua import ua

_ENCODING_ID = b"\x01\x00\x3a\x03"  # i=826
_HEADER = Struct("<qIIiI3s")  # time, handle, diagnostics, audit entry, timeout hint, additional header
_NULL_TEXT, _NULL_OBJECT = -1, b"\x00\x00\x00"


def publish_request(token: ua.NodeId, handle: int, time: int, acknowledge: Sequence[tuple[int, int]]) -> bytes:
    """The request of the session with this token, as of `time` (Unix ns), that may wait for its answer for ever.

    `acknowledge`: subscription, sequence number.
    """
    header = _HEADER.pack(EPOCH_TICKS + time // 100, handle, 0, _NULL_TEXT, 0, _NULL_OBJECT)
    numbers = pack(f"<i{2 * len(acknowledge)}I", len(acknowledge), *chain.from_iterable(acknowledge))
    return b"".join((_ENCODING_ID, nodeid_to_binary(token), header, numbers))
