"""`conche journal`: what a gateway's journal holds, whether it is sound, and sinks that are to get some of it again."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from conche import logs
from conche.browse import aligned
from conche.failure import FAILED, MISUSED, Failure
from conche.site import load_gateway

if TYPE_CHECKING:  # the room is slow to import
    from gateway.ranges import Ranges
    from gateway.store.survey import SinkProgress

T = TypeVar("T")

Config = Annotated[Path, typer.Argument(help="The gateway's settings file.")]
DEMO = Path("config/gateway/demo.yaml")
_NS = 1_000_000_000
_MB = 1_000_000
_SHOWN = 5  # ranges in a line

app = typer.Typer(no_args_is_help=True, help="Look into a gateway's journal, check it, deliver parts of it again.")


@app.callback()
def journal() -> None:
    """The durable log between servers and sinks."""


@app.command()
def info(config: Config = DEMO) -> None:
    """Show what is in the journal and how far every sink is. The gateway may be running."""
    from gateway.store.survey import survey  # noqa: PLC0415 - each command imports what it needs

    path = _path(config)
    found = _asked(lambda: survey(path))
    rows = [
        ("journal", str(path)),
        ("size", f"{found.bytes / _MB:,.1f} MB"),
        ("records", f"{found.first} to {found.last}" if found.first <= found.last else f"none after {found.last}"),
        ("received", f"{_time(found.oldest)} to {_time(found.newest)}" if found.newest else "nothing"),
        ("values", f"{found.values:,}"),
        ("tags", f"{found.tags:,}, and {found.retired:,} that are gone from their servers"),
    ]
    for line in aligned([*rows, *(_progress(sink) for sink in found.sinks)]):
        typer.echo(line)


def _progress(sink: SinkProgress) -> tuple[str, str]:
    return (
        f"sink {sink.sink}",
        f"{sink.behind:,} values behind: {_ranges(sink.owed)}" if sink.owed else "has everything",
    )


@app.command()
def verify(config: Config = DEMO) -> None:
    """Check the checksum and the number of every record. Exit code 1 if any is damaged. The gateway may be running."""
    from gateway.store.survey import verify as check  # noqa: PLC0415

    path = _path(config)
    verdict = _asked(lambda: check(path))
    if verdict.damaged:
        raise Failure(
            f"{path}: of {verdict.records:,} records these are damaged or missing: {_ranges(verdict.damaged)}"
        )
    typer.echo(f"{path}: {verdict.records:,} records, all sound")


@app.command()
def replay(
    config: Config = DEMO,
    *,
    sink: Annotated[str, typer.Option(help="Name of the sink, as `conche journal info` shows it.")],
    start: Annotated[str, typer.Option("--from", help="First record: its number, or a time such as 2026-03-01T06:00.")],
    end: Annotated[str, typer.Option("--to", help="Last record, likewise. Without it everything from there on.")] = "",
) -> None:
    """Let a sink have a part of the journal once more. The gateway must be stopped; it delivers when it starts.

    Times are those of arrival, UTC unless they name an offset. The values come as backlog, marked historical where the
    sink can say so.
    """
    from gateway.store.survey import replay as owe  # noqa: PLC0415

    path = _path(config)
    first = _number(path, start)
    last = _number(path, end, after=1) if end else 1 << 62
    again = _asked(lambda: owe(path, sink, first, last))
    typer.echo(f"{sink} gets records {again.first} to {again.last} again, {again.values:,} values, at the next start")


def _number(path: Path, text: str, after: int = 0) -> int:
    """A record by number or time; with `after` the last one at that time instead of the first."""
    from gateway.store.survey import number_at  # noqa: PLC0415

    if text.isdecimal():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Failure(f"{text!r} is neither a number nor a time such as 2026-03-01T06:00", MISUSED) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since_1970 = moment - datetime.fromtimestamp(0, UTC)
    received = (since_1970.days * 86_400 + since_1970.seconds) * _NS + since_1970.microseconds * 1_000
    return _asked(lambda: number_at(path, received + after)) - after


def _path(config: Path) -> Path:
    logs.configure(logs.Level.ERROR)
    return load_gateway(config, os.environ).state / "journal.sqlite"


def _asked(question: Callable[[], T]) -> T:
    """The answer of the journal; what is wrong with it becomes the text of a failed command."""
    from gateway.store.record import JournalError  # noqa: PLC0415

    try:
        return question()
    except JournalError as error:
        raise Failure(str(error), FAILED) from error


def _time(received: int) -> str:
    return f"{datetime.fromtimestamp(received / _NS, UTC):%Y-%m-%d %H:%M:%S}Z"


def _ranges(numbers: Ranges) -> str:
    shown = ", ".join(f"{low} to {high}" if low < high else f"{low}" for low, high in numbers[:_SHOWN])
    return f"{shown}, and {len(numbers) - _SHOWN} more ranges" if len(numbers) > _SHOWN else shown
