"""The report: one page that stands alone, colours for everything, figures no finer than they are known."""

from __future__ import annotations

import math
import re
from importlib import resources

import pytest
from support_plant import plant_data

from conche.report.bars import Bar, Part, Stack, bars, stacks
from conche.report.page import CHARTED, render
from conche.report.svg import Line as Curve
from conche.report.svg import ceiling, lines, short
from conche.report.time import ORDER
from conche.report.words import decimals, duration, headed, mean, plain, shown, signed, spread, verdict
from plant_model.activity import ACTIVITIES, Activity
from plant_model.costs import Costs
from plant_model.measures import MEASURES, Measure
from plant_model.outlook import OutlookTask, outlook
from plant_model.replications import Outcome, Row, Task, replicate, seed_of
from plant_model.scenario import Study, parse_study
from plant_model.statistics import Estimate

STYLE = resources.files("conche.report").joinpath("page.css").read_text()
UNKNOWN = math.nan


def row(value: Estimate, difference: Estimate, good: int = 1) -> Row:
    return Row(Measure("Output", "Throughput", "kg/h", good, lambda _: 0.0), value, difference)


def outcomes(study: Study) -> tuple[Outcome, ...]:
    s = study.settings
    seeds = [seed_of(s.seed, i) for i in range(s.replications)]
    return tuple(
        Outcome(
            case,
            tuple(replicate(Task(case.spec, case.incidents, seed, s.warm_up_d, s.length_d)) for seed in seeds),
            s.look_ahead and outlook(OutlookTask(case.spec, case.incidents, seeds[0], s.warm_up_d, s.look_ahead)),
        )
        for case in study.cases
    )


@pytest.fixture(scope="module")
def study() -> Study:
    data = {
        "title": "Repairs & <tanks>",
        "plant": "choco.yaml",
        "warm_up_d": 1,
        "length_d": 2,
        "replications": 2,
        "look_ahead": {"at_h": 5, "hours": 24, "futures": 9, "series": ["Throughput", "Tanks"]},
        "scenarios": {
            "Down": {"faults": [{"at_h": 5, "machine": "Moulding", "fault": "DepositorFault", "repair_h": 20}]},
            "No use": {"commands": [{"at_h": 5, "machine": "Cleaning", "command": "Clear"}]},
        },
    }
    return parse_study(data, plant_data())


@pytest.fixture(scope="module")
def page(study: Study) -> str:
    return render(study, outcomes(study))


def test_every_activity_cause_and_case_has_a_colour() -> None:
    assert sorted(ORDER) == sorted(Activity)
    kinds = [*ACTIVITIES, *(f"p{i}" for i in range(len(Costs._fields))), *(f"c{i}" for i in range(8))]
    coloured = set(re.findall(r"\.(\w+)(?:, \.\w+)* \{ --k:", STYLE))
    assert [kind for kind in kinds if kind not in coloured] == []
    colours = dict(re.findall(r"\.(\w+) \{ --k: (#\w+)", STYLE))
    assert len({colours[name] for name in ACTIVITIES}) == len(ACTIVITIES)


def test_the_page_needs_nothing_else_and_hides_nothing(page: str) -> None:
    assert not re.search(r"(src|href)=|@import|url\(", page)
    assert "Repairs &amp; &lt;tanks&gt;" in page
    assert not re.search(r"\bnan\b|\$\w", page)
    for measure in MEASURES:
        assert measure.name.removeprefix("… ").lower() in page.lower()


def test_the_page_tells_what_was_refused(page: str) -> None:
    assert "No use: Cleaning: Clear at 5 h was refused to the end in 2 of 2 replications: Cleaning is in " in page


def test_the_page_tells_when_a_case_falls_behind(page: str) -> None:
    assert "Looking ahead" in page
    assert re.search(r"Down: the output falls behind the base case after \d+ h; [\d,]+ kg are missing after 24 h", page)
    assert re.search(r"No use: the output does not fall behind the base case within 24 h", page)
    assert page.count("P10 to P90</title>") == 6


def test_what_is_charted_is_measured() -> None:
    assert set(CHARTED) <= {measure.name for measure in MEASURES}


@pytest.mark.parametrize(
    ("value", "half_width", "text"),
    [
        (419.87, 4.98, "419.9 ± 5.0"),
        (17_039_726.0, 27_434.0, "17,040,000 ± 27,000"),
        (0.0123, 0.00001, "0.0123 ± 0.0000"),
        (100.0, 0.0, "100"),
        (0.0, 0.0, "0"),
        (8.14, UNKNOWN, "8.14"),
        (UNKNOWN, UNKNOWN, "n/a"),
    ],
)
def test_a_mean_is_no_finer_than_its_interval(value: float, half_width: float, text: str) -> None:
    one = Estimate(value, half_width)
    assert f"{mean(one)} {spread(one)}".strip() == text


def test_a_difference_has_its_sign_and_is_told_as_a_sentence() -> None:
    less = row(Estimate(293.4, 2.4), Estimate(-126.6, 3.9))
    assert signed(less.difference) == "\N{MINUS SIGN}126.6"
    assert plain(less) == "Throughput falls by 126.6 ± 3.9 kg/h, to 293.4."
    assert signed(Estimate(0.0, 0.0)) == "0"
    assert verdict(less) == "worse"
    assert verdict(less._replace(measure=less.measure._replace(good=-1))) == "better"
    assert verdict(less._replace(measure=less.measure._replace(good=0))) == "other"
    assert verdict(row(Estimate(1, 1), Estimate(1.0, 1.1))) == "same"


def test_words_for_names_and_times() -> None:
    assert (headed("CocoaButter"), headed("AwaitingRepair")) == ("Cocoa butter", "Awaiting repair")
    assert [duration(hours) for hours in (6.0, 60.0, math.inf)] == ["6 h", "2.5 d", "never"]
    assert [shown(value) for value in (0.0, 0.0123, 1.234, 12.34, 1234.5)] == ["0", "0.012", "1.23", "12.3", "1,234"]
    assert decimals(0.5) == 2
    assert [ceiling(value) for value in (0.0, 430.0, 1000.0)] == [1.0, 500.0, 1000.0]
    assert [short(value) for value in (0.5, 1500.0, 2.5e6)] == ["0.5", "1.5k", "2.5M"]


def test_bars_are_on_one_scale() -> None:
    drawn = bars([Bar("A", 50.0, UNKNOWN, "50"), Bar("B", 100.0, 25.0, "100")], "kg")
    assert "width:40.00%" in drawn
    assert "left:60.00%;width:40.00%" in drawn
    assert "width:50.00%" in bars([Bar("A", 50.0, UNKNOWN, "50")], "%")
    parts = [Part("p0", "one"), Part("p1", "two")]
    assert stacks([Stack("A", (1.0, 0.0))], parts, "EUR", 4.0).count("<i ") == 1


def test_lines_are_drawn_from_zero_and_told_apart_without_colour() -> None:
    drawn = lines([Curve("Base", "l0", [0.0, 100.0]), Curve("Other", "l1", [50.0, 50.0])], "day 1", "day 2")
    assert "<title>Base</title>" in drawn
    assert drawn.index("Other") < drawn.index("Base</title>")
    assert len(set(re.findall(r"stroke-dasharray: ([\d ]+)", STYLE))) == 7
