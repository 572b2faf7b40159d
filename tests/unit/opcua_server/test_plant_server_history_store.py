"""What is kept comes back as it was, whatever the order of writing, compacting and reading."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from opcua_server.clock import to_datetime
from opcua_server.errors import ServerError
from opcua_server.history import store as store_module
from opcua_server.history.historian import Historian
from opcua_server.history.samples import Kind, Samples, from_rows, pack, unpack
from opcua_server.history.store import FIRST, LAST, Store
from opcua_server.history.wire import history_data

BAD, UNCERTAIN = 0x80000000, 0x40000000
VALUES: dict[Kind, st.SearchStrategy[Any]] = {
    Kind.INTEGER: st.integers(-(2**63), 2**63 - 1),
    Kind.FLOAT: st.floats(allow_nan=False) | st.decimals(-10_000, 10_000, places=2).map(float),
    Kind.TEXT: st.text(),
}


def rows_of(kind: Kind) -> st.SearchStrategy[list[tuple[int, Any, int]]]:
    """Rows of rising times, some of them bad and then without a value."""
    sample = st.one_of(st.tuples(VALUES[kind], st.sampled_from([0, UNCERTAIN])), st.tuples(st.none(), st.just(BAD)))
    times = st.lists(st.integers(-(2**40), 2**62), unique=True, min_size=1, max_size=30).map(sorted)
    return times.flatmap(
        lambda ts: st.lists(sample, min_size=len(ts), max_size=len(ts)).map(
            lambda samples: [(t, *s) for t, s in zip(ts, samples, strict=True)]
        )
    )


def as_rows(samples: Samples) -> list[tuple[int, Any, int]]:
    return [
        (time, None if status >= BAD else value, status)
        for time, value, status in zip(
            samples.time.tolist(), samples.value.tolist(), samples.status.tolist(), strict=True
        )
    ]


@given(st.sampled_from(Kind).flatmap(lambda kind: st.tuples(st.just(kind), rows_of(kind))))
def test_a_block_gives_back_what_was_packed(case: tuple[Kind, list[tuple[int, Any, int]]]) -> None:
    kind, rows = case
    samples = from_rows(kind, rows)
    assert as_rows(unpack(kind, len(rows), pack(kind, samples))) == rows


def test_a_steady_signal_needs_next_to_nothing() -> None:
    times = np.arange(0, 2048 * 10**9, 10**9, np.int64)
    samples = Samples(times, np.round(np.sin(times / 1e11) * 30 + 50, 1), np.zeros(2048, np.uint32))
    assert len(pack(Kind.FLOAT, samples)) < 2048
    counter = Samples(times, np.arange(2048, dtype=np.int64), np.zeros(2048, np.uint32))
    assert len(pack(Kind.INTEGER, counter)) < 200


class KeptHistory(RuleBasedStateMachine):
    """A store against a plain list, with blocks so small that there are many."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, Any, int]] = []
        self.store: Store | None = None

    @initialize()
    def open(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(store_module, "BLOCK", 4)
        self.store = Store(Path(":memory:"))
        (self.node,) = self.store.define({"node": Kind.INTEGER})

    def new_rows(self, gaps: list[int]) -> list[tuple[int, Any, int]]:
        last = self.rows[-1][0] if self.rows else 0
        times = np.cumsum([last, *gaps]).tolist()[1:]
        rows = [(time, time * 7, 0) if time % 3 else (time, None, BAD) for time in times]
        self.rows += rows
        return rows

    @rule(gaps=st.lists(st.integers(1, 5), max_size=12))
    def append(self, gaps: list[int]) -> None:
        self.store.append((self.node, *row) for row in self.new_rows(gaps))

    @rule(gaps=st.lists(st.integers(1, 5), min_size=1, max_size=12))
    def fill(self, gaps: list[int]) -> None:
        self.store.append_columns([(self.node, Kind.INTEGER, from_rows(Kind.INTEGER, self.new_rows(gaps)))])

    @rule()
    def compact(self) -> None:
        self.store.compact()

    @rule(age=st.integers(0, 100))
    def expire(self, age: int) -> None:
        """Blocks are forgotten whole: what is left is an end of the list that has all that is young enough."""
        horizon = (self.rows[-1][0] if self.rows else 0) - age
        self.store.expire(horizon)
        left = as_rows(self.store.read(self.node, FIRST, LAST, 10**6))
        young = [row for row in self.rows if row[0] >= horizon]
        assert left[len(left) - len(young) :] == young
        assert bool(left) == bool(self.rows)
        self.rows = self.rows[len(self.rows) - len(left) :]

    @rule(low=st.integers(0, 200), length=st.integers(0, 200), limit=st.integers(1, 20), backwards=st.booleans())
    def read(self, low: int, length: int, limit: int, backwards: bool) -> None:
        expected = [row for row in self.rows if low <= row[0] <= low + length]
        expected = (expected[::-1] if backwards else expected)[:limit]
        assert as_rows(self.store.read(self.node, low, low + length, limit, newest_first=backwards)) == expected

    @invariant()
    def knows_its_newest(self) -> None:
        if self.store is not None:
            assert self.store.last_time() == (self.rows[-1][0] if self.rows else None)

    def teardown(self) -> None:
        if self.store is not None:
            self.store.close()
            self.patch.undo()


TestKeptHistory = KeptHistory.TestCase
TestKeptHistory.settings = settings(max_examples=30, stateful_step_count=15)

_TYPES = [
    (ua.VariantType.Double, Kind.FLOAT, 1.5),
    (ua.VariantType.Boolean, Kind.INTEGER, 1),
    (ua.VariantType.UInt16, Kind.INTEGER, 65535),
    (ua.VariantType.UInt32, Kind.INTEGER, 7),
    (ua.VariantType.UInt64, Kind.INTEGER, -1),
    (ua.VariantType.Int32, Kind.INTEGER, -3),
    (ua.VariantType.String, Kind.TEXT, "Grüße"),
    (ua.VariantType.DateTime, Kind.INTEGER, 1_700_000_000_000_000_000),
]


@pytest.mark.parametrize(("type_", "kind", "value"), _TYPES)
def test_history_data_is_what_a_client_decodes(type_: ua.VariantType, kind: Kind, value: Any) -> None:
    second = 10**9
    rows = [
        (1 * second, value, 0),
        (2 * second, None, BAD | 0x008C0000),
        (3 * second, value, UNCERTAIN),
        (4 * second, value, 0),
    ]
    encoded = history_data(type_, from_rows(kind, rows))
    decoded = struct_from_binary(ua.HistoryData, Buffer(encoded.Body)).DataValues
    assert [v.SourceTimestamp for v in decoded] == [to_datetime(time) for time, _, _ in rows]
    assert [v.StatusCode.value for v in decoded] == [status for _, _, status in rows]
    good = {ua.VariantType.DateTime: to_datetime(value) if isinstance(value, int) else None}.get(type_, value)
    good = 2**64 - 1 if type_ is ua.VariantType.UInt64 else good
    assert [v.Value.Value for v in decoded if v.StatusCode.value < BAD] == [good] * 3
    assert {v.Value.VariantType for v in decoded if v.StatusCode.value < BAD} == {type_}


def test_a_file_that_is_no_history_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(b"this is no database, it is a text of some length" * 10)
    with pytest.raises(ServerError, match="move it away"):
        Store(path)


def test_a_history_of_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(ServerError, match="newer version"):
        Store(path)


async def test_samples_wait_while_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    historian = Historian(tmp_path / "history.sqlite", {"a": ua.VariantType.Double}, 1.0)
    append = historian._store.append

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(historian._store, "append", full)
    historian.record(0, 1, 1.0, 0)
    await historian.flush()
    monkeypatch.setattr(historian._store, "append", append)
    historian.record(0, 2, 2.0, 0)
    found = await historian.read("a", 0, 10, 10)
    await historian.close()
    assert as_rows(found) == [(1, 1.0, 0), (2, 2.0, 0)]


async def test_a_node_of_another_type_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    first = Historian(path, {"a": ua.VariantType.Double}, 1.0)
    first.record(0, 1, 1.0, 0)
    await first.close()
    second = Historian(path, {"a": ua.VariantType.String}, 1.0)
    second.record(0, 2, "x", 0)
    found = await second.read("a", 0, 10, 10)
    await second.close()
    assert as_rows(found) == [(2, "x", 0)]


def test_a_value_that_is_no_number_is_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "history.sqlite")
    (node,) = store.define({"a": Kind.FLOAT})
    store.append([(node, 1, float("inf"), 0), (node, 2, None, BAD)])
    found = store.read(node, 0, 9, 9)
    store.close()
    assert found.value[0] == math.inf
    assert found.status.tolist() == [0, BAD]
