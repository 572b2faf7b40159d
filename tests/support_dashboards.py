"""The dashboards, their queries, and the schema that the demo writes into InfluxDB."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conche.config import load
from conche.site import load_model
from gateway.naming import Naming, NamingSettings
from plant_model.signals import signals

ROOT = Path(__file__).parents[1]
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((ROOT / "dashboards").glob("*.json"))}
TAG_KEYS = ("site", "line", "station", "tag", "unit")


@dataclass(frozen=True)
class Query:
    """One InfluxQL query of a dashboard and where it stands."""

    dashboard: str
    place: str
    text: str

    def filled(self, start_ms: int, end_ms: int, interval: str, variables: Mapping[str, str]) -> str:
        """As Grafana would send it."""
        text = self.text.replace("$timeFilter", f"time >= {start_ms}ms and time <= {end_ms}ms")
        text = text.replace("$__interval", interval).replace("${__from}", str(start_ms)).replace("${__to}", str(end_ms))
        for name, value in variables.items():
            text = text.replace(f"${name}", value)
        return text


def queries() -> list[Query]:
    """Every query of every dashboard: variables, annotations, panels."""
    return [Query(name, place, text) for name, board in DASHBOARDS.items() for place, text in _queries(board)]


def _queries(board: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for variable in board["templating"]["list"]:
        yield f"variable {variable['name']}", variable["query"]["query"]
    for annotation in board["annotations"]["list"]:
        if "target" in annotation:
            yield f"annotation {annotation['name']}", annotation["target"]["query"]
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            yield f"panel {panel['title']} {target['refId']}", target["query"]


@dataclass
class Measurement:
    """What a measurement has: tag keys, field keys, and the values of each tag."""

    keys: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)
    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def schema() -> dict[str, Measurement]:
    """The measurements of the demo, from the plant's signals and the gateway's naming."""
    measurements: dict[str, Measurement] = defaultdict(Measurement)
    data = load(ROOT / "config/gateway/demo.yaml", os.environ).data
    naming = Naming(NamingSettings.model_validate(data["naming"]))
    for signal in signals(load_model(ROOT / "config/plant/choco.yaml", os.environ)):
        names = naming.names(signal.path)
        measurement = measurements[names["group"]]
        measurement.fields |= {"value", "text", "status"}
        for key in TAG_KEYS:
            measurement.keys.add(key)
            measurement.values[key].add(names.get(key, ""))
    measurements["event"].keys |= {"source", "source_name", "type", "severity_class"}
    measurements["event"].fields |= {"message", "severity"}
    return dict(measurements)


def names_in(query: str) -> tuple[set[str], set[str]]:
    """The measurements and the other quoted names of a query, less those that it makes itself with AS."""
    plain = re.sub(r"/(?:\\.|[^/])*/|'[^']*'", "", query)
    clause = re.search(r'\bFROM\s+((?:"[^"]+"(?:,\s*)?)+)', plain)
    measurements = set(re.findall(r'"([^"]+)"', clause[1])) if clause else set()
    rest = plain.replace(clause[1], "") if clause else plain
    made = set(re.findall(r'\bAS\s+"([^"]+)"', rest))
    return measurements, set(re.findall(r'"([^"]+)"', rest)) - made


def comparisons(query: str) -> list[tuple[str, str, str]]:
    """Every `"key" = 'text'` and `"key" =~ /pattern/` of a query as key, operator, operand."""
    found = re.findall(r"\"(\w+)\"\s*(=~|!~|!=|=)\s*('[^']*'|/(?:\\.|[^/])*/)", query)
    return [(key, operator, operand[1:-1]) for key, operator, operand in found]
