"""From the outcomes of a study to one HTML page: findings, figures with intervals, time, money, stocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from importlib import metadata, resources
from string import Template

from conche.report import ahead, time
from conche.report.bars import Bar, Part, Stack, bars, legend, stacks
from conche.report.svg import Line, lines
from conche.report.words import headed, judged, mean, plain, signed, spoken, spread, verdict
from plant_model.costs import Costs
from plant_model.layout import finished
from plant_model.measures import PART
from plant_model.replications import Outcome, Row, compare, mean_days
from plant_model.scenario import Study

CHARTED = (
    "Throughput",
    "OEE",
    "Waste",
    "Cost per case",
    "Energy per case",
    "Fill rate",
    "Tardiness",
    "Backlog",
    "Wait for technician",
    "Time to restore, P90",
    "Finished goods",
    "Raw materials",
    "Out of material",
)
"""The measures that are drawn; the table has all."""
NOTHING = '<li class="same">Nothing that could not be chance.</li>'
Rows = dict[str, tuple[Row, ...]]
"""The measures of each case, by its name."""


def render(study: Study, outcomes: Sequence[Outcome]) -> str:
    """The page; it needs nothing beside itself."""
    settings, base = study.settings, outcomes[0]
    rows = {outcome.case.name: compare(outcome, base, settings.confidence) for outcome in outcomes}
    return Template(_resource("page.html")).substitute(
        style=_resource("page.css"),
        title=escape(settings.title),
        description=escape(settings.description),
        setup=escape(_setup(study)),
        cases="".join(_case(i, outcome) for i, outcome in enumerate(outcomes)),
        notes="".join(f'<p class="note">{escape(text)}.</p>' for outcome in outcomes for text in outcome.refused),
        findings="".join(_finding(outcome.case.name, rows[outcome.case.name]) for outcome in outcomes[1:]),
        legend=legend(Part(f"c{i}", name) for i, name in enumerate(rows)),
        charts="".join(_charts(rows)),
        ahead=ahead.section(study, outcomes),
        times=time.section(outcomes),
        costs=_costs(rows),
        days="".join(_series(name, label, outcomes) for name, label in _stocks(study)),
        head="".join(f"<th>{escape(name)}</th>" for name in rows),
        table="".join(_table(rows)),
        confidence=f"{100 * settings.confidence:g} %",
        version=metadata.version("conche"),
    )


def _resource(name: str) -> str:
    return resources.files("conche.report").joinpath(name).read_text(encoding="utf-8")


def _setup(study: Study) -> str:
    s = study.settings
    return (
        f"{s.replications} replications of {s.length_d:g} days after {s.warm_up_d:g} days of warm-up; "
        f"seed {s.seed}, the same random numbers in every case; intervals of {100 * s.confidence:g} % confidence. "
        f"Plant: {s.plant}."
    )


def _case(index: int, outcome: Outcome) -> str:
    words = outcome.case.description or "The plant as its file describes it."
    return f'<dt><i class="c{index}"></i>{escape(outcome.case.name)}</dt><dd>{escape(words)}</dd>'


def _finding(name: str, rows: Sequence[Row]) -> str:
    """What a scenario changes beyond chance, of what is drawn."""
    changed = [row for row in rows if row.measure.name in CHARTED and row.difference.significant]
    told = "".join(f'<li class="{verdict(row)}"><span>{escape(plain(row))}</span></li>' for row in changed)
    return f"<section><h3>{escape(name)}</h3><ul>{told or NOTHING}</ul></section>"


def _charts(rows: Rows) -> Iterator[str]:
    """Bars of the measures that are not zero everywhere."""
    for cells in zip(*rows.values(), strict=True):
        measure = cells[0].measure
        if measure.name in CHARTED and any(row.value.mean > 0.0 for row in cells):
            drawn = bars([_bar(case, row) for case, row in zip(rows, cells, strict=True)], measure.unit)
            head = f"{escape(measure.name)} <small>{escape(measure.unit)}</small>"
            yield f"<figure><figcaption>{head}</figcaption>{drawn}</figure>"


def _bar(case: str, row: Row) -> Bar:
    return Bar(case, row.value.mean, row.value.half_width, mean(row.value), _aside(row))


def _aside(row: Row) -> str:
    """The difference to the base case where there is one."""
    kind = verdict(row)
    return "" if kind == "same" else f' <small class="{kind}">{signed(row.difference)}</small>'


def _costs(rows: Rows) -> str:
    means = {case: {row.measure.name: row.value.mean for row in all_} for case, all_ in rows.items()}
    drawn = [
        Stack(case, tuple(of[PART + cause] for cause in Costs._fields), f"{of['Cost per case']:.2f}")
        for case, of in means.items()
    ]
    causes = [Part(f"p{i}", cause) for i, cause in enumerate(Costs._fields)]
    return legend(causes) + stacks(drawn, causes, "EUR", max(sum(row.parts) for row in drawn))


def _stocks(study: Study) -> Iterator[tuple[str, str]]:
    spec = study.cases[0].spec
    yield "Throughput", "Good output, kg/h"
    yield "Tanks", "Mass in the tanks before tempering, kg"
    yield "Backlog", "Backlog, cases"
    yield from ((finished(product), f"{headed(product)} chocolate in stock, cases") for product in spec.products)
    yield from ((material, f"{headed(material)} in stock, kg") for material in spec.storages)


def _series(name: str, label: str, outcomes: Sequence[Outcome]) -> str:
    drawn = [Line(one.case.name, f"l{i}", mean_days(one, name)) for i, one in enumerate(outcomes)]
    days = len(drawn[0].values)
    return f"<figure><figcaption>{escape(label)}</figcaption>{lines(drawn, 'day 1', f'day {days}')}</figure>"


def _table(rows: Rows) -> Iterator[str]:
    """A row for each measure, with a heading before each group."""
    group = ""
    for cells in zip(*rows.values(), strict=True):
        measure = cells[0].measure
        if measure.group != group:
            group = measure.group
            yield f'<tr class="group"><th colspan="{len(cells) + 1}">{escape(group)}</th></tr>'
        part = measure.name.startswith(PART)
        name = spoken(measure.name.removeprefix(PART)) if part else measure.name
        head = f"<th>{escape(name)} <small>{escape(measure.unit)}</small></th>"
        yield f"<tr{' class=part' if part else ''}>{head}{''.join(map(_cell, cells))}</tr>"


def _cell(row: Row) -> str:
    difference = judged(row)
    told = f'<span class="{verdict(row)}">{difference}</span>' if difference else ""
    return f"<td>{mean(row.value)} <small>{spread(row.value)}</small>{told}</td>"
