"""From the gateway's state to what the page shows: pure functions, run once a second however many browsers look."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from gateway.health import Verdict, health
from gateway.page import tables, text
from gateway.page.model import Header, Kpi, Model, State, Station, Stock, Unit
from gateway.page.plan import Place, Plan
from gateway.page.settings import KpiSettings, PageSettings
from gateway.page.tone import Tone, tone_of, weightiest
from gateway.page.view import View
from gateway.sinks.latest import Latest, Value
from gateway.status import Status
from gateway.values import Tag

Courses = Mapping[int, Sequence[float]]
"""The last hour of a tag by its id, at regular moments, the oldest first, NaN where there is no value."""

_VERDICT_TONES = {Verdict.OK: Tone.GOOD, Verdict.DEGRADED: Tone.WARN, Verdict.FAILED: Tone.FAULT}
_SPARK_WIDTH, _SPARK_HEIGHT = 100.0, 24.0
_FULL = 1.25  # a bar without a range is this much longer than what it must show


def view_model(view: View, plan: Plan, settings: PageSettings, courses: Courses, now: int) -> Model:
    """The whole page but for its charts. `now` in Unix nanoseconds."""
    status = view.status
    sinks = [sink for name, sink in status.sinks.items() if name != view.latest.name]
    return Model(
        _header(view, plan, settings, now),
        tuple(_station(place, view, settings.line.tones) for place in plan.stations),
        tuple(_stock(place, view) for place in plan.stocks),
        tuple(_kpi(kpi, tag, view, courses) for kpi, tag in plan.kpis),
        tables.servers(status.sources.values(), now),
        tables.sinks(sinks, now),
        tables.settings(status.settings, now),
        status.settings.findings,
        tables.journal(status.journal),
        tables.mails(status.mail, now),
        tables.mail_summary(status.mail),
        tables.silent(status),
        tables.silent_summary(status),
    )


def _header(view: View, plan: Plan, settings: PageSettings, now: int) -> Header:
    status, latest = view.status, view.latest
    speed = text.number(_last(latest, plan.speed))
    links = {name: source.connection for name, source in status.sources.items()}
    links |= {name: sink.connection for name, sink in status.sinks.items() if name != latest.name}
    return Header(
        settings.title,
        text.clock(now),
        text.zone(now),
        text.value_text(plan.clock, _last(latest, plan.clock)) if plan.clock else "",
        f"{speed:g} x" if math.isfinite(speed) else "",
        _health(status),
        tuple((name, tables.link_state(connection)) for name, connection in links.items()),
    )


def _health(status: Status) -> State:
    verdict = health(status)
    return State(verdict.verdict.value, _VERDICT_TONES[verdict.verdict], "; ".join(verdict.reasons))


def _station(place: Place, view: View, tones: Mapping[str, Tone]) -> Station:
    latest = view.latest
    units = tuple(_unit(unit, latest, tones) for unit in place.units)
    state = _state(place, latest, tones) if "state" in place.tags else _summary(units)
    oee = _last(latest, place.tags.get("oee"))
    anything = next(iter(place.tags.values()), None) or next(iter(place.units[0].tags.values()))
    return Station(
        text.spaced(place.name),
        state,
        _product(place, units, latest),
        _text(place, "lot", latest),
        _text(place, "speed", latest),
        _text(place, "oee", latest),
        _share(text.number(oee), 100.0),
        view.is_away(anything),
        units,
    )


def _product(place: Place, units: Sequence[Unit], latest: Latest) -> str:
    """What the station makes, or all that its units make."""
    if "product" in place.tags:
        return _text(place, "product", latest)
    return ", ".join(dict.fromkeys(unit.product for unit in units if unit.product != text.NOTHING)) or text.NOTHING


def _unit(place: Place, latest: Latest, tones: Mapping[str, Tone]) -> Unit:
    return Unit(text.spaced(place.name), _state(place, latest, tones), _text(place, "product", latest))


def _state(place: Place, latest: Latest, tones: Mapping[str, Tone]) -> State:
    shown, reason = _text(place, "state", latest), _text(place, "reason", latest)
    tone = tone_of(shown, tones)
    is_news = reason != text.NOTHING and tone is not Tone.RUN
    return State(shown, tone, text.spaced(reason) if is_news else "")


def _summary(units: Sequence[Unit]) -> State:
    """A station's state from its units': the weightiest, and how many of them are in it."""
    tone = weightiest(unit.state.tone for unit in units)
    first = next(unit.state for unit in units if unit.state.tone is tone)
    count = sum(unit.state.text == first.text for unit in units)
    return State(first.text if count == len(units) else f"{count} of {len(units)} {first.text}", tone, first.detail)


def _stock(place: Place, view: View) -> Stock:
    latest, tag = view.latest, place.tags["level"]
    level, limit, coming = (text.number(_last(latest, place.tags.get(part))) for part in ("level", "limit", "on_order"))
    full = tag.high if tag.high > 0 else _FULL * max(level, limit, 1.0)
    share = _share(level, full)
    return Stock(
        text.spaced(place.name),
        text.with_unit(text.value_text(tag, _last(latest, tag)), tag.unit),
        share,
        _share(limit, full) if limit > 0 else -1.0,
        min(_share(coming, full), 1.0 - share),
        f"+{_text(place, 'on_order', latest)}" if coming > 0 else "",
        _stock_state(level, limit, coming),
        view.is_away(tag),
    )


def _stock_state(level: float, limit: float, coming: float) -> State:
    if math.isnan(level):
        return State("no value", Tone.NONE)
    if not level < limit:
        return State("enough", Tone.GOOD)
    return State("low, ordered", Tone.WAIT) if coming > 0 else State("low", Tone.WARN)


def _kpi(kpi: KpiSettings, tag: Tag | None, view: View, courses: Courses) -> Kpi:
    value = text.number(_last(view.latest, tag))
    course = [*courses.get(tag.id, ()), value] if tag else []
    change = value - course[0] if course else math.nan
    return Kpi(
        kpi.title,
        tag.description if tag else "",
        format(value, kpi.format) if math.isfinite(value) else text.NOTHING,
        tag.unit if tag and tag.unit not in text.NO_UNIT else "",
        _change_text(change, kpi),
        _change_tone(change, kpi),
        spark_points(course),
        tag is not None and view.is_away(tag),
    )


def _change_text(change: float, kpi: KpiSettings) -> str:
    if not math.isfinite(change):
        return ""
    return f"{format(change, '+' + kpi.format)} in 1 h" if _is_change(change, kpi) else "steady for 1 h"


def _is_change(change: float, kpi: KpiSettings) -> bool:
    """Whether something is left of it after rounding."""
    return math.isfinite(change) and format(abs(change), kpi.format) != format(0.0, kpi.format)


def _change_tone(change: float, kpi: KpiSettings) -> Tone:
    """Better, worse or neither."""
    if not _is_change(change, kpi):
        return Tone.NONE
    return Tone.GOOD if (change > 0) is (kpi.good == "high") else Tone.WARN


def spark_points(course: Sequence[float]) -> str:
    """Points of an SVG polyline, stretched over the box; "" when there are fewer than two."""
    places = [(index, value) for index, value in enumerate(course) if math.isfinite(value)]
    if len(places) < 2:  # noqa: PLR2004 - a line has two ends
        return ""
    low, high = min(value for _, value in places), max(value for _, value in places)
    step, height = _SPARK_WIDTH / (len(course) - 1), _SPARK_HEIGHT - 2
    scale = height / (high - low) if high > low else 0.0
    return " ".join(f"{index * step:.1f},{1 + height - (value - low) * scale:.1f}" for index, value in places)


def _last(latest: Latest, tag: Tag | None) -> Value | None:
    return latest.get(tag.id) if tag else None


def _text(place: Place, part: str, latest: Latest) -> str:
    tag = place.tags.get(part)
    if tag is None:
        return text.NOTHING
    return text.with_unit(text.value_text(tag, latest.get(tag.id)), tag.unit)


def _share(value: float, full: float) -> float:
    return min(max(value / full, 0.0), 1.0) if math.isfinite(value) else 0.0
