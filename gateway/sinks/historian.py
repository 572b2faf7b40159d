"""The historian: keeps every value in a file of its own, so that there are trends without any server."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field

from gateway.contract import Catalogue, NotConnected
from gateway.history.file import HistoryFile
from gateway.history.queries import HistoryReader
from gateway.history.samples import Series
from gateway.values import Batch, Event, Gap

log = structlog.get_logger(__name__)

T = TypeVar("T")


class HistorianSettings(BaseModel):
    """How long and how much the historian keeps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["historian"] = "historian"
    name: str = Field(default="historian", description="Unique. The file is called by it: <state>/<name>.sqlite.")
    retention_s: float = Field(default=90 * 86_400.0, gt=0, description="Older values go.")
    max_bytes: int = Field(default=4 << 30, ge=1 << 20, description="Size of the file; beyond it the oldest values go.")


class Historian:
    """A sink into SQLite, and the questions the page asks it."""

    def __init__(self, name: str, settings: HistorianSettings, path: Path) -> None:
        self.name = name
        self._settings, self._path = settings, path
        self._tags: Catalogue | None = None
        self._file: HistoryFile | None = None
        self._reader = HistoryReader(path)
        self._writing = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-write")
        self._reading = ThreadPoolExecutor(1, thread_name_prefix=f"{name}-read")

    async def open(self, tags: Catalogue) -> None:
        """Open the file, made where there is none. Raises NotConnected while that fails."""
        await self.close()
        self._tags = tags
        settings = self._settings
        self._file = await self._write(partial(HistoryFile, self._path, tags, settings.retention_s, settings.max_bytes))

    async def write(self, batch: Batch) -> None:
        """Return when the batch is on disk. Raises NotConnected, or Rejected for tags that nobody knows."""
        if self._file is None:
            raise NotConnected(f"{self._path} is not open")
        await self._write(partial(self._file.write, batch))

    async def close(self) -> None:
        """Let go of the file. Idempotent."""
        file, self._file = self._file, None
        if file is not None:
            await self._in(self._writing, file.close)
        await self._in(self._reading, self._reader.close)

    async def query(self, tag_id: int, start_ns: int, end_ns: int, points: int) -> Series:
        """What a tag did, thinned out to at most so many points (least, greatest and last of each stretch).

        Sorted by time; all values where they are fewer. KeyError for a tag that never was; NotConnected.
        """
        if self._tags is None or self._file is None:
            raise NotConnected(f"{self._path} is not open")
        tag, tails = self._tags.tag(tag_id), self._file.tails
        return await self._read(partial(self._reader.series, tag, start_ns, end_ns, points, tails))

    async def events(self, start_ns: int, end_ns: int, limit: int) -> list[Event]:
        """The newest events from start to end, by rising time. NotConnected."""
        return await self._read(partial(self._reader.events, start_ns, end_ns, limit))

    async def gaps(self, start_ns: int, end_ns: int, limit: int) -> list[Gap]:
        """The newest gaps that touch start to end, by rising end. NotConnected."""
        return await self._read(partial(self._reader.gaps, start_ns, end_ns, limit))

    async def _write(self, job: Callable[[], T]) -> T:
        try:
            return await self._in(self._writing, job)
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise NotConnected(f"{self._path} cannot be written: {error}; is the disk full?") from error

    async def _read(self, question: Callable[[], T]) -> T:
        try:
            return await self._in(self._reading, question)
        except sqlite3.Error as error:
            self._reading.submit(self._reader.close)
            raise NotConnected(f"{self._path} cannot be read: {error}") from error

    async def _in(self, executor: ThreadPoolExecutor, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(executor, job)
