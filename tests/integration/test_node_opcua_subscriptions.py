"""Subscriptions at a foreign server, node-opcua: taken over after a kill, changed while values come, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.error import URLError
from urllib.request import urlopen

import orjson
from faults.ledger import read
from faults.scene import NODE, Plan, Process, Scene
from support_demo import free_ports
from support_opcua import Run, running

from gateway.journal import Journal, JournalSettings, Kind
from gateway.opcua.settings import SourceSettings
from gateway.status import JournalStatus

WITHIN_S = 60.0
TWO_INTERVALS = {"items": [{"match": ["**/T000?"], "publishing_interval_ms": 300, "deadband": 0.5}]}
PLAN = Plan(server="node-opcua", history=False, source={"events": True, **TWO_INTERVALS})


async def until(holds: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not holds():
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {WITHIN_S:g} s: {what}") from None


def metric(scene: Scene, line: str) -> float:
    """The value of a sample; 0 while there is none."""
    try:
        with urlopen(f"http://127.0.0.1:{scene._page}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except URLError:
        return 0.0
    return next((float(one.split()[-1]) for one in text.splitlines() if one.startswith(line)), 0.0)


async def told(journal: Path) -> list[str]:
    """The messages of all events but those of the server about its sessions, in the order of the journal."""
    opened = await Journal.open(journal, JournalSettings(), JournalStatus())
    try:
        records = await opened.read(1, opened.head, 1 << 30)
        events = [orjson.loads(record.body) for record in records if record.kind is Kind.EVENT]
        return [event["message"] for event in events if event["type"] == "BaseEventType"]
    finally:
        await opened.close()


async def test_values_and_events_of_a_killed_gateway_are_taken_over_and_nothing_is_lost(tmp_path: Path) -> None:
    noted, transferred = tmp_path / "state" / "plant.subscriptions.json", 'conche_source_repairs_total{rung="transfer"'
    async with Scene(PLAN, tmp_path, Random(1)) as scene:
        await until(noted.exists, "own subscriptions are noted")
        assert len(orjson.loads(noted.read_bytes())["subscriptions"]) == 3
        await scene.server.tell(do="raise_event", message="before")
        await scene.pause(1)
        await scene.gateway.kill()
        await scene.server.tell(do="raise_event", message="meanwhile")
        await scene.pause(1)
        await scene.gateway.start()
        await until(lambda: metric(scene, transferred) == 1, "the subscriptions are taken over")
        scene.mend()
        verdicts, _ = await scene.finish(30)
        assert verdicts[0].changes > 100
        assert [(one.sink, one.lost, one.is_sound) for one in verdicts if one.lost or not one.is_sound] == []
        assert metric(scene, "conche_source_gaps_total") == 0
        await scene.gateway.kill()
        tally = scene.broker.uns
        before = tally.seen.sum(axis=1)
        await scene.gateway.start()
        await until(lambda: bool((tally.seen.sum(axis=1) > before).all()), "the present value of every quiet tag")
        assert metric(scene, transferred) == 1
    assert await told(tmp_path / "state" / "journal.sqlite") == ["before", "meanwhile"]


async def test_new_settings_change_what_a_foreign_server_monitors_and_no_value_is_missed(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    command = ["node", str(NODE / "counting_server.js"), "--port", str(port), "--ledger", str(tmp_path / "ledger")]
    server = Process([*command, "--tags", "20"], tmp_path / "server.log")
    await server.start(talks=True)
    try:
        await server.tell(do="run", hz=20)
        url = f"opc.tcp://127.0.0.1:{port}/"
        async with running(url, tmp_path, "Group0", publishing_interval_ms=100, keepalive_s=5) as run:
            await run.journal.until(lambda: run.status.values > 100, WITHIN_S)
            (before,) = run.source._subscriptions.by_id.values()
            wanted = {
                "items": [
                    {"match": ["**/T000?"], "queue_size": 77},
                    {"match": ["**/T0019"], "publishing_interval_ms": 300},
                ]
            }
            run.source.change(SourceSettings.model_validate(run.source._settings.model_dump() | wanted))
            await run.journal.until(lambda: len(run.status.granted) == 3, WITHIN_S)
            assert before.id in run.source._subscriptions.by_id
            assert {one.queue_size for one in run.status.granted} == {(77, 77), (1000, 1000)}
            seen = run.status.values
            await run.journal.until(lambda: run.status.values > seen + 200, WITHIN_S)
            await server.tell(do="run", hz=0)
            rows = read(tmp_path / "ledger")
            for tag in range(19):
                last = int(rows["number"][rows["tag"] == tag].max())
                await run.journal.until(lambda: int(values_of(run, tag)[-1]) == last, WITHIN_S)  # noqa: B023
                counted = values_of(run, tag)
                assert counted == list(range(counted[0], last + 1)), f"T{tag:04}"
            assert list(run.status.repairs) == ["renew"]
            assert run.status.gaps == 1, "the tag that moved to another subscription"
    finally:
        await server.kill()


def values_of(run: Run, tag: int) -> list[int]:
    """What a tag counted to, in the order of the journal."""
    return [int(value) for _, value, _ in run.journal.values(f"T{tag:04}")]  # type: ignore[call-overload]
