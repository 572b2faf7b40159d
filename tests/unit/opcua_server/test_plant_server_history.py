"""The past: read in pages, whole after a restart, kept on disk."""

from __future__ import annotations

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from asyncua import Client, ua
from support_plant_server import Serve, everything, node, pages, read

from opcua_server.clock import from_datetime
from opcua_server.settings import ServerSettings
from plant_model.signals import signals
from plant_model.spec import PlantSpec

shared = pytest.mark.asyncio(loop_scope="session")
TEMPERATURE = "Line1.Tempering.Process.Zone2Temperature"
HEARTBEAT = "Simulation.Heartbeat"
LOT = "Line1.Grinding.Production.LotId"


@shared
async def test_the_first_start_has_a_past_already(client: Client) -> None:
    values = await everything(client, TEMPERATURE)
    oldest = datetime.now(UTC) - values[0].SourceTimestamp
    assert timedelta(seconds=100) < oldest
    assert len(values) > 60
    assert all(v.Value.VariantType == ua.VariantType.Double for v in values)


@shared
async def test_every_signal_has_a_past(client: Client, spec: PlantSpec) -> None:
    names = [signal.node for signal in signals(spec)]
    start = datetime.now(UTC) - timedelta(days=1)
    results = await read(client, names, StartTime=start, EndTime=datetime.now(UTC), NumValuesPerNode=1)
    empty = [n for n, r in zip(names, results, strict=True) if r.StatusCode.name != "Good"]
    assert empty == []


@shared
async def test_texts_have_a_past_of_strings(client: Client) -> None:
    lots = await everything(client, LOT)
    assert {v.Value.VariantType for v in lots} == {ua.VariantType.String}
    assert all(v.Value.Value.startswith("Grinding-") for v in lots[1:])
    assert len(lots) > 1
    assert all(a.Value.Value != b.Value.Value for a, b in pairwise(lots))


@shared
@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_pages_hold_everything_exactly_once(client: Client, size: int) -> None:
    end = datetime.now(UTC)
    start = end - timedelta(seconds=60)
    (whole,) = await pages(client, TEMPERATURE, StartTime=start, EndTime=end)
    cut = await pages(client, TEMPERATURE, StartTime=start, EndTime=end, NumValuesPerNode=size)
    assert {len(page) for page in cut[:-1]} <= {size}
    assert [v for page in cut for v in page] == whole
    back = await pages(client, TEMPERATURE, StartTime=end, EndTime=start, NumValuesPerNode=size)
    times = [v.SourceTimestamp for page in back for v in page]
    assert times == sorted({v.SourceTimestamp for v in whole if v.SourceTimestamp > start}, reverse=True)


@shared
async def test_the_newest_values_can_be_read_backwards(client: Client) -> None:
    (result,) = await read(client, [HEARTBEAT], EndTime=datetime.now(UTC), NumValuesPerNode=3)
    beats = [v.Value.Value for v in result.HistoryData.DataValues]
    assert beats == [beats[0], beats[0] - 1, beats[0] - 2]


@shared
async def test_bounds_are_the_values_at_the_ends_or_said_to_be_missing(client: Client) -> None:
    values = await everything(client, TEMPERATURE)
    a, b, c, d = (v.SourceTimestamp for v in values[3:7])
    half = timedelta(milliseconds=50)
    (inside,) = await pages(client, TEMPERATURE, StartTime=a + half, EndTime=d - half, ReturnBounds=True)
    assert [v.SourceTimestamp for v in inside] == [a, b, c, d]
    before = values[0].SourceTimestamp - timedelta(hours=1)
    future = datetime.now(UTC) + timedelta(days=1)
    for size in (1, 2, 3, 1000):
        ends = {"StartTime": before, "EndTime": future, "ReturnBounds": True, "NumValuesPerNode": size}
        found = [v for page in await pages(client, TEMPERATURE, **ends) for v in page]
        assert (found[0].StatusCode.name, found[0].SourceTimestamp) == ("BadBoundNotFound", before)
        assert (found[-1].StatusCode.name, found[-1].SourceTimestamp) == ("BadBoundNotFound", future)
        assert found[1 : len(values) + 1] == values


