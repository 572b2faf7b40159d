"""Servers that stand in for each other: the best one is used, and what a change-over cost is filled or announced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest
from asyncua import ua
from support_certificates import URI as APPLICATION
from support_certificates import Wish, identify, made
from support_opcua import Hall, Plant, Run, free_port, running

from gateway.journal import Kind
from gateway.opcua import redundancy
from gateway.opcua.trust import TrustFolder
from gateway.status import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Twin:
    """One of two servers with the same nodes."""

    plant: Plant
    hall: Hall
    stack: AsyncExitStack
    sessions: int = 0  # that clients opened in all

    async def has_level(self, level: int) -> None:
        node = self.plant.server.get_node(ua.ObjectIds.Server_ServiceLevel)
        await node.write_value(ua.Variant(level, ua.VariantType.Byte))

    def connections(self) -> int:
        return len(self.plant.server.iserver._external_sessions)

    async def die(self) -> None:
        await self.stack.aclose()


async def twin(*, history: bool = False) -> Twin:
    plant = await Plant(free_port()).build()
    hall = await plant.hall()
    await hall.add("Speed", history=history)
    stack = AsyncExitStack()
    await stack.enter_async_context(plant.server)
    made_one = Twin(plant, hall, stack)
    create = plant.server.iserver.create_session

    def counted(*arguments: object, **options: object) -> object:
        made_one.sessions += bool(options.get("external"))
        return create(*arguments, **options)

    plant.server.iserver.create_session = counted
    return made_one


@asynccontextmanager
async def twins(*, history: bool = False) -> AsyncIterator[tuple[Twin, Twin]]:
    first, second = await twin(history=history), await twin(history=history)
    try:
        yield first, second
    finally:
        await first.die()
        await second.die()


@asynccontextmanager
async def between(first: Twin, second: Twin, state: Path, **settings: object) -> AsyncIterator[Run]:
    """A source of both servers that is connected."""
    async with running(first.plant.url, state, "Hall1", redundant_urls=[second.plant.url], **settings) as run:
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED)
        yield run


def speeds(run: Run) -> list[object]:
    return [value for _, value, _ in run.journal.values("Speed")]


async def uses(run: Run, one: Twin) -> None:
    """Until this server is the one in use, and delivers."""
    await run.journal.until(
        lambda: run.status.url == one.plant.url and run.status.connection.link is Link.CONNECTED, 30
    )


async def test_the_server_with_the_best_service_level_is_used_the_first_of_equals(tmp_path: Path) -> None:
    async with twins() as (first, second):
        async with between(first, second, tmp_path / "equal") as run:
            assert run.status.url == first.plant.url
            assert {url: seen.level for url, seen in run.status.servers.items()} == {
                first.plant.url: 255,
                second.plant.url: 255,
            }
            assert second.connections() == 0
        await first.has_level(120)
        async with between(first, second, tmp_path / "better") as run:
            assert run.status.url == second.plant.url
            assert run.status.servers[first.plant.url].words == "service level 120"
            assert first.connections() == 0


async def test_when_the_server_dies_the_other_one_goes_on_and_the_hole_is_announced(tmp_path: Path) -> None:
    async with twins() as (first, second), between(first, second, tmp_path) as run:
        await first.hall.write("Speed", 1.0)
        await run.journal.until(lambda: speeds(run) == [0.0, 1.0])
        await first.die()
        await uses(run, second)
        await second.hall.write("Speed", 2.0)
        await run.journal.until(lambda: speeds(run)[-1] == 2.0)
        (gap,) = [orjson.loads(record.body) for record in run.journal.of(Kind.GAP)]
        assert gap["reason"].startswith("no history to read what was missed: ")
        assert first.plant.url in gap["reason"]
        assert "nothing listens" not in gap["reason"], "the cause of the outage is told, not the last attempt"
        assert run.status.repairs["changeover"].count == 1
        assert "nothing listens" in run.status.servers[first.plant.url].reason
        assert [tag.path for tag in run.journal.catalogue] == [("Hall1", "Speed")], "they are the same tags"


async def test_what_was_missed_in_a_changeover_is_read_from_the_other_servers_history(tmp_path: Path) -> None:
    async with twins(history=True) as (first, second), between(first, second, tmp_path) as run:
        await run.journal.until(lambda: speeds(run) == [0.0])
        for value in (5.0, 6.0, 7.0):  # that the first one did not see any more
            await second.hall.write("Speed", value)
        await first.die()
        await uses(run, second)
        await run.journal.until(lambda: {5.0, 6.0, 7.0} <= set(speeds(run)))
        assert run.status.backfilled >= 2
        assert run.journal.of(Kind.GAP) == []


async def test_a_server_that_is_not_healthy_any_more_is_left_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redundancy, "_LOOK_S", 0.1)
    async with twins() as (first, second), between(first, second, tmp_path) as run:
        await first.has_level(199)
        await uses(run, second)
        assert first.connections() == 0, "its session was closed"
        assert first.plant.subscriptions() == {}
        await second.hall.write("Speed", 3.0)
        await run.journal.until(lambda: speeds(run)[-1] == 3.0)
        await first.has_level(255)
        await asyncio.sleep(0.5)
        assert run.status.url == second.plant.url, "it stays while the second one is healthy"


async def test_a_server_in_use_is_not_left_for_one_that_is_no_better(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redundancy, "_LOOK_S", 0.05)
    monkeypatch.setattr(redundancy, "_FIRST_SEARCH_S", 0.4)
    async with twins() as (first, second), between(first, second, tmp_path, retry_max_s=600) as run:
        await second.has_level(100)
        asked = second.sessions
        await first.has_level(100)
        await run.journal.until(lambda: run.status.servers[second.plant.url].level == 100)
        await first.hall.write("Speed", 4.0)
        await run.journal.until(lambda: speeds(run)[-1] == 4.0)
        await asyncio.sleep(1.5)
        assert run.status.url == first.plant.url
        assert run.status.connection.connects == 1
        assert second.sessions - asked <= 10, "it is asked at growing intervals, 30 looks notwithstanding"
        assert second.connections() == 0
        await second.has_level(150)
        await uses(run, second)


async def test_a_server_in_maintenance_is_left_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redundancy, "_LOOK_S", 0.1)
    async with twins() as (first, second), between(first, second, tmp_path) as run:
        await second.die()
        await first.has_level(0)
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        asked = first.sessions
        await run.journal.until(lambda: "none of the servers can be used" in run.status.connection.reason)
        assert f"{first.plant.url}: service level 0" in run.status.connection.reason
        await asyncio.sleep(1.0)
        assert first.sessions == asked, "it is not asked again for minutes"


async def test_a_cut_link_to_the_only_one_that_is_up_is_taken_up_again(tmp_path: Path) -> None:
    async with twins() as (first, second), between(first, second, tmp_path) as run:
        await second.die()
        run.source._ladder.drop_link()
        await run.journal.until(lambda: "reactivate" in run.status.repairs)
        await first.hall.write("Speed", 8.0)
        await run.journal.until(lambda: speeds(run)[-1] == 8.0)
        assert first.connections() == 1


async def test_a_stand_in_that_nobody_approved_is_not_used_until_somebody_does(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        pair = []
        for name in ("first", "second"):
            plant = await Plant(free_port()).build()
            plant.server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
            await identify(plant.server, *made(tmp_path / name, Wish(name=name)), APPLICATION)
            await (await plant.hall()).add("Speed")
            await stack.enter_async_context(plant.server)
            pair.append(plant)
        trust = TrustFolder(tmp_path / "state" / "pki")
        both = {"security": {"policy": "best"}, "redundant_urls": [pair[1].url], "retry_max_s": 600, "timeout_s": 5}
        async with running(pair[0].url, tmp_path / "state", "Hall1", **both) as run:
            await run.journal.until(lambda: "nobody approved" in run.status.connection.reason, 20)
            (of_second,) = [one for one in trust.entries() if one.certificate.subject == "CN=second"]
            trust.approve(of_second, [])
            await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, 30)
            assert run.status.url == pair[1].url
            assert "nobody approved" in run.status.servers[pair[0].url].reason
