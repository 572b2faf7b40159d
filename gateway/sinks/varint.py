"""Numbers with seven bits a byte, the lowest first: protobuf's varints, and the lengths of MQTT."""

from __future__ import annotations

_BITS = 7
_MORE = 0x80
_TWO_BYTES = 1 << 2 * _BITS


def varint(value: int) -> bytes:
    """A number of 0 or more; one byte below 128."""
    if value < _MORE:
        return bytes((value,))
    if value < _TWO_BYTES:
        return bytes((value & (_MORE - 1) | _MORE, value >> _BITS))
    out = bytearray()
    while value >= _MORE:
        out.append(value & (_MORE - 1) | _MORE)
        value >>= _BITS
    out.append(value)
    return bytes(out)
