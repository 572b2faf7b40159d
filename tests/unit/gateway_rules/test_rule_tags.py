"""Which tags a rule watches: those its pattern names, while they are there and are numbers."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from structlog.testing import capture_logs
from support_alerts import House
from support_rules import NOW, Plant, Tags, rule, tag

from gateway.status import MailStatus
from gateway.values import Batch, Column, DataType


async def test_a_new_journal_with_other_tag_ids_does_not_mix_the_tags_up(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 1000), ("Beans", "Level", 0, 1500)))
    house.tags = Tags(("OnOrder", "Level", "ReorderPoint"))
    house.plant = Plant(house.tags)
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 5, 1200)))
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 6, 900)))
        await house.mails(1)


async def test_a_tag_that_is_gone_does_not_alert_any_more(build: Callable[..., House]) -> None:
    house = build(rule(below=100.0, delay_s=60))
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "Level", 0, 50), ("Sugar", "Level", 0, 50)))
        del house.tags._tags[house.tags.id("Beans", "Level")]
        house.tags.version = 2
        await engine.write(Batch((), (), (), 2))
        assert [one.tag.path[1] for _, one in engine._deadlines.values()] == ["Sugar"], "the clock rings for it alone"
        await engine.write(house.plant.batch(("Sugar", "Level", 60, 50)))
        (mail,) = await house.mails(1)
    assert mail.name == "Uelzen Sugar"


async def test_tags_that_appear_later_are_watched(house: House) -> None:
    everything, house.tags._tags = house.tags._tags, {}
    async with house.running() as engine:
        await engine.write(Batch((), (), (), 1))
        house.tags._tags, house.tags.version = everything, 2
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 0, 50)))
        await house.mails(1)


async def test_a_tag_without_a_limit_or_of_text_is_left_alone(build: Callable[..., House]) -> None:
    house = build(tags=Tags(("Level", "OnOrder")))
    house.tags._tags[99] = tag(99, ("Warehouse", "Glue", "Level"), data_type=DataType.STRING)
    house.tags._tags[100] = tag(100, ("Warehouse", "Glue", "ReorderPoint"))
    texts = Column(
        *(np.array([value], dtype=t) for value, t in ((1, "i8"), (99, "i4"), ("low", "O"), (0, "u4"), (NOW, "i8")))
    )
    with capture_logs() as logs:
        async with house.running() as engine:
            await engine.write(Batch((texts,), (), (), 1))
            await engine.write(house.plant.batch(("Beans", "Level", 0, 50)))
    assert house.status == MailStatus()
    said = {(line["event"], line["tag"]) for line in logs}
    assert ("rule has no limit for a tag", "Warehouse/Beans/Level") in said
    assert ("rule compares numbers only", "Warehouse/Glue/Level") in said
    assert ("rule watches no tag", "Warehouse/{material}/Level") in said


async def test_values_that_no_rule_watches_are_not_looked_at(house: House) -> None:
    """A million of them in a few milliseconds: the engine goes by the array of tag ids."""
    count = 1_000_000
    column = Column(
        np.arange(count),
        np.full(count, 40_000, np.int32),
        np.zeros(count),
        np.zeros(count, np.uint32),
        np.zeros(count, int),
    )
    async with house.running() as engine:
        started = time.process_time()
        await engine.write(Batch((column,), (), (), 1))
        assert time.process_time() - started < 0.2
