"""What could be expected at a moment, case by case: bands, what came, when a case falls behind, what runs out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from conche.report.bars import Part, legend
from conche.report.svg import Line, fan
from conche.report.words import duration, headed, shown, spoken
from plant_model.outlook import OUTPUT, THROUGHPUT, LookAhead, Outlook, shortfall
from plant_model.replications import Outcome
from plant_model.scenario import Study
from plant_model.statistics import Band

UNITS = {
    OUTPUT: "good output, kg",
    THROUGHPUT: "good output, kg/h",
    "Tanks": "mass in the tanks, kg",
    "Backlog": "backlog, cases",
}
"""What is written at a series; the others are stocks."""


def section(study: Study, outcomes: Sequence[Outcome]) -> str:
    """The whole section; nothing where the study does not look ahead."""
    settings, ahead = study.settings.look_ahead, {one.case.name: one.outlook for one in outcomes if one.outlook}
    if settings is None:
        return ""
    base = next(iter(ahead.values()))
    words = (
        f"At {settings.at_h:g} h of the first replication the plant is copied {settings.futures} times and each copy "
        f"meets its own luck for {duration(settings.hours)}. Act on P10, plan on P50."
    )
    told = "".join(_told(name, one, base, settings, study.settings.confidence) for name, one in ahead.items())
    charts = "".join(_charts(ahead, settings))
    keys = legend((Part("l0", "P50, and P10 to P90"), Part("l1", "what came"), Part("l2", "P50 of the base case")))
    return (
        f'<h2>Looking ahead</h2><p class="soft">{escape(words)}</p><ul class="limits">{told}</ul>'
        f'{keys}<div class="charts">{charts}</div>'
    )


def _told(name: str, one: Outlook, base: Outlook, settings: LookAhead, confidence: float) -> str:
    """When a case will fall behind the base case, and what runs out."""
    sentences = [_behind(one, base, settings, confidence)] if one is not base else []
    sentences += (
        f"{headed(material)} may run out after {duration(band.p10)} (P10), P50 {duration(band.p50)}."
        for material, band in one.runs_out.items()
        if math.isfinite(band.p10)
    )
    return f"<li>{escape(name)}: {escape(' '.join(sentences) or 'no material is expected to run out.')}</li>"


def _behind(one: Outlook, base: Outlook, settings: LookAhead, confidence: float) -> str:
    gaps = shortfall(one, base, confidence)
    steps = zip(settings.steps, gaps, strict=True)
    hour = next((hour for hour, gap in steps if gap.significant and gap.mean < 0.0), math.inf)
    if math.isinf(hour):
        return f"the output does not fall behind the base case within {duration(settings.hours)}."
    lost, last = -gaps[-1].mean, duration(settings.steps[-1])
    return f"the output falls behind the base case after {duration(hour)}; {shown(lost)} kg are missing after {last}."


def _charts(ahead: dict[str, Outlook], settings: LookAhead) -> Iterator[str]:
    base = next(iter(ahead.values()))
    ends = f"{settings.at_h:g} h", f"+ {duration(settings.steps[-1])}"
    for series in settings.series:
        for name, one in ahead.items():
            more = [Line("what came", "l1", one.came[series])]
            more += [Line("P50 of the base case", "l2", _middle(base.bands[series]))] if one is not base else []
            title = f"{escape(name)} <small>{escape(UNITS.get(series, f'{spoken(series)} in stock'))}</small>"
            drawn = fan(one.bands[series], more, "l0", ends)
            yield f"<figure><figcaption>{title}</figcaption>{drawn}</figure>"


def _middle(bands: Sequence[Band]) -> list[float]:
    return [band.p50 for band in bands]
