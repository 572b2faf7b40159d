"""Records become batches: nothing lost, nothing invented, each value at its place."""

from __future__ import annotations

import numpy as np
from support_records import doubles, draft, seen, values

from gateway.journal import INDEX_BITS, Draft, Kind, Record
from gateway.records import to_batch, without
from gateway.store.bodies import event_body, gap_body
from gateway.values import Event, Gap

EVENT = Event(0, "plant", "BulkOrderEventType", "Line1", 5, 500, "60 units", {"Quantity": 60, "Customer": "Käte"})
GAP = Gap(0, "plant", (3, 4), 1, 2, "history has a hole")


def record(sequence: int, given: Draft) -> Record:
    return Record(sequence, given.kind, given.source, given.received, given.historical, given.count, given.body)


def test_values_keep_order_tag_and_time_over_records() -> None:
    records = [record(i, draft(i, i + 0.5, tag=i)) for i in range(1, 5)]
    batch = to_batch(records)
    assert values([batch]) == [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5]
    assert [tag for tag, _, _ in seen([batch])] == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len(batch.columns) == 1
    assert batch.last == 4
    assert not batch.historical


def test_a_position_names_the_record_and_the_place_in_it() -> None:
    batch = to_batch([record(7, draft(1, 2)), record(9, draft(3))])
    assert batch.columns[0].position.tolist() == [7 << INDEX_BITS, 7 << INDEX_BITS | 1, 9 << INDEX_BITS]


def test_events_and_gaps_stand_beside_the_values() -> None:
    drafts = [draft(1), Draft(Kind.EVENT, "plant", event_body(EVENT)), Draft(Kind.GAP, "plant", gap_body(GAP))]
    batch = to_batch([record(i, d) for i, d in enumerate(drafts, 1)])
    assert batch.events[0].position == 2 << INDEX_BITS
    assert batch.events[0].fields == EVENT.fields
    assert batch.gaps == (Gap(3 << INDEX_BITS, "plant", (3, 4), 1, 2, "history has a hole"),)
    assert len(batch) == 3


def test_late_records_make_a_historical_batch() -> None:
    assert to_batch([record(1, draft(1, historical=True))]).historical
    assert to_batch([record(1, draft(1))], historical=True).historical


def test_a_body_that_is_no_event_is_a_gap() -> None:
    for kind in (Kind.EVENT, Kind.GAP):
        for body in (b"", b"[1]", b'{"a": 1}', b"\xff"):
            batch = to_batch([record(1, Draft(kind, "plant", body))])
            assert "unreadable" in batch.gaps[0].reason
            assert batch.gaps[0].source == "plant"


def test_records_read_by_several_sinks_are_decoded_once(monkeypatch) -> None:
    calls = []

    def decode(body: bytes, *_: object) -> tuple:
        calls.append(body)
        return ()

    monkeypatch.setattr("gateway.opcua.decoded.decode_data", decode)
    records = [record(i, draft(i)) for i in range(3)]
    to_batch(records)
    to_batch(records[1:])
    assert len(calls) == 3
    to_batch([record(0, draft(0))])
    assert len(calls) == 4, "another record with the same number is another record"


def test_large_records_stay_as_they_came_and_small_ones_are_joined() -> None:
    large = draft(*range(3_000))
    batch = to_batch([record(i, one) for i, one in enumerate([draft(1), draft(2), large, large, draft(3)])])
    assert [len(column) for column in batch.columns] == [2, 3_000, 3_000, 1]
    assert values([batch]) == [1, 2, *range(3_000), *range(3_000), 3]


def test_without_takes_out_exactly_the_positions() -> None:
    drafts = [draft(1, 2, 3), Draft(Kind.EVENT, "plant", event_body(EVENT)), Draft(Kind.GAP, "plant", gap_body(GAP))]
    batch = to_batch([record(i, d) for i, d in enumerate(drafts, 1)])
    rest = without(batch, [1 << INDEX_BITS | 1, 2 << INDEX_BITS])
    assert values([rest]) == [1, 3]
    assert rest.events == ()
    assert len(rest.gaps) == 1
    none = without(batch, [int(p) for p in batch.columns[0].position] + [2 << INDEX_BITS, 3 << INDEX_BITS])
    assert len(none) == 0
    assert none.columns == ()


def test_columns_of_different_types_stay_apart() -> None:
    boolean = b"\x01\x00\x00\x00" + b"\x05\x00\x00\x00\x05\x01\x01" + bytes(8) + b"\xff\xff\xff\xff"
    batch = to_batch([record(1, draft(1)), record(2, Draft(Kind.DATA, "plant", boolean)), record(3, draft(2))])
    assert [column.value.dtype for column in batch.columns] == [np.float64, np.bool_]
    assert batch.columns[0].value.tolist() == [1, 2]
    assert doubles([1], [1.0], [0])[:4] == b"\x01\x00\x00\x00"
