"""The fast encoder writes, byte for byte, what protobuf writes; arrays and all other types can be read back."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support_sinks import BAD, NOW, UNCERTAIN, tag

from gateway.sinks.sparkplug_codec import (
    Metrics,
    NumberRows,
    framed,
    is_regular,
    metric_ends,
    payload,
    sent,
    text_metrics,
)
from gateway.sinks.sparkplug_metric import Definition, Sample, birth_metric, data_metric, observed, quality
from gateway.sinks.sparkplug_schema import Datatype, Metric, Payload
from gateway.sinks.varint import varint
from gateway.values import DataType

NUMBERS = ["f8", "f4", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]
ALIASES = st.integers(1 << 14, (1 << 21) - 1)
TIMES = st.integers(1 << 35, (1 << 42) - 1)


def field(dtype: np.dtype[Any]) -> str:
    if dtype.kind in "iu":
        return "long_value" if dtype.itemsize == 8 else "int_value"
    return {"f8": "double_value", "f4": "float_value", "b1": "boolean_value"}[dtype.str[1:]]


def expected(aliases: list[int], times: list[int], values: np.ndarray[Any, Any], *, historical: bool) -> bytes:
    name = field(values.dtype)
    mask = {"long_value": 2**64 - 1, "int_value": 2**32 - 1}.get(name)
    plain = [value & mask if mask else value for value in values.tolist()]
    late = {"is_historical": True} if historical else {}
    metrics = [Metric(alias=a, timestamp=t, **late, **{name: v}) for a, t, v in zip(aliases, times, plain, strict=True)]
    return Payload(metrics=metrics).SerializeToString()


@pytest.mark.parametrize("kind", NUMBERS)
@settings(max_examples=60)
@given(data=st.data())
def test_rows_are_the_bytes_of_protobuf(kind: str, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 20))
    values = data.draw(arrays.arrays(kind, size))
    aliases = data.draw(st.lists(ALIASES, min_size=size, max_size=size))
    times = data.draw(st.lists(TIMES, min_size=size, max_size=size))
    historical = data.draw(st.booleans())
    rows = NumberRows(np.array(aliases, np.int64), values.dtype, historical=historical)
    metrics = rows.encode(np.array(times, np.int64), values)
    assert metrics.data == expected(aliases, times, values, historical=historical)
    assert metrics.ends.tolist() == metric_ends(metrics.data)
    order = data.draw(st.permutations(range(size)))
    cuts = data.draw(st.lists(st.integers(1, size - 1), unique=True)) if size > 1 else []
    bounds = [0, *sorted(cuts), size]
    for (first, last), part in zip(pairwise(bounds), metrics.sorted(np.array(order), bounds), strict=True):
        places = order[first:last]
        assert part == expected(
            [aliases[i] for i in places], [times[i] for i in places], values[places], historical=historical
        )


@given(st.lists(st.tuples(ALIASES, TIMES, st.text(st.characters(codec="utf-8"), max_size=300))), st.booleans())
def test_texts_are_the_bytes_of_protobuf(samples: list[tuple[int, int, str]], historical: bool) -> None:
    aliases, times, texts = ([sample[i] for sample in samples] for i in range(3))
    late = {"is_historical": True} if historical else {}
    metrics = [Metric(alias=a, timestamp=t, string_value=text, **late) for a, t, text in samples]
    ours = text_metrics(np.array(aliases, np.int64), np.array(times, np.int64), texts, historical=historical)
    assert ours.data == Payload(metrics=metrics).SerializeToString()
    assert ours.ends.tolist() == metric_ends(ours.data)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.none() | st.binary(max_size=300)), min_size=1))
def test_single_metrics_take_the_places_of_others(pairs: list[tuple[bytes, bytes | None]]) -> None:
    before, after = [framed(one) for one, _ in pairs], [framed(o if n is None else n) for o, n in pairs]
    places = [place for place, (_, new) in enumerate(pairs) if new is not None]
    metrics = Metrics(b"".join(before), np.cumsum([len(one) for one in before]))
    changed = metrics.replaced(places, (after[place] for place in places))
    assert changed.data == b"".join(after)
    assert changed.ends.tolist() == metric_ends(changed.data)


@given(st.integers(0, 2**64 - 1), st.integers(0, 255))
def test_a_message_is_the_bytes_of_protobuf(time: int, sequence: int) -> None:
    metric = Metric(alias=20000, timestamp=5, double_value=1.5)
    whole = Payload(timestamp=time, metrics=[metric], seq=sequence).SerializeToString()
    assert payload(sent(time), framed(metric.SerializeToString()), sequence) == whole
    assert not Payload.FromString(payload(sent(time), b"", None)).HasField("seq")


@given(st.integers(0, 2**64 - 1))
def test_a_varint_is_that_of_protobuf(number: int) -> None:
    assert b"\x18" + varint(number) == Payload(seq=number).SerializeToString()


def test_what_does_not_fit_the_rows_is_known() -> None:
    aliases = np.array([1 << 14, 1 << 21, 1 << 14, 1 << 14])
    times = np.array([1 << 35, 1 << 35, (1 << 35) - 1, 1 << 42])
    assert is_regular(aliases, times).tolist() == [True, False, False, False]


def definition(data_type: DataType, **more: Any) -> Definition:
    return Definition(tag(5, "T", data_type, **more), "L.S", "Process/T", 0)


def read(framed_metric: bytes) -> Any:
    (metric,) = Payload.FromString(framed_metric).metrics
    return metric


@pytest.mark.parametrize(
    ("datatype", "value", "name", "wire"),
    [
        (Datatype.INT8, -1, "int_value", 0xFFFF_FFFF),
        (Datatype.INT64, -1, "long_value", 2**64 - 1),
        (Datatype.UINT64, 2**64 - 1, "long_value", 2**64 - 1),
        (Datatype.DATETIME, 1_795_338_112_950_123_400, "long_value", 1_795_338_112_950),
        (Datatype.FLOAT, 0.5, "float_value", 0.5),
        (Datatype.DOUBLE, 0.1, "double_value", 0.1),
        (Datatype.BOOLEAN, False, "boolean_value", False),
        (Datatype.STRING, "Ä", "string_value", "Ä"),
        (Datatype.STRING, "\ud800!", "string_value", "?!"),
        (Datatype.STRING, {"a": [1, None]}, "string_value", '{"a":[1,null]}'),
        (Datatype.STRING, 2.5, "string_value", "2.5"),
        (Datatype.UUID, "72962b91-fa75-4ae6-8d28-b404dc7daf63", "string_value", "72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        (Datatype.BYTES, b"\x00\xff", "bytes_value", b"\x00\xff"),
        # the examples of the Sparkplug specification 3.0, 6.4.16
        (Datatype.INT8_ARRAY, [-23, 123], "bytes_value", bytes([0xE9, 0x7B])),
        (Datatype.INT16_ARRAY, [-30000, 30000], "bytes_value", bytes([0xD0, 0x8A, 0x30, 0x75])),
        (Datatype.INT32_ARRAY, [-1, 315338746], "bytes_value", bytes([0xFF, 0xFF, 0xFF, 0xFF, 0xFA, 0xAF, 0xCB, 0x12])),
        (Datatype.UINT8_ARRAY, [23, 250], "bytes_value", bytes([0x17, 0xFA])),
        (Datatype.FLOAT_ARRAY, [1.23, 89.341], "bytes_value", bytes([0xA4, 0x70, 0x9D, 0x3F, 0x98, 0xAE, 0xB2, 0x42])),
        (
            Datatype.BOOLEAN_ARRAY,
            [False, False, True, True, False, True, False, False, True, True, False, True],
            "bytes_value",
            bytes([0x0C, 0x00, 0x00, 0x00, 0x34, 0xD0]),
        ),
        (Datatype.STRING_ARRAY, ["ABC", "hello"], "bytes_value", b"ABC\x00hello\x00"),
    ],
)
def test_a_value_of_every_type_travels_as_specified(datatype: Datatype, value: object, name: str, wire: object) -> None:
    metric = read(
        data_metric(definition(DataType.DOUBLE), datatype, Sample(value, 0, NOW), historical=False, quality_too=False)
    )
    assert metric.WhichOneof("value") == name
    assert getattr(metric, name) == wire
    assert (metric.alias, metric.timestamp, metric.name) == (16389, NOW // 1_000_000, "")
    assert not metric.HasField("datatype")


@pytest.mark.parametrize(
    ("data_type", "value", "datatype"),
    [
        (DataType.DOUBLE, None, None),
        (DataType.DOUBLE, [1.0, 2.0], Datatype.DOUBLE_ARRAY),
        (DataType.BYTE, [1, 2], Datatype.UINT8_ARRAY),
        (DataType.BYTE, [1, 300], Datatype.STRING),
        (DataType.DOUBLE, [[1.0], [2.0]], Datatype.STRING),
        (DataType.INT32, [1, None], Datatype.STRING),
        (DataType.INT32, [], Datatype.INT32_ARRAY),
        (DataType.BOOLEAN, [True], Datatype.BOOLEAN_ARRAY),
        (DataType.STRING, ["a", "b"], Datatype.STRING_ARRAY),
        (DataType.STRING, [], Datatype.STRING),
        (DataType.BYTESTRING, b"x", Datatype.BYTES),
        (DataType.EXTENSIONOBJECT, {"a": 1}, Datatype.STRING),
        (DataType.VARIANT, "text", Datatype.STRING),
    ],
)
def test_objects_call_for_the_type_that_holds_them(data_type: DataType, value: object, datatype: object) -> None:
    assert observed(value, tag(1, "T", data_type)) is datatype


@pytest.mark.parametrize(("status", "code"), [(0, 192), (0x480, 192), (UNCERTAIN, 500), (BAD, 0), (0xC000_0000, 0)])
def test_quality_has_the_three_codes_of_sparkplug(status: int, code: int) -> None:
    assert quality(status) == code


def properties(metric: Any) -> dict[str, Any]:
    sets = zip(metric.properties.keys, metric.properties.values, strict=True)
    return {key: getattr(value, value.WhichOneof("value")) for key, value in sets}


def test_a_birth_tells_everything_about_a_tag() -> None:
    states = definition(
        DataType.INT32, unit="°C", low=0.0, high=80.0, enum=("Idle", "Run"), description="Zone 2", writable=True
    )
    metric = read(birth_metric(states, Datatype.INT32, Sample(1, 0, NOW), NOW + 5))
    assert (metric.name, metric.alias, metric.datatype, metric.int_value) == ("Process/T", 16389, 3, 1)
    assert metric.timestamp == NOW // 1_000_000
    assert metric.metadata.description == "Zone 2"
    assert properties(metric) == {
        "engUnit": "°C",
        "engLow": 0.0,
        "engHigh": 80.0,
        "enumTexts": '["Idle","Run"]',
        "readOnly": False,
        "Quality": 192,
    }
    assert all(value.HasField("type") for value in metric.properties.values)


def test_a_birth_without_a_value_is_null_and_stale() -> None:
    metric = read(birth_metric(definition(DataType.DOUBLE), Datatype.DOUBLE, None, NOW))
    assert metric.is_null
    assert metric.WhichOneof("value") is None
    assert properties(metric) == {"readOnly": True, "Quality": 500}


def test_a_bad_value_is_null_and_says_why() -> None:
    metric = read(
        data_metric(
            definition(DataType.DOUBLE), Datatype.DOUBLE, Sample(1.0, BAD, NOW), historical=True, quality_too=True
        )
    )
    assert metric.is_null
    assert metric.is_historical
    assert properties(metric) == {"Quality": 0, "opcStatus": BAD}
