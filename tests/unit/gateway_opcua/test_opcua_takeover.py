"""A subscription outlives session and process: whoever comes back goes on with it, and nothing is lost."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import orjson
import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from support_opcua import FakeJournal, Hall, Plant, Proxy, free_port, running
from support_outages import (
    cut_off,
    gateway_file,
    gateway_process,
    held,
    leave_cut_off,
    metrics_of,
    numbers,
    ready,
    until_file,
    until_metric,
)

from gateway.journal import Journal, JournalSettings, Kind
from gateway.opcua.decode import decode_data
from gateway.status import JournalStatus

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("mended_transfer", "sessions_ended")]


async def test_a_gateway_killed_at_any_moment_goes_on_with_its_subscription_and_loses_nothing(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count")
    await hall.add("Quiet", 7.0)
    counting = asyncio.ensure_future(_count(hall))
    page = free_port()
    patient = {"publishing_interval_ms": 50, "queue_size": 60_000}  # the server keeps all, however long a start takes
    file = gateway_file(tmp_path, page, url=server.url, roots=[hall.name], **patient)
    for life in range(3):
        async with gateway_process(file):
            rung = "transfer" if life else "renew"
            await until_metric(page, f'conche_source_repairs_total{{rung="{rung}",source="plant"}} 1.0')
            await until_file(tmp_path / "state" / "plant.subscriptions.json")
            await asyncio.sleep(random.uniform(0.2, 0.6))
            metrics = await asyncio.to_thread(metrics_of, page)
        assert 'conche_source_gaps_total{source="plant"} 0.0' in metrics
    counting.cancel()
    values = await _stored(tmp_path / "state" / "journal.sqlite")
    assert len(values) > 300
    assert values == list(range(values[0], values[0] + len(values)))


async def _count(hall: Hall) -> None:
    number = 0
    while True:
        number += 1
        await hall.write("Count", float(number))
        await asyncio.sleep(0.004)


async def _stored(path: Path) -> list[int]:
    """All values of the tag Count, in the order of the journal."""
    journal = await Journal.open(path, JournalSettings(), JournalStatus())
    try:
        (tag,) = [tag.id for tag in journal.catalogue if tag.path[-1] == "Count"]
        values: list[int] = []
        for record in await journal.read(1, journal.head, 1 << 30):
            if record.kind is Kind.DATA:
                for part in decode_data(record.body, 0):
                    values += part.value[part.tag == tag].astype(np.int64).tolist()
        return values
    finally:
        await journal.close()


async def test_a_lost_session_costs_nothing_even_without_history(hall: Hall, proxy: Proxy, tmp_path: Path) -> None:
    await hall.add("Count")
    async with running(proxy.url, tmp_path, hall.name) as run:
        await ready(run)
        async with cut_off(proxy, run):
            await hall.plant.end_sessions(subscriptions=False)
            for number in range(1, 21):
                await hall.write("Count", float(number))
        await hall.write("Count", 21.0)
        await run.journal.until(lambda: len(numbers(run)) == 22)
        assert numbers(run) == list(map(float, range(22)))
        assert held(run) == {"renew": 1, "transfer": 1}
        assert run.status.gaps == run.status.backfilled == 0
        assert run.status.repairs["transfer"].seconds > 0


@pytest.mark.parametrize("code", ["BadServiceUnsupported", "BadNotImplemented"])
async def test_a_server_that_transfers_nothing_is_subscribed_anew_and_the_rest_comes_from_history(
    code: str, hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> object:
        raise ServiceError(getattr(ua.StatusCodes, code))

    monkeypatch.setattr(hall.plant.server.iserver.subscription_service, "transfer_subscriptions", refuse)
    await _lose_and_come_back(hall, proxy, tmp_path)


@pytest.mark.parametrize("code", ["BadSubscriptionIdInvalid", "BadUserAccessDenied"])
async def test_a_subscription_that_is_not_transferred_is_made_anew_and_the_rest_comes_from_history(
    code: str, hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(params: ua.TransferSubscriptionsParameters, *_: object) -> object:
        return [ua.TransferResult(ua.StatusCode(getattr(ua.StatusCodes, code))) for _ in params.SubscriptionIds]

    monkeypatch.setattr(hall.plant.server.iserver.subscription_service, "transfer_subscriptions", refuse)
    await _lose_and_come_back(hall, proxy, tmp_path)


async def _lose_and_come_back(hall: Hall, proxy: Proxy, state: Path) -> None:
    await hall.add("Count", history=True)
    await hall.add("Speed")
    async with running(proxy.url, state, hall.name) as run:
        await ready(run)
        async with cut_off(proxy, run):
            await hall.plant.end_sessions(subscriptions=False)
            for number in range(1, 11):
                await hall.write("Count", float(number))
        await run.journal.until(lambda: set(numbers(run)) == set(map(float, range(11))))
        await ready(run)
        assert held(run) == {"renew": 2, "history": 1}
        assert run.status.gaps == 1


async def test_a_server_that_transfers_and_then_delivers_nothing_is_found_out(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = server.server.iserver.subscription_service
    working = service.transfer_subscriptions

    async def transfer(params: ua.TransferSubscriptionsParameters, *rest: object) -> object:
        results = await working(params, *rest)
        for number in params.SubscriptionIds:
            service.subscriptions[number].pub_request_callback = lambda _: None
        return results

    monkeypatch.setattr(service, "transfer_subscriptions", transfer)
    await hall.add("Count", history=True)
    async with running(proxy.url, tmp_path, hall.name, keepalive_s=0.2) as run:
        await ready(run)
        for number in (1.0, 3.0):
            async with cut_off(proxy, run):
                await server.end_sessions(subscriptions=False)
                await hall.write("Count", number)
            await run.journal.until(lambda: held(run).get("recreate", 0) == 1)
            await hall.write("Count", number + 1)
            await run.journal.until(lambda: set(numbers(run)) == set(np.arange(number + 2)))  # noqa: B023
            await ready(run)
        assert held(run)["transfer"] == 1
        assert run.status.gaps == 0


async def test_what_is_no_longer_wanted_is_dropped_from_the_subscription_and_what_is_new_is_added(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    journal = FakeJournal()
    for name in ("Count", "Unwanted"):
        await hall.add(name)
    async with running(proxy.url, tmp_path, hall.name, journal=journal) as run:
        await leave_cut_off(proxy, run)
    (kept,) = server.subscriptions()
    proxy.refuses = False
    await hall.write("Count", 1.0)
    await hall.write("Unwanted", 1.0)
    await hall.add("Late")
    async with running(proxy.url, tmp_path, hall.name, journal=journal, exclude=["**/Unwanted"]) as run:
        await journal.until(lambda: any(tag.path[-1] == "Late" for tag in journal.catalogue))
        await journal.until(lambda: numbers(run) == [0.0, 1.0] and numbers(run, "Late") == [0.0])
        await ready(run)
        assert held(run) == {"transfer": 1}
        ((number, subscription),) = server.subscriptions().items()
        assert number == kept
        assert subscription.monitored_item_srv.__dict__["_monitored_items"].keys() == {
            item.id for item in run.source._subscriptions.by_id[number].items.values()
        }
        assert run.status.gaps == 0


async def test_with_other_settings_the_subscription_is_taken_over_and_modified_and_nothing_is_lost(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    journal = FakeJournal()
    await hall.add("Count")
    await hall.add("Slow")
    async with running(proxy.url, tmp_path, hall.name, journal=journal) as run:
        await leave_cut_off(proxy, run)
    (kept,) = server.subscriptions()
    proxy.refuses = False
    for number in (1.0, 2.0):
        await hall.write("Count", number)
    apart = [{"match": ["**/Slow"], "publishing_interval_ms": 40}]
    async with running(proxy.url, tmp_path, hall.name, journal=journal, queue_size=5, items=apart) as run:
        await ready(run)
        await journal.until(lambda: len(run.status.granted) == 2)
        assert held(run) == {"transfer": 1}
        assert numbers(run) == [0.0, 1.0, 2.0]
        first, second = server.subscriptions()
        assert first == kept
        (item,) = run.source._subscriptions.by_id[kept].items.values()
        assert item.revised.queue_size == 5
        assert len(run.source._subscriptions.by_id[second].items) == 1


async def test_of_several_subscriptions_the_server_may_have_lost_some(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count")
    await hall.add("Slow", history=True)
    await hall.add("Slower")
    journal = FakeJournal()
    apart = [{"match": ["**/Slow*"], "publishing_interval_ms": 40}]
    async with running(proxy.url, tmp_path, hall.name, journal=journal, items=apart) as run:
        await journal.until(lambda: run.status.values == 3)
        await ready(run)
        async with cut_off(proxy, run):
            await server.end_sessions(subscriptions=False)
            (lost,) = [one.id for one in run.source._subscriptions.by_id.values() if one.interval_ms == 40]
            for name in ("Count", "Slow", "Slower"):
                await hall.write(name, 1.0)
            await server.server.iserver.subscription_service.delete_subscriptions([lost])
            for name in ("Count", "Slow", "Slower"):
                await hall.write(name, 2.0)
        await journal.until(lambda: set(numbers(run)) == set(numbers(run, "Slow")) == {0.0, 1.0, 2.0})
        await journal.until(lambda: numbers(run, "Slower")[-1] == 2.0 and run.status.gaps == 1)
        (gap,) = [orjson.loads(record.body) for record in journal.of(Kind.GAP)]
        slower = next(tag for tag in journal.catalogue if tag.path[-1] == "Slower")
        assert gap["tags"] == [slower.id], "of the others nothing is missing"
        await journal.until(lambda: held(run) == {"renew": 1, "transfer": 1, "history": 1})


async def test_the_subscription_of_another_journal_is_left_alone(hall: Hall, proxy: Proxy, tmp_path: Path) -> None:
    await hall.add("Count")
    async with running(proxy.url, tmp_path, hall.name) as run:
        await leave_cut_off(proxy, run)
    proxy.refuses = False
    async with running(proxy.url, tmp_path, hall.name, journal=FakeJournal()) as run:
        await ready(run)
        assert held(run) == {"renew": 1}


async def test_a_damaged_note_of_the_subscription_is_said_and_does_no_harm(
    hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count")
    (tmp_path / "plant.subscriptions.json").write_text('{"server": 7}')
    async with running(proxy.url, tmp_path, hall.name) as run:
        await ready(run)
        assert held(run) == {"renew": 1}
        assert orjson.loads((tmp_path / "plant.subscriptions.json").read_bytes())["subscriptions"]


async def test_a_new_process_asks_for_current_values_but_not_for_events_as_values(
    hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    service = hall.plant.server.iserver.subscription_service
    working = service.transfer_subscriptions

    async def transfer(params: ua.TransferSubscriptionsParameters, *rest: object) -> object:
        asked.append(params.SendInitialValues)
        return await working(params, *rest)

    monkeypatch.setattr(service, "transfer_subscriptions", transfer)
    await hall.add("Count")
    journal = FakeJournal()
    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await leave_cut_off(proxy, run)
    proxy.refuses = False
    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await ready(run)
    assert asked == [True, False]


async def test_events_of_an_outage_come_once_and_with_all_their_fields(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count")
    kind = await server.server.create_custom_event_type(
        server.index, f"{hall.name}Event", properties=[("Batch", ua.VariantType.String)]
    )
    generator = await server.server.get_event_generator(kind, server.server.nodes.server)
    journal = FakeJournal()

    async def happen(batch: str) -> None:
        generator.event.Batch = batch
        await generator.trigger(message=batch)

    def batches() -> list[str]:
        return [orjson.loads(record.body)["fields"]["Batch"] for record in journal.of(Kind.EVENT)]

    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await ready(run)
        await happen("A")
        await journal.until(lambda: batches() == ["A"])
        await leave_cut_off(proxy, run)
    await happen("B")
    proxy.refuses = False
    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await journal.until(lambda: batches() == ["A", "B"])
        await happen("C")
        await journal.until(lambda: len(batches()) > 2)
        assert batches() == ["A", "B", "C"]
        assert held(run) == {"transfer": 1}
