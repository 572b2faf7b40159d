"""What the shipped studies state in their descriptions holds in runs of them, shortened."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
from support_plant import FILE

from conche.scenario import load_study
from plant_model.activity import Activity
from plant_model.measures import PART
from plant_model.outlook import Outlook, OutlookTask, outlook, shortfall
from plant_model.replications import Outcome, Run, Task, bottleneck, replicate, seed_of
from plant_model.scenario import Case, Study
from plant_model.statistics import Estimate, paired

FOLDER = FILE.parents[1] / "scenarios"
WEEK_D = 7.0
FUTURES = 19


@cache
def run(study: str, case: str, weeks: int, number: int = 0, warm_up_d: float = WEEK_D) -> Run:
    """A replication of a case, of some weeks after the warm-up; all cases of a number meet the same luck."""
    found = case_of(study, case)
    return replicate(Task(found.spec, found.incidents, seed_of(1, number), warm_up_d, weeks * WEEK_D))


@cache
def studies(name: str) -> Study:
    return load_study(FOLDER / f"{name}.yaml", {})


def case_of(study: str, name: str) -> Case:
    return next(case for case in studies(study).cases if case.name == name)


def figure(study: str, measure: str, case: str = "Base", weeks: int = 2) -> float:
    return run(study, case, weeks).figures[measure]


def gain(study: str, measure: str, case: str, weeks: int = 2) -> float:
    """By how much a measure of a case is above that of the base case, as a share of it."""
    return figure(study, measure, case, weeks) / figure(study, measure, weeks=weeks) - 1.0


def difference(study: str, measure: str, case: str, other: str, weeks: int, runs: int) -> Estimate:
    """By how much a measure of a case is above that of another, run by run, and its interval of 95 %."""
    one, two = ([run(study, name, weeks, i).figures[measure] for i in range(runs)] for name in (case, other))
    return paired(one, two, 0.95)


def is_above(found: Estimate, limit: float = 0.0) -> bool:
    return found.mean - found.half_width > limit


def is_below(found: Estimate, limit: float = 0.0) -> bool:
    return found.mean + found.half_width < limit


def ahead(study: str, case: str) -> Outlook:
    """The look ahead of a case, of fewer futures than shipped."""
    found, settings = case_of(study, case), studies(study).settings.look_ahead
    assert settings is not None  # this study looks ahead
    return outlook(OutlookTask(found.spec, found.incidents, seed_of(1, 0), WEEK_D, replace(settings, futures=FUTURES)))


def limit(study: str, case: str = "Base", runs: int = 1) -> str:
    return bottleneck(Outcome(case_of(study, case), tuple(run(study, case, 2, i) for i in range(runs)))).station


def setup(study: str, machine: str, case: str, weeks: int) -> float:
    times = run(study, case, weeks).times[machine]
    return times[Activity.Changeover] + times[Activity.Cleaning]


def share(study: str, machine: str, activity: Activity, case: str = "Base") -> float:
    times = run(study, case, 2).times[machine]
    return times[activity] / sum(times)


def test_bottleneck() -> None:
    """Conches are the bottleneck, a fourth moves it to moulding, and faster moulding moves it upstream again."""
    assert limit("bottleneck") == limit("bottleneck", "Two conches") == "Conching"
    assert gain("bottleneck", "Throughput", "Two conches") < -0.2
    assert 0.4 < share("bottleneck", "Moulding", Activity.Starved, "Two conches") < 0.6
    four, fast = "Four conches", "Four conches, fast moulding"
    assert gain("bottleneck", "Throughput", four) > 0.1
    assert limit("bottleneck", four, 3) == "Moulding"
    assert limit("bottleneck", fast, 3) != "Moulding"
    gained = difference("bottleneck", "Throughput", fast, four, 2, 3)
    assert gained.mean < 0.05 * figure("bottleneck", "Throughput", four)


def test_machine_failures() -> None:
    """Failures cost output, and without them the plant makes more."""
    assert gain("machine_failures", "Throughput", "No failures") > 0.02
    assert gain("machine_failures", "Throughput", "Twice the failures") < -0.02


def failures(measure: str, case: str, other: str = "Base") -> Estimate:
    return difference("machine_failures", measure, case, other, 1, 8)


def test_better_wrappers_bring_little_and_better_conches_more() -> None:
    """What the constraint loses is lost; a stock of finished goods sums up the output since the warm-up."""
    usual = figure("machine_failures", "Throughput", weeks=1)
    assert is_below(failures("Throughput", "Better wrappers"), 0.02 * usual)
    assert is_above(failures("Finished goods", "Better conches"))
    assert is_above(failures("Finished goods", "Better conches", "Better wrappers"))


def test_conches_that_stand_cost_output() -> None:
    """Three drives that fail at once, or one conche of three under inspection for two days."""
    assert is_below(failures("Finished goods", "Three drives"))
    assert is_below(failures("Throughput", "Conche for inspection"))
    for number in range(8):
        assert not run("machine_failures", "Conche for inspection", 1, number).refused, "it was stopped and started"


def test_demand() -> None:
    """S2: above the capacity the backlog grows and service falls."""
    december = run("demand", "December", 4)
    assert december.figures["Fill rate"] < 60.0
    backlog = december.days["Backlog"]
    assert backlog[7] < backlog[14] < backlog[21] < backlog[27]


def test_demand_is_85_percent_of_the_capacity() -> None:
    spec = case_of("demand", "Base").spec
    cases = sum(one.per_day * (one.minimum_cases + one.mean_extra_cases) for one in spec.demand.classes.values())
    assert cases * spec.case_kg / 24.0 == pytest.approx(0.85 * figure("bottleneck", "Throughput"), rel=0.04)


def test_lumpy_orders_are_the_same_demand_in_larger_orders() -> None:
    usual, lumpy = (case_of("demand", name).spec.demand.classes["Wholesale"] for name in ("Base", "Lumpy orders"))
    mean, larger = (one.minimum_cases + one.mean_extra_cases for one in (usual, lumpy))
    assert larger == pytest.approx(4.0 * mean, rel=0.01)
    assert lumpy.per_day == usual.per_day / 4.0


def test_refiner_repair() -> None:
    """S1: slow repairs of the refiner cost output; breakdowns elsewhere wait for the technician who is at it."""
    assert gain("refiner_repair", "Throughput", "Slow repairs") < -0.01
    alone, pair = ("Down for 16 h, one technician", "Down for 16 h")
    assert figure("refiner_repair", "Wait for technician", alone) > 0.2
    assert figure("refiner_repair", "Wait for technician", pair) < 0.1


def test_a_look_ahead_shows_the_loss_before_it_occurs() -> None:
    """S1: when the refiner breaks, conches and tanks cover it for hours; the futures say when that will be over."""
    base, down = ahead("refiner_repair", "Base"), ahead("refiner_repair", "Down for 16 h")
    look_ahead = studies("refiner_repair").settings.look_ahead
    assert look_ahead is not None  # this study looks ahead
    lost = [hour for hour, gap in zip(look_ahead.steps, shortfall(down, base, 0.95), strict=True) if is_below(gap)]
    assert 6.0 <= min(lost) <= 36.0, "not at once, and not only after the look ahead"
    assert max(lost) == max(look_ahead.steps), "and it is not made up for"
    place = look_ahead.steps.index(min(lost))
    assert down.came["Output"][0] == base.came["Output"][0]
    assert down.came["Output"][-1] < base.came["Output"][-1], "what came then"
    assert down.bands["Tanks"][place].p50 < base.bands["Tanks"][place].p50, "the tanks are empty by then"


def test_late_beans() -> None:
    """S3: without a second source the beans run out; the dealer helps if he is asked in time."""
    late, in_time, too_late = (
        figure("late_beans", "Out of material", f"Late{case}", 7)
        for case in ("", ", dealer in time", ", dealer too late")
    )
    assert late > in_time + 5.0
    assert in_time + 1.0 < too_late < late


def test_wet_beans() -> None:
    """S4: wet beans roast longer; where roasting is the bottleneck they cost output."""
    assert gain("wet_beans", f"{PART}gas", "Wet beans") > 0.04
    assert abs(gain("wet_beans", "Throughput", "Wet beans")) < 0.04
    dark, wet = (f"Four conches, mostly dark{end}" for end in ("", ", wet beans"))
    material = [figure("wet_beans", f"{PART}material", case, 4) for case in (dark, wet)]
    assert material[1] > 1.003 * material[0], "they yield less"
    assert limit("wet_beans", wet) == "Roasting"
    assert figure("wet_beans", "Throughput", wet, 4) < 0.98 * figure("wet_beans", "Throughput", dark, 4)


def test_temper_drift() -> None:
    """S5: a drift stops tempering, and moulding starves."""
    calm, often = (
        share("temper_drift", "Moulding", Activity.Starved, case) for case in ("No drift", "Drifts more often")
    )
    assert often > calm
    assert share("temper_drift", "Tempering", Activity.Breakdown, "Drifts more often") > 0.02
    often_warned = run("temper_drift", "Drifts more often", 2).figures
    assert often_warned["Warned before rejects"] > 80.0
    assert 0.4 < often_warned[f"{PART}Hours ahead"] < 2.0
    assert figure("temper_drift", "Warnings", "No drift") < 0.2 * often_warned["Warnings"]


def test_changeovers() -> None:
    """S6: OEE rises against NEE, to which setup is no loss."""
    oee, nee = (gain("changeovers", measure, "Quick changeovers") for measure in ("OEE", "NEE"))
    assert oee > nee + 0.01
    assert abs(nee) < 0.03


def test_campaigns() -> None:
    """S6: longer campaigns tie up stock; shorter ones need less of it and more setups."""
    assert gain("campaigns", "Finished goods", "Double campaigns", 4) > 0.05
    assert gain("campaigns", "Finished goods", "Half campaigns", 4) < -0.05
    setups = [setup("campaigns", "Mixing", case, 4) for case in ("Double campaigns", "Base", "Half campaigns")]
    assert setups == sorted(setups)
    assert setups[2] > 1.3 * setups[1]
    assert abs(gain("campaigns", "OEE", "Half campaigns", 4)) < 0.04, "there is time for them"


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
    small, large = "One lot", "Four times as large"
    assert is_above(difference("wrapper_buffer", "Finished goods", large, "Base", 2, 5))
    blocked = [share("wrapper_buffer", "Moulding", Activity.Blocked, case) for case in (small, "Base", large)]
    assert blocked == sorted(blocked, reverse=True)
    assert blocked[2] < 0.02, "it works as if it were alone"
    starved = [share("wrapper_buffer", "Wrapper1", Activity.Starved, case) for case in (small, large)]
    assert starved[1] < starved[0], "nor do the wrappers stand still with it"
    assert limit("wrapper_buffer") == "Moulding"
