"""The chart of response times as plain Vega-Lite: who was answered within how long. Called by ``team_response.py``."""

from __future__ import annotations

from typing import Final

from ghl_real_estate_ai.models.team import ResponsePoint
from ghl_real_estate_ai.streamlit_components.page_tables import minutes_in_words

_INK, _MUTED = "#2f7ec4", "#8a94a0"
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


def response_chart(curve: tuple[ResponsePoint, ...]) -> dict[str, object]:
    """Vega-Lite: a step line with its 80 % band on a log axis of time, and a dashed line at five minutes."""
    x, y = _time_axis(max([1440.0, *(point.minutes for point in curve)])), _share_axis("answered")
    return {
        "height": 280,
        "config": {"mark": {"aria": False}},  # the caption says it in words
        "data": {"values": [_value(point) for point in curve]},
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
                "mark": {"type": "point", "filled": True, "size": 30, "color": _INK, "opacity": 0.9},
                "encoding": {"x": x, "y": y, "tooltip": _TIPS},
            },
        ],
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
