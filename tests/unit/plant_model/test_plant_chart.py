"""The control chart of the temper index warns of a drift before the first bars are rejected for it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from support_plant import DAY, HOUR, WEEK, plant_data, shipped

from plant_model.control_chart import Chart, ChartSpec
from plant_model.events import PlantEvent
from plant_model.plant import Plant
from plant_model.signals import Reader, signals
from plant_model.spec import SpecError, parse

SPEC = shipped()
RULES = SPEC.stations.Tempering.chart
TARGET = 5.0


def read(plant: Plant) -> dict[str, Any]:
    return dict(zip((signal.node for signal in signals(SPEC)), Reader(SPEC).read(plant)[0], strict=True))


@cache
def drifted() -> tuple[Plant, list[PlantEvent], dict[str, float]]:
    """A plant in which the index drifts: what it told until the stop, and when first what happened."""
    plant = Plant(SPEC, 2)
    plant.advance(3 * DAY)
    tempering, hopper = plant.state.units["Tempering"], plant.state.buffers["Hopper"]
    tempering.failures["TemperDrift"].remaining = 3 * HOUR
    count, told, first = tempering.failures["TemperDrift"].count, list[PlantEvent](), dict[str, float]()
    while tempering.failures["TemperDrift"].count == count:
        told += plant.advance(plant.now + 60)
        if read(plant)["Line1.Tempering.Status.Warning"] == "Drift":
            first.setdefault("warning", plant.now)
        if any(lot.temper < SPEC.stations.Tempering.temper_index[0] for lot in (*hopper.lots, *hopper.transit)):
            first.setdefault("bad mass", plant.now)
    return plant.fork(), told, first


def test_the_mean_forgets_by_its_weight() -> None:
    chart = Chart(TARGET)
    for value in (6.0, 5.0):
        chart.add(RULES, TARGET, value, 0.0)
    assert chart.mean == pytest.approx(TARGET + RULES.weight * (1.0 - RULES.weight))


def test_the_limits_are_so_many_standard_deviations_of_the_mean() -> None:
    draws = np.random.default_rng(1).normal(TARGET, RULES.sd, 20_000)
    chart, means = Chart(TARGET), list[float]()
    for value in draws.tolist():
        chart.add(RULES, TARGET, value, 0.0)
        means.append(chart.mean)
    assert RULES.width * np.std(means) == pytest.approx(RULES.room, rel=0.03)
    assert chart.warnings < 8, "a false alarm in ten weeks at most"


def test_it_warns_once_of_a_drift_and_says_how_far_ahead() -> None:
    chart = Chart(TARGET)
    warned = [chart.add(RULES, TARGET, TARGET - 0.1 * i, 60.0 * i) for i in range(8)]
    assert sum(warned) == chart.warnings == 1
    chart.judge(outside=True, now=600.0)
    chart.judge(outside=True, now=660.0)
    assert (chart.troubles, chart.heralded) == (1, 1)
    assert chart.ahead_s == 600.0 - 60.0 * warned.index(True)


def test_a_jump_out_of_the_limits_was_not_warned_of() -> None:
    chart = Chart(TARGET)
    chart.judge(outside=True, now=10.0)
    assert (chart.troubles, chart.heralded, chart.ahead_s) == (1, 0, 0.0)


def test_a_drift_is_told_before_the_bars_are_rejected() -> None:
    _, told, first = drifted()
    (event,) = [event for event in told if event.kind == "process_warning"]
    assert event.source == ("Machines", "ChocolateLine1", "Components", "Tempering")
    assert event.fields["Tag"] == "TemperIndex"
    assert event.fields["Value"] < event.fields["Limit"] == pytest.approx(TARGET - RULES.room)
    assert event.time <= first["warning"] <= event.time + 60
    assert first["bad mass"] > event.time + 0.5 * HOUR, "it is moulded and rejected still later"


def test_mean_and_limits_are_tags() -> None:
    plant, _, _ = drifted()
    shown = {node.rsplit("TemperIndex")[1]: value for node, value in read(plant).items() if "Tempering.Quality" in node}
    assert shown["Mean"] < shown["WarningLow"] == pytest.approx(TARGET - RULES.room, abs=1e-3)
    assert shown["WarningHigh"] == pytest.approx(TARGET + RULES.room, abs=1e-3)


def test_after_the_reheat_the_chart_begins_anew() -> None:
    plant = drifted()[0].fork()
    chart, processed = plant.state.units["Tempering"].chart, plant.state.units["Tempering"].ledger.processed
    assert chart is not None  # this machine keeps one
    while plant.state.units["Tempering"].ledger.processed == processed:
        plant.advance(plant.now + 600)
    assert chart.mean == pytest.approx(TARGET, abs=0.2)
    assert read(plant)["Line1.Tempering.Status.Warning"] == ""


def test_every_drift_of_a_season_is_warned_of_and_hardly_anything_else() -> None:
    data = plant_data()
    data["stations"]["Tempering"]["failures"]["TemperDrift"]["mtbf_h"] = 40
    plant = Plant(parse(data), 3)
    plant.advance(6 * WEEK)
    chart = plant.state.units["Tempering"].chart
    assert chart is not None  # this machine keeps one
    assert chart.heralded == chart.troubles > 5
    assert chart.warnings <= chart.troubles + 2
    assert 0.4 < chart.ahead_s / chart.heralded / HOUR < 2.0


def test_a_chart_that_never_moves_is_refused() -> None:
    data = plant_data()
    data["stations"]["Tempering"]["chart"]["weight"] = 0
    with pytest.raises(SpecError, match="must be above 0, or the chart never moves"):
        parse(data)
    assert ChartSpec(weight=1.0, width=3.0, sd=0.1).room == pytest.approx(0.3), "a Shewhart chart"
