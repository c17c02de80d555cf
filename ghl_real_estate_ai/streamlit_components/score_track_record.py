"""The page "Track record": what was said of leads beside what came true, for whoever leads a team.

Called by ``streamlit_components/app.py``. Reads ``GET /v1/track-record``; the charts are drawn by Streamlit's own bundled library.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from ghl_real_estate_ai.errors import EnterpriseHubError, Unauthenticated
from ghl_real_estate_ai.models.track_record import Figures, TargetRecord, TrackRecord
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.page_frame import expire, plain, simulated_mark, title

HELD: Final = "record_held"
"""The record in the user's session until the page is left: each click runs the page anew, and the record is the same."""

_TITLES: Final = {
    "lead_score": "Appointment",
    "won": "Won deal",
    "churn_risk": "Going silent",
}
_OURS: Final = "shown"
_COLUMNS: Final = (
    ("auc", "AUC", "Higher is better: how often the one with the outcome was scored above the one without."),
    ("brier", "Brier", "Lower is better: the mean squared error of the probabilities."),
    ("ece", "ECE", "Lower is better: how far what was said lay from what came true."),
    ("lift_at_10", "Lift", "Higher is better: outcomes in the top tenth over the average."),
)
_INK, _RIVAL, _MUTED = "#2f7ec4", "#c4622f", "#8a94a0"


def show_track_record(session: Session, client: GatewayClient) -> None:
    """Draw the page."""
    with st.container(key="record_page"):
        title("Track record")
        st.caption("What was said of leads when it was shown, beside what came true once its time was over.")
        try:
            record = _record(session, client)
        except Unauthenticated:
            expire()
        except EnterpriseHubError as error:
            st.error(f"{plain(str(error))} Try again in a moment.")
            return
        _page(record, session, client)


def _record(session: Session, client: GatewayClient) -> TrackRecord:
    """What the page holds for this token, else what the gateway tells."""
    held: tuple[str, TrackRecord] | None = st.session_state.get(HELD)
    if held is not None and held[0] == session.access_token:
        return held[1]
    with st.spinner("Reading the record"):
        record = client.read(TrackRecord, "/v1/track-record", session)
    st.session_state[HELD] = (session.access_token, record)
    return record


def _page(record: TrackRecord, session: Session, client: GatewayClient) -> None:
    by_name = {target.target: target for target in record.targets}
    chosen = st.segmented_control(
        "Question",
        list(by_name),
        format_func=lambda name: f"{_TITLES.get(name, name)} in {by_name[name].horizon_days} days",
        default=next(iter(by_name)),
        label_visibility="collapsed",
        key="record_question",
    )
    target = by_name[chosen or next(iter(by_name))]
    if target.simulated:
        simulated_mark("This record is of simulated leads: it says nothing about people.")
    if target.rows:
        st.markdown(plain(in_one_sentence(target)))
    _verdict(target)
    if target.rows:
        _charts(target)
        _details(target)
    _downloads(record, session, client)


def in_one_sentence(target: TargetRecord) -> str:
    """What was said on average, and what came of it."""
    of = f"Of {target.rows:,} answers about {target.leads:,} {'lead' if target.leads == 1 else 'leads'}"
    counted = sum(point.rows for point in target.reliability)
    if not counted or target.base_rate is None:
        return f"{of} the time is over."
    said = sum(point.said * point.rows for point in target.reliability) / counted
    return f"{of}, which said {said:.0%} on average, {target.base_rate:.0%} came true."


def _verdict(target: TargetRecord) -> None:
    if target.verdict.startswith("not enough data"):
        st.info(
            plain(target.verdict[0].upper() + target.verdict[1:] + "."), icon=":material/hourglass_empty:"
        )
        return
    for part in target.verdict.split("; "):
        good, bad = part.startswith("better"), part.startswith("WORSE")
        tell, icon = (
            (st.success, "check_circle") if good else (st.error, "error") if bad else (st.info, "info")
        )
        tell(plain(part[0].upper() + part[1:] + "."), icon=f":material/{icon}:")


def _figures(target: TargetRecord) -> None:
    with st.container(horizontal=True, gap="medium"):
        st.metric("Answers", f"{target.rows:,}", help=f"{target.waiting:,} more wait for their time to end.")
        st.metric("Leads", f"{target.leads:,}")
        st.metric("Came true", _share(target.base_rate))
        for name, title, words in _COLUMNS:
            span = target.spans.get(name)
            between = "" if span is None else f" 80 % certain: {span.low:.3f} to {span.high:.3f}."
            st.metric(title, _number(getattr(target.figures, name)), help=words + between)


def _charts(target: TargetRecord) -> None:
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**Said against came true**")
        st.vega_lite_chart(reliability_chart(target), width="stretch", key="record_reliability")
        st.caption(
            "On the dashed line what was said is what came true. Bars: 80 % certain, counted by leads. "
            "Band: the intervals that were shown with the scores, on average."
        )
    if len(target.months) < 2:
        return  # one month is a dot, and no course
    with right:
        st.markdown("**Brier score by month** (lower is better)")
        st.vega_lite_chart(month_chart(target), width="stretch", key="record_months")
        others = " and ".join(f"the {one.name}" for one in target.compared)
        st.caption(plain(f"Beside {others or 'no other rule'}, each with what was known then."))


