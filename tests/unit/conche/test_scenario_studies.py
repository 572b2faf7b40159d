"""What the shipped studies state in their descriptions holds in runs of them, shortened."""

from __future__ import annotations

from functools import cache

import pytest
from support_plant import FILE

from conche.scenario import load_study
from plant_model.activity import Activity
from plant_model.measures import PART
from plant_model.replications import Outcome, Run, Task, bottleneck, replicate, seed_of
from plant_model.scenario import Case

FOLDER = FILE.parents[1] / "scenarios"
WEEK_D = 7.0


@cache
def run(study: str, case: str, weeks: int) -> Run:
    """A replication of a case, of some weeks after one."""
    found = case_of(study, case)
    return replicate(Task(found.spec, found.incidents, seed_of(1, 0), WEEK_D, weeks * WEEK_D))


@cache
def cases(study: str) -> dict[str, Case]:
    return {case.name: case for case in load_study(FOLDER / f"{study}.yaml", {}).cases}


def case_of(study: str, name: str) -> Case:
    return cases(study)[name]


def figure(study: str, measure: str, case: str = "Base", weeks: int = 2) -> float:
    return run(study, case, weeks).figures[measure]


def gain(study: str, measure: str, case: str, weeks: int = 2) -> float:
    """By how much a measure of a case is above that of the base case, as a share of it."""
    return figure(study, measure, case, weeks) / figure(study, measure, weeks=weeks) - 1.0


def limit(study: str, case: str = "Base") -> str:
    return bottleneck(Outcome(case_of(study, case), (run(study, case, 2),))).station


def share(study: str, machine: str, activity: Activity, case: str = "Base") -> float:
    times = run(study, case, 2).times[machine]
    return times[activity] / sum(times)


def test_bottleneck() -> None:
    """Conches are the bottleneck, a fourth moves it to moulding, and faster moulding moves it upstream again."""
    assert limit("bottleneck") == limit("bottleneck", "Two conches") == "Conching"
    assert gain("bottleneck", "Throughput", "Two conches") < -0.2
    assert gain("bottleneck", "Throughput", "Four conches") > 0.1
    assert limit("bottleneck", "Four conches, fast moulding") != "Moulding"


def test_machine_failures() -> None:
    """Failures cost output, and without them the plant makes more; buffers hide a part."""
    assert gain("machine_failures", "Throughput", "No failures") > 0.02
    assert gain("machine_failures", "Throughput", "Twice the failures") < -0.02


def test_demand() -> None:
    """S2: above the capacity the backlog grows and service falls."""
    december = run("demand", "December", 4)
    assert december.figures["Fill rate"] < 60.0
    backlog = december.days["Backlog"]
    assert backlog[7] < backlog[14] < backlog[21] < backlog[27]


def test_refiner_repair() -> None:
    """S1: repairs that take four times as long keep machines down for longer; the technician is missed elsewhere."""
    assert gain("refiner_repair", "Throughput", "Slow repairs") < -0.01
    alone, pair = ("Down for 16 h, one technician", "Down for 16 h")
    assert figure("refiner_repair", "Wait for technician", alone) > figure(
        "refiner_repair", "Wait for technician", pair
    )


def test_late_beans() -> None:
    """S3: without a second source the beans run out; the dealer helps if he is asked in time."""
    late, in_time = (figure("late_beans", "Out of material", case, 7) for case in ("Late", "Late, dealer in time"))
    assert late > in_time + 5.0


def test_wet_beans() -> None:
    """S4: wet beans roast longer; where roasting is the bottleneck they cost output."""
    assert gain("wet_beans", f"{PART}gas", "Wet beans") > 0.04
    assert abs(gain("wet_beans", "Throughput", "Wet beans")) < 0.04
    dark, wet = (f"Four conches, mostly dark{end}" for end in ("", ", wet beans"))
    assert limit("wet_beans", wet) == "Roasting"
    assert figure("wet_beans", "Throughput", wet, 4) < 0.98 * figure("wet_beans", "Throughput", dark, 4)


def test_temper_drift() -> None:
    """S5: a drift stops tempering, and moulding starves."""
    calm, often = (
        share("temper_drift", "Moulding", Activity.Starved, case) for case in ("No drift", "Drifts more often")
    )
    assert often > calm
    assert share("temper_drift", "Tempering", Activity.Breakdown, "Drifts more often") > 0.02


def test_changeovers() -> None:
    """S6: OEE rises against NEE, to which setup is no loss."""
    oee, nee = (gain("changeovers", measure, "Quick changeovers") for measure in ("OEE", "NEE"))
    assert oee > nee + 0.01
    assert abs(nee) < 0.03


def test_campaigns() -> None:
    """S6: longer campaigns tie up stock; shorter ones need less of it and more setups."""
    assert gain("campaigns", "Finished goods", "Double campaigns", 4) > 0.05
    assert gain("campaigns", "Finished goods", "Half campaigns", 4) < -0.05


def test_technicians() -> None:
    """S8: the waiting goes, the repairs are as long as before; a second technician costs more than he brings."""
    for case in ("Two technicians", "Packers repair"):
        assert gain("technicians", "Wait for technician", case) < -0.7
        assert abs(gain("technicians", "Repair", case)) < 0.25
    assert gain("technicians", "Cost per case", "Two technicians") > 0.0


def test_night_shift() -> None:
    """S9: a third of the hours is less than a third of the output, as the conches run on."""
    with_conches, without = (
        gain("night_shift", "Throughput", case) for case in ("No night shift", "No night shift, conches rest")
    )
    assert -1.0 / 3.0 < with_conches < -0.15
    assert without < with_conches


def test_bean_price() -> None:
    """S10: 12.6 % on beans are 0.24 USD on a kilogram of dark, 0.12 on milk, nothing on white; nothing else changes."""
    base, dearer = (case_of("bean_price", name) for name in ("Base", "Beans 12.6 % dearer"))
    usd = dict(zip(base.spec.products, (0.0, 0.12, 0.24), strict=True))
    mean = sum(product.share * usd[name] for name, product in base.spec.products.items())
    expected = mean * base.spec.case_kg * base.spec.costs.eur_per_usd
    rise = figure("bean_price", f"{PART}material", dearer.name) - figure("bean_price", f"{PART}material")
    assert rise == pytest.approx(expected, rel=0.25)
    assert gain("bean_price", "Throughput", dearer.name) == 0.0


def test_wrapper_buffer() -> None:
    """The larger the buffer, the more leaves the line; moulding, not what comes before, sets the pace."""
    throughput = [figure("wrapper_buffer", "Throughput", case) for case in ("One lot", "Base", "Four times as large")]
    assert throughput == sorted(throughput)
    assert throughput[-1] > 1.02 * throughput[0]
    assert limit("wrapper_buffer") == "Moulding"
