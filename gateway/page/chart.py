"""Trends as ECharts options: one strip a tag, one above the other on a common time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.page import text
from gateway.page.courses import last_numbers
from gateway.page.view import Series
from gateway.sinks.latest import Value
from gateway.values import DataType, Tag

MOST_STRIPS = 6
"""Strips that a chart takes; with more of them none can be read."""

# One palette for both themes: each colour stands out 4 : 1 from the white surface and from the dark one.
_COLOURS = ("#2f82c8", "#b76c22", "#2f8e6e", "#b361a2", "#7e832b", "#7276cd")
_GREY, _LINE = "#70808f", "rgba(133,147,160,0.22)"
_LABEL = {"color": _GREY, "fontSize": 11}
_MOMENTS = {"day": "{d} {MMM}", "hour": "{HH}:{mm}", "minute": "{HH}:{mm}", "second": "{HH}:{mm}:{ss}"}
_HIDDEN = {"silent": True, "tooltip": {"show": False}, "lineStyle": {"opacity": 0}}
_TOOLTIP = {
    "trigger": "axis",
    "confine": True,
    "borderWidth": 0,
    "backgroundColor": "#26303aee",
    "textStyle": {"fontSize": 12, "color": "#dde4ea"},
}
_FLOATS = (DataType.FLOAT, DataType.DOUBLE)
_MS = 1_000_000
_TOP, _BOTTOM = 1.0, 7.0  # % of the chart above the first and below the last strip
_TITLE, _GAP = 0.2, 0.1  # shares of a strip: its title above, room below


@dataclass(frozen=True, slots=True)
class Strip:
    """A tag with its name, its course and its value now."""

    tag: Tag
    name: str
    series: Series
    value: Value | None


def options(strips: Sequence[Strip], start: int, end: int) -> dict[str, Any]:
    """The chart of a window (Unix nanoseconds). Times are shown as at the gateway's place, wherever the browser is."""
    shift = _utc_offset_ms(end)
    window = (start // _MS + shift, end // _MS + shift)
    count = len(strips)
    return {
        "animation": False,
        "useUTC": True,
        "tooltip": _TOOLTIP,
        "axisPointer": {"link": [{"xAxisIndex": "all"}], "lineStyle": {"color": _GREY}},
        "title": [_title(strip, index, count) for index, strip in enumerate(strips)],
        "grid": [_grid(index, count) for index in range(count)],
        "xAxis": [_time_axis(index, count, window) for index in range(count)],
        "yAxis": [_value_axis(strip.tag, index, count) for index, strip in enumerate(strips)],
        "series": [one for index, strip in enumerate(strips) for one in _lines(strip, index, window[1], shift)],
    }


def _title(strip: Strip, index: int, count: int) -> dict[str, Any]:
    value = text.with_unit(text.value_text(strip.tag, strip.value), strip.tag.unit)
    return {
        "text": f"{{name|{strip.name}}}  {{value|{value}}}",
        "left": 8,
        "top": f"{_strip_top(index, count):.2f}%",
        "padding": 0,
        "textStyle": {
            "rich": {
                "name": {"fontSize": 12, "color": _GREY},
                "value": {"fontSize": 13, "fontWeight": "bold", "color": _COLOURS[index]},
            }
        },
    }


def _grid(index: int, count: int) -> dict[str, Any]:
    height = (100.0 - _TOP - _BOTTOM) / count
    top = _strip_top(index, count) + height * _TITLE
    place = {"left": 56, "right": 20, "top": f"{top:.2f}%", "height": f"{height * (1 - _TITLE - _GAP):.2f}%"}
    return place | {"outerBoundsMode": "none"}  # all as wide as each other, whatever their labels


def _strip_top(index: int, count: int) -> float:
    return _TOP + index * (100.0 - _TOP - _BOTTOM) / count


def _time_axis(index: int, count: int, window: tuple[int, int]) -> dict[str, Any]:
    return {
        "type": "time",
        "gridIndex": index,
        "min": window[0],
        "max": window[1],
        "axisLabel": {"show": index == count - 1, "formatter": _MOMENTS, **_LABEL, "hideOverlap": True},
        "axisTick": {"show": index == count - 1},
        "axisLine": {"lineStyle": {"color": _LINE}},
        "splitLine": {"show": True, "lineStyle": {"color": _LINE}},
        "axisPointer": {"label": {"show": index == count - 1}},
    }


def _value_axis(tag: Tag, index: int, count: int) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "type": "value",
        "gridIndex": index,
        "scale": True,
        "splitNumber": 4 if count == 1 else 2,
        "axisLabel": _LABEL,
        "splitLine": {"lineStyle": {"color": _LINE}},
    }
    if tag.enum:
        return axis | {"min": 0, "max": len(tag.enum) - 1}
    return axis


def _lines(strip: Strip, index: int, now_ms: int, shift: int) -> list[dict[str, Any]]:
    """The course with the band between its lowest and highest values behind it."""
    series, colour = strip.series, _COLOURS[index]
    ms = series.time // _MS + shift
    step = False if strip.tag.data_type in _FLOATS else "end"
    line = {"type": "line", "xAxisIndex": index, "yAxisIndex": index, "showSymbol": False, "step": step}
    band = {**line, "stack": f"band{index}", "stackStrategy": "all", **_HIDDEN}
    course = _points(ms, last_numbers(series))
    if not text.is_bad(strip.value):
        course = np.vstack([course, (now_ms, text.number(strip.value))])
    return [
        {**band, "data": _points(ms, series.low)},
        {**band, "data": _points(ms, series.high - series.low), "areaStyle": {"color": colour, "opacity": 0.18}},
        {**line, "data": course, "name": strip.name, "color": colour, "lineStyle": {"width": 1.5}},
    ]


def _points(ms: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.float64]:
    return np.column_stack([ms, np.asarray(values, np.float64).round(4)])


def _utc_offset_ms(time: int) -> int:
    offset = datetime.fromtimestamp(time / 1e9).astimezone().utcoffset()
    return int(offset.total_seconds() * 1000) if offset else 0
