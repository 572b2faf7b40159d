"""After a way back the newest value of every tag is the present one, whatever the server sends by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession
from support_opcua import FakeJournal, Hall, Plant, Proxy, running
from support_outages import cut_off, held, leave_cut_off, numbers, ready

from gateway.opcua.current import Current

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("mended_transfer", "sessions_ended")]


async def test_a_tag_that_changed_where_nobody_queued_it_and_then_stays_still_shows_its_current_value(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    tags = ["Changed", *(f"Still{i}" for i in range(5))]
    for name in tags:
        await hall.add(name, 1.0)
        await hall.write(name, 2.0)
    async with running(proxy.url, tmp_path, hall.name) as run:
        await ready(run)
        await run.journal.until(lambda: not run.source._current._is_new)
        assert all(numbers(run, name) == [2.0] for name in tags)
        async with cut_off(proxy, run):
            await server.end_sessions(subscriptions=False)
            await hall.write("Changed", 3.0)
            for subscription in server.subscriptions().values():
                subscription._triggered_datachanges.clear()
        await run.journal.until(lambda: numbers(run, "Changed") == [2.0, 3.0])
        await hall.write("Changed", 4.0)
        await run.journal.until(lambda: numbers(run, "Changed") == [2.0, 3.0, 4.0])
        assert held(run) == {"renew": 1, "transfer": 1}
        assert all(numbers(run, name) == [2.0] for name in tags[1:]), "what is known is not told again"


async def test_a_new_process_knows_tags_that_never_change_though_the_server_sends_no_initial_values(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"Still{i}" for i in range(5)]
    for name in names:
        await hall.add(name)
        await hall.write(name, 7.0)
    await hall.add("Moving")
    journal = FakeJournal()
    async with running(proxy.url, tmp_path, hall.name, journal=journal) as run:
        await journal.until(lambda: run.status.values == 6)
        await leave_cut_off(proxy, run)
    proxy.refuses = False
    sizes = _reads(server, monkeypatch, at_most=2)
    await hall.write("Moving", 1.0)
    async with running(proxy.url, tmp_path, hall.name, journal=journal) as run:
        await journal.until(lambda: all(numbers(run, name) == [7.0, 7.0] for name in names))
        await run.journal.until(lambda: numbers(run, "Moving") == [0.0, 1.0])
        assert held(run) == {"transfer": 1}
        assert all(len({time for time, _, _ in journal.values(name)}) == 1 for name in names)
        assert sizes[-3:] == [2, 2, 1], "in chunks, and without the tag that reported by itself"


async def test_a_value_that_was_read_never_comes_behind_one_that_was_reported_meanwhile(
    server: Plant, hall: Hall, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await hall.add("Count")
    journal = FakeJournal()
    async with running(proxy.url, tmp_path, hall.name, journal=journal) as run:
        await leave_cut_off(proxy, run)
    proxy.refuses = False
    reading = asyncio.Event()
    working = Current._drained

    async def drained(current: Current) -> None:
        reading.set()
        await hall.write("Count", 1.0)
        await journal.until(lambda: numbers(run)[-1] == 1.0)
        await working(current)

    monkeypatch.setattr(Current, "_drained", drained)
    async with running(proxy.url, tmp_path, hall.name, journal=journal) as run:
        await reading.wait()
        await journal.until(lambda: not len(run.source._marks.unsure_ids()) and not run.source._current._is_new)
        assert numbers(run) == [0.0, 1.0]


def _reads(server: Plant, monkeypatch: pytest.MonkeyPatch, at_most: int) -> list[int]:
    """How many values each Read of more than one asks for; more than `at_most` are refused."""
    sizes: list[int] = []
    working = InternalSession.read

    async def read(session: InternalSession, params: ua.ReadParameters) -> object:
        wanted = [one for one in params.NodesToRead if one.NodeId.NamespaceIndex == server.index]
        if len(wanted) > at_most and wanted[0].AttributeId == ua.AttributeIds.Value:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
        if wanted and wanted[0].AttributeId == ua.AttributeIds.Value:
            sizes.append(len(wanted))
        return await working(session, params)

    monkeypatch.setattr(InternalSession, "read", read)
    return sizes
