"""Every query of every dashboard, as Grafana sends it, finds rows in a real InfluxDB that the demo fills."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from support_dashboards import DASHBOARDS, Query, queries
from support_demo import Demo
from support_house import MODEL, influxql, site, until
from support_operator import hurried, operator
from support_peers import influxd

DATABASE = "conche"
EVENTS = {"BulkOrderEventType", "DeliveryOrderedEventType", "DeliveryArrivedEventType", "MachineFailureEventType"}
STATIONS = {"Cleaning", "Roasting", "Grinding", "Mixing", "Conching", "Tempering", "Moulding"}
WINDOW_MS = 6 * 3_600_000  # what the dashboards show when they open
INTERVAL = "20s"  # of Grafana for that window and a panel about 1000 pixels wide
Variables = dict[str, str]


class Board:
    """A dashboard on the database, as it stands when it is opened."""

    def __init__(self, influx: str, name: str) -> None:
        self._influx = influx
        self._end_ms = time.time_ns() // 1_000_000
        self._queries = [query for query in queries() if query.dashboard == name]
        self._variables = [one["name"] for one in DASHBOARDS[name]["templating"]["list"]]

    def rows(self, query: Query, chosen: Mapping[str, str]) -> list[dict[str, Any]]:
        """The series with at least one value."""
        text = query.filled(self._end_ms - WINDOW_MS, self._end_ms, INTERVAL, chosen)
        found = influxql(self._influx, text, DATABASE)
        return [one for one in found if any(cell is not None for row in one["values"] for cell in row[1:])]

    def choices(self) -> list[Variables]:
        """Every choice that the drop-down lists offer, from their own queries."""
        lists = {query.place.removeprefix("variable "): query for query in self._queries if _is_variable(query)}
        assert list(lists) == self._variables
        found: list[Variables] = [{}]
        for name, query in lists.items():
            found = [chosen | {name: value} for chosen in found for value in self._values(query, chosen)]
        return found

    def _values(self, query: Query, chosen: Variables) -> list[str]:
        (series,) = self.rows(query, chosen)
        return [value for _, value in series["values"]]

    def empty(self) -> list[str]:
        """Panels and annotations that find nothing, with what was chosen; of a repeated panel one query is enough."""
        choices = self.choices()
        found: dict[str, bool] = {}
        for query in self._queries:
            if _is_variable(query):
                continue
            place = query.place[:-2] if "$tag" in query.place else query.place
            for asked in _distinct(query, choices):
                name = f"{place} {asked}"
                found[name] = found.get(name, False) or bool(self.rows(query, asked))
        return sorted(name for name, is_found in found.items() if not is_found)


def _is_variable(query: Query) -> bool:
    return query.place.startswith("variable ")


def _distinct(query: Query, choices: list[Variables]) -> list[Variables]:
    """The choices as far as a query asks for them, each once."""
    asked = [{name: value for name, value in one.items() if f"${name}" in query.text} for one in choices]
    return [one for place, one in enumerate(asked) if one not in asked[:place]]


@pytest.fixture(scope="module")
def influx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with six hours of a demo, and with events of each kind."""
    home = tmp_path_factory.mktemp("grafana")
    with influxd(home) as (_, influx):
        influxql(influx, f'CREATE DATABASE "{DATABASE}"')
        sink = {"kind": "influx", "version": 1, "url": influx, "database": DATABASE}
        demo = Demo(home, site(home / "config", sink, model=often_supplied(home)))
        try:
            demo.start()
            asyncio.run(fill(demo, influx, home))
            yield influx
        finally:
            demo.end()


def often_supplied(folder: Path) -> Path:
    """The shipped plant, but it buys small quantities and so at least once a day instead of once a week."""
    plant = yaml.safe_load(MODEL.read_text())
    for policy in plant["policies"].values():
        if "quantity_kg" in policy:
            policy["quantity_kg"] /= 20
    for supplier in plant["suppliers"].values():
        supplier.pop("minimum_kg", None)
    file = folder / "plant.yaml"
    file.write_text(yaml.safe_dump(plant))
    return file


async def fill(demo: Demo, influx: str, folder: Path) -> None:
    """Let the plant run fast until each kind of event has happened and everything is stored."""
    async with operator(demo, folder) as client, hurried(client):
        await asyncio.to_thread(until, lambda: kinds(influx) >= EVENTS, 90.0, lambda: kinds(influx))
    await asyncio.to_thread(until, lambda: len(past(influx)) > 50 and is_even(demo), 60.0, demo.health)


def past(influx: str) -> list[dict[str, Any]]:
    """What the plant's history had of yesterday, by tag."""
    return influxql(influx, 'SELECT count("value") FROM "Process" WHERE time < now() - 20h GROUP BY "tag"', DATABASE)


def is_even(demo: Demo) -> bool:
    return bool(demo.health()["sinks"]["influx"]["behind"] == 0)


def kinds(influx: str) -> set[str]:
    """The types of events in the database."""
    return {
        value
        for one in influxql(influx, 'SHOW TAG VALUES FROM "event" WITH KEY = "type"', DATABASE)
        for _, value in one["values"]
    }


def test_the_lists_offer_the_line_and_its_seven_stations(influx: str) -> None:
    assert Board(influx, "plant-overview").choices() == [{"line": "ChocolateLine1"}]
    assert {chosen["station"] for chosen in Board(influx, "station").choices()} == STATIONS


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_panel_and_every_annotation_finds_rows(influx: str, name: str) -> None:
    assert Board(influx, name).empty() == []


def test_the_past_is_in_the_database_from_the_first_minute(influx: str) -> None:
    """The day before the first start was read from the plant's history."""
    counts = [series["values"][0][1] for series in past(influx)]
    assert len(counts) > 50
    assert sum(counts) > 1_000


def test_an_order_tells_its_customer_and_its_quantity(influx: str) -> None:
    text = (
        'SELECT "Customer", "Product", "Quantity", "message" FROM "event" WHERE "type" = \'BulkOrderEventType\' LIMIT 1'
    )
    (series,) = influxql(influx, text, DATABASE)
    _, customer, product, quantity, message = series["values"][0]
    assert customer
    assert product in {"Dark", "Milk", "White"}
    assert quantity >= 50
    assert message
