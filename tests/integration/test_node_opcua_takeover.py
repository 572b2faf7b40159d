"""A gateway that is killed goes on with its subscriptions at a foreign server, node-opcua: values and events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.error import URLError
from urllib.request import urlopen

import orjson
from faults.scene import Plan, Scene

from gateway.journal import Journal, JournalSettings, Kind
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
