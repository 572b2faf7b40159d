"""Whether material can go through the plant as the file says: from the bean store, station by station, to the goods."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from plant_model.equipment import STATIONS
from plant_model.schema import NotNegative, Problem

WAREHOUSE = "Warehouse"
FEEDS = dict(zip(STATIONS, (*STATIONS[1:], WAREHOUSE), strict=True))
"""Who can work what a station makes."""

Problems = Iterator[Problem]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conveyor:
    """Where a station sends what it makes, and how long that takes."""

    to: str
    transport_min: NotNegative


def _check_ends(flow: Mapping[str, Conveyor]) -> Problems:
    for name in sorted(flow.keys() - set(STATIONS)):
        yield Problem(("flow", name), f"is no station; there are {', '.join(STATIONS)}")
    for name in STATIONS:
        if name not in flow:
            yield Problem(("flow", name), "is missing: nobody would take what it makes")
        elif flow[name].to and flow[name].to not in FEEDS.values() and flow[name].to != STATIONS[0]:
            yield Problem(("flow", name, "to"), f"must be one of {', '.join((*STATIONS, WAREHOUSE))}")


def _check_circles(flow: Mapping[str, Conveyor]) -> Problems:
    told: set[str] = set()
    for start in STATIONS:
        way = route(flow, start)
        if way[-1] in way[:-1] and not told.intersection(way):
            circle = way[way.index(way[-1]) :]
            yield Problem(("flow", circle[0], "to"), f"goes round in a circle: {' > '.join(circle)}")
            told.update(way)


def _check_reach(flow: Mapping[str, Conveyor]) -> Problems:
    reached = route(flow, STATIONS[0])
    for name in STATIONS:
        if name not in reached:
            yield Problem(("flow", name), f"is never reached: the flow is {' > '.join(reached)}")


def _check_work(flow: Mapping[str, Conveyor]) -> Problems:
    for name, next_ in FEEDS.items():
        if name in flow and flow[name].to in FEEDS and flow[name].to != next_:
            yield Problem(("flow", name, "to"), f"must be {next_}: {flow[name].to} cannot work what {name} makes")
        elif name in flow and flow[name].to == WAREHOUSE != next_:
            yield Problem(("flow", name, "to"), f"must be {next_}: what {name} makes is no finished product")


def route(flow: Mapping[str, Conveyor], start: str) -> list[str]:
    """The places from a station on, until the flow ends or comes to a place for the second time."""
    way = [start]
    while way[-1] in flow and way[-1] not in way[:-1]:
        way.append(flow[way[-1]].to)
    return way


FLOW_CHECKS: tuple[Callable[..., Problems], ...] = (_check_ends, _check_circles, _check_reach, _check_work)
