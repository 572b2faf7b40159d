"""A whole gateway on a real server goes on with other settings: what they leave alone is not touched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support_opcua import Hall, Plant

from gateway.gateway import Gateway
from gateway.reload import parse_change
from gateway.settings import parse
from gateway.sinks.historian import Historian
from gateway.status import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")

Change = Callable[[dict[str, Any]], object]


class House:
    """The gateway, its settings as plain data, and the server's tags."""

    def __init__(self, folder: Path, plant: Plant, hall: Hall) -> None:
        self.hall = hall
        self.data: dict[str, Any] = {
            "state": str(folder),
            "sources": [
                {
                    "name": "plant",
                    "url": plant.url,
                    "security": {"policy": "None"},
                    "include": [f"{hall.name}/**"],
                    "publishing_interval_ms": 20,
                    "rebrowse_s": 0,
                    "events": False,
                    "backfill": {"enabled": False},
                }
            ],
            "naming": {"paths": ["{hall}/{tag}"]},
            "sinks": [{"kind": "historian", "name": "first"}],
            "page": {"enabled": False, "port": 0},
        }
        self.gateway = Gateway(parse(self.data))
        self.written = 0

    async def change(self, change: Change) -> None:
        change(self.data)
        await self.gateway.reload(parse_change(self.data, self.gateway.settings))

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                await asyncio.sleep(0.01)

    async def write(self, name: str = "Speed", times: int = 10) -> None:
        for _ in range(times):
            self.written += 1
            await self.hall.write(name, float(self.written))

    async def kept(self, sink: str, tag: str = "Speed") -> list[float]:
        """What a historian has of a tag."""
        historian = self.gateway._outlets.sink(sink)
        assert isinstance(historian, Historian)
        (tag_id,) = [one.id for one in self.gateway._journal.catalogue if one.path[-1] == tag]
        series = await historian.query(tag_id, 0, 1 << 62, 10_000)
        return [float(value) for value in series.last]

    async def has_all(self, sink: str) -> None:
        """Wait until a historian has every number that was written."""
        await self.until(lambda: self.gateway.status.sinks[sink].connection.link is Link.CONNECTED)
        async with asyncio.timeout(20):
            while await self.kept(sink) != [float(number) for number in range(self.written + 1)]:
                await asyncio.sleep(0.02)


@pytest_asyncio.fixture(loop_scope="module")
async def house(tmp_path: Path, server: Plant) -> AsyncIterator[House]:
    hall = await server.hall()
    await hall.add("Speed")
    await hall.add("Load")
    made = House(tmp_path, server, hall)
    try:
        await made.gateway.start()
        await made.until(lambda: made.gateway.status.sources["plant"].values >= 2)
        yield made
    finally:
        await made.gateway.stop()


async def test_a_new_sink_gets_what_the_journal_has_and_the_others_are_not_touched(house: House) -> None:
    await house.write()
    first = house.gateway.status.sinks["first"]
    source = house.gateway.status.sources["plant"]
    await house.change(lambda d: d["sinks"].append({"kind": "historian", "name": "second"}))
    await house.write()
    await house.has_all("first")
    await house.has_all("second")
    assert house.gateway.status.sinks["first"] is first
    assert (first.connection.connects, source.connection.connects) == (1, 1)


async def test_a_sink_that_is_taken_out_and_put_back_goes_on_where_it_was(house: House) -> None:
    await house.write()
    await house.has_all("first")
    (taken,) = house.data["sinks"]
    await house.change(lambda d: d.update(sinks=[{"kind": "historian", "name": "other"}]))
    assert set(house.gateway.status.sinks) == {"other", "rules", "page"}
    await house.write()
    await house.change(lambda d: d["sinks"].append(taken))
    await house.has_all("first")
    assert house.gateway.status.sinks["first"].delivered < house.written + 5, "it got again what it had"


async def test_a_changed_sink_is_opened_anew_where_it_was(house: House) -> None:
    await house.write()
    await house.has_all("first")
    before = house.gateway._outlets.sink("first")
    await house.change(lambda d: d["sinks"][0].update(retention_s=3600))
    await house.write()
    await house.has_all("first")
    assert house.gateway._outlets.sink("first") is not before
    assert house.gateway.status.sinks["first"].delivered < house.written + 5, "it got again what it had"


async def test_other_terms_of_a_source_lose_nothing_and_keep_its_connection(house: House) -> None:
    writing = asyncio.create_task(house.write(times=100))
    for queue in (500, 400, 300):
        await house.change(
            lambda d, queue=queue: d["sources"][0].update(queue_size=queue, publishing_interval_ms=queue / 10)
        )
    await writing
    await house.has_all("first")
    assert house.gateway.status.sources["plant"].connection.connects == 1
    assert not house.gateway.status.sources["plant"].gaps


async def test_tags_that_are_left_out_go_and_come_back_with_the_same_id(house: House) -> None:
    before = {tag.path[-1]: tag.id for tag in house.gateway._journal.catalogue}
    await house.change(lambda d: d["sources"][0].update(exclude=["**/Load"]))
    await house.until(lambda: len(house.gateway._journal.catalogue) == 1)
    await house.write()
    await house.change(lambda d: d["sources"][0].pop("exclude"))
    await house.until(lambda: len(house.gateway._journal.catalogue) == 2)
    assert {tag.path[-1]: tag.id for tag in house.gateway._journal.catalogue} == before
    await house.write()
    await house.has_all("first")


async def test_a_source_that_is_taken_out_has_no_tags(house: House) -> None:
    other = house.data["sources"][0] | {"name": "other"}
    await house.change(lambda d: d["sources"].append(other))
    await house.until(lambda: len(house.gateway._journal.catalogue) == 4)
    await house.change(lambda d: d["sources"].pop(0))
    assert set(house.gateway.status.sources) == {"other"}
    assert {tag.source for tag in house.gateway._journal.catalogue} == {"other"}


async def test_another_address_connects_that_source_only(house: House) -> None:
    other = house.data["sources"][0] | {"name": "other"}
    await house.change(lambda d: d["sources"].append(other))
    await house.until(lambda: house.gateway.status.sources["other"].values >= 2)
    untouched = house.gateway.status.sources["plant"]
    await house.change(lambda d: d["sources"][1].update(url="opc.tcp://127.0.0.1:1/"))
    await house.until(lambda: house.gateway.status.sources["other"].connection.reason)
    assert house.gateway.status.sources["plant"] is untouched
    assert untouched.connection.connects == 1
