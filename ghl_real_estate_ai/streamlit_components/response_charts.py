"""The chart of response times as plain Vega-Lite: who was answered within how long. Called by ``team_response.py``."""

from __future__ import annotations

from typing import Final

from ghl_real_estate_ai.models.team import ResponseGroup, ResponsePoint, WaitingMark
from ghl_real_estate_ai.streamlit_components.page_tables import minutes_in_words

_INK, _WAITING, _MUTED = "#2f7ec4", "#c4622f", "#8a94a0"
_LEFT_MIN: Final = 0.5
"""A log axis has no zero: faster answers stand at its left end, half a minute."""
_TICKS: Final = {
    0.5: "at once", 1: "1 min", 5: "5 min", 15: "15 min", 60: "1 h", 240: "4 h",
    1440: "1 day", 4320: "3 days", 10080: "1 week", 43200: "30 days", 129600: "90 days",
}  # fmt: skip
_GOAL_MIN: Final = 5.0
"""The five minutes that the trade speaks of."""
_TIPS: Final = [
    {"field": "after", "type": "nominal", "title": "within"},
    {"field": "answered", "type": "quantitative", "format": ".0%", "title": "answered"},
    {"field": "low", "type": "quantitative", "format": ".0%", "title": "at least"},
    {"field": "high", "type": "quantitative", "format": ".0%", "title": "at most"},
    {"field": "waiting", "type": "quantitative", "title": "still waiting then"},
]
_MARK_TIPS: Final = [
    {"field": "leads", "type": "quantitative", "title": "still waiting"},
    {"field": "for", "type": "nominal", "title": "so far for"},
]


def response_chart(group: ResponseGroup) -> dict[str, object]:
    """Vega-Lite: a step line with its 80 % band on a log axis of time up to where leads were watched, a stroke for each that waits."""
    watched = group.watched_min or 0.0
    x, y = _time_axis(max([1440.0, watched])), _share_axis("answered")
    return {
        "height": 280,
        "config": {"mark": {"aria": False}},  # the caption says it in words
        "data": {"values": _line(group)},
        "layer": [
            {
                "data": {"values": [{"minutes": _GOAL_MIN}]},
                "mark": {"type": "rule", "strokeDash": [4, 4], "color": _MUTED},
                "encoding": {"x": x},
            },
            {
                "mark": {"type": "area", "interpolate": "step-after", "color": _INK, "opacity": 0.18},
                "encoding": {"x": x, "y": _share_axis("low"), "y2": {"field": "high"}},
            },
            {
                "mark": {"type": "line", "interpolate": "step-after", "color": _INK, "strokeWidth": 2},
                "encoding": {"x": x, "y": y},
            },
            {
                "data": {"values": [_mark(mark) for mark in group.marks]},
                "mark": {"type": "tick", "orient": "vertical", "size": 16, "thickness": 2, "color": _WAITING},
                "encoding": {"x": x, "y": y, "tooltip": _MARK_TIPS},
            },
            {
                "data": {"values": [_value(point) for point in group.curve]},
                "mark": {"type": "point", "filled": True, "size": 30, "color": _INK, "opacity": 0.9},
                "encoding": {"x": x, "y": y, "tooltip": _TIPS},
            },
        ],
    }


def _line(group: ResponseGroup) -> list[dict[str, object]]:
    """From nobody answered, over the steps, level to where the last lead was watched."""
    points = [_value(point) for point in group.curve]
    if group.watched_min is None or not (points or group.marks):
        return points
    begin: dict[str, object] = {"minutes": _LEFT_MIN, "answered": 0.0, "low": 0.0, "high": 0.0}
    end = {**(points[-1] if points else begin), "minutes": max(_LEFT_MIN, group.watched_min)}
    return [begin, *points, end]


def _mark(mark: WaitingMark) -> dict[str, object]:
    return {
        "minutes": max(_LEFT_MIN, mark.minutes),
        "answered": mark.answered,
        "leads": mark.leads,
        "for": f"about {minutes_in_words(mark.minutes)}",
    }


def _value(point: ResponsePoint) -> dict[str, object]:
    return {
        "minutes": max(_LEFT_MIN, point.minutes),
        "after": minutes_in_words(point.minutes),
        "answered": point.answered,
        "low": point.low,
        "high": point.high,
        "waiting": point.still_waiting,
    }


def _time_axis(end: float) -> dict[str, object]:
    ticks = [minutes for minutes in _TICKS if minutes <= end]
    label = " : ".join(f"datum.value == {minutes} ? '{_TICKS[minutes]}'" for minutes in ticks)
    return {
        "field": "minutes",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [_LEFT_MIN, end], "nice": False},
        "axis": {"values": ticks, "labelExpr": f"{label} : ''", "grid": False, "labelOverlap": "greedy"},
        "title": None,
    }


def _share_axis(field: str) -> dict[str, object]:
    axis = {"format": ".0%", "tickCount": 5}
    return {
        "field": field, "type": "quantitative", "scale": {"domain": [0, 1]}, "axis": axis, "title": None,
    }  # fmt: skip
