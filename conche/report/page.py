"""From the outcomes of a study to one HTML page: findings, figures with intervals, time, money, stocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from string import Template

from conche.report.svg import Bar, Line, Part, Stack, bars, legend, lines, stacks
from conche.report.words import change, plain, shown, verdict
from plant_model.activity import ACTIVITIES
from plant_model.costs import Costs
from plant_model.layout import finished
from plant_model.measures import PART
from plant_model.replications import Outcome, Row, compare, mean_days, mean_shares
from plant_model.scenario import Study

CHARTED = (
    "Throughput",
    "OEE",
    "Waste",
    "Cost per case",
    "Orders on time",
    "Backlog",
    "Finished goods",
    "Energy per case",
)
"""The measures that are drawn; the table has all."""

NOTHING = '<li class="same">Nothing that could not be chance.</li>'
KINDS = tuple(f"a{i}" for i in range(16))
"""Colours of parts that have none of their own."""


def render(study: Study, outcomes: Sequence[Outcome]) -> str:
    """The page; it needs nothing beside itself."""
    settings, base = study.settings, outcomes[0]
    rows = {outcome.case.name: compare(outcome, base, settings.confidence) for outcome in outcomes}
    page = Template(resources.files("conche.report").joinpath("page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(settings.title),
        description=escape(settings.description),
        setup=escape(_setup(study)),
        cases="".join(_case(outcome) for outcome in outcomes),
        findings="".join(_finding(outcome.case.name, rows[outcome.case.name]) for outcome in outcomes[1:]),
        legend=_case_legend(outcomes),
        charts="".join(_chart(name, rows) for name in CHARTED),
        times=_times(outcomes),
        costs=_costs(rows),
        stocks="".join(_series(name, label, outcomes) for name, label in _stocks(study)),
        head="".join(f"<th>{escape(name)}</th>" for name in rows),
        table="".join(_table_row(i, rows) for i in range(len(rows[base.case.name]))),
    )


def _setup(study: Study) -> str:
    s = study.settings
    return (
        f"{s.replications} replications of {s.length_d:g} days after {s.warm_up_d:g} days of warm-up; "
        f"seed {s.seed}, the same random numbers in every case; intervals of {100 * s.confidence:g} % confidence. "
        f"Plant: {s.plant}."
    )


def _case(outcome: Outcome) -> str:
    words = outcome.case.description or "The plant as its file describes it."
    return f"<dt>{escape(outcome.case.name)}</dt><dd>{escape(words)}</dd>"


def _case_legend(outcomes: Sequence[Outcome]) -> str:
    return legend([Part(f"c{i}", outcome.case.name) for i, outcome in enumerate(outcomes)])


def _finding(name: str, rows: Sequence[Row]) -> str:
    """What a scenario changes beyond chance, of what is drawn."""
    changed = [row for row in rows if row.measure.name in CHARTED and row.difference.significant]
    told = "".join(f"<li>{escape(plain(row))}</li>" for row in changed)
    return f"<section><h3>{escape(name)}</h3><ul>{told or NOTHING}</ul></section>"


def _chart(name: str, rows: dict[str, tuple[Row, ...]]) -> str:
    picked = {case: next(row for row in all_ if row.measure.name == name) for case, all_ in rows.items()}
    unit = next(iter(picked.values())).measure.unit
    drawn = bars([Bar(case, *row.value, shown(row.value.mean)) for case, row in picked.items()])
    return f"<figure><figcaption>{escape(name)} <small>{escape(unit)}</small></figcaption>{drawn}</figure>"


def _times(outcomes: Sequence[Outcome]) -> str:
    """Machine by machine, the cases under each other, so that they can be compared."""
    shares = {outcome.case.name: mean_shares(outcome) for outcome in outcomes}
    machines = max(shares.values(), key=len)
    rows = [row for machine in machines for row in _machine(machine, shares)]
    parts = [Part(name, name) for name in ACTIVITIES]
    return legend(parts) + stacks(rows, parts, "% of the time")


def _machine(machine: str, shares: dict[str, dict[str, list[float]]]) -> Iterator[Stack]:
    cases = [case for case in shares if machine in shares[case]]
    for i, case in enumerate(cases):
        parts = tuple(100.0 * share for share in shares[case][machine])
        yield Stack(f"{machine} · {case}" if i == 0 else case, parts, first=i == 0)


def _costs(rows: dict[str, tuple[Row, ...]]) -> str:
    parts = {case: {row.measure.name: row.value.mean for row in all_} for case, all_ in rows.items()}
    drawn = [Stack(case, tuple(of[PART + cause] for cause in Costs._fields)) for case, of in parts.items()]
    causes = [Part(kind, cause) for kind, cause in zip(KINDS, Costs._fields, strict=False)]
    return legend(causes) + stacks(drawn, causes, "EUR")


def _stocks(study: Study) -> Iterator[tuple[str, str]]:
    spec = study.cases[0].spec
    yield "Throughput", "Good output, kg/h"
    yield "Backlog", "Backlog, cases"
    yield from ((finished(product), f"{product} chocolate, cases") for product in spec.products)
    yield from ((material, f"{material}, kg") for material in spec.storages)


def _series(name: str, label: str, outcomes: Sequence[Outcome]) -> str:
    drawn = lines([Line(outcome.case.name, mean_days(outcome, name)) for outcome in outcomes])
    return f"<figure><figcaption>{escape(label)}</figcaption>{drawn}</figure>"


def _table_row(index: int, rows: dict[str, tuple[Row, ...]]) -> str:
    measure = next(iter(rows.values()))[index].measure
    cells = "".join(_cell(all_[index], base=i == 0) for i, all_ in enumerate(rows.values()))
    kind = ' class="part"' if measure.name.startswith(PART) else ""
    return f"<tr{kind}><th>{escape(measure.name)} <small>{escape(measure.unit)}</small></th>{cells}</tr>"


def _cell(row: Row, *, base: bool) -> str:
    spread = f"<small>± {shown(row.value.half_width)}</small>"
    if base:
        return f"<td>{shown(row.value.mean)} {spread}</td>"
    difference = f'<span class="{verdict(row)}">{change(row)}</span>'
    return f"<td>{shown(row.value.mean)} {spread} {difference}</td>"
