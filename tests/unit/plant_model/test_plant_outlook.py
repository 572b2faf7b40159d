"""A study looks ahead from one moment of each case: bands, what came, when a case falls behind, what runs out."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from support_plant import DAY, plant_data

from plant_model.incidents import FaultAt, Incident
from plant_model.outlook import LookAhead, Outlook, OutlookTask, outlook, shortfall
from plant_model.plant import Plant
from plant_model.scenario import parse_study
from plant_model.spec import SpecError, parse
from plant_model.statistics import band, ranked_band

SETTINGS = LookAhead(at_h=6.0, hours=48.0, step_h=4.0, futures=9, series=("Throughput", "Tanks", "Beans"))


LONG_REPAIR = FaultAt(at_h=6.0, machine="Mixing", fault="RefinerFault", repair_h=24.0)


def fresh(*incidents: Incident, technicians: int = 1) -> Outlook:
    data = plant_data()
    data["workers_per_shift"]["Technician"] = technicians
    return outlook(OutlookTask(parse(data), incidents, 5, 3.0, SETTINGS))


ahead = cache(fresh)


def hours_until_behind(one: Outlook, base: Outlook) -> float:
    gaps = zip(SETTINGS.steps, shortfall(one, base, 0.95), strict=True)
    return next((hour for hour, gap in gaps if gap.significant and gap.mean < -500.0), math.inf)


def test_a_repair_that_takes_long_is_seen_before_it_is_felt() -> None:
    """Conches and tanks cover a stop of the refiner for hours; the futures know already that it will not last."""
    base, hit = ahead(technicians=2), ahead(LONG_REPAIR, technicians=2)
    assert 8.0 <= hours_until_behind(hit, base) <= 24.0
    assert hit.bands["Tanks"][6].p50 < base.bands["Tanks"][6].p50 - 1000.0
    assert len(hit.came["Throughput"]) == len(hit.bands["Throughput"]) == 12


def test_the_only_technician_at_a_long_repair_is_missed_at_once() -> None:
    assert hours_until_behind(ahead(LONG_REPAIR), ahead()) <= 8.0


def test_the_same_look_ahead_is_the_same_to_the_last_bit() -> None:
    assert fresh() == ahead()


def test_without_deliveries_a_stock_lasts_as_long_as_stock_by_usage() -> None:
    data = plant_data()
    data["policies"]["Beans"] = {"suppliers": ["HafenKakao"], "reorder_kg": 0, "quantity_kg": 36000}
    settings = replace(SETTINGS, at_h=96.0, hours=264.0)
    band = outlook(OutlookTask(parse(data), (), 5, 3.0, settings)).runs_out["Beans"]
    plant = Plant(parse(data), 5)
    plant.advance(7 * DAY)
    usage = 20_500.0 / 168.0  # kg/h, by the plant file
    assert band.p50 == pytest.approx(plant.state.buffers["Beans"].level / usage, rel=0.25)
    assert band.p10 <= band.p50 <= band.p90
    assert math.isinf(ahead().runs_out["Beans"].p10)


@pytest.mark.parametrize(
    ("settings", "path", "words"),
    [
        ({"series": ["Tank"]}, "series|0", "is no series; there are Output, Throughput, Tanks"),
        ({"step_h": 30}, "step_h", "is beyond the end, 24 h"),
        ({"futures": 5}, "futures", "must be at least 9, is 5"),
        ({"at_h": 999}, "at_h", "comes after the end, 672 h after the warm-up"),
    ],
)
def test_a_look_ahead_that_makes_no_sense_is_refused(settings: dict[str, Any], path: str, words: str) -> None:
    good = {"at_h": 0, "hours": 24, "series": ["Throughput"]}
    study = {"title": "T", "plant": "p", "scenarios": {"A": {}}, "look_ahead": good | settings}
    with pytest.raises(SpecError) as error:
        parse_study(study, plant_data())
    found = {"|".join(map(str, problem.path)): problem.message for problem in error.value.problems}
    assert words in found[f"look_ahead|{path}"]


def test_ranks_are_the_quantiles_and_know_what_never_comes() -> None:
    values = [float(value) for value in range(49, 0, -1)]
    assert ranked_band(values) == band(values)
    assert ranked_band([1.0] * 3 + [math.inf] * 6) == (1.0, math.inf, math.inf)


def test_what_happens_later_is_not_foreseen_but_comes() -> None:
    later = FaultAt(at_h=10.0, machine="Moulding", fault="DepositorFault", repair_h=10.0)
    base, hit = ahead(), ahead(later)
    assert hit.bands == base.bands
    assert sum(hit.came["Throughput"]) < sum(base.came["Throughput"])
