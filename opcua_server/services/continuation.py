"""Continuation points that hold everything they need, signed: none is ever used up, none can be made up."""

from __future__ import annotations

import hmac
import secrets

_MAC_BYTES = 16


class Seal:
    """Signs what is left of a read, for the node that it belongs to."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def close(self, data: bytes, name: str) -> bytes:
        """The continuation point."""
        return data + self._signature(data, name)

    def open(self, point: bytes, name: str) -> bytes | None:
        """What was put into it; None where it is not one of ours for this node."""
        data, signature = point[:-_MAC_BYTES], point[-_MAC_BYTES:]
        return data if hmac.compare_digest(signature, self._signature(data, name)) else None

    def _signature(self, data: bytes, name: str) -> bytes:
        return hmac.digest(self._key, data + name.encode(), "sha256")[:_MAC_BYTES]