def _details(target: TargetRecord) -> None:
    rows = [_row("all, as shown", target.rows, target.figures)]
    for one in target.compared:
        rows += [_row(f"{one.name}, where it could answer", one.rows, one.rule)]
        rows += [_row("as shown, on the same", one.rows, one.shown)]
    rows += [_row(month.month, month.rows, month.figures) for month in target.months]
    with st.expander("Every figure"):
        _figures(target)
        st.dataframe(rows, hide_index=True, width="stretch")
    facts = [
        f"Models that answered: {', '.join(target.model_versions)}.",
        None
        if target.prior_share is None
        else f"Of the newest answers {target.prior_share:.0%} is the prior, the rest your own resolved leads.",
    ]
    with st.expander("Model card"):
        st.markdown(plain(f"{target.question}."))
        st.markdown("\n".join(f"- {plain(fact)}" for fact in facts if fact))


def _downloads(record: TrackRecord, session: Session, client: GatewayClient) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "Figures (JSON)",
            record.model_dump_json(indent=2),
            "track-record.json",
            "application/json",
            key="record_json",
        )
        st.download_button(
            "Every answer (CSV)",
            lambda: client.rows("/v1/track-record.csv", session),
            "track-record.csv",
            "text/csv",
            key="record_csv",
        )


# --- charts -------------------------------------------------------------------------------------------------------


def reliability_chart(target: TargetRecord) -> dict[str, object]:
    """Vega-Lite: one point per bin with its bar, the diagonal, and behind them the intervals that were shown."""
    points = [
        {
            "said": point.said,
            "came true": point.came_true,
            "low": point.low,
            "high": point.high,
            "leads": point.leads,
            "said low": point.said_low,
            "said high": point.said_high,
        }
        for point in target.reliability
    ]
    banded = [point for point in points if point["said low"] is not None]
    top = max((max(p.said, p.high, p.said_high or 0.0) for p in target.reliability), default=1.0)
    top = min(1.0, top * 1.05)
    scale, share = {"domain": [0, top], "nice": False}, {"format": ".0%", "grid": True, "tickCount": 5}
    x = {"field": "said", "type": "quantitative", "scale": scale, "axis": share, "title": "said"}
    y = {"type": "quantitative", "scale": scale, "axis": share, "title": "came true"}
    shown = [
        {"field": name, "type": "quantitative", "format": ".1%"}
        for name in ("said", "came true", "low", "high")
    ]
    return {
        "height": 280,
        "config": {"mark": {"aria": False}},  # the caption and the table say it in words
        "layer": [
            {
                "data": {"values": [{"said": 0, "line": 0}, {"said": top, "line": top}]},
                "mark": {"type": "line", "strokeDash": [4, 4], "color": _MUTED},
                "encoding": {"x": x, "y": {**y, "field": "line"}},
            },
            {
                "data": {"values": banded},
                "mark": {"type": "area", "color": _INK, "opacity": 0.15},
                "encoding": {"x": x, "y": {**y, "field": "said low"}, "y2": {"field": "said high"}},
            },
            {
                "data": {"values": points},
                "mark": {"type": "rule", "color": _INK},
                "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "filled": True, "size": 70, "color": _INK, "opacity": 1},
                "encoding": {
                    "x": x,
                    "y": {**y, "field": "came true"},
                    "tooltip": [*shown, {"field": "leads", "type": "quantitative"}],
                },
            },
        ],
    }


def month_chart(target: TargetRecord) -> dict[str, object]:
    """Vega-Lite: a line per rule, and ours; shapes tell them apart where colours do not."""
    values = [
        {"month": month.month, "who": who, "brier": figures.brier, "answers": month.rows}
        for month in target.months
        for who, figures in {_OURS: month.figures, **month.rules}.items()
        if figures.brier is not None
    ]
    names = [_OURS, *(one.name for one in target.compared)]
    who = {"field": "who", "type": "nominal", "sort": names, "title": None}
    return {
        "height": 280,
        "data": {"values": values},
        "mark": {"type": "line", "point": {"size": 60, "filled": True}},
        "encoding": {
            "x": {"field": "month", "type": "ordinal", "title": None, "axis": {"labelAngle": 0}},
            "y": {"field": "brier", "type": "quantitative", "scale": {"zero": False}, "title": None},
            "color": {**who, "scale": {"domain": names, "range": [_INK, _RIVAL, _MUTED][: len(names)]}},
            "shape": who,
            "tooltip": [
                {"field": "who", "type": "nominal"},
                {"field": "month", "type": "ordinal"},
                {"field": "brier", "type": "quantitative", "format": ".4f"},
                {"field": "answers", "type": "quantitative"},
            ],
        },
        "config": {"legend": {"orient": "top", "title": None}, "mark": {"aria": False}},
    }


def _row(what: str, answers: int, figures: Figures) -> dict[str, object]:
    told = {title: _number(getattr(figures, name)) for name, title, _ in _COLUMNS}
    return {"": what, "answers": answers, **told}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
