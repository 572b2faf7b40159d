"""What a source hands over is on disk, or nobody acknowledges it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.journal import Draft, Journal, JournalSettings, Kind
from gateway.opcua.intake import Intake
from gateway.status import JournalStatus, SourceStatus

DRAFT = Draft(Kind.DATA, "plant", b"value")


async def test_who_is_stopped_during_a_commit_still_acknowledges_what_came_on_disk(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "journal.sqlite", JournalSettings(), JournalStatus())
    disk, acknowledged = threading.Event(), asyncio.Event()
    slow = journal._writer.run(lambda _: disk.wait(30))
    storing = asyncio.create_task(Intake(journal, SourceStatus("plant", "url")).store([DRAFT], acknowledged.set))
    await asyncio.sleep(0)
    storing.cancel()
    await asyncio.sleep(0)
    assert not acknowledged.is_set(), "not before it is on disk"
    disk.set()
    with pytest.raises(asyncio.CancelledError):
        await storing
    assert acknowledged.is_set()
    assert (await journal.read(1, journal.head, 100))[-1].body == DRAFT.body
    assert await slow
    await journal.close()
