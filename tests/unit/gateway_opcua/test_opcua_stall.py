"""A gateway that stood still itself blames no server for it."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
from support_opcua import Hall, Plant, Proxy, free_port, running
from support_outages import gateway_file, gateway_process, metrics_of, ready, until_metric

from gateway.opcua.publish import MARGIN_S
from gateway.opcua.stall import Stall
from gateway.status import Link

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("sessions_ended")]
KEEPALIVE_S = 1.0
LONGER_S = KEEPALIVE_S + MARGIN_S + 1.5  # than a server may be silent
SLOW = {"match": ["**/Slow"], "publishing_interval_ms": 500}


async def test_a_suspended_gateway_goes_on_with_the_connection_that_it_had(
    server: Plant, hall: Hall, tmp_path: Path
) -> None:
    await hall.add("Count")
    await hall.add("Slow")
    page = free_port()
    file = gateway_file(
        tmp_path,
        page,
        url=server.url,
        roots=[hall.name],
        publishing_interval_ms=50,
        keepalive_s=KEEPALIVE_S,
        items=[SLOW],
    )
    async with gateway_process(file) as gateway:
        await until_metric(page, 'conche_source_values_total{source="plant"} 2.0')
        subscriptions = set(server.subscriptions())
        gateway.send_signal(signal.SIGSTOP)
        for number in range(20):
            await hall.write("Count", number + 1.0)
            await asyncio.sleep(LONGER_S / 20)
        gateway.send_signal(signal.SIGCONT)
        await until_metric(page, 'conche_source_values_total{source="plant"} 22.0')
        await asyncio.sleep(KEEPALIVE_S + MARGIN_S)
        metrics = await asyncio.to_thread(metrics_of, page)
        assert 'conche_source_repairs_total{rung="renew",source="plant"} 1.0' in metrics
        assert metrics.count("conche_source_repairs_total{") == 1, "nothing had to be repaired"
        assert set(server.subscriptions()) == subscriptions


async def test_a_server_that_fell_silent_meanwhile_is_noticed_all_the_same(
    hall: Hall, proxy: Proxy, tmp_path: Path
) -> None:
    await hall.add("Count")
    async with running(proxy.url, tmp_path, hall.name, keepalive_s=0.2) as run:
        await ready(run)
        proxy.silent = True
        time.sleep(MARGIN_S + 0.5)
        await asyncio.sleep(0.1)
        assert run.status.connection.link is Link.CONNECTED, "the server may have said something meanwhile"
        await run.journal.until(lambda: run.status.connection.link is Link.WAITING)


async def test_a_busy_moment_is_no_stall_and_a_stall_is_known_before_anything_else_has_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = 100.0
    monkeypatch.setattr("gateway.opcua.stall.monotonic", lambda: clock)
    stall = Stall()
    clock += 1.0
    assert stall.over == 0.0
    clock += 1.0
    assert stall.over == clock
