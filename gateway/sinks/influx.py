"""InfluxDB and what speaks its line protocol: one request a batch; of a refused one exactly the bad lines are found."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from gateway.contract import Catalogue, NotConnected, Rejected
from gateway.naming import UNIT, Naming, NamingError, fill
from gateway.sinks.influx_connection import Answer
from gateway.sinks.influx_http import InfluxSettings, Poster
from gateway.sinks.line_protocol import FIELDS, Lines, Series, SeriesRun, encode, event_line, gap_line, series_key
from gateway.sinks.plans import Plans
from gateway.sinks.tag_table import TagTable
from gateway.values import Batch, Tag

__all__ = ["Influx", "InfluxSettings", "Verdict", "verdict"]

_PROBES = 100  # requests spent on one search; at least one refused line is found, delivery sends the rest again
_CONFLICT = re.compile(
    r'field type conflict: input field \\?"(?P<field>.+?)\\?" on measurement \\?"(?P<measurement>.+?)\\?" is type'
    r".*?dropped=(?P<dropped>\d+)",
    re.DOTALL,
)


class Verdict(Enum):
    """What an answer means for the lines."""

    TAKEN = auto()
    REFUSED = auto()  # some of them, for good


def verdict(answer: Answer, settings: InfluxSettings) -> Verdict:
    """Decide by status code. Raises NotConnected, with what to change, where the lines may be taken later."""
    match answer.status:
        case 200 | 204:
            return Verdict.TAKEN
        case 400 | 413 | 422:
            return Verdict.REFUSED
        case 401 | 403:
            secret = "influx.token" if settings.version == 2 or settings.token else "influx.user and influx.password"  # noqa: PLR2004
            raise NotConnected(
                f"{settings.url} refuses access ({_reason(answer)}): check {secret} and its right to write"
            )
        case 404:
            where = f"bucket {settings.bucket!r}" if settings.version == 2 else f"database {settings.database!r}"  # noqa: PLR2004
            raise NotConnected(
                f"{settings.url} does not know the {where} ({_reason(answer)}): create it or correct the name"
            )
        case 429:
            raise NotConnected(f"{settings.url} takes no more for now: {_reason(answer)}")
        case _:
            raise NotConnected(f"{settings.url} answers {answer.status}: {_reason(answer)}")


def _reason(answer: Answer) -> str:
    return " ".join(answer.text.split())[:300] or f"status {answer.status}"


@dataclass(frozen=True, slots=True)
class _Line:
    position: int
    text: bytes


class Influx:
    """Writes each batch as line protocol with nanoseconds; a repeated batch replaces itself."""

    def __init__(self, name: str, settings: InfluxSettings, naming: Naming) -> None:
        known = [tag for tag in settings.tags if tag != UNIT]
        naming.require(settings.measurement, *(f"{{{tag}}}" for tag in known))
        self.name = name
        self._settings = settings
        self._naming = naming
        self._common = {tag: naming.constants[tag] for tag in known if tag in naming.constants}
        self._table: TagTable[Series] = TagTable(self._make, FIELDS)
        self._runs: Plans[Series, SeriesRun] = Plans(SeriesRun.of)
        self._poster: Poster | None = None
        self._tags: Catalogue | None = None

    async def open(self, tags: Catalogue) -> None:
        """Find out with a write of nothing whether address, name and credentials are right. Raises NotConnected."""
        self._tags = tags
        self._poster = self._poster or Poster(self._settings)
        verdict(await self._poster.open(), self._settings)

    async def write(self, batch: Batch) -> None:
        """Return when the database has stored all points. Raises NotConnected or Rejected."""
        if self._tags is None:
            raise NotConnected("not opened yet")
        await self._table.refresh(self._tags)
        lines = self._lines(batch)
        answer = await self._post(b"".join([b"".join(some.pieces) for some in lines]))
        if answer is not None:
            await self._reject(lines, answer)

    async def close(self) -> None:
        """Let go of the connection."""
        if self._poster is not None:
            self._poster.close()
            self._poster = None

    def _make(self, tag: Tag) -> Series:
        names = self._naming.of(tag) | {UNIT: tag.unit}
        measurement = fill(self._settings.measurement, names)
        if not measurement or measurement.startswith("#"):
            raise NamingError(f"{measurement!r} cannot be a measurement: it is empty or would be a comment")
        return Series.of(tag, measurement, {name: names.get(name, "") for name in self._settings.tags})

    def _lines(self, batch: Batch) -> list[Lines]:
        self._table.require(batch)
        series = self._table.rows
        found = [encode(column, self._runs.of([column], series)) for column in batch.columns if len(column)]
        found += [event_line(event, self._common) for event in batch.events]
        return found + [gap_line(gap, self._common) for gap in batch.gaps]

    async def _post(self, body: bytes) -> Answer | None:
        """None when all is stored, the answer when some line never will be. Raises NotConnected."""
        if self._poster is None:
            raise NotConnected(f"not connected to {self._settings.url}")
        answer = await self._poster.post(body)
        return None if verdict(answer, self._settings) is Verdict.TAKEN else answer

    async def _reject(self, lines: Sequence[Lines], answer: Answer) -> None:
        """Find the lines that were refused and raise Rejected; return if the search stored them all."""
        every = [_Line(*line) for some in lines for line in some.each()]
        if conflicting := conflicts(every, answer.text):
            raise Rejected(conflicting, _reason(answer))
        refused = await self._search(every, answer)
        if refused:
            raise Rejected(list(refused), next(iter(refused.values())))

    async def _search(self, every: list[_Line], answer: Answer) -> dict[int, str]:
        """Halve what is refused until single lines are left; what is not refused is stored on the way."""
        found: dict[int, str] = {}
        suspects = [(every, answer)]
        probes = 0
        while suspects and (probes < _PROBES or not found):
            part, said = suspects.pop()
            if len(part) == 1:
                found[part[0].position] = _reason(said)
                continue
            middle = len(part) // 2
            for half in (part[middle:], part[:middle]):
                probes += 1
                reply = await self._post(b"".join(line.text for line in half))
                if reply is not None:
                    suspects.append((half, reply))
        return found


def conflicts(lines: Sequence[_Line], said: str) -> list[int]:
    """Positions of the lines with the field that the database has in another type; [] unless it dropped so many."""
    match = _CONFLICT.search(said)
    if match is None:
        return []
    measurement = re.escape(series_key(match["measurement"], {}).encode())
    field = re.compile(rb"%b[ ,](.*[ ,])?%b=" % (measurement, re.escape(match["field"].encode())), re.DOTALL)
    meant = [line.position for line in lines if field.match(line.text)]
    return meant if len(meant) == int(match["dropped"]) else []
