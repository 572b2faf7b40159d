"""Late values are judged by when they were measured: what was overtaken changes nothing."""

from __future__ import annotations

from collections.abc import Callable

from support_alerts import House
from support_rules import NOW, Tags


async def test_late_values_that_were_overtaken_change_nothing(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 100, 150)))
        dip = [("Beans", "Level", second, 50.0) for second in range(10, 90, 10)]
        await engine.write(house.plant.batch(*dip, historical=True))
        assert house.status.waiting == house.status.sent == 0
        await engine.write(house.plant.batch(("Beans", "Level", 110, 50), historical=True))
        await house.mails(1)


async def test_history_from_before_the_tag_was_known_is_no_news(build: Callable[..., House]) -> None:
    house = build(tags=Tags(since=NOW))
    async with house.running() as engine:
        await engine.write(
            house.plant.batch(("Beans", "ReorderPoint", -9, 100), ("Beans", "Level", -5, 50), historical=True)
        )
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -9, 100)))
        assert house.status.waiting == house.status.sent == 0


async def test_a_live_value_counts_although_later_history_came_first(house: House) -> None:
    async with house.running() as engine:
        live = house.plant.batch(("Beans", "Level", 20, 50))
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100)))
        await engine.write(house.plant.batch(("Beans", "Level", 10, 150), historical=True))
        await engine.write(live)
        await house.mails(1)


async def test_a_clock_that_is_set_back_at_the_source_does_not_blind_the_rule(house: House) -> None:
    async with house.running() as engine:
        await engine.write(house.plant.batch(("Beans", "ReorderPoint", -1, 100), ("Beans", "Level", 9_000, 150)))
        await engine.write(house.plant.batch(("Beans", "Level", 5, 50)))
        await house.mails(1)