@shared
async def test_what_cannot_be_read_is_refused_by_name(client: Client) -> None:
    now = datetime.now(UTC)
    (vague,) = await read(client, [TEMPERATURE], StartTime=now)
    (foreign_point,) = await read(client, [TEMPERATURE], b"x" * 60, StartTime=now, EndTime=now)
    (empty,) = await read(client, [TEMPERATURE], StartTime=now + timedelta(1), EndTime=now + timedelta(2))
    (unknown,) = await read(client, ["Line1.Nothing"], StartTime=now, EndTime=now)
    (not_kept,) = await read(client, ["Line1.Tempering"], StartTime=now, EndTime=now)
    (modified,) = await read(client, [TEMPERATURE], StartTime=now, EndTime=now, IsReadModified=True)
    assert vague.StatusCode.name == "BadHistoryOperationInvalid"
    assert foreign_point.StatusCode.name == "BadContinuationPointInvalid"
    assert empty.StatusCode.name == "GoodNoData"
    assert unknown.StatusCode.name == "BadNodeIdUnknown"
    assert not_kept.StatusCode.name == "BadHistoryOperationUnsupported"
    assert modified.StatusCode.name == "BadHistoryOperationUnsupported"


async def test_after_a_restart_the_past_has_no_hole(serve: Serve) -> None:
    async with serve() as served, served.anonymous() as client:
        await asyncio.sleep(0.5)
        before = await everything(client, HEARTBEAT)
    await asyncio.sleep(1.2)
    async with serve() as served, served.anonymous() as client:
        beats = await everything(client, HEARTBEAT)
        temperatures = await everything(client, TEMPERATURE)
        lots = await everything(client, LOT)
        assert lots[-1].Value.Value == await (await node(client, LOT)).read_value()
    counted = [v.Value.Value for v in beats]
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    assert beats[: len(before)] == before
    assert {b.SourceTimestamp - a.SourceTimestamp for a, b in pairwise(beats)} == {timedelta(milliseconds=100)}
    times = [v.SourceTimestamp for v in temperatures]
    assert times == sorted(set(times))
    assert max(b - a for a, b in pairwise(times)) < timedelta(seconds=6)


async def test_after_a_crash_history_keeps_what_it_had_and_goes_on(
    serve: Serve, settings: ServerSettings, tmp_path: Path
) -> None:
    async with serve():
        pass
    reason = "Line1.Roasting.Status.StopReason"
    async with serve() as served, served.user() as client:
        simulation = await node(client, "Simulation")
        await simulation.call_method(await node(client, "Simulation.InjectFault"), "Roasting", "BurnerFault")
        await asyncio.sleep(1.2)
        before = await everything(client, HEARTBEAT)
        crashed = tmp_path / "crashed"
        shutil.copytree(settings.state, crashed)  # the saved plant is older than the history
    async with serve(state=crashed) as served, served.anonymous() as client:
        now = await (await node(client, reason)).read_value()
        assert (await everything(client, reason))[-1].Value.Value == now
        beats = await everything(client, HEARTBEAT)
        times = [v.SourceTimestamp for v in await everything(client, TEMPERATURE)]
    assert beats[: len(before)] == before
    counted = [v.Value.Value for v in beats]
    assert counted == list(range(counted[0], counted[0] + len(counted)))
    assert times == sorted(set(times))


async def test_the_plant_goes_on_where_it_was_saved(serve: Serve) -> None:
    async with serve() as served, served.anonymous() as client:
        before = await (await node(client, "Simulation.PlantTime")).read_value()
    async with serve() as served, served.anonymous() as client:
        after = await (await node(client, "Simulation.PlantTime")).read_value()
    assert timedelta(0) <= after - before < timedelta(minutes=10)


async def test_old_values_are_forgotten(serve: Serve) -> None:
    days = 10 / 86400
    async with serve(history_days=days) as served:
        pacer, historian = served.server._pacer, served.server._historian
        await asyncio.sleep(2)
        await historian.tidy(pacer.clock.now() + 3600 * 10**9)
        async with served.anonymous() as client:
            left = await everything(client, TEMPERATURE)
    assert len(left) <= 2


async def test_what_is_read_live_and_from_history_has_the_same_time(serve: Serve) -> None:
    async with serve() as served, served.anonymous() as client:
        variable = await node(client, "Simulation.Speed")
        live = await variable.read_data_value()
        kept = (await everything(client, "Simulation.Speed"))[-1]
    assert (kept.SourceTimestamp, kept.Value) == (live.SourceTimestamp, live.Value)
    assert from_datetime(live.SourceTimestamp) % 1000 == 0
