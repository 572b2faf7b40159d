"""In large notifications values are found in leaps: exactly those that are found one by one, whatever the bytes are."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.opcua import leaps
from gateway.opcua.layout import Scan, scan

FORMS = {1: "B", 2: "b", 5: "H", 6: "i", 8: "q", 10: "f", 11: "d", 13: "q"}
TAILS = ((2, 4), (4, 8), (16, 2), (8, 8), (32, 2))
STRING, INT16_ARRAY, GUID = 12, 0x80 | 4, 14


@pytest.fixture(autouse=True, scope="module")
def _in_leaps_however_few() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leaps, "_FEWEST", 0)
        patch.setattr(leaps, "_LEAP", 0)
        yield


def item(random: Random, mask: int, code: int) -> bytes:
    """A handle and a value of this mask and type; its bytes are random, and often those of other masks and types."""
    value = b""
    if mask & 1:
        size = {STRING: -1, INT16_ARRAY: -2, GUID: 16}.get(code) or struct.calcsize("<" + FORMS[code])
        count = random.choice([-1, 0, 1, 5])
        if size < 0:
            value = struct.pack("<i", count) + some_bytes(random, -size * max(count, 0))
        else:
            value = some_bytes(random, size)
        value = bytes([code]) + value
    tail = b"".join(some_bytes(random, size) for bit, size in TAILS if mask & bit)
    return (
        struct.pack("<I", random.choice([1, 0x0B0F, 0x0C05, random.randrange(1 << 32)])) + bytes([mask]) + value + tail
    )


def some_bytes(random: Random, size: int) -> bytes:
    return bytes(random.choice([5, 7, 11, 12, 15, 0, random.randrange(256)]) for _ in range(size))


def body_of(seed: int, n: int) -> bytes:
    """A notification of few masks and types."""
    random = Random(seed)
    shapes = [
        (random.choice([0, 1, 5, 7, 15, 13, 47, 63]), random.choice([*FORMS, STRING, STRING, INT16_ARRAY, GUID]))
        for _ in range(random.randint(1, 8))
    ]
    items = [item(random, *random.choice(shapes)) for _ in range(n)]
    return struct.pack("<i", n) + b"".join(items) + b"\xff\xff\xff\xff"


def same(found: Scan, expected: Scan) -> bool:
    return (
        found.offsets.tolist() == expected.offsets.tolist()
        and repr(found.special) == repr(expected.special)
        and found.complete == expected.complete
    )


@settings(max_examples=300)
@given(st.integers(), st.integers(1, 60))
def test_leaps_find_what_steps_find(seed: int, n: int) -> None:
    body = body_of(seed, n)
    assert same(leaps.find(body, n, None), scan(body, n))
    assert scan(body, n).complete


@settings(max_examples=300)
@given(st.integers(), st.integers(1, 30), st.data())
def test_leaps_go_wrong_where_steps_do(seed: int, n: int, data: st.DataObject) -> None:
    body = bytearray(body_of(seed, n))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    spoilt = bytes(body[: data.draw(st.integers(10, len(body)))]) if len(body) > 10 else bytes(body)
    announced = min(data.draw(st.integers(1, n + 3)), (len(spoilt) - 4) // 5)
    assert same(leaps.find(spoilt, announced, None), scan(spoilt, announced))


def test_values_too_scattered_for_leaps_are_found_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaps, "_LEAP", 16)
    array = struct.pack("<IBBihh", 7, 1, INT16_ARRAY, 2, 8, 9)
    body = struct.pack("<i", 500) + array * 500
    found = leaps.find(body, 500, None)
    assert [value for value, _, _ in found.special.values()] == [[8, 9]] * 500
    assert found.complete
