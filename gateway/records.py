"""From records to columns: what sinks are given. Records that several sinks read are decoded once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import structlog
from numpy.typing import NDArray

from gateway.opcua.datatypes import DataTypes
from gateway.opcua.decode import Part
from gateway.opcua.decoded import decoded
from gateway.store.bodies import read_event, read_gap
from gateway.store.record import INDEX_BITS, Kind, Record
from gateway.values import Batch, Column, Event, Gap

log = structlog.get_logger(__name__)

DataTypesOf = Callable[[str, int], DataTypes | None]
"""(source, sequence) -> what is known of the structures in this record."""

_LARGE: Final = 2_000  # values of a record that is left as it is: joining saves nothing, and sinks know its tags again


def to_batch(
    records: Sequence[Record], *, data_types: DataTypesOf = lambda _source, _sequence: None, historical: bool = False
) -> Batch:
    """Records in order, at least one, all live or all historical; `historical` makes live ones late.

    `data_types` tells what is known of the structures in a record (TagCatalogue.data_types).
    """
    told = [_told(record) for record in records if record.kind is not Kind.DATA]
    return Batch(
        columns=_columns([_decode(record, data_types) for record in records if record.kind is Kind.DATA]),
        events=tuple(one for one in told if isinstance(one, Event)),
        gaps=tuple(one for one in told if isinstance(one, Gap)),
        last=records[-1].sequence,
        historical=historical or records[-1].historical,
    )


def without(batch: Batch, positions: Collection[int]) -> Batch:
    """The batch less these positions."""
    refused = np.fromiter(positions, np.int64, len(positions))
    kept = (_pick(column, ~np.isin(column.position, refused)) for column in batch.columns)
    return replace(
        batch,
        columns=tuple(column for column in kept if len(column)),
        events=tuple(event for event in batch.events if event.position not in positions),
        gaps=tuple(gap for gap in batch.gaps if gap.position not in positions),
    )


def _told(record: Record) -> Event | Gap:
    """The event or gap of a record; a body that is neither is a gap itself."""
    position = record.sequence << INDEX_BITS
    try:
        return read_event(record.body, position) if record.kind is Kind.EVENT else read_gap(record.body, position)
    except ValueError as error:
        log.exception("record cannot be read, told as a gap", sequence=record.sequence)
        return Gap(position, record.source, (), record.received, record.received, f"unreadable record: {error}")


def _decode(record: Record, data_types: DataTypesOf) -> tuple[Column, ...]:
    base = record.sequence << INDEX_BITS
    types = data_types(record.source, record.sequence)
    return tuple(_column(part, base) for part in decoded(record.body, record.received, types))


def _column(part: Part, base: int) -> Column:
    return Column(part.index + base, part.tag, part.value, part.status, part.time)


def _columns(records: Sequence[tuple[Column, ...]]) -> tuple[Column, ...]:
    """The columns of large records as they are, those of small ones that follow each other joined."""
    found: list[Column] = []
    small: list[Column] = []
    for columns in records:
        if sum(map(len, columns)) < _LARGE:
            small += columns
        else:
            found += [*_joined(small), *columns]
            small = []
    return (*found, *_joined(small))


def _joined(columns: Iterable[Column]) -> Iterator[Column]:
    """One column a NumPy type, in the order in which the types come first."""
    by_type: dict[np.dtype, list[Column]] = {}
    for column in columns:
        by_type.setdefault(column.value.dtype, []).append(column)
    return (alike[0] if len(alike) == 1 else _concatenated(alike) for alike in by_type.values())


def _concatenated(columns: Sequence[Column]) -> Column:
    return Column(
        np.concatenate([c.position for c in columns]),
        np.concatenate([c.tag for c in columns]),
        np.concatenate([c.value for c in columns]),
        np.concatenate([c.status for c in columns]),
        np.concatenate([c.time for c in columns]),
    )


def _pick(column: Column, mask: NDArray[np.bool_]) -> Column:
    return Column(column.position[mask], column.tag[mask], column.value[mask], column.status[mask], column.time[mask])
