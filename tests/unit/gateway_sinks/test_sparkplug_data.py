"""Whatever a batch mixes, each tag's values come out complete, exact and in order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from support_sinks import BAD, NOW, tag

from gateway.sinks.plans import Plans
from gateway.sinks.rows import Rows
from gateway.sinks.sparkplug_data import Data, encoded
from gateway.sinks.sparkplug_loads import loads
from gateway.sinks.sparkplug_metric import FIELDS, Definition
from gateway.sinks.sparkplug_schema import Payload
from gateway.sinks.sparkplug_spread import Spread
from gateway.sinks.sparkplug_state import TagState
from gateway.values import Batch, Column, DataType

TYPES = {
    1: (DataType.DOUBLE, "f8"),
    2: (DataType.DOUBLE, "f8"),
    3: (DataType.INT32, "i4"),
    4: (DataType.UINT64, "u8"),
    5: (DataType.BOOLEAN, "?"),
    6: (DataType.STRING, "O"),
    7: (DataType.DATETIME, "i8"),
    3_000_000: (DataType.FLOAT, "f4"),
}
DEFINITIONS = {i: Definition(tag(i, f"T{i}", kind), f"Device{i % 3}", f"T{i}", i % 3) for i, (kind, _) in TYPES.items()}
ROWS: Rows[Definition] = Rows(FIELDS)
for definition in DEFINITIONS.values():
    ROWS.put(definition)
VALUES = {
    "f8": st.floats(),
    "f4": st.floats(width=32),
    "i4": st.integers(-(2**31), 2**31 - 1),
    "u8": st.integers(0, 2**64 - 1),
    "i8": st.integers(0, 2**62),
    "?": st.booleans(),
    "O": st.text(st.characters(codec="utf-8")),
}
Sample = tuple[int, Any, int, int]
"""(tag id, value, status, time)"""


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    tag_id = draw(st.sampled_from(list(TYPES)))
    missing = draw(st.integers(0, 9)) == 0
    value = None if missing else draw(VALUES[TYPES[tag_id][1]])
    status = BAD if missing else draw(st.sampled_from([0, 0, 0, 0x4000_0000, BAD]))
    time = draw(st.one_of(st.just(NOW), st.integers(NOW, NOW + 10**8), st.integers(-(10**9), 10**9)))
    return tag_id, value, status, time


def as_batch(rows: list[Sample], *, historical: bool = False) -> Batch:
    """Columns by type, as records.py makes them: what is missing stands among the objects."""
    kinds: dict[str, list[tuple[int, Sample]]] = defaultdict(list)
    for position, row in enumerate(rows):
        kinds["O" if row[1] is None else TYPES[row[0]][1]].append((position, row))
    columns = []
    for kind, members in kinds.items():
        value = np.empty(len(members), kind)
        value[:] = [row[1] for _, row in members]
        columns.append(
            Column(
                np.array([position for position, _ in members], np.int64),
                np.array([row[0] for _, row in members], np.int32),
                value,
                np.array([row[2] for _, row in members], np.uint32),
                np.array([row[3] for _, row in members], np.int64),
            )
        )
    return Batch(tuple(columns), (), (), 1, historical)


def messages(batch: Batch, state: TagState) -> Iterator[Data]:
    """What is sent of a batch, each time arranged anew."""
    for load, spread in loads(batch, ROWS, Plans(Spread)):
        yield from encoded(load, spread, state, historical=batch.historical)
        if not batch.historical:
            state.told(spread, load)


def sent(batch: Batch, state: TagState) -> dict[int, list[Any]]:
    """Metrics by tag in the order of the messages, each in the bytes of protobuf."""
    tags = {
        p: t for column in batch.columns for p, t in zip(column.position.tolist(), column.tag.tolist(), strict=True)
    }
    found: dict[int, list[Any]] = defaultdict(list)
    for data in messages(batch, state):
        payload = Payload.FromString(data.metrics)
        assert payload.SerializeToString() == data.metrics
        for metric, position in zip(payload.metrics, data.positions.tolist(), strict=True):
            tag_id = metric.alias - 16384
            assert tag_id == tags[position]
            assert DEFINITIONS[tag_id].device == data.device
            found[tag_id].append(metric)
    return found


def shown(metric: Any) -> Any:
    which = metric.WhichOneof("value")
    return None if which is None else getattr(metric, which)


def wire(tag_id: int, value: Any, status: int) -> Any:
    if value is None or status >= BAD:
        return None
    kind = TYPES[tag_id][1]
    return {"i4": lambda: value & 0xFFFF_FFFF, "i8": lambda: value // 10**6}.get(kind, lambda: value)()


def fresh() -> TagState:
    state = TagState()
    for definition in DEFINITIONS.values():
        state.declare(definition.tag)
    return state


@settings(max_examples=60)
@given(st.lists(st.lists(samples(), min_size=1, max_size=25), min_size=1, max_size=3))
def test_a_host_gets_every_value_of_every_tag_in_order(batches: list[list[Sample]]) -> None:
    state = fresh()
    for rows in batches:
        got = sent(as_batch(rows), state)
        for tag_id in TYPES:
            own = [row for row in rows if row[0] == tag_id]
            seen = [(repr(shown(metric)), metric.timestamp) for metric in got[tag_id]]
            assert sorted(seen) == sorted((repr(wire(i, v, s)), max(t // 10**6, 0)) for i, v, s, t in own)
            times = [row[3] for row in own]
            if times == sorted(times):
                assert [value for value, _ in seen] == [repr(wire(i, v, s)) for i, v, s, _ in own]


@settings(max_examples=60)
@given(st.lists(samples(), min_size=1, unique_by=lambda row: row[0]))
def test_a_device_gets_one_message_of_all_types_forward_in_time(rows: list[Sample]) -> None:
    found = list(messages(as_batch(rows), fresh()))
    assert sorted(data.device for data in found) == sorted({DEFINITIONS[row[0]].device for row in rows})
    for data in found:
        times = [metric.timestamp for metric in Payload.FromString(data.metrics).metrics]
        assert times == sorted(times)


@given(st.lists(samples(), min_size=1, max_size=25), st.integers(1, 300))
def test_what_is_cut_for_a_broker_is_all_there(rows: list[Sample], largest: int) -> None:
    for data in messages(as_batch(rows), fresh()):
        parts = list(data.cut(largest))
        assert b"".join(part.metrics for part in parts) == data.metrics
        assert np.concatenate([part.positions for part in parts]).tolist() == data.positions.tolist()
        for part in parts:
            assert len(part.metrics) <= largest or len(part.positions) == 1
            assert len(Payload.FromString(part.metrics).metrics) == len(part.positions)


@settings(max_examples=40)
@given(st.lists(samples(), min_size=1, max_size=25))
def test_births_hold_the_last_value_of_every_tag(rows: list[Sample]) -> None:
    state = fresh()
    got = sent(as_batch(rows), state)
    state.forget_quality()
    for tag_id in TYPES:
        sample = state.sample(tag_id)
        if not got[tag_id]:
            assert sample is None
            continue
        last = got[tag_id][-1]
        assert sample is not None
        assert repr(wire(tag_id, sample.value, sample.status)) == repr(shown(last))
        assert max(sample.time // 10**6, 0) == last.timestamp


@settings(max_examples=20)
@given(st.lists(samples(), min_size=1, max_size=25))
def test_late_values_are_all_marked(rows: list[Sample]) -> None:
    late = [(i, v, s, abs(t)) for i, v, s, t in rows]
    got = sent(as_batch(late, historical=True), fresh())
    metrics = [metric for some in got.values() for metric in some]
    assert len(metrics) == len(rows)
    assert all(metric.is_historical for metric in metrics)


def test_values_beyond_the_recent_columns_are_remembered_too() -> None:
    state = fresh()
    for number in range(100):
        sent(as_batch([(1, float(number), 0, NOW + number)]), state)
    state.forget_quality()
    sample = state.sample(1)
    assert sample is not None
    assert sample.value == 99.0
