"""A source against real servers: nothing that was reported is lost, nothing that is missing is hidden."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import orjson
import pytest
from asyncua import ua
from asyncua.server.monitored_item_service import MonitoredItemService
from support_opcua import URI, FakeJournal, Hall, Plant, Proxy, Run, free_port, running

from gateway.journal import Kind
from gateway.status import Link

pytestmark = pytest.mark.asyncio(loop_scope="module")


RESTART = "urn:test:another"


async def connected(run: Run, timeout_s: float = 10.0) -> None:
    await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED, timeout_s)


def numbers(run: Run, name: str, historical: bool | None = None) -> list[float]:
    return [float(value) for _, value, _ in run.journal.values(name, historical)]  # type: ignore[arg-type]


def held(run: Run) -> dict[str, int]:
    """How often each rung of the repair ladder held."""
    return {rung: repairs.count for rung, repairs in run.status.repairs.items()}


async def test_no_change_of_two_thousand_tags_is_lost(server: Plant, hall: Hall, tmp_path: Path) -> None:
    for group in range(20):
        folder = await hall.root.add_folder(*server.names(f"Group{group}"))
        for name in (f"T{group * 100 + i}" for i in range(100)):
            hall.nodes[name] = await folder.add_variable(*server.names(name), 0.0)
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values >= 2_000, 20)
        for turn in range(1, 5):
            for name in hall.nodes:
                await hall.write(name, float(turn))
            await asyncio.sleep(0)
        await run.journal.until(lambda: run.status.values >= 10_000, 20)
        for name in ("T0", "T999", "T1999"):
            assert numbers(run, name) == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert run.status.values == 10_000
        assert run.status.tags == 2_000
        assert run.status.overflows == 0


async def test_values_of_every_kind_carry_their_source_time(server: Plant, hall: Hall, tmp_path: Path) -> None:
    await hall.add("Text", "a", ua.VariantType.String)
    await hall.add("Count", 1, ua.VariantType.UInt64)
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values == 2)
        at = await hall.write("Text", "b", ua.VariantType.String)
        await hall.write("Count", 2**63, ua.VariantType.UInt64)
        await run.journal.until(lambda: run.status.values == 4)
        assert run.journal.values("Text")[-1] == (int(at.timestamp()) * 10**9 + at.microsecond * 1000, "b", 0)
        assert int(run.journal.values("Count")[-1][1]) == 2**63  # type: ignore[call-overload]


async def test_a_server_that_restarts_with_other_namespace_indices_is_read_on(tmp_path: Path) -> None:
    port = free_port()
    first = await Plant(port).build()
    await (await first.hall()).add("Speed")
    await first.server.start()
    async with running(first.url, tmp_path) as run:
        await run.journal.until(lambda: run.status.values == 1)
        (tag,) = run.journal.catalogue
        await first.server.stop()
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        second = await Plant(port, (RESTART, URI)).build()
        assert second.index != first.index
        hall = await second.hall()
        await hall.add("Speed")
        async with second.server:
            await hall.write("Speed", 7.0)
            await run.journal.until(lambda: numbers(run, "Speed")[-1] == 7.0)
            assert list(run.journal.catalogue) == [tag]
            assert tag.node == f"nsu={URI};s=Hall1.Speed"


async def test_one_bad_node_is_listed_and_tried_again_and_disturbs_nobody(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = MonitoredItemService._create_data_change_monitored_item
    refused = [True]

    async def sometimes(self: MonitoredItemService, params: ua.MonitoredItemCreateRequest) -> object:
        if refused[0] and params.ItemToMonitor.NodeId == hall.nodes["Bad"].nodeid:
            return ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
        return await create(self, params)

    monkeypatch.setattr(MonitoredItemService, "_create_data_change_monitored_item", sometimes)
    for name in ("Good1", "Bad", "Good2"):
        await hall.add(name)
    path = f"{hall.name}/Bad"
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.silent.get(path, "").startswith("BadUserAccessDenied: "))
        await hall.write("Good2", 1.0)
        await run.journal.until(lambda: numbers(run, "Good2") == [0.0, 1.0])
        refused[0] = False
        await run.journal.until(lambda: numbers(run, "Bad") == [0.0])
        await run.journal.until(lambda: not run.status.silent)


async def test_a_bad_status_is_told_with_its_name_and_ends_with_a_good_value(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    node = await hall.add("Speed")
    path = f"{hall.name}/Speed"
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: run.status.values == 1)
        broken = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadSensorFailure))
        await server.server.write_attribute_value(node.nodeid, broken)
        await run.journal.until(lambda: run.status.silent.get(path, "").startswith("BadSensorFailure"))
        assert run.journal.values("Speed")[-1][1:] == (None, ua.StatusCodes.BadSensorFailure)
        await hall.write("Speed", 3.0)
        await run.journal.until(lambda: not run.status.silent)


async def test_a_value_that_the_server_itself_awaits_is_no_fault(server: Plant, hall: Hall, tmp_path: Path) -> None:
    node = await hall.add("Oee")
    awaited = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData))
    await server.server.write_attribute_value(node.nodeid, awaited)
    async with running(server.url, tmp_path, hall.name) as run:
        await run.journal.until(lambda: list(run.status.waiting) == [f"{hall.name}/Oee"])
        assert not run.status.silent
        await hall.write("Oee", 0.8)
        await run.journal.until(lambda: not run.status.waiting)


async def test_nodes_that_appear_later_are_found(server: Plant, hall: Hall, tmp_path: Path) -> None:
    await hall.add("Speed")
    async with running(server.url, tmp_path, hall.name, rebrowse_s=0.2) as run:
        await run.journal.until(lambda: run.status.values == 1)
        await hall.add("Heat", 5.0)
        await run.journal.until(lambda: run.status.values == 2)
        assert numbers(run, "Heat") == [5.0]
        assert run.status.tags == 2


async def count_up(hall: Hall, stop: asyncio.Event) -> int:
    """Write 1, 2, 3 … until told to stop; the last number."""
    number = 0
    while not stop.is_set():
        number += 1
        await hall.write("Count", float(number))
        await asyncio.sleep(0.005)
    return number


async def cut_while_counting(hall: Hall, proxy: Proxy, run: Run, *, lose_session: bool) -> None:
    """Cut the link for a while and check that every number is in the journal exactly once."""
    stop = asyncio.Event()
    counting = asyncio.ensure_future(count_up(hall, stop))
    await run.journal.until(lambda: len(numbers(run, "Count")) > 30)
    proxy.refuses = True
    proxy.cut()
    await asyncio.sleep(0.3)
    if lose_session:
        await hall.plant.end_sessions()
    proxy.refuses = False
    seen = len(numbers(run, "Count"))
    await run.journal.until(lambda: len(numbers(run, "Count")) > seen + 50)
    stop.set()
    last = await counting
    await run.journal.until(lambda: set(numbers(run, "Count")) >= set(map(float, range(1, last + 1))))
    await connected(run)
    assert sorted(numbers(run, "Count")[1:]) == list(map(float, range(1, last + 1)))
    for lane in (True, False):
        assert numbers(run, "Count", historical=lane) == sorted(numbers(run, "Count", historical=lane))


async def test_a_cut_link_is_taken_up_again_and_every_value_arrives_once(
    hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count")
    async with running(proxy.url, tmp_path, hall.name) as run:
        await connected(run)
        await cut_while_counting(hall, proxy, run, lose_session=False)
        assert {**held(run), "republish": 0} == {"renew": 1, "reactivate": 1, "republish": 0}
        assert run.status.backfilled == run.status.gaps == 0


async def test_a_lost_session_is_made_up_for_from_history_and_every_value_arrives_once(
    hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count", history=True)
    async with running(proxy.url, tmp_path, hall.name) as run:
        await connected(run)
        await cut_while_counting(hall, proxy, run, lose_session=True)
        assert held(run) == {"renew": 2, "history": 1}
        assert run.status.backfilled > 20
        assert run.status.gaps == 0


async def test_what_has_no_history_is_announced_as_a_gap(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count", history=True)
    await hall.add("Speed")
    async with running(proxy.url, tmp_path, hall.name) as run:
        await connected(run)
        before = time.time_ns()
        proxy.refuses = True
        proxy.cut()
        await server.end_sessions()
        proxy.refuses = False
        await run.journal.until(lambda: run.status.gaps == 1)
        (record,) = run.journal.of(Kind.GAP)
        gap = orjson.loads(record.body)
        speed = next(tag for tag in run.journal.catalogue if tag.path[-1] == "Speed")
        assert gap["tags"] == [speed.id]
        assert gap["source"] == "plant"
        assert gap["start"] <= before < gap["end"] <= time.time_ns()


async def test_a_server_that_falls_silent_is_noticed_and_nothing_is_lost(
    hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count")
    async with running(proxy.url, tmp_path, hall.name, keepalive_s=0.2) as run:
        await connected(run)
        proxy.silent = True
        await hall.write("Count", 1.0)
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        assert "silent" in run.status.connection.reason
        await hall.write("Count", 2.0)
        proxy.silent = False
        await run.journal.until(lambda: numbers(run, "Count") == [0.0, 1.0, 2.0])


async def test_a_server_that_is_absent_at_start_is_waited_for(tmp_path: Path) -> None:
    plant = Plant(free_port())
    async with running(plant.url, tmp_path) as run:
        await run.journal.until(lambda: run.status.connection.reason != "")
        assert run.status.connection.link is Link.WAITING
        await plant.build()
        await (await plant.hall()).add("Speed")
        async with plant.server:
            await run.journal.until(lambda: run.status.values == 1)


async def test_a_full_disk_stops_acknowledging_and_the_rest_comes_when_there_is_room(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count")
    async with running(server.url, tmp_path, hall.name) as run:
        await connected(run)
        run.journal.refuses = True
        for number in range(1, 21):
            await hall.write("Count", float(number))
            await asyncio.sleep(0.02)
        await run.journal.until(lambda: run.journal.refused >= 2)
        (subscription,) = server.subscriptions().values()
        assert subscription._not_acknowledged_results
        assert run.status.connection.link is Link.CONNECTED
        assert "disk full" in run.status.connection.reason
        run.journal.refuses = False
        await run.journal.until(lambda: len(numbers(run, "Count")) == 21)
        assert numbers(run, "Count") == list(map(float, range(21)))
        assert run.status.connection.reason == ""
        await run.journal.until(lambda: not subscription._not_acknowledged_results)


async def test_a_journal_that_cannot_be_written_at_the_start_is_waited_for(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count")
    journal = FakeJournal(refuses=True)
    async with running(server.url, tmp_path, hall.name, journal=journal) as run:
        await journal.until(lambda: "disk full" in run.status.connection.reason)
        assert held(run) == {"renew": 1}
        journal.refuses = False
        await journal.until(lambda: run.status.values == 1)
        await connected(run)
        assert held(run) == {"renew": 1}


async def test_a_subscription_deleted_behind_our_back_is_made_anew(server: Plant, hall: Hall, tmp_path: Path) -> None:
    await hall.add("Count", history=True)
    async with running(server.url, tmp_path, hall.name, keepalive_s=0.2) as run:
        await connected(run)
        await server.server.iserver.subscription_service.delete_subscriptions(list(server.subscriptions()))
        await hall.write("Count", 1.0)
        await hall.write("Count", 2.0)
        await run.journal.until(lambda: sorted(numbers(run, "Count")[1:]) == [1.0, 2.0])
        assert numbers(run, "Count", historical=True) == [1.0]


async def test_history_is_read_back_at_first_sight(server: Plant, hall: Hall, tmp_path: Path) -> None:
    await hall.add("Count", history=True)
    for number in range(1, 51):
        await hall.write("Count", float(number))
    await asyncio.sleep(0.1)
    back = {"first_history_s": 3600, "values_per_node": 7}
    async with running(server.url, tmp_path, hall.name, backfill=back) as run:
        await run.journal.until(lambda: run.status.backfilled == 50)
        await connected(run)
        assert numbers(run, "Count", historical=True) == list(map(float, range(50)))
        assert numbers(run, "Count", historical=False) == [50.0]


async def test_a_restarted_gateway_reads_what_it_missed_and_nothing_twice(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count", history=True)
    journal = FakeJournal()
    async with running(server.url, tmp_path, hall.name, journal=journal) as run:
        await connected(run)
        await hall.write("Count", 1.0)
        await journal.until(lambda: numbers(run, "Count") == [0.0, 1.0])
    for number in range(2, 10):
        await hall.write("Count", float(number))
    async with running(server.url, tmp_path, hall.name, journal=journal) as run:
        await journal.until(lambda: len(numbers(run, "Count")) == 10)
        assert numbers(run, "Count", historical=True) == list(map(float, range(2, 9)))
        assert sorted(numbers(run, "Count")) == list(map(float, range(10)))


async def test_history_that_was_not_finished_is_finished_after_a_restart(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count", history=True)
    for number in range(1, 11):
        await hall.write("Count", float(number))
    journal, noted = FakeJournal(), tmp_path / "plant.backfill.json"
    never = {"first_history_s": 3600, "settle_s": 60}
    async with running(server.url, tmp_path, hall.name, journal=journal, backfill=never) as run:
        await journal.until(lambda: run.status.values == 1 and noted.exists())
    soon = {"first_history_s": 3600}
    async with running(server.url, tmp_path, hall.name, journal=journal, backfill=soon) as run:
        await journal.until(lambda: set(numbers(run, "Count")) == set(map(float, range(11))))
        await journal.until(lambda: not noted.exists())


async def test_history_that_the_server_refuses_is_announced(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> object:
        return ua.HistoryReadResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported))

    await hall.add("Count", history=True)
    monkeypatch.setattr(server.server.iserver.history_manager, "_read_history", refuse)
    async with running(server.url, tmp_path, hall.name, backfill={"first_history_s": 3600}) as run:
        await run.journal.until(lambda: run.status.gaps == 1)
        gap = orjson.loads(run.journal.of(Kind.GAP)[0].body)
        assert "BadHistoryOperationUnsupported" in gap["reason"]
        await connected(run)
