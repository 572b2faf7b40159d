"""How a server, or somebody in its place, may spoil bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

_INTERESTING = (-1, 0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 2**30, 2**31 - 1, -(2**31), 100_000)
_MOST = 4  # mutations of one body
_LARGEST = 1 << 14  # bytes


def _flip(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _byte(data: bytearray, random: Random) -> None:
    data[random.randrange(len(data))] = random.randrange(256)


def _number(data: bytearray, random: Random) -> None:
    """Lengths and counts are what hurts most."""
    if len(data) >= 4:
        value = struct.pack("<I", random.choice(_INTERESTING) & 0xFFFF_FFFF)
        at = random.randrange(len(data) - 3)
        data[at : at + 4] = value


def _cut(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


def _remove(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data))
    del data[at : at + random.randint(1, 8)]


def _insert(data: bytearray, random: Random) -> None:
    at = random.randrange(len(data))
    data[at:at] = random.randbytes(random.randint(1, 8))


def _repeat(data: bytearray, random: Random) -> None:
    """Values within values within values."""
    at = random.randrange(len(data))
    piece = data[at : at + random.randint(1, 40)]
    data[at:at] = piece * random.choice((1, 2, 10, 200))


_WAYS: tuple[Callable[[bytearray, Random], None], ...] = (_flip, _byte, _number, _cut, _remove, _insert, _repeat)


def mutated(body: bytes, random: Random) -> bytes:
    """The body with one to four mutations; now and then as it was."""
    data = bytearray(body)
    for _ in range(random.randrange(_MOST + 1)):
        if data:
            random.choice(_WAYS)(data, random)
    return bytes(data[:_LARGEST])
