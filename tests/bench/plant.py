"""What the plant costs: a simulated week at 1, 10 and 100 times its orders, reading, saving, restoring. CPU time."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from report import Figure
from support_plant import WEEK, plant_data, shipped

from plant_model.plant import Plant
from plant_model.signals import Reader
from plant_model.spec import PlantSpec, parse

ORDERS = (1, 10, 100)
RUNS = 5
"""Of how many runs the median is taken."""
CALLS = 20
"""How often the short things are done in a run."""


def figures() -> Iterator[Figure]:
    """All figures of the plant, as they are measured."""
    spec = shipped()
    plant, reader = Plant(spec), Reader(spec)
    plant.advance(4 * WEEK)
    saved = plant.snapshot()
    yield Figure("plant: reading all signals", 1e3 * cpu_ms(lambda: reader.read(plant)), "us")
    yield Figure("plant: snapshot", cpu_ms(plant.snapshot), "ms")
    yield Figure("plant: restore", cpu_ms(lambda: Plant.restore(spec, saved)), "ms")
    yield Figure("plant: snapshot after 4 weeks", len(saved) / 1e3, "kB")
    plant.advance(8 * WEEK)
    yield Figure("plant: snapshot after 8 weeks", len(plant.snapshot()) / 1e3, "kB")
    for times in ORDERS:
        yield Figure(f"plant, {times}x its orders: a simulated week", week_ms(with_orders(times)), "ms")


def with_orders(times: int) -> PlantSpec:
    """The shipped plant with so many times the orders; what it cannot make piles up in its order book."""
    data = plant_data()
    for order_class in data["demand"]["classes"].values():
        order_class["per_day"] *= times
    return parse(data)


def week_ms(spec: PlantSpec) -> float:
    """CPU time of the week after the first one."""
    plant = Plant(spec)
    plant.advance(WEEK)
    return statistics.median(timed_ms(partial(fork.advance, 2 * WEEK)) for fork in (plant.fork() for _ in range(RUNS)))


def cpu_ms(act: Callable[[], object]) -> float:
    """CPU time of something short."""

    def often() -> None:
        for _ in range(CALLS):
            act()

    often()
    return statistics.median(timed_ms(often) for _ in range(RUNS)) / CALLS


def timed_ms(act: Callable[[], object]) -> float:
    """CPU time of this one call, without the garbage of those before."""
    gc.collect()
    begin = time.process_time()
    act()
    return 1e3 * (time.process_time() - begin)
