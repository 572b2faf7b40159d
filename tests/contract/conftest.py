"""The sinks that the contract suite runs against. To add one: a Case with a factory that starts its peer and makes it.

@asynccontextmanager
async def _my_sink(folder: Path) -> AsyncIterator[Bench]:
    ... start the peer ...
    yield Bench(sink, cut, mend, numbers)
    ... stop the peer ...

SINKS = [..., Case("my sink", _my_sink)]
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from support_contract import Bench, Case
from support_records import Seen, seen, tag
from support_sink_benches import SINK_CASES

from gateway.catalogue import TagCatalogue
from gateway.sinks.historian import Historian, HistorianSettings
from gateway.sinks.memory import MemorySink
from gateway.values import Tag

TAGS = 20


@asynccontextmanager
async def _memory(_: Path) -> AsyncIterator[Bench]:
    sink = MemorySink()

    async def away(state: bool) -> None:
        sink.away = state

    async def numbers() -> set[Seen]:
        return set(seen(sink.received))

    yield Bench(sink, lambda: away(True), lambda: away(False), numbers)


@asynccontextmanager
async def _historian(folder: Path) -> AsyncIterator[Bench]:
    """Its peer is the disk: a folder that cannot be used stands for one that is away."""
    state, hidden = folder / "state", folder / "hidden"
    sink = Historian("historian", HistorianSettings(), state / "historian.sqlite")

    async def cut() -> None:
        await sink.close()
        if state.exists():
            state.rename(hidden)
        state.write_text("in the way")

    async def mend() -> None:
        state.unlink()
        if hidden.exists():
            hidden.rename(state)

    async def numbers() -> set[Seen]:
        found: set[Seen] = set()
        for tag_id in range(1, TAGS + 2):
            with suppress(KeyError):  # not in the catalogue of this test
                series = await sink.query(tag_id, 0, 1 << 62, 1 << 30)
                if not series.last.dtype.hasobject:
                    times = zip(series.time.tolist(), series.last.tolist(), strict=True)
                    found |= {(tag_id, time, float(value)) for time, value in times}
        return found

    yield Bench(sink, cut, mend, numbers)
    await sink.close()


SINKS = [
    Case("memory", _memory),
    Case("historian", _historian),
    *SINK_CASES,
]


@pytest.fixture(params=SINKS, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


@pytest.fixture
async def bench(case: Case, tmp_path: Path) -> AsyncIterator[Bench]:
    async with case.make(tmp_path) as made:
        yield made
        await made.sink.close()


@pytest.fixture
def tags() -> list[Tag]:
    """Twenty conches' tags, ids 1 … 20."""
    return [tag(i) for i in range(1, TAGS + 1)]


@pytest.fixture
def catalogue(tags: list[Tag]) -> TagCatalogue:
    return TagCatalogue(tags)
