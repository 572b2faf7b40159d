"""The newest records in memory, bounded by bytes: who keeps up with the journal reads no disk."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.store.record import Record

_OVERHEAD = 200  # bytes of a Record object beside its body


class Recent:
    """Records with numbers in a row, up to the newest."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._records: dict[int, Record] = {}
        self._bytes = 0

    def add(self, records: Iterable[Record]) -> None:
        """Take the next records; the oldest leave where it gets too much."""
        for record in records:
            self._records[record.sequence] = record
            self._bytes += _OVERHEAD + len(record.body)
        while self._bytes > self._max_bytes:
            oldest = self._records.pop(next(iter(self._records)))
            self._bytes -= _OVERHEAD + len(oldest.body)

    def first(self) -> int | None:
        """The oldest number held; None when there is none."""
        return next(iter(self._records), None)

    def received(self, sequence: int) -> int:
        """When a record came; 0 if it is not held."""
        record = self._records.get(sequence)
        return record.received if record else 0

    def read(self, first: int, last: int, max_bytes: int) -> list[Record]:
        """Records from `first` on, at least one, then up to max_bytes. `first` must be held."""
        taken: list[Record] = []
        for sequence in range(first, last + 1):
            record = self._records[sequence]
            max_bytes -= len(record.body)
            if taken and max_bytes < 0:
                break
            taken.append(record)
        return taken
