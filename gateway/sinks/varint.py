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


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """The number that begins here, and where it ends."""
    value, shift, pos = 0, 0, start
    while data[pos] >= _MORE:
        value |= (data[pos] & (_MORE - 1)) << shift
        shift, pos = shift + _BITS, pos + 1
    return value | data[pos] << shift, pos + 1
