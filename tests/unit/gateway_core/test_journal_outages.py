"""A kill, a full disk, a locked file: what append returned for stays, the rest is refused and tried again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from support_journal import ALL, everything, numbers
from support_records import draft

from gateway.journal import JournalError, Kind
from gateway.status import JournalStatus

CRASHING = """
import asyncio, sys
from pathlib import Path
from gateway.journal import Journal, JournalSettings
from gateway.status import JournalStatus
from support_records import draft

async def main():
    journal = await Journal.open(Path(sys.argv[1]), JournalSettings(), JournalStatus())
    async def feed(offset):
        for i in range(offset, 10**6, 4):
            sequence = await journal.append([draft(i)])
            print(sequence, i, flush=True)
    await asyncio.gather(*(feed(k) for k in range(4)))

asyncio.run(main())
"""


async def test_kill_9_loses_nothing_that_append_returned_for(open_journal, journal_path: Path) -> None:
    confirmed: dict[int, float] = {}
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", CRASHING, str(journal_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": ".:tests"},
        )
        assert process.stdout
        told = [process.stdout.readline() for _ in range(150)]
        process.kill()
        told += process.stdout.readlines()
        process.wait()
        process.stdout.close()
        whole = [line.split() for line in told if line.endswith("\n")]
        assert not confirmed.keys() & {int(s) for s, _ in whole}, "numbers are never used twice"
        confirmed |= {int(s): float(v) for s, v in whole}
    journal = await open_journal()
    found = {r.sequence: numbers([r])[0] for r in await journal.read(1, journal.head, ALL)}
    assert confirmed.items() <= found.items()
    assert sorted(found) == list(range(1, journal.head + 1))


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from gateway.journal import Draft, Journal, JournalError, JournalSettings, Kind, Record
from gateway.status import JournalStatus

async def main():
    status = JournalStatus()
    journal = await Journal.open(Path(sys.argv[1]), JournalSettings(), status)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
    stored, failed = [], 0
    while failed < 5:
        try:
            stored.append(await journal.append([Draft(Kind.DATA, "plant", bytes(100_000))]))
        except JournalError as error:
            failed += 1
            assert status.failure and status.failures == failed, status
            assert journal.head == len(stored)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    stored.append(await journal.append([Draft(Kind.DATA, "plant", b"again")]))
    assert status.failure == "", status
    assert stored == list(range(1, len(stored) + 1)), stored
    found = []
    while len(found) < len(stored):
        found += await journal.read(len(found) + 1, journal.head, 1 << 20)
    assert found[-1].body == b"again"
    await journal.close()
    print(len(stored))

asyncio.run(main())
"""


async def test_a_full_disk_stops_appends_and_they_recover_by_themselves(open_journal, journal_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(journal_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={"PYTHONPATH": ".:tests"},
    )
    assert done.returncode == 0, done.stderr
    journal = await open_journal()
    assert journal.head == int(done.stdout.split()[-1])
    records = await everything(journal)
    assert [r.sequence for r in records] == list(range(1, journal.head + 1))
    assert all(r.kind is Kind.DATA for r in records)


async def test_a_locked_file_fails_the_append_and_the_next_one_works(
    open_journal, journal_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.sqlite._BUSY_S", 0.05)
    status = JournalStatus()
    journal = await open_journal(status)
    other = sqlite3.connect(journal_path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="another process"):
        await journal.append([draft(1)])
    assert "another process" in status.failure
    other.execute("ROLLBACK")
    other.close()
    assert await journal.append([draft(1)]) == 1
    assert status.failure == ""
    assert status.failures >= 1
