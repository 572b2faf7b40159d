"""Numbers with seven bits a byte, the lowest first: protobuf's varints, and the lengths of MQTT."""

from __future__ import annotations

_BITS = 7
_MORE = 0x80


def varint(value: int) -> bytes:
    """A number of 0 or more; one byte below 128."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= _BITS
    out.append(value)
    return bytes(out)
