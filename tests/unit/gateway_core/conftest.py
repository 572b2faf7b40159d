"""Journals on a temporary folder, and sinks that are served from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from support_delivery import QUICK, Served

from gateway.delivery import DeliverySettings
from gateway.journal import Journal, JournalSettings
from gateway.sinks.memory import MemorySink
from gateway.status import JournalStatus

Opener = Callable[..., Awaitable[Journal]]


@pytest.fixture
def journal_path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
async def open_journal(journal_path: Path) -> AsyncIterator[Opener]:
    """Opens the journal of this test, again and again; settings by keyword."""
    opened: list[Journal] = []

    async def open_(status: JournalStatus | None = None, **settings: float) -> Journal:
        journal = await Journal.open(journal_path, JournalSettings(**settings), status or JournalStatus())
        opened.append(journal)
        return journal

    yield open_
    for journal in opened:
        await journal.close()


@pytest.fixture
async def journal(open_journal: Opener) -> Journal:
    return await open_journal()


@pytest.fixture
async def serve(journal: Journal) -> AsyncIterator[Callable[..., Served]]:
    """Serves a sink from the journal of this test."""
    running: list[Served] = []

    def start(sink: MemorySink | None = None, settings: DeliverySettings = QUICK) -> Served:
        served = Served(sink or MemorySink(), journal, settings)
        running.append(served)
        return served

    yield start
    for served in running:
        await served.stop()
