"""The durable log between servers and sinks: what append() returned for is on disk, numbered, for anyone to read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import time_ns
from typing import TypeVar

from gateway import ranges
from gateway.catalogue import Era, TagCatalogue
from gateway.opcua.datatypes import DataTypes
from gateway.sqlite import is_damage
from gateway.status import JournalStatus, SinkStatus
from gateway.store.cursor import Cursor, Progress
from gateway.store.file import JournalFile
from gateway.store.growth import Growth
from gateway.store.lock import lock, unlock
from gateway.store.reader import JournalReader
from gateway.store.recent import Recent
from gateway.store.record import INDEX_BITS, Draft, Heard, JournalError, JournalSettings, Kind, Record
from gateway.store.retention import Expired
from gateway.store.salvage import open_or_salvage
from gateway.store.schema import explain
from gateway.store.writer import JournalWriter
from gateway.values import Tag

__all__ = ["INDEX_BITS", "Draft", "Heard", "Journal", "JournalError", "JournalSettings", "Kind", "Record"]

T = TypeVar("T")


class Journal:
    """One SQLite file. Made by open(); used from one event loop; close() at the end."""

    def __init__(self, content: _Content, settings: JournalSettings, status: JournalStatus, handle: int) -> None:
        file = content.file
        self.catalogue = content.catalogue
        self._status = status
        self._handle: int | None = handle
        self._recent = Recent(settings.recent_bytes)
        self._reader = JournalReader(file.path)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="journal-read")
        self._adopting = asyncio.Lock()
        self._growth = Growth(file.head)
        self._writer = JournalWriter(file, settings, self.catalogue, status)
        self._writer.cursors = content.cursors
        self._writer.on_loss = self._lost
        self._writer.on_replaced = self._replaced
        status.head, status.bytes = file.head, file.size()

    @classmethod
    async def open(cls, path: Path, settings: JournalSettings, status: JournalStatus) -> Journal:
        """The journal at this path, made or repaired where it must be. JournalError where that fails."""
        handle = lock(path)
        try:
            journal = cls(await asyncio.to_thread(_load, path), settings, status, handle)
        except (sqlite3.Error, OSError) as error:
            unlock(handle)
            raise JournalError(f"{path} cannot be opened: {explain(error)}") from error
        except BaseException:
            unlock(handle)
            raise
        journal._writer.start()
        return journal

    @property
    def head(self) -> int:
        """The number of the last committed record, 0 = none."""
        return self._growth.head

    @property
    def volume(self) -> int:
        """Bytes of record bodies appended since it was opened."""
        return self._growth.volume

    def append(self, drafts: Sequence[Draft], heard: Heard | None = None) -> asyncio.Future[int]:
        """Store all or none; the head after the commit. JournalError while commits fail.

        `heard` is stored with them: the messages of OPC UA subscriptions that they complete. What was begun is
        finished, also if nobody waits for it any more.
        """

        def store(file: JournalFile) -> list[Record]:
            if heard is not None:
                file.hear(heard.source, heard.numbers)
            return file.insert(drafts)

        return self._writer.run(store, self._appended)

    async def hear_only(self, source: str, tokens: Collection[str]) -> None:
        """These are the subscriptions of the source: new ones begin at number 0, others are forgotten."""
        await self._writer.run(lambda file: file.hear_only(source, tokens))

    async def heard(self, source: str) -> dict[str, int]:
        """The number of the last stored message of each subscription of the source, by token."""
        return await self._writer.run(lambda file: file.heard(source))

    async def adopt(self, source: str, tags: Sequence[Tag]) -> list[Tag]:
        """Make these the active tags of the source; returns them with their ids, known nodes with the id they had."""
        async with self._adopting:
            plan = await asyncio.to_thread(self.catalogue.plan, source, tags, time_ns())
            if plan.changed or plan.retired:
                await self._writer.run(lambda file: file.put_tags(plan), self.catalogue.apply)
        return list(plan.tags)

    async def note_data_types(self, source: str, types: DataTypes) -> None:
        """Have these known as the data types of the source, for its records that come now. JournalError."""

        def store(file: JournalFile) -> Era:
            era = self.catalogue.era(source, types, file.head + 1)
            file.put_eras([era])
            return era

        await self._writer.run(store, self.catalogue.begin)

    async def read(self, first: int, last: int, max_bytes: int) -> list[Record]:
        """Records from `first` on, at least one, then up to max_bytes; the caller goes on after the last of them.

        [] means that there is none up to `last` any more. What is damaged on disk comes as a GAP record.
        """
        last = min(last, self.head)
        in_memory = self._recent.first()
        if in_memory is None or first < in_memory:
            on_disk = last if in_memory is None else min(last, in_memory - 1)
            found = (
                await self._read_disk(partial(self._reader.read, first, on_disk, max_bytes)) if first <= last else []
            )
            if found or on_disk == last:
                return found
            first = self._recent.first() or self.head + 1
        return self._recent.read(first, last, max_bytes)

    def received(self, sequence: int) -> int:
        """When this record came, if it is still in memory; else 0, long ago."""
        return self._recent.received(sequence)

    async def wait(self, beyond: int, volume: int = 0, patience_s: float = 0.0) -> int:
        """The head, once it is greater than `beyond`; then until `volume` is reached, but no longer than patience_s."""
        return await self._growth.wait(beyond, volume, patience_s)

    async def cursor(self, sink: str, status: SinkStatus) -> Cursor:
        """What this sink still owes; a new one owes all that is kept. `status.behind` follows it from now on."""
        cursor = self._writer.cursors.get(sink)
        if cursor is None:
            owed = ranges.add((), self._writer.removed + 1, self.head)
            cursor = self._writer.cursors[sink] = Cursor(sink, status, Progress(self.head, owed), self.head)
        cursor.status = status
        status.behind = 0
        kept = await self._read_disk(partial(self._reader.count, cursor.owed))
        status.behind += kept  # it may have grown in the meantime
        return cursor

    async def retain(self, sinks: Collection[str]) -> None:
        """Keep progress for these sinks only: nothing is held back for others any more."""
        dropped = [sink for sink in self._writer.cursors if sink not in sinks]
        for sink in dropped:
            del self._writer.cursors[sink]
        await self._writer.run(lambda file: file.drop_cursors(dropped))

    async def save(self) -> None:
        """Put the progress of all sinks on disk now; otherwise it follows within a quarter of a second."""
        await self._writer.save()

    async def close(self) -> None:
        """Finish what was begun and let go of the file. Idempotent."""
        await asyncio.to_thread(self._reading.shutdown)
        self._reader.close()
        await self._writer.close()
        if self._handle is not None:
            unlock(self._handle)
            self._handle = None

    async def _read_disk(self, query: Callable[[], T]) -> T:
        if self._handle is None:
            raise JournalError("the journal is closed")
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._reading, query)
        except sqlite3.Error as error:
            self._reading.submit(self._reader.close)
            if is_damage(error):
                self._writer.distrust()
            raise JournalError(f"journal cannot be read: {explain(error)}") from error
        finally:
            self._status.damaged = len(self._reader.damaged)

    def _appended(self, records: list[Record]) -> int:
        if not records:
            return self.head
        head = records[-1].sequence
        self._recent.add(records)
        count = sum(record.count for record in records)
        self._status.head = head
        self._status.values += count
        for cursor in self._writer.cursors.values():
            cursor.extend(head, count)
        self._growth.grow(head, sum(len(record.body) for record in records))
        return head

    def _lost(self, expired: Expired) -> None:
        self._status.lost += sum(count for _, count in expired.lost)
        for cursor in self._writer.cursors.values():
            cursor.lose(expired.lost)

    def _replaced(self) -> None:
        self._reading.submit(self._reader.close)


@dataclass(frozen=True, slots=True)
class _Content:
    """An open file and what is in it beside the records."""

    file: JournalFile
    catalogue: TagCatalogue
    cursors: dict[str, Cursor]


def _load(path: Path) -> _Content:
    """Open and read; what turns out damaged in doing so is repaired."""
    file, _ = open_or_salvage(path)
    try:
        return _content(file)
    except sqlite3.DatabaseError as error:
        file.close()
        if not is_damage(error):
            raise
    return _content(open_or_salvage(path, damaged=True)[0])


def _content(file: JournalFile) -> _Content:
    return _Content(file, file.load_tags(), _cursors(file))


def _cursors(file: JournalFile) -> dict[str, Cursor]:
    """As they were saved; what was appended since is owed. They hold records back even before their sink is there."""
    return {
        sink: Cursor(sink, SinkStatus(sink), Progress(min(seen, file.head), owed), file.head)
        for sink, (seen, owed) in file.load_cursors().items()
    }
