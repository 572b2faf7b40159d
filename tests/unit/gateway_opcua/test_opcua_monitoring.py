"""Tags are monitored on terms of their own, and these change while values come, without a missing one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.monitored_item_service import MonitoredItemService
from support_opcua import Hall, Plant, Run, running

from gateway.opcua.browse import find_variables
from gateway.opcua.describe import describe
from gateway.opcua.patterns import Selection
from gateway.opcua.probe import probe
from gateway.opcua.session import Session
from gateway.opcua.settings import SourceSettings
from gateway.status import Link

PERCENT = 2  # OPC 10000-4, 7.22.2
pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("sessions_ended")]


def numbers(run: Run, name: str) -> list[float]:
    return [float(value) for _, value, _ in run.journal.values(name)]  # type: ignore[arg-type]


async def ready(run: Run) -> None:
    await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED and run.source._takeover._noted)


def changed(run: Run, **settings: object) -> SourceSettings:
    return SourceSettings.model_validate(run.source._settings.model_dump() | settings)


async def test_each_interval_has_a_subscription_and_all_deliver(server: Plant, hall: Hall, tmp_path: Path) -> None:
    for name in ("Fast", "Slow", "Other"):
        await hall.add(name)
    items = [
        {"match": ["**/Fast"], "publishing_interval_ms": 10, "sampling_interval_ms": 5},
        {"match": ["**/Slow"], "publishing_interval_ms": 50, "queue_size": 7},
    ]
    async with running(server.url, tmp_path, hall.name, items=items) as run:
        await run.journal.until(lambda: run.status.values == 3)
        for name in hall.nodes:
            await hall.write(name, 1.0)
        await run.journal.until(lambda: all(numbers(run, name) == [0.0, 1.0] for name in hall.nodes))
        assert sorted(one.data.RevisedPublishingInterval for one in server.subscriptions().values()) == [10, 20, 50]
        asked = [(one.tags, one.publishing_ms[0], one.sampling_ms[0], one.queue_size[0]) for one in run.status.granted]
        assert asked == [(1, 10, 5, 1000), (1, 20, 0, 1000), (1, 50, 0, 7)]


async def test_new_settings_touch_only_what_they_change_and_nothing_is_missed(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    for name in ("Kept", "Queued", "Moved", "Left"):
        await hall.add(name)
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values == 4)
        await ready(run)
        stop = asyncio.Event()
        counting = asyncio.ensure_future(count_up(hall, ("Kept", "Queued"), stop))
        (number,) = server.subscriptions()
        before = dict(run.source._subscriptions.by_id[number].items)
        items = [
            {"match": ["**/Queued"], "queue_size": 77},
            {"match": ["**/Moved"], "publishing_interval_ms": 40},
        ]
        run.source.change(changed(run, items=items, exclude=["**/Left"]))
        await run.journal.until(lambda: len(run.status.granted) == 3 and run.status.tags == 3)
        await ready(run)
        seen = len(numbers(run, "Kept"))
        await run.journal.until(lambda: len(numbers(run, "Kept")) > seen + 20)
        stop.set()
        last = await counting
        await run.journal.until(lambda: all(numbers(run, name)[-1] == last for name in ("Kept", "Queued")))
        for name in ("Kept", "Queued"):
            assert numbers(run, name) == list(map(float, range(int(last) + 1)))
        now = run.source._subscriptions.by_id[number].items
        kept, queued, moved, left = before
        assert now[kept] is before[kept]
        assert (now[queued].id, now[queued].revised.queue_size) == (before[queued].id, 77)
        assert moved not in now
        assert left not in now
        await hall.write("Moved", 5.0)
        await run.journal.until(lambda: numbers(run, "Moved")[-1] == 5.0)
        assert list(run.status.repairs) == ["renew"]
        assert len(server.subscriptions()) == 2


async def test_another_publishing_interval_for_all_keeps_the_subscription(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count")
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values == 1)
        await ready(run)
        before = list(server.subscriptions())
        run.source.change(changed(run, publishing_interval_ms=30))
        await run.journal.until(lambda: run.status.granted[0].publishing_ms[0] == 30)
        await hall.write("Count", 1.0)
        await run.journal.until(lambda: numbers(run, "Count") == [0.0, 1.0])
        assert list(server.subscriptions()) == before
        assert run.status.gaps == 0


async def count_up(hall: Hall, names: tuple[str, ...], stop: asyncio.Event) -> float:
    number = 0.0
    while not stop.is_set():
        number += 1
        for name in names:
            await hall.write(name, number)
        await asyncio.sleep(0.004)
    return number


async def test_a_deadband_damps_and_a_server_that_knows_none_is_asked_without(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MonitoredItemService._create_data_change_monitored_item

    async def knows_no_percent(self: MonitoredItemService, params: ua.MonitoredItemCreateRequest) -> object:
        if getattr(params.RequestedParameters.Filter, "DeadbandType", 0) == PERCENT:
            return ua.MonitoredItemCreateResult(
                StatusCode=ua.StatusCode(ua.StatusCodes.BadMonitoredItemFilterUnsupported)
            )
        return await create(self, params)

    monkeypatch.setattr(MonitoredItemService, "_create_data_change_monitored_item", knows_no_percent)
    node = await hall.add("Percent")
    await node.add_property(*server.names(f"{hall.name}.range", "EURange"), ua.Range(0.0, 100.0))
    await hall.add("Absolute")
    items = [{"match": ["**/Absolute"], "deadband": 0.5}]
    async with running(server.url, tmp_path, hall.name, deadband="5 %", items=items) as run:
        await run.journal.until(lambda: run.status.values == 2)
        await run.journal.until(lambda: len(run.status.granted) == 2)
        for value in (0.2, 1.0):
            await hall.write("Absolute", value)
        await hall.write("Percent", 1.0)
        await run.journal.until(lambda: numbers(run, "Absolute") == [0.0, 1.0] and numbers(run, "Percent")[-1] == 1.0)
        refused = {one.deadband: one.refused for one in run.status.granted}
        assert refused["0.5"] == ""
        assert refused["5 %"].startswith("no deadband of 5 %: BadMonitoredItemFilterUnsupported")
        await run.journal.until(lambda: not run.status.silent)


async def test_one_node_that_makes_the_whole_call_fail_is_found_and_disturbs_nobody(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        await hall.add(f"T{number}")
    bad = hall.nodes["T13"].nodeid
    service = server.server.iserver.subscription_service
    create, calls = service.create_monitored_items, []

    async def fails(params: ua.CreateMonitoredItemsParameters) -> object:
        calls.append(len(params.ItemsToCreate))
        if any(one.ItemToMonitor.NodeId == bad for one in params.ItemsToCreate):
            raise ServiceError(ua.StatusCodes.BadInternalError)
        return await create(params)

    monkeypatch.setattr(service, "create_monitored_items", fails)
    async with running(server.url, tmp_path, hall.name, retry_item_s=60) as run:
        await run.journal.until(lambda: run.status.values == 19)
        await run.journal.until(lambda: run.status.silent.get(f"{hall.name}/T13", "").startswith("BadInternalError"))
        assert len(calls) <= 12, "found by halves"


async def test_calls_keep_to_the_servers_limits_and_go_below_where_it_says_too_many(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        await hall.add(f"T{number}")
    announced = server.server.get_node(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall)
    await announced.write_value(8, ua.VariantType.UInt32)
    service = server.server.iserver.subscription_service
    create, sizes = service.create_monitored_items, []

    async def at_most_five(params: ua.CreateMonitoredItemsParameters) -> object:
        sizes.append(len(params.ItemsToCreate))
        if len(params.ItemsToCreate) > 5:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        return await create(params)

    monkeypatch.setattr(service, "create_monitored_items", at_most_five)
    try:
        async with running(server.url, tmp_path, hall.name) as run:
            await run.journal.until(lambda: run.status.values == 30)
            assert sizes[:2] == [8, 4]
            assert max(sizes[1:]) <= 4
    finally:
        await announced.write_value(10_000, ua.VariantType.UInt32)


async def test_rejected_items_are_tried_again_with_longer_and_longer_pauses(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    async def refuse(_: MonitoredItemService, __: object) -> object:
        tries.append(asyncio.get_running_loop().time())
        return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems))

    monkeypatch.setattr(MonitoredItemService, "_create_data_change_monitored_item", refuse)
    await hall.add("Bad")
    async with running(server.url, tmp_path, hall.name, retry_item_s=0.6) as run:
        await run.journal.until(lambda: len(tries) >= 3, 20)
        first, second = (later - earlier for earlier, later in pairwise(tries[:3]))
        assert first >= 0.6
        assert second >= 1.2


async def test_a_server_that_has_enough_subscriptions_is_told_of_and_the_others_deliver(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = server.server.iserver.subscription_service
    create = service.create_subscription

    async def only_one(*arguments: object, **named: object) -> object:
        if server.subscriptions():
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        return await create(*arguments, **named)

    monkeypatch.setattr(service, "create_subscription", only_one)
    await hall.add("Fast")
    await hall.add("Slow")
    items = [{"match": ["**/Slow"], "publishing_interval_ms": 50}]
    async with running(server.url, tmp_path, hall.name, items=items, events=True) as run:
        await run.journal.until(lambda: run.status.tags == 2 and numbers(run, "Fast") == [0.0])
        reason = "no subscription for it: BadTooManySubscriptions"
        await run.journal.until(lambda: run.status.silent.get(f"{hall.name}/Slow", "").startswith(reason))
        await run.journal.until(lambda: "BadTooManySubscriptions" in run.status.silent.get("Server (events)", ""))
        monkeypatch.setattr(service, "create_subscription", create)
        await run.journal.until(lambda: numbers(run, "Slow") == [0.0])


async def test_one_subscription_that_falls_silent_among_others_is_noticed(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Fast")
    await hall.add("Slow", history=True)
    items = [{"match": ["**/Slow"], "publishing_interval_ms": 50}]
    async with running(server.url, tmp_path, hall.name, items=items, keepalive_s=0.2) as run:
        await run.journal.until(lambda: run.status.values == 2)
        await ready(run)
        (slow,) = [one for one in server.subscriptions().values() if one.data.RevisedPublishingInterval == 50]
        slow.pub_request_callback = lambda _: None
        for value in (1.0, 2.0):
            await hall.write("Slow", value)
            await hall.write("Fast", value)
        await run.journal.until(lambda: set(numbers(run, "Slow")) == {0.0, 1.0, 2.0})
        assert run.status.repairs["recreate"].count == 1


async def test_values_that_say_others_were_dropped_are_counted_by_tag(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    for name in ("Torrent", "Calm"):
        await hall.add(name)
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values == 2)
        for value in (1.0, 2.0):
            dropped = ua.DataValue(ua.Variant(value), StatusCode=ua.StatusCode(0x480))
            await server.server.write_attribute_value(hall.nodes["Torrent"].nodeid, dropped)
        await run.journal.until(lambda: run.status.overflowing == {f"{hall.name}/Torrent": 2})
        assert run.status.overflows == 2


async def test_what_a_server_would_grant_is_asked_without_leaving_anything_behind(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    for name in ("Fast", "Slow"):
        await hall.add(name)
    wanted = {
        "name": "probe",
        "url": server.url,
        "roots": [hall.name],
        "security": {"policy": "None"},
        "queue_size": 9,
        "items": [{"match": ["**/Slow"], "publishing_interval_ms": 50}],
    }
    settings = SourceSettings.model_validate(wanted)
    session = await Session.connect(settings, tmp_path)
    found = await find_variables(session, Selection.of(settings.roots, settings.include, settings.exclude))
    tags = (await describe(session, found, settings.name)).tags
    strange = replace(tags[0], node="nsu=urn:test:plant;s=Nothing", path=("Nothing",))
    fast, slow, nothing = await probe(session, settings, [*sorted(tags, key=lambda tag: tag.path), strange])
    assert (fast.publishing_ms, fast.queue_size, fast.refused) == (250, 9, "")
    assert (slow.publishing_ms, slow.queue_size) == (50, 9)
    assert nothing.refused.startswith("BadNodeIdUnknown")
    assert not server.subscriptions()
    await session.close()
