"""What a server encodes is what the columns say: the fast ways and the general one agree with asyncua on every type."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta
from math import prod
from uuid import UUID

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary
from hypothesis import given, settings
from hypothesis import strategies as st
from support_plain import plain
from support_scalars import SCALARS, TIMES

from gateway.opcua import places
from gateway.opcua.decode import decode_data
from gateway.opcua.encode import kept, notification
from gateway.opcua.variant import BAD_DECODING_ERROR, Reader, diagnostic_info, folded, qualified_name, unix_ns

RECEIVED = 1_800_000_000_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = ua.VariantType


def variants() -> st.SearchStrategy[ua.Variant]:
    def of(kind: T) -> st.SearchStrategy[ua.Variant]:
        scalar = st.builds(ua.Variant, SCALARS[kind], st.just(kind))
        array = st.builds(lambda values: ua.Variant(values, kind, is_array=True), st.lists(SCALARS[kind], max_size=4))
        return scalar | array | matrices(kind)

    return st.sampled_from(sorted(SCALARS, key=lambda kind: kind.value)).flatmap(of)


@st.composite
def matrices(draw: st.DrawFn, kind: T) -> ua.Variant:
    """Two or three dimensions of any type."""
    shape = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    size = prod(shape)
    flat = draw(st.lists(SCALARS[kind], min_size=size, max_size=size))
    return ua.Variant(folded(flat, shape), kind, Dimensions=shape, is_array=True)


def data_values() -> st.SearchStrategy[ua.DataValue]:
    return st.builds(
        ua.DataValue,
        variants(),
        st.none() | st.builds(ua.StatusCode, st.sampled_from([0, 0x40000000, 0x80310000])),
        st.none() | TIMES,
        st.none() | TIMES,
    )


def body_of(values: list[ua.DataValue]) -> bytes:
    items = [ua.MonitoredItemNotification(i + 1, value) for i, value in enumerate(values)]
    return struct_to_binary(ua.DataChangeNotification(items, []))


def nanoseconds(time: datetime) -> int:
    return (time - EPOCH) // timedelta(microseconds=1) * 1000


def listed(value: object) -> object:
    return [listed(one) for one in value] if isinstance(value, list) else plain(value)


def expected_value(variant: ua.Variant) -> object:
    if variant.is_array:
        return listed(variant.Value)
    return variant.Value if isinstance(variant.Value, bytes) else plain(variant.Value)


def by_place(body: bytes) -> dict[int, tuple[int, object, int, int]]:
    found = {}
    for part in decode_data(body, RECEIVED):
        assert (np.diff(part.index) > 0).all()
        columns = (part.index, part.tag, part.value, part.status, part.time)
        for place, tag, value, status, time in zip(*(column.tolist() for column in columns), strict=True):
            found[place] = (tag, value, status, time)
    return found


@settings(max_examples=200)
@given(st.lists(data_values(), max_size=12))
def test_every_value_arrives_as_the_server_meant_it(values: list[ua.DataValue]) -> None:
    found = by_place(body_of(values))
    assert sorted(found) == list(range(len(values)))
    for place, value in enumerate(values):
        tag, got, status, time = found[place]
        best = value.SourceTimestamp or value.ServerTimestamp
        assert tag == place + 1
        assert got == expected_value(value.Value)
        assert status == (value.StatusCode.value if value.StatusCode else 0)
        assert time == (nanoseconds(best) if best else RECEIVED)


FIXED = {
    T.Boolean: "?",
    T.SByte: "b",
    T.Byte: "B",
    T.Int16: "h",
    T.UInt16: "H",
    T.Int32: "i",
    T.UInt32: "I",
    T.Int64: "q",
    T.UInt64: "Q",
    T.Float: "f",
    T.Double: "d",
}


@given(st.sampled_from(list(FIXED)), st.integers(0, 31), st.integers(1, 30), st.data())
def test_equal_shapes_of_any_mask_are_read_in_place(kind: T, tail: int, n: int, data: st.DataObject) -> None:
    mask = 1 | tail << 1
    values = data.draw(st.lists(SCALARS[kind], min_size=n, max_size=n))
    ticks = 133_000_000_000_000_000
    form = (
        "<IBB"
        + FIXED[kind]
        + "".join(c for bit, c in ((2, "I"), (4, "q"), (16, "H"), (8, "q"), (32, "H")) if mask & bit)
    )
    body = struct.pack("<i", n)
    for i, value in enumerate(values):
        extra = [v for bit, v in ((2, 7), (4, ticks + i), (16, 9), (8, ticks - i), (32, 9)) if mask & bit]
        body += struct.pack(form, i + 1, mask, kind.value, value, *extra)
    (part,) = decode_data(body + b"\xff\xff\xff\xff", RECEIVED)
    assert part.value.dtype == np.dtype("?" if kind is T.Boolean else FIXED[kind])
    assert part.value.tolist() == values
    assert part.tag.dtype == np.int32
    assert part.tag.tolist() == list(range(1, n + 1))
    assert part.status.tolist() == [7 if mask & 2 else 0] * n
    shift = 1 if mask & 4 else -1
    assert part.time.tolist() == [unix_ns(ticks + shift * i) if mask & 12 else RECEIVED for i in range(n)]


def double(handle: int, value: float, *, status: int | None = None) -> bytes:
    if status is None:
        return struct.pack("<IBBdq", handle, 5, 11, value, 133_000_000_000_000_000)
    return struct.pack("<IBBdIq", handle, 7, 11, value, status, 133_000_000_000_000_000)


def counted(*items: bytes) -> bytes:
    return struct.pack("<i", len(items)) + b"".join(items) + b"\xff\xff\xff\xff"


def test_the_columns_do_not_hold_on_to_the_bytes() -> None:
    (part,) = decode_data(counted(double(1, 1.5)), RECEIVED)
    assert all(array.flags.owndata for array in (part.tag, part.value, part.status, part.time))


def test_a_known_order_of_shapes_is_not_believed_when_the_bytes_differ() -> None:
    integer = struct.pack("<IBBiq", 2, 5, 6, 7, 133_000_000_000_000_000)
    first = counted(double(1, 1.5), integer, double(3, 2.5))
    second = counted(integer, double(1, 1.5), double(3, 2.5))
    assert len(first) == len(second)
    for body, order in ((first, [1, 2, 3]), (second, [2, 1, 3]), (first, [1, 2, 3])):
        assert [tag for tag, *_ in dict(sorted(by_place(body).items())).values()] == order


@settings(max_examples=100)
@given(st.lists(data_values(), min_size=1, max_size=12), st.data())
def test_a_body_is_read_the_same_whatever_came_before(values: list[ua.DataValue], data: st.DataObject) -> None:
    changed = [data.draw(st.just(value) | data_values()) for value in values]
    places._ORDERS.clear()
    alone = by_place(body_of(changed))
    for before in (values, changed):
        by_place(body_of(before))
        assert repr(by_place(body_of(changed))) == repr(alone)


def test_texts_may_change_their_length_from_body_to_body() -> None:
    for words in ("Idle", "", "Emergency stop", "Käte"):
        text = ua.DataValue(ua.Variant(words, T.String))
        number = ua.DataValue(ua.Variant(1.5, T.Double))
        found = by_place(body_of([number, text, number, text]))
        assert [found[place][1] for place in range(4)] == [1.5, words, 1.5, words]


@settings(max_examples=200)
@given(st.lists(st.lists(st.tuples(st.none() | st.binary(max_size=4), st.integers(0, 31)), min_size=1, max_size=6)))
def test_texts_of_any_mask_and_bytes_are_read_at_once(bodies: list[list[tuple[bytes | None, int]]]) -> None:
    """One body after the other, so that texts are met where they were before, and elsewhere."""
    ticks = 133_000_000_000_000_000
    for rows in bodies:
        items = []
        for place, (words, tail) in enumerate(rows):
            mask = 1 | tail << 1
            item = struct.pack("<IBB", place + 1, mask, T.String.value)
            item += struct.pack("<i", -1) if words is None else struct.pack("<i", len(words)) + words
            extra = ((2, "I", 7), (4, "q", ticks + place), (16, "H", 9), (8, "q", ticks - place), (32, "H", 9))
            items.append(item + b"".join(struct.pack("<" + form, value) for bit, form, value in extra if mask & bit))
        found = by_place(counted(double(99, 1.5), *items))
        for place, (words, tail) in enumerate(rows, 1):
            mask = 1 | tail << 1
            shift = place - 1 if mask & 4 else 1 - place
            assert found[place] == (
                place,
                None if words is None else words.decode("utf-8", "replace"),
                7 if mask & 2 else 0,
                unix_ns(ticks + shift) if mask & 12 else RECEIVED,
            )


def test_a_text_in_place_of_a_number_of_its_size_is_not_taken_for_one() -> None:
    text = struct.pack("<IBBi4sq", 2, 5, 12, 4, b"Idle", 133_000_000_000_000_000)
    assert len(text) == len(double(2, 1.5))
    for body, kinds in (([text, double(1, 1.5)], [str, float]), ([double(1, 1.5), text], [float, str])) * 2:
        found = by_place(counted(double(7, 0.5), *body))
        assert [type(found[place][1]) for place in (1, 2)] == kinds


def test_values_that_a_bad_status_leaves_out_are_none() -> None:
    bad = struct.pack("<IBI", 2, 2, 0x80310000)
    found = by_place(counted(double(1, 1.5), bad, double(3, 2.5, status=0)))
    assert found[1] == (2, None, 0x80310000, RECEIVED)
    assert [found[0][1], found[2][1]] == [1.5, 2.5]


def test_an_undecodable_structure_is_one_bad_value() -> None:
    type_id = ua.ua_binary.nodeid_to_binary(ua.NodeId(ua.ObjectIds.EUInformation_Encoding_DefaultBinary))
    broken = struct.pack("<IBB", 2, 1, 22) + type_id + b"\x01" + struct.pack("<i", 3) + b"\x09\x09\x09"
    found = by_place(counted(double(1, 1.5), broken, double(3, 2.5)))
    assert found[1] == (2, None, BAD_DECODING_ERROR, RECEIVED)
    assert found[2][1] == 2.5


def test_an_unknown_structure_keeps_its_bytes() -> None:
    type_id = ua.ua_binary.nodeid_to_binary(ua.NodeId(5001, 3))
    unknown = struct.pack("<IBB", 2, 1, 22) + type_id + b"\x01" + struct.pack("<i", 3) + b"abc"
    assert by_place(counted(unknown))[0][1] == {"typeId": "ns=3;i=5001", "body": "YWJj"}


def test_a_matrix_is_a_list_of_lists() -> None:
    value = ua.DataValue(ua.Variant([[1, 2, 3], [4, 5, 6]], T.Int16, Dimensions=[2, 3]))
    assert by_place(body_of([value]))[0][1] == [[1, 2, 3], [4, 5, 6]]


def test_a_matrix_whose_dimensions_lie_is_one_bad_value() -> None:
    lying = struct.pack("<IBB", 1, 1, 0xC0 | 4) + struct.pack("<ihh", 2, 1, 2) + struct.pack("<iii", 2, 5, 5)
    assert by_place(counted(lying, double(2, 1.5)))[0][1:3] == (None, BAD_DECODING_ERROR)


def test_a_vector_whose_dimension_lies_is_one_bad_value() -> None:
    lying = struct.pack("<IBB", 1, 1, 0xC0 | 4) + struct.pack("<ihh", 2, 1, 2) + struct.pack("<ii", 1, 5)
    assert by_place(counted(lying, double(2, 1.5)))[0][1:3] == (None, BAD_DECODING_ERROR)


@pytest.mark.parametrize("dimensions", [9, 2000])
def test_a_matrix_of_more_dimensions_than_json_can_nest_is_bad(dimensions: int) -> None:
    shape = struct.pack("<i", dimensions) + struct.pack("<i", 1) * dimensions
    deep = struct.pack("<IBB", 1, 1, 0xC0 | 4) + struct.pack("<ih", 1, 7) + shape
    assert by_place(counted(double(1, 1.5), deep))[1][1:3] == (None, BAD_DECODING_ERROR)


def test_an_array_of_nothings_is_bad_however_many_there_are_said_to_be() -> None:
    nothings = struct.pack("<IBBi", 1, 1, 0x80, 5)
    assert [one[1:3] for one in by_place(counted(nothings, double(2, 1.5))).values()] == [
        (1.5, 0),
        (None, BAD_DECODING_ERROR),
    ]


def test_a_single_value_with_dimensions_is_bad_and_shifts_nothing() -> None:
    odd = struct.pack("<IBBh", 1, 1, 0x40 | 4, 7) + struct.pack("<ii", 1, 1)
    found = by_place(counted(odd, double(2, 1.5)))
    assert found[0][1:3] == (None, BAD_DECODING_ERROR)
    assert found[1][:2] == (2, 1.5)


def test_a_structure_in_an_unknown_encoding_is_not_taken_for_a_binary_one() -> None:
    type_id = ua.ua_binary.nodeid_to_binary(ua.NodeId(ua.ObjectIds.Range_Encoding_DefaultBinary))
    odd = struct.pack("<IBB", 1, 1, 22) + type_id + b"\x05" + struct.pack("<idd", 16, 0.0, 1.0)
    assert by_place(counted(odd))[0][1:3] == (None, BAD_DECODING_ERROR)


def test_date_times_are_nanoseconds_and_impossible_ones_stay_in_range() -> None:
    far = struct.pack("<IBBq", 1, 1, 13, 2**63 - 1)
    early = struct.pack("<IBBq", 2, 1, 13, 0)
    (part,) = decode_data(counted(far, early), RECEIVED)
    assert part.value.dtype == np.int64
    assert part.value[0] > 9.2e18
    assert part.value[1] < -9.2e18


def test_a_timestamp_of_zero_is_none() -> None:
    items = (struct.pack("<IBBdq", 1, 5, 11, 1.5, 0), double(2, 2.5))
    (part,) = decode_data(counted(*items), RECEIVED)
    assert part.time.tolist() == [RECEIVED, unix_ns(133_000_000_000_000_000)]


@settings(max_examples=300)
@given(st.binary(max_size=120))
def test_any_bytes_are_survived(body: bytes) -> None:
    decode_data(body, RECEIVED)


@settings(max_examples=200)
@given(st.lists(data_values(), min_size=1, max_size=6), st.data())
def test_what_is_whole_before_the_damage_is_not_lost(values: list[ua.DataValue], data: st.DataObject) -> None:
    body = body_of(values)
    end = data.draw(st.integers(4, len(body)))
    whole = by_place(body)
    for place, value in by_place(body[:end]).items():
        assert value == whole[place] or value[2] == BAD_DECODING_ERROR


def test_a_huge_announced_count_takes_no_memory() -> None:
    assert decode_data(struct.pack("<i", 2**31 - 1) + b"\x01", RECEIVED) == ()


def test_a_diagnosis_has_its_locale_before_its_text_and_the_bits_the_other_way_round() -> None:
    both, text = b"\x0c" + struct.pack("<ii", 7, 8), b"\x04" + struct.pack("<i", 9)
    assert diagnostic_info(Reader(both, 0)) == {"locale": 7, "localizedText": 8}
    assert diagnostic_info(Reader(text, 0)) == {"localizedText": 9}


def test_bytes_in_a_value_within_a_value_are_base64_text() -> None:
    value = ua.DataValue(ua.Variant([ua.DataValue(ua.Variant(b"abc", T.ByteString))], T.DataValue))
    assert by_place(body_of([value]))[0][1] == [{"value": "YWJj", "status": 0, "time": None}]


def test_a_name_that_is_null_shows_its_namespace_only() -> None:
    assert qualified_name(Reader(struct.pack("<Hi", 2, -1))) == "2:"


@settings(max_examples=200)
@given(st.lists(data_values(), min_size=1, max_size=8), st.data())
def test_history_becomes_the_notification_of_one_item(values: list[ua.DataValue], data: st.DataObject) -> None:
    page = struct_to_binary(ua.HistoryData(values))
    body, n = notification(77, page)
    assert n == len(values)
    found = by_place(body)
    assert [found[i][1] for i in range(n)] == [expected_value(value.Value) for value in values]
    assert {tag for tag, *_ in found.values()} == {77}
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    assert [value for _, value in sorted(by_place(kept(body, keep)).items())] == [
        found[i] for i in np.flatnonzero(keep)
    ]


@pytest.mark.parametrize("text", [UUID(int=1), UUID(int=2**128 - 1)])
def test_guids_are_text(text: UUID) -> None:
    assert by_place(body_of([ua.DataValue(ua.Variant(text, T.Guid))]))[0][1] == str(text)
