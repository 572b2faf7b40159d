"""A server changes while it is read: nodes come and go, units change, events happen while nobody listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from support_opcua import FakeJournal, Hall, Plant, Proxy, Run, free_port, running

from gateway.contract import NotConnected
from gateway.journal import Kind
from gateway.opcua import event_watch
from gateway.opcua.event_types import EventTypes, monitor_events
from gateway.opcua.events import iso_text
from gateway.opcua.session import Session
from gateway.status import Link

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("mended_transfer", "sessions_ended")]


def numbers(run: Run, name: str) -> list[float]:
    return [float(value) for _, value, _ in run.journal.values(name)]  # type: ignore[arg-type]


def events(run: Run) -> list[dict[str, Any]]:
    return [orjson.loads(record.body) for record in run.journal.of(Kind.EVENT)]


async def test_a_node_that_the_server_removes_leaves_with_a_reason_and_its_past_stays(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    for name in ("Kept", "Removed"):
        await hall.add(name)
    path = f"{hall.name}/Removed"
    async with running(server.url, tmp_path, hall.name, rebrowse_s=0.2) as run:
        await run.journal.until(lambda: run.status.values == 2)
        (tag,) = [tag for tag in run.journal.catalogue if tag.path[-1] == "Removed"]
        version = run.journal.catalogue.version
        await hall.remove("Removed")
        await run.journal.until(lambda: path in run.status.gone)
        assert "the server has removed the node" in run.status.gone[path]
        assert run.journal.catalogue.version > version, "sinks are told"
        assert run.journal.catalogue.tag(tag.id) == tag, "what is stored of it can be read"
        assert path not in run.status.silent
        assert run.status.tags == 1
        await hall.write("Kept", 1.0)
        await run.journal.until(lambda: numbers(run, "Kept") == [0.0, 1.0])
        await hall.add("Removed", 5.0)
        await run.journal.until(lambda: not run.status.gone and numbers(run, "Removed")[-1] == 5.0)
        assert [one.id for one in run.journal.catalogue if one.path[-1] == "Removed"] == [tag.id]
        assert list(run.status.repairs) == ["renew"]
        assert run.status.gaps == 0


async def test_a_node_that_cannot_be_browsed_for_a_while_does_not_leave(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hall.add("Speed")
    service = server.server.iserver.view_service
    browse, looks = service.browse, []

    def blind(params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        looks.append(1)
        return [ua.BrowseResult(StatusCode=ua.StatusCode(ua.StatusCodes.BadOutOfService)) for _ in params.NodesToBrowse]

    async with running(server.url, tmp_path, hall.name, rebrowse_s=0.2) as run:
        await run.journal.until(lambda: run.status.values == 1)
        monkeypatch.setattr(service, "browse", blind)
        await run.journal.until(lambda: len(looks) >= 3)
        monkeypatch.setattr(service, "browse", browse)
        assert not run.status.gone
        assert run.status.tags == 1


async def test_nodes_that_a_restarted_server_shows_late_are_waited_for_and_then_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    first = await Plant(port).build()
    hall = await first.hall()
    for name in ("Late", "Never"):
        await hall.add(name)
    await first.server.start()
    async with running(first.url, tmp_path, rebrowse_s=0.2) as run:
        await run.journal.until(lambda: run.status.values == 2)
        await first.server.stop()
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
        second = await Plant(port).build()
        async with second.server:
            await run.journal.until(lambda: run.status.silent.get("Hall1/Late", "").startswith("BadNodeIdUnknown"))
            assert run.status.tags == 2
            assert not run.status.gone
            await (await second.hall()).add("Late", 9.0)
            await run.journal.until(lambda: numbers(run, "Late")[-1] == 9.0)
            run.source._tags._late = 0.0
            await run.journal.until(lambda: list(run.status.gone) == ["Hall1/Never"])
            assert [tag.path for tag in run.journal.catalogue] == [("Hall1", "Late")]


async def test_news_of_the_server_are_looked_at_without_waiting(server: Plant, hall: Hall, tmp_path: Path) -> None:
    await hall.add("Speed")
    generator = await server.server.get_event_generator(ua.ObjectIds.GeneralModelChangeEventType)
    async with running(server.url, tmp_path, hall.name, rebrowse_s=0, events=True) as run:
        await run.journal.until(lambda: run.status.values == 1 and run.source._takeover._noted)
        await hall.add("Heat", 5.0)
        await generator.trigger(message="NodesAdded")
        await run.journal.until(lambda: run.status.tags == 2 and numbers(run, "Heat") == [5.0])
        await hall.remove("Speed")
        await generator.trigger(message="NodesDeleted")
        await run.journal.until(lambda: list(run.status.gone) == [f"{hall.name}/Speed"])


async def test_a_unit_that_changes_is_read_again_when_the_server_says_so(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    node = await hall.add("Speed")
    unit = ua.EUInformation("urn:units", 1, ua.LocalizedText("rpm"), ua.LocalizedText("r"))
    told = await node.add_property(*server.names(f"{hall.name}.unit", "EngineeringUnits"), unit)
    generator = await server.server.get_event_generator(ua.ObjectIds.SemanticChangeEventType)
    async with running(server.url, tmp_path, hall.name, rebrowse_s=0, events=True) as run:
        await run.journal.until(lambda: run.status.values == 1 and run.source._takeover._noted)
        assert [tag.unit for tag in run.journal.catalogue] == ["rpm"]
        unit = ua.EUInformation("urn:units", 2, ua.LocalizedText("1/s"), ua.LocalizedText("s"))
        await told.write_value(unit)
        await generator.trigger(message="the unit is another one")
        await run.journal.until(lambda: [tag.unit for tag in run.journal.catalogue] == ["1/s"])


async def lose_all(hall: Hall, proxy: Proxy, run: Run) -> None:
    """Cut the link; the server forgets session and subscriptions."""
    proxy.refuses = True
    proxy.cut()
    await run.journal.until(lambda: run.status.connection.link is Link.WAITING)
    await hall.plant.end_sessions()


async def test_events_that_nobody_can_give_are_said_to_be_lost(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Speed")
    generator = await server.server.get_event_generator(ua.ObjectIds.BaseEventType, server.server.nodes.server)
    async with running(proxy.url, tmp_path, hall.name, events=True) as run:
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED and run.source._takeover._noted)
        await generator.trigger(message="before")
        await run.journal.until(lambda: run.status.events == 1)
        await lose_all(hall, proxy, run)
        await generator.trigger(message="meanwhile")
        proxy.refuses = False
        await run.journal.until(lambda: len(events(run)) == 2)
        before, lost = events(run)
        assert lost["type"] == "EventQueueOverflowEventType"
        assert "BadHistoryOperationUnsupported" in lost["message"]
        assert iso_text(before["time"]) == lost["fields"]["Start"] <= lost["fields"]["End"]
        assert run.status.gaps == 1, "of the tag, which has no history either"
        await run.journal.until(lambda: run.source._takeover._noted)
        await generator.trigger(message="after")
        await run.journal.until(lambda: events(run)[-1]["message"] == "after")


async def test_events_of_an_outage_are_read_from_history_once_also_by_the_next_process(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Speed")
    generator = await server.server.get_event_generator(ua.ObjectIds.BaseEventType, server.server.nodes.server)
    await server.server.iserver.enable_history_event(server.server.nodes.server)
    journal = FakeJournal()

    def told(run: Run) -> list[str]:
        return [one["message"] for one in events(run)]

    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await journal.until(lambda: run.status.connection.link is Link.CONNECTED and run.source._takeover._noted)
        await generator.trigger(message="A")
        await journal.until(lambda: told(run) == ["A"])
        await lose_all(hall, proxy, run)
        for name in ("B", "C"):
            await generator.trigger(message=name)
        proxy.refuses = False
        await journal.until(lambda: told(run) == ["A", "B", "C"])
        assert [record.historical for record in journal.of(Kind.EVENT)] == [False, True, True]
        await journal.until(lambda: run.source._takeover._noted)
        await lose_all(hall, proxy, run)
    await generator.trigger(message="D")
    proxy.refuses = False
    async with running(proxy.url, tmp_path, hall.name, journal=journal, events=True) as run:
        await journal.until(lambda: "D" in told(run))
        await journal.until(lambda: run.status.connection.link is Link.CONNECTED)
        assert told(run) == ["A", "B", "C", "D"]


async def test_a_link_that_breaks_before_events_are_monitored_leaves_no_half_made_subscription(
    server: Plant, hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []

    async def breaks_once(session: Session, subscription: int, types: EventTypes) -> str:
        tries.append(subscription)
        if len(tries) == 1:
            raise NotConnected("the link is cut")
        return await monitor_events(session, subscription, types)

    monkeypatch.setattr(event_watch, "monitor_events", breaks_once)
    await hall.add("Speed")
    generator = await server.server.get_event_generator(ua.ObjectIds.BaseEventType, server.server.nodes.server)
    async with running(server.url, tmp_path, hall.name, events=True) as run:
        await run.journal.until(lambda: len(tries) == 2 and run.source._takeover._noted)
        await generator.trigger(message="ordered")
        await run.journal.until(lambda: run.status.events == 1)
        assert len(server.subscriptions()) == 2
        assert run.status.repairs["reactivate"].count == 1


async def test_a_history_of_events_that_cannot_be_read_is_said(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> object:
        raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)

    await hall.add("Speed")
    async with running(proxy.url, tmp_path, hall.name, events=True) as run:
        await run.journal.until(lambda: run.status.connection.link is Link.CONNECTED and run.source._takeover._noted)
        await lose_all(hall, proxy, run)
        monkeypatch.setattr(server.server.iserver.history_manager, "read_history", refuse)
        proxy.refuses = False
        await run.journal.until(lambda: len(events(run)) == 1)
        assert events(run)[0]["type"] == "EventQueueOverflowEventType"
