"""Blocks of the historian: exact, small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gateway.history.blocks import decode, encode
from gateway.history.samples import Samples

SIZES = st.integers(1, 300)
NUMBERS = st.sampled_from(["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"])


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    n = draw(SIZES)
    return Samples(
        draw(hnp.arrays(np.int64, n)),
        draw(hnp.arrays(np.dtype(draw(NUMBERS)), n)),
        draw(hnp.arrays(np.uint32, n)),
    )


@given(samples())
def test_numbers_come_back_bit_for_bit(given_: Samples) -> None:
    found = decode(encode(given_))
    assert found.time.tobytes() == given_.time.tobytes()
    assert found.value.dtype == given_.value.dtype
    assert found.value.tobytes() == given_.value.tobytes()
    assert found.status.tobytes() == given_.status.tobytes()


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1), st.integers(0, 6), st.sampled_from(["f4", "f8"]))
def test_decimal_numbers_come_back_bit_for_bit(whole: list[int], decimals: int, dtype: str) -> None:
    value = (np.array(whole) / 10**decimals).astype(dtype)
    found = decode(encode(Samples(np.arange(len(value)), value, np.zeros(len(value), np.uint32))))
    assert found.value.tobytes() == value.tobytes()


@pytest.mark.parametrize("value", [-0.0, float("nan"), float("inf"), 5e-324, 1.7976931348623157e308, 2.0**53 + 2])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_odd_numbers_come_back_bit_for_bit(value: float, dtype: str) -> None:
    with np.errstate(over="ignore", under="ignore"):
        given_ = np.array([1.5, value, 2.5]).astype(dtype)
    for part in (given_, given_[1:2]):
        found = decode(encode(Samples(np.arange(len(part)), part, np.zeros(len(part), np.uint32))))
        assert found.value.tobytes() == part.tobytes()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(JSON, min_size=1, max_size=20))
def test_texts_and_structures_come_back(objects: list[object]) -> None:
    value = np.fromiter(objects, object, len(objects))
    n = len(objects)
    found = decode(encode(Samples(np.arange(n), value, np.zeros(n, np.uint32))))
    assert found.value.tolist() == objects


def test_a_slow_signal_takes_less_than_four_bytes_a_value() -> None:
    random = np.random.default_rng(1)
    n = 3600
    jitter = random.integers(-20_000, 20_000, n) * 100
    time = 1_700_000_000_000_000_000 + np.arange(n) * 1_000_000_000 + jitter
    value = np.round(80 + np.cumsum(random.normal(0, 0.05, n)), 2)
    assert len(encode(Samples(time, value, np.zeros(n, np.uint32)))) < 4 * n


def test_what_does_not_change_at_regular_times_takes_nearly_nothing() -> None:
    n = 3600
    block = encode(Samples(np.arange(n) * 10**9, np.full(n, 21.5), np.zeros(n, np.uint32)))
    assert len(block) < 100


@pytest.mark.parametrize("damage", [b"", b"\1", bytes(50)])
def test_what_is_no_block_is_refused(damage: bytes) -> None:
    with pytest.raises(ValueError):
        decode(damage)


def test_a_damaged_block_is_refused() -> None:
    block = bytearray(encode(Samples(np.arange(100), np.random.default_rng(1).random(100), np.zeros(100, np.uint32))))
    block[40] ^= 0xFF
    with pytest.raises(ValueError):
        decode(bytes(block))
