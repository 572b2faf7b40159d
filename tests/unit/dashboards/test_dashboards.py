"""The Grafana files are whole: they load, refer to what exists, and ask for what the gateway writes."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from support_dashboards import DASHBOARDS, Query, comparisons, names_in, queries, schema

ROOT = Path(__file__).parents[3]
PROVISIONING = ROOT / "dashboards" / "provisioning"
SOURCE = yaml.safe_load((PROVISIONING / "datasources" / "conche.yaml").read_text())["datasources"][0]
PROVIDER = yaml.safe_load((PROVISIONING / "dashboards" / "conche.yaml").read_text())["providers"][0]
PANEL_TYPES = {"timeseries", "stat", "table", "state-timeline", "row"}
SCHEMA = schema()
VARIABLES = {"line": "ChocolateLine1", "station": "Tempering", "tag": "Zone2Temperature"}
each_board = pytest.mark.parametrize("board", DASHBOARDS.values(), ids=DASHBOARDS)
each_query = pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.dashboard}: {query.place}")


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def filled(query: Query) -> str:
    return query.filled(1_000, 2_000, "10s", VARIABLES)


def alternatives(pattern: str) -> list[str]:
    """`^(OEE|Availability)$` as its parts: each must find something."""
    group = re.search(r"\(([^()]+)\)", pattern)
    return [pattern.replace(group[0], one) for one in group[1].split("|")] if group else [pattern]


def test_all_dashboards_are_there_with_uids_of_their_own():
    assert {name: board["uid"] for name, board in DASHBOARDS.items()} == {
        "performance": "conche-performance",
        "plant-overview": "conche-plant-overview",
        "station": "conche-station",
    }


@each_board
def test_a_dashboard_is_classic_json_that_a_file_may_provide(board):
    assert board["id"] is None
    assert board["schemaVersion"] == 39
    assert board["title"]
    assert board["refresh"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    assert {panel["type"] for panel in board["panels"]} <= PANEL_TYPES


@each_board
def test_panels_lie_on_the_grid_without_overlap(board):
    places = [panel["gridPos"] for panel in board["panels"]]
    assert [p for p in places if not (p["x"] >= 0 < p["w"] and p["x"] + p["w"] <= 24 and p["y"] >= 0 < p["h"])] == []
    for one, other in combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@each_board
def test_everything_is_asked_of_the_provisioned_source(board):
    expected = {"type": SOURCE["type"], "uid": SOURCE["uid"]}
    users = [*panels(board), *(t for p in panels(board) for t in p["targets"]), *board["templating"]["list"]]
    users += [a for a in board["annotations"]["list"] if not a.get("builtIn")]
    assert [user for user in users if user["datasource"] != expected] == []


@each_board
def test_numbers_have_units_and_series_have_names(board):
    for panel in panels(board):
        if panel["type"] in {"timeseries", "stat"} and panel["title"] != "State":
            assert panel["fieldConfig"]["defaults"].get("unit"), panel["title"]
        for target in panel["targets"]:
            assert target["rawQuery"] is True
            if panel["type"] in {"timeseries", "state-timeline"} and (
                len(panel["targets"]) > 1 or "tag" in target["query"]
            ):
                groups = re.findall(r"GROUP BY (.+?)(?: fill|$)", target["query"])[0]
                named = target.get("alias", "")
                assert all(f"$tag_{key}" in named for key in re.findall(r'"(\w+)"', groups)), (panel["title"], named)


@each_board
def test_links_lead_to_dashboards_that_exist(board):
    uids = {other["uid"] for other in DASHBOARDS.values()}
    assert {link["url"].removeprefix("/d/") for link in board["links"]} <= uids


@each_board
def test_every_variable_that_is_used_is_defined_and_the_other_way_round(board):
    defined = {variable["name"] for variable in board["templating"]["list"]}
    texts = [query.text for query in queries() if DASHBOARDS[query.dashboard] is board]
    used = set(re.findall(r"\$\{?(?!__|timeFilter|tag_)(\w+)", " ".join(texts)))
    assert used == defined


@each_query
def test_a_query_names_only_what_the_gateway_writes(query):
    measurements, names = names_in(filled(query))
    assert measurements
    assert measurements <= SCHEMA.keys()
    for measurement in measurements:
        assert names <= SCHEMA[measurement].keys | SCHEMA[measurement].fields, measurement


@each_query
def test_a_query_can_find_something(query):
    """Each comparison of a tag is true for at least one value that the plant has."""
    measurements, _ = names_in(filled(query))
    for key, operator, operand in comparisons(filled(query)):
        values = set().union(*(SCHEMA[measurement].values[key] for measurement in measurements))
        if key == "type":  # of events: the names are the OPC UA server's, tests/integration looks for them
            continue
        match operator:
            case "=":
                assert operand in values, (key, operand)
            case "=~":
                for alternative in alternatives(operand):
                    assert any(re.search(alternative, value) for value in values), (key, alternative)
            case "!~":
                assert any(not re.search(operand, value) for value in values), (key, operand)


@each_query
def test_a_query_is_bounded_by_the_window_and_draws_silence_as_silence(query):
    if query.place.startswith("variable"):
        assert query.text.startswith("SHOW TAG VALUES FROM ")
        return
    assert "$timeFilter" in query.text or "time <= ${__to}ms" in query.text
    if "GROUP BY time" in query.text:
        assert re.search(r"fill\((none|previous)\)$", query.text)


def test_the_source_reads_url_database_and_token_from_the_environment():
    assert SOURCE["type"] == "influxdb"
    assert SOURCE["uid"] == "conche-influxql"
    assert SOURCE["url"] == "$INFLUX_URL"
    assert SOURCE["jsonData"]["dbName"] == "$INFLUX_DATABASE"
    assert SOURCE["jsonData"]["httpHeaderName1"] == "Authorization"
    assert SOURCE["secureJsonData"]["httpHeaderValue1"] == "Token $INFLUX_TOKEN"


def test_the_compose_file_gives_grafana_what_the_provisioning_asks_for():
    grafana = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    targets = dict(reversed(volume.split(":")[:2]) for volume in grafana["volumes"])
    assert targets[PROVIDER["options"]["path"]] == "./dashboards"
    assert targets["/etc/grafana/provisioning"] == "./dashboards/provisioning"
    asked = set(re.findall(r"\$([A-Z_]+)", (PROVISIONING / "datasources" / "conche.yaml").read_text()))
    assert asked <= grafana["environment"].keys()
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(PROVIDER["options"]["path"])
    assert home.stem in DASHBOARDS
