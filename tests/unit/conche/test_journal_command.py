"""`conche journal`: what is in it, whether it is sound, and what a sink gets once more."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from conche.commands import app
from conche.failure import MISUSED, Failure
from gateway.journal import Draft, Journal, JournalSettings, Kind
from gateway.status import JournalStatus, SinkStatus

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = 1_000_000_000


async def opened(path: Path) -> Journal:
    settings = JournalSettings(retention_s=1e9)
    return await Journal.open(path, settings, JournalStatus())


@pytest.fixture
async def config(tmp_path: Path) -> Path:
    """Settings of a gateway whose journal has ten records of three values, one a second from noon on.

    The sink `uns` has all but the last two.
    """
    file = tmp_path / "gateway.yaml"
    file.write_text(f"state: {tmp_path}\nsources: [{{name: plant, url: opc.tcp://127.0.0.1:4840}}]\n")
    journal = await opened(tmp_path / "journal.sqlite")
    cursor = await journal.cursor("uns", SinkStatus("uns"))
    start = round(NOON.timestamp()) * SECOND
    await journal.append([Draft(Kind.DATA, "plant", b"body", 3, received=start + i * SECOND) for i in range(10)])
    cursor.settle(1, 8, 24)
    await journal.save()
    await journal.close()
    return file


def conche(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["journal", *map(str, arguments)])


def failure(result: Result) -> Failure:
    assert isinstance(result.exception, Failure), result.output
    assert "\n" not in str(result.exception)
    return result.exception


async def owed(config: Path) -> tuple[tuple[int, int], ...]:
    """What the sink `uns` will be given when the gateway starts."""
    journal = await opened(config.with_name("journal.sqlite"))
    try:
        return (await journal.cursor("uns", SinkStatus("uns"))).owed
    finally:
        await journal.close()


async def test_info_tells_range_time_and_how_far_every_sink_is(config: Path) -> None:
    shown = conche("info", config)
    assert shown.exit_code == 0, shown.output
    lines = dict(line.split("  ", 1) for line in shown.output.splitlines())
    told = {name: text.strip() for name, text in lines.items()}
    assert told["records"] == "1 to 10"
    assert told["received"] == "2026-03-01 12:00:00Z to 2026-03-01 12:00:09Z"
    assert told["values"] == "30"
    assert told["sink uns"] == "6 values behind: 9 to 10"


async def test_info_and_verify_work_beside_a_running_gateway(config: Path) -> None:
    journal = await opened(config.with_name("journal.sqlite"))
    try:
        await journal.append([Draft(Kind.DATA, "plant", b"body", 3)])
        assert "1 to 11" in conche("info", config).output
        assert "11 records, all sound" in conche("verify", config).output
    finally:
        await journal.close()


async def test_verify_names_what_is_damaged_and_what_is_missing(config: Path) -> None:
    with sqlite3.connect(config.with_name("journal.sqlite")) as file:
        file.execute("UPDATE record SET body = x'00' WHERE sequence = 3")
        file.execute("DELETE FROM record WHERE sequence IN (6, 7)")
    file.close()
    told = str(failure(conche("verify", config)))
    assert told.endswith("of 10 records these are damaged or missing: 3, 6 to 7")


@pytest.mark.parametrize(
    ("start", "end", "again", "everything_owed"),
    [
        ("3", "5", "3 to 5 again, 9 values", ((3, 5), (9, 10))),
        ("7", "", "7 to 10 again, 12 values", ((7, 10),)),
        ("2026-03-01T12:00:02", "2026-03-01T12:00:04.5", "3 to 5 again, 9 values", ((3, 5), (9, 10))),
        ("2026-03-01T13:00:01+01:00", "2026-03-01 12:00:01Z", "2 to 2 again, 3 values", ((2, 2), (9, 10))),
        ("1", "1000", "1 to 10 again, 30 values", ((1, 10),)),
    ],
)
async def test_replay_makes_a_sink_owe_a_part_again(
    config: Path, start: str, end: str, again: str, everything_owed: tuple[tuple[int, int], ...]
) -> None:
    shown = conche("replay", config, "--sink", "uns", "--from", start, *(["--to", end] if end else []))
    assert shown.exit_code == 0, shown.output
    assert again in shown.output
    assert await owed(config) == everything_owed


async def test_replay_waits_for_nobody_while_the_gateway_runs(config: Path) -> None:
    journal = await opened(config.with_name("journal.sqlite"))
    try:
        told = str(failure(conche("replay", config, "--sink", "uns", "--from", "1")))
        assert "in use by another gateway: stop it" in told
    finally:
        await journal.close()
    assert await owed(config) == ((9, 10),)


async def test_replay_of_what_is_not_there_says_what_there_is(config: Path) -> None:
    unknown = failure(conche("replay", config, "--sink", "mqtt", "--from", "1"))
    assert "no sink 'mqtt' has read this journal, but uns" in str(unknown)
    late = failure(conche("replay", config, "--sink", "uns", "--from", "11"))
    assert "the journal has numbers 1 to 10" in str(late)
    vague = failure(conche("replay", config, "--sink", "uns", "--from", "noon"))
    assert vague.code == MISUSED
    assert await owed(config) == ((9, 10),)


def test_without_a_journal_it_says_where_one_would_be(tmp_path: Path) -> None:
    file = tmp_path / "gateway.yaml"
    file.write_text(f"state: {tmp_path}\nsources: [{{name: plant, url: opc.tcp://127.0.0.1:4840}}]\n")
    told = failure(conche("info", file))
    assert str(told).startswith(f"there is no journal at {tmp_path / 'journal.sqlite'}")
    assert not (tmp_path / "journal.sqlite").exists()
