"""A change of settings touches what changed and nothing else; what takes a restart is refused where it stands."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conche.config import load
from gateway.reload import Fate, Plan, chosen, gone, parse_change, plan
from gateway.settings import GatewaySettings, SettingsError, parse

DEMO = Path(__file__).parents[3] / "config/gateway/demo.yaml"
Data = dict[str, Any]

BEFORE = load(DEMO, {}).data


def changed(change: Callable[[Data], object]) -> GatewaySettings:
    data = copy.deepcopy(BEFORE)
    change(data)
    return parse_change(data, parse(BEFORE))


def planned(change: Callable[[Data], object]) -> Plan:
    return plan(parse(BEFORE), changed(change))


def touched(found: Plan) -> dict[str, Fate]:
    return {name: fate for name, fate in (found.sources | found.sinks).items() if fate is not Fate.KEPT}


def test_the_same_settings_touch_nothing() -> None:
    assert planned(lambda _: None).words() == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["sources"][0].update(include=["Machines/**"]), ("source plant is adjusted",)),
        (lambda d: d["sources"][0].update(queue_size=50, sampling_interval_ms=100), ("source plant is adjusted",)),
        (lambda d: d["sources"][0].update(items=[{"match": ["**"], "deadband": "2 %"}]), ("source plant is adjusted",)),
        (lambda d: d["sources"][0].update(backfill={"enabled": False}), ("source plant is adjusted",)),
        (lambda d: d["sources"][0].update(url="opc.tcp://127.0.0.1:4841"), ("source plant is replaced",)),
        (lambda d: d["sources"][0].update(queue_size=50, security={"user": "x"}), ("source plant is replaced",)),
        (lambda d: d["sources"][0].update(name="other"), ("source plant is gone", "source other is new")),
        (lambda d: d["sinks"][1].update(topic="{line}/{station}/{group}/{tag}"), ("sink uns is replaced",)),
        (lambda d: d["sinks"][1]["broker"].update(keep_alive_s=9), ("sink uns is replaced",)),
        (lambda d: d["sinks"].pop(2), ("sink sparkplug is gone",)),
        (lambda d: d["sinks"].append({"kind": "historian", "name": "second"}), ("sink second is new",)),
        (lambda d: d["sinks"][0].update(retention_s=60), ("sink historian is replaced", "page changed")),
        (lambda d: d.update(delivery={"flush_ms": 5}), ("delivery changed",)),
        (lambda d: d["rules"].pop(), ("rules changed",)),
        (lambda d: d["contacts"]["suppliers"]["Beans"].update(name="Bohne"), ("rules changed",)),
        (lambda d: d["notify"].update(attempts=5), ("notify changed",)),
        (lambda d: d["notify"].update({"from": "a@b.example"}), ("rules changed", "notify changed")),
        (lambda d: d["page"].update(title="Line 2"), ("page changed",)),
    ],
)
def test_only_what_changed_is_touched(change: Callable[[Data], object], words: tuple[str, ...]) -> None:
    assert planned(change).words() == words


def test_the_order_in_the_file_is_no_change() -> None:
    assert touched(planned(lambda d: d["sinks"].reverse())) == {}


def test_other_names_touch_all_who_use_names_and_leave_the_history_alone() -> None:
    found = planned(lambda d: d["naming"]["constants"].update(site="hamburg"))
    assert touched(found) == {"uns": Fate.REPLACED, "sparkplug": Fate.REPLACED}
    assert found.sinks["historian"] is Fate.KEPT
    assert found.page


def test_what_is_replaced_ends_and_begins() -> None:
    new = changed(lambda d: d["sinks"][1].update(client_id="other"))
    found = plan(parse(BEFORE), new)
    assert gone(found.sinks) == ["uns"]
    assert [sink.name for sink in chosen(new.sinks, found.sinks)] == ["uns"]


@pytest.mark.parametrize(
    ("section", "setting", "value"),
    [
        ("page", "port", 8099),
        ("page", "host", "::1"),
        ("page", "enabled", False),
        ("journal", "max_bytes", 1 << 24),
        ("journal", "retention_s", 60),
    ],
)
def test_what_takes_a_restart_is_refused_where_it_stands(section: str, setting: str, value: object) -> None:
    with pytest.raises(SettingsError) as caught:
        changed(lambda d: d.setdefault(section, {}).update({setting: value}))
    (problem,) = caught.value.problems
    assert problem.path == (section, setting)
    assert "restart" in problem.message


def test_everything_that_takes_a_restart_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        changed(lambda d: (d.update(state="elsewhere"), d["page"].update(port=1)))
    assert [problem.path for problem in caught.value.problems] == [("state",), ("page", "port")]
