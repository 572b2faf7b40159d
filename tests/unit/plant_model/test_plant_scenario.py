"""Scenarios change the plant by path, meet the same luck as the base case, and come out the same wherever they run."""

from __future__ import annotations

import math
import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from support_plant import DAY, plant_data

from plant_model.activity import Activity
from plant_model.incidents import FaultAt
from plant_model.plant import Plant
from plant_model.replications import Outcome, Task, compare, mean_days, mean_shares, replicate, run_study, seed_of
from plant_model.scenario import BASE, Study, parse_study
from plant_model.spec import SpecError, parse


def study_data(**facts: Any) -> dict[str, Any]:
    short = {"title": "Test", "plant": "choco.yaml", "warm_up_d": 0.5, "length_d": 1.0, "replications": 2}
    return short | {"scenarios": {"Four": {"set": {"stations.Conching.machines": 4}}}} | facts


def study(**facts: Any) -> Study:
    return parse_study(study_data(**facts), plant_data())


def complaints(scenario: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SpecError) as error:
        study(scenarios={"A": scenario})
    return {"|".join(map(str, problem.path)): problem.message for problem in error.value.problems}


class Serial(Executor):
    """Runs a task when it is submitted."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


class Far(Serial):
    """As a cluster: what is sent and what comes back goes as bytes, and the last task is done first."""

    def __init__(self) -> None:
        self._held: list[tuple[Future[Any], bytes]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._held.append((future, pickle.dumps((fn, args, kwargs))))
        if len(self._held) == 4:
            for waiting, task in reversed(self._held):
                function, positional, named = pickle.loads(task)
                waiting.set_result(pickle.loads(pickle.dumps(function(*positional, **named))))
        return future


def outcomes(executor: Executor) -> tuple[Outcome, ...]:
    with executor:
        return run_study(study(), executor, lambda: None)


def test_the_result_is_the_same_wherever_it_runs() -> None:
    serial = outcomes(Serial())
    assert outcomes(ThreadPoolExecutor(3)) == serial
    assert outcomes(Far()) == serial
    assert outcomes(ProcessPoolExecutor(2, get_context("spawn"))) == serial


def test_all_cases_meet_the_same_luck() -> None:
    """A scenario that changes nothing is the base case, replication by replication."""
    same = study(scenarios={"Same": {"scale": {"stations.Moulding.rate_kg_h": 1}}})
    base, other = run_study(same, Serial(), lambda: None)
    assert base.runs == other.runs
    differences = [row.difference for row in compare(other, base, 0.95)]
    assert {one.mean for one in differences if not math.isnan(one.mean)} == {0.0}
    assert not any(one.significant for one in differences)


def test_replications_differ_and_seeds_decide() -> None:
    case = study().cases[0]
    first, again, other = (replicate(Task(case.spec, (), seed_of(1, i), 0.1, 0.5)) for i in (0, 0, 1))
    assert first == again
    assert first != other
    assert seed_of(1, 0) != seed_of(2, 0)


def test_progress_is_told_after_each_run() -> None:
    told: list[int] = []
    run_study(study(), Serial(), lambda: told.append(1))
    assert len(told) == 4


def test_a_change_reaches_every_place_its_path_names() -> None:
    case = study(
        base={"scale": {"demand.classes.*.per_day": 2}},
        scenarios={
            "A": {
                "set": {"suppliers.HafenKakao.lead_d": 20, "calendar.shifts": ["06-14"], "demand.season.Aug": 0.5},
                "scale": {"stations.*.failures.*.mttr_h": 3, "products.White.initial_cases": 1.5},
            }
        },
    ).cases[1]
    before = parse(plant_data())
    assert case.spec.suppliers["HafenKakao"].lead_d == 20
    assert case.spec.calendar.shifts == ("06-14",)
    assert case.spec.demand.season["Aug"] == 0.5
    assert case.spec.demand.classes["Retail"].per_day == 2 * before.demand.classes["Retail"].per_day
    assert case.spec.products["White"].initial_cases == 1350
    for name in ("Cleaning", "Moulding"):
        for fault, mode in before.stations[name].failures.items():
            assert case.spec.stations[name].failures[fault].mttr_h == pytest.approx(3 * mode.mttr_h)


def test_the_base_case_stays_as_it_is() -> None:
    cases = study().cases
    assert cases[0].name == BASE
    assert cases[0].spec == parse(plant_data())
    assert cases[1].spec.stations.Conching.machines == 4


def test_every_mistake_is_told_with_its_path_and_what_there_is() -> None:
    found = complaints(
        {
            "set": {"stations.Conching.machins": 4, "stations.Drying.power_kw": 1},
            "scale": {"name": 2, "demand.klasses.*.per_day": 2},
            "faults": [{"at_h": 1, "machine": "Mixr", "fault": "X"}, {"at_h": 1, "machine": "Mixing", "fault": "X"}],
        }
    )
    assert "did you mean machines?" in found["scenarios|A|set|stations.Conching.machins"]
    assert "stations has no 'Drying'; it has Cleaning" in found["scenarios|A|set|stations.Drying.power_kw"]
    assert found["scenarios|A|scale|name"] == "holds no number to scale"
    assert "demand has no 'klasses'" in found["scenarios|A|scale|demand.klasses.*.per_day"]


def test_a_strange_fault_is_told() -> None:
    found = complaints({"faults": [{"at_h": 1, "machine": "Mixr", "fault": "X"}]})
    assert "no machine 'Mixr'; there are Cleaning" in found["scenarios|A|faults|0|machine"]
    found = complaints({"faults": [{"at_h": 1, "machine": "Mixing", "fault": "X"}]})
    assert "Mixing has no fault 'X'; it has RefinerFault" in found["scenarios|A|faults|0|fault"]


def test_a_change_that_makes_an_impossible_plant_is_told_at_the_change() -> None:
    found = complaints({"set": {"buffers.LiquorTank.capacity_kg": 10}})
    assert "below a batch" in found["scenarios|A|set|buffers.LiquorTank.capacity_kg"]


@pytest.mark.parametrize(
    ("facts", "path"),
    [
        ({"replications": 1}, "replications"),
        ({"scenarios": {}}, "scenarios"),
        ({"scenarios": {BASE: {}}}, "scenarios|Base"),
        ({"lenght_d": 3}, "lenght_d"),
        ({"confidence": 95}, "confidence"),
    ],
)
def test_a_study_that_makes_no_sense_is_refused(facts: dict[str, Any], path: str) -> None:
    with pytest.raises(SpecError) as error:
        study(**facts)
    assert path in ["|".join(map(str, problem.path)) for problem in error.value.problems]


def test_faults_come_when_they_are_due_and_after_a_repair_where_the_machine_stands_already() -> None:
    case = study().cases[0]
    faults = (FaultAt(at_h=2.5, machine="Mixing", fault="RefinerFault"),) * 2
    calm, hit = (replicate(Task(case.spec, some, 5, 0.25, 2.0)) for some in ((), faults))
    stops = (Activity.MinorStop, Activity.Breakdown)
    assert sum(hit.times["Mixing"][i] for i in stops) > sum(calm.times["Mixing"][i] for i in stops)
    assert sum(hit.times["Mixing"]) == pytest.approx(2 * DAY)


def test_looking_every_hour_does_not_disturb_the_plant() -> None:
    case = study().cases[0]
    run = replicate(Task(case.spec, (), 3, 0.5, 1.0))
    plant = Plant(case.spec, 3)
    plant.advance(0.5 * DAY)
    before = plant.state.books.good_mass
    plant.advance(1.5 * DAY)
    assert run.figures["Throughput"] == (plant.state.books.good_mass - before) / 24.0


def test_series_and_shares_are_of_the_whole_time() -> None:
    base, _ = run_study(study(length_d=3.0), Serial(), lambda: None)
    assert len(mean_days(base, "Beans")) == 3
    for shares in mean_shares(base).values():
        assert sum(shares) == pytest.approx(1.0)
    value = next(row.value.mean for row in compare(base, base, 0.95) if row.measure.name == "Throughput")
    assert sum(mean_days(base, "Throughput")) / 3 == pytest.approx(value)
