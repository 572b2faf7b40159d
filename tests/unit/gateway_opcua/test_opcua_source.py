"""A source against real servers: nothing that was reported is lost, nothing that is missing is hidden."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pytest
from asyncua import ua
from asyncua.server.monitored_item_service import MonitoredItemService
from support_opcua import URI, FakeJournal, Plant, Proxy, Run, free_port, plant, running

from gateway.journal import Kind
from gateway.opcua.repair import Rung
from gateway.status import Link

RESTART = "urn:test:another"


async def connected(run: Run, timeout_s: float = 10.0) -> None:
    await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, timeout_s)


async def mill(one: Plant, *names: str) -> None:
    folder = await one.folder("Mill")
    for name in names:
        await one.add(folder, name, 0.0)


def numbers(run: Run, name: str, historical: bool | None = None) -> list[float]:
    return [float(value) for _, value, _ in run.journal.values(name, historical)]  # type: ignore[arg-type]


async def test_no_change_of_two_thousand_tags_is_lost(tmp_path: Path) -> None:
    async with plant() as one:
        for group in range(20):
            folder = await one.folder(f"Group{group}")
            for i in range(100):
                await one.add(folder, f"T{group * 100 + i}", 0.0)
        async with one.server, running(one.url, tmp_path) as run:
            await run.journal.until(lambda: run.status.values >= 2_000, 20)
            for turn in range(1, 5):
                for name in one.nodes:
                    await one.write(name, float(turn))
                await asyncio.sleep(0)
            await run.journal.until(lambda: run.status.values >= 10_000, 20)
            for name in ("T0", "T999", "T1999"):
                assert numbers(run, name) == [0.0, 1.0, 2.0, 3.0, 4.0]
            assert run.status.values == 10_000
            assert run.status.tags == 2_000
            assert run.status.overflows == 0


async def test_values_of_every_kind_carry_their_source_time(tmp_path: Path) -> None:
    async with plant() as one:
        folder = await one.folder("Mill")
        await one.add(folder, "Text", "a", ua.VariantType.String)
        await one.add(folder, "Count", 1, ua.VariantType.UInt64)
        async with one.server, running(one.url, tmp_path) as run:
            await run.journal.until(lambda: run.status.values == 2)
            at = await one.write("Text", "b", ua.VariantType.String)
            await one.write("Count", 2**63, ua.VariantType.UInt64)
            await run.journal.until(lambda: run.status.values == 4)
            assert run.journal.values("Text")[-1] == (int(at.timestamp()) * 10**9 + at.microsecond * 1000, "b", 0)
            assert int(run.journal.values("Count")[-1][1]) == 2**63  # type: ignore[call-overload]


async def test_a_server_that_restarts_with_other_namespace_indices_is_read_on(tmp_path: Path) -> None:
    port = free_port()
    async with plant(port) as one:
        await mill(one, "Speed")
        async with one.server:
            async with running(one.url, tmp_path) as run:
                await run.journal.until(lambda: run.status.values == 1)
                (tag,) = run.journal.catalogue
                await one.server.stop()
                await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
                async with plant(port, uris=(RESTART, URI)) as again:
                    assert again.index != one.index
                    await mill(again, "Speed")
                    async with again.server:
                        await again.write("Speed", 7.0)
                        await run.journal.until(lambda: numbers(run, "Speed")[-1] == 7.0)
                        assert list(run.journal.catalogue) == [tag]
                        assert tag.node == f"nsu={URI};s=Speed"


async def test_one_bad_node_is_listed_and_tried_again_and_disturbs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MonitoredItemService._create_data_change_monitored_item
    refused = [True]

    async def sometimes(self: MonitoredItemService, params: ua.MonitoredItemCreateRequest) -> object:
        if refused[0] and params.ItemToMonitor.NodeId.Identifier == "Bad":
            return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
        return await create(self, params)

    monkeypatch.setattr(MonitoredItemService, "_create_data_change_monitored_item", sometimes)
    async with plant() as one:
        await mill(one, "Good1", "Bad", "Good2")
        async with one.server, running(one.url, tmp_path) as run:
            await run.journal.until(lambda: "Mill/Bad" in run.status.silent)
            assert run.status.silent["Mill/Bad"].startswith("BadUserAccessDenied: ")
            await one.write("Good2", 1.0)
            await run.journal.until(lambda: numbers(run, "Good2") == [0.0, 1.0])
            refused[0] = False
            await run.journal.until(lambda: numbers(run, "Bad") == [0.0])
            await run.journal.until(lambda: not run.status.silent)


async def test_a_bad_status_is_told_with_its_name_and_ends_with_a_good_value(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Speed")
        async with one.server, running(one.url, tmp_path) as run:
            await run.journal.until(lambda: run.status.values == 1)
            broken = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure))
            await one.server.write_attribute_value(one.nodes["Speed"].nodeid, broken)
            await run.journal.until(lambda: run.status.silent.get("Mill/Speed", "").startswith("BadSensorFailure"))
            assert run.journal.values("Speed")[-1][1:] == (None, ua.StatusCodes.BadSensorFailure)
            await one.write("Speed", 3.0)
            await run.journal.until(lambda: not run.status.silent)


async def test_nodes_that_appear_later_are_found(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Speed")
        async with one.server, running(one.url, tmp_path, rebrowse_s=0.2) as run:
            await run.journal.until(lambda: run.status.values == 1)
            await one.add(await one.folder("Oven"), "Heat", 5.0)
            await run.journal.until(lambda: run.status.values == 2)
            assert numbers(run, "Heat") == [5.0]
            assert run.status.tags == 2


async def count_up(one: Plant, name: str, stop: asyncio.Event) -> int:
    """Write 1, 2, 3 … until told to stop; the last number."""
    number = 0
    while not stop.is_set():
        number += 1
        await one.write(name, float(number))
        await asyncio.sleep(0.005)
    return number


async def cut_while_counting(one: Plant, proxy: Proxy, run: Run, outage_s: float, lose_session: bool) -> None:
    """Cut the link for a while and check that every number is in the journal exactly once."""
    stop = asyncio.Event()
    counting = asyncio.ensure_future(count_up(one, "Count", stop))
    await run.journal.until(lambda: len(numbers(run, "Count")) > 30)
    proxy.refuses = True
    proxy.cut()
    await asyncio.sleep(outage_s)
    if lose_session:
        for session in list(one.server.iserver._external_sessions.values()):
            await session.close_session(True)
    proxy.refuses = False
    seen = len(numbers(run, "Count"))
    await run.journal.until(lambda: len(numbers(run, "Count")) > seen + 50)
    stop.set()
    last = await counting
    await run.journal.until(lambda: set(numbers(run, "Count")) >= set(map(float, range(1, last + 1))))
    await connected(run)
    arrived = numbers(run, "Count")[1:]
    assert sorted(arrived) == list(map(float, range(1, last + 1)))
    assert numbers(run, "Count", historical=False) == sorted(numbers(run, "Count", historical=False))
    assert numbers(run, "Count", historical=True) == sorted(numbers(run, "Count", historical=True))


async def test_a_cut_link_is_taken_up_again_and_every_value_arrives_once(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            proxy = await Proxy(one.port).start()
            async with running(proxy.url, tmp_path) as run:
                await connected(run)
                await cut_while_counting(one, proxy, run, 0.3, lose_session=False)
                assert run.source._ladder.held == {Rung.RENEW: 1, Rung.REACTIVATE: 1}
                assert run.status.backfilled == run.status.gaps == 0
            await proxy.stop()


async def test_a_lost_session_is_made_up_for_from_history_and_every_value_arrives_once(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            proxy = await Proxy(one.port).start()
            async with running(proxy.url, tmp_path) as run:
                await connected(run)
                await cut_while_counting(one, proxy, run, 0.3, lose_session=True)
                assert run.source._ladder.held == {Rung.RENEW: 2}
                assert run.status.backfilled > 20
                assert run.status.gaps == 0
            await proxy.stop()


async def test_what_has_no_history_is_announced_as_a_gap(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count", "Speed")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            proxy = await Proxy(one.port).start()
            async with running(proxy.url, tmp_path) as run:
                await connected(run)
                before = time.time_ns()
                proxy.refuses = True
                proxy.cut()
                for session in list(one.server.iserver._external_sessions.values()):
                    await session.close_session(True)
                proxy.refuses = False
                await run.journal.until(lambda: run.status.gaps == 1)
                (record,) = run.journal.of(Kind.GAP)
                gap = orjson.loads(record.body)
                speed = next(tag for tag in run.journal.catalogue if tag.path[-1] == "Speed")
                assert gap["tags"] == [speed.id]
                assert gap["source"] == "plant"
                assert gap["start"] <= before + 10**9
                assert before < gap["end"] <= time.time_ns()
            await proxy.stop()


async def test_a_server_that_falls_silent_is_noticed_and_nothing_is_lost(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            proxy = await Proxy(one.port).start()
            async with running(proxy.url, tmp_path, keepalive_s=0.2, lifetime_s=60) as run:
                await connected(run)
                proxy.silent = True
                began = time.monotonic()
                await one.write("Count", 1.0)
                await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
                assert time.monotonic() - began < 3
                assert "silent" in run.status.connection.reason
                await one.write("Count", 2.0)
                proxy.silent = False
                await run.journal.until(lambda: numbers(run, "Count") == [0.0, 1.0, 2.0])
            await proxy.stop()


async def test_a_server_that_is_absent_at_start_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    async with running(f"opc.tcp://127.0.0.1:{port}/", tmp_path) as run:
        await run.journal.until(lambda: run.status.connection.reason != "")
        assert run.status.connection.link is Link.WAITING
        async with plant(port) as one:
            await mill(one, "Speed")
            async with one.server:
                await run.journal.until(lambda: numbers(run, "Speed") == [0.0] if len(run.journal.catalogue) else False)


async def test_a_full_disk_stops_acknowledging_and_the_rest_comes_when_there_is_room(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server, running(one.url, tmp_path) as run:
            await connected(run)
            run.journal.refuses = True
            for number in range(1, 21):
                await one.write("Count", float(number))
                await asyncio.sleep(0.02)
            await run.journal.until(lambda: run.journal.refused >= 2)
            (subscription,) = [
                s for s in one.server.iserver.subscription_service.subscriptions.values() if s.pub_request_callback
            ]
            assert subscription._not_acknowledged_results
            assert run.status.connection.link is Link.CONNECTED
            assert "disk full" in run.status.connection.reason
            run.journal.refuses = False
            await run.journal.until(lambda: len(numbers(run, "Count")) == 21)
            assert numbers(run, "Count") == list(map(float, range(21)))
            assert run.status.connection.reason == ""
            await run.journal.until(lambda: not subscription._not_acknowledged_results)


async def test_a_subscription_deleted_behind_our_back_is_made_anew(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            async with running(one.url, tmp_path) as run:
                await connected(run)
                service = one.server.iserver.subscription_service
                (ours,) = [i for i, s in service.subscriptions.items() if s.pub_request_callback]
                await service.delete_subscriptions([ours])
                await one.write("Count", 1.0)
                await one.write("Count", 2.0)
                await run.journal.until(lambda: sorted(numbers(run, "Count")[1:]) == [1.0, 2.0])
                assert numbers(run, "Count", historical=True) == [1.0]


async def test_history_is_read_back_at_first_sight(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            for number in range(1, 51):
                await one.write("Count", float(number))
            await asyncio.sleep(0.1)
            back = {"first_history_s": 3600, "values_per_node": 7}
            async with running(one.url, tmp_path, backfill=back) as run:
                await run.journal.until(lambda: run.status.backfilled == 50)
                await connected(run)
                assert numbers(run, "Count", historical=True) == list(map(float, range(50)))
                assert numbers(run, "Count", historical=False) == [50.0]


async def test_a_restarted_gateway_reads_what_it_missed_and_nothing_twice(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            async with running(one.url, tmp_path) as run:
                await connected(run)
                await one.write("Count", 1.0)
                await run.journal.until(lambda: numbers(run, "Count") == [0.0, 1.0])
                journal = run.journal
            for number in range(2, 10):
                await one.write("Count", float(number))
            async with running(one.url, tmp_path, journal) as run:
                await run.journal.until(lambda: len(numbers(run, "Count")) == 10)
                assert numbers(run, "Count", historical=True) == list(map(float, range(2, 9)))
                assert sorted(numbers(run, "Count")) == list(map(float, range(10)))


async def test_history_that_was_not_finished_is_finished_after_a_restart(tmp_path: Path) -> None:
    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            for number in range(1, 11):
                await one.write("Count", float(number))
            journal = FakeJournal()
            never = {"first_history_s": 3600, "settle_s": 60}
            async with running(one.url, tmp_path, journal, backfill=never) as run:
                await run.journal.until(lambda: run.status.values == 1)
                await run.journal.until(lambda: (tmp_path / "plant.backfill.json").exists())
            async with running(one.url, tmp_path, journal, backfill={"first_history_s": 3600}) as run:
                await run.journal.until(lambda: set(numbers(run, "Count")) == set(map(float, range(11))))
                await run.journal.until(lambda: not (tmp_path / "plant.backfill.json").exists())


async def test_history_that_the_server_refuses_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> object:
        return ua.HistoryReadResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported))

    async with plant() as one:
        await mill(one, "Count")
        async with one.server:
            await one.server.historize_node_data_change(one.nodes["Count"], period=None)
            monkeypatch.setattr(one.server.iserver.history_manager, "_read_history", refuse)
            async with running(one.url, tmp_path, backfill={"first_history_s": 3600}) as run:
                await run.journal.until(lambda: run.status.gaps == 1)
                gap = orjson.loads(run.journal.of(Kind.GAP)[0].body)
                assert "BadHistoryOperationUnsupported" in gap["reason"]
                await connected(run)
