"""The page "Team": how soon people are answered, who has too much on the desk, which hot leads nobody touched.

Called by ``streamlit_components/app.py``. Reads ``GET /v1/team/response`` every half minute, without touching the controls.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Final, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import streamlit as st

from ghl_real_estate_ai.errors import EnterpriseHubError, Unauthenticated
from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.team import AgentLoad, ResponseGroup, TeamResponse, UntouchedLead
from ghl_real_estate_ai.models.track_record import TrackRecord
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.page_frame import (
    LIVE,
    TRACK_RECORD,
    expire,
    heading,
    page_link,
    plain,
    renewal_due,
    simulated_mark,
    title,
    zone,
)
from ghl_real_estate_ai.streamlit_components.page_tables import (
    Column,
    Html,
    as_csv,
    bar,
    lines,
    link,
    mark,
    minutes_in_words,
    show_figures,
    show_table,
)
from ghl_real_estate_ai.streamlit_components.response_charts import response_chart
from ghl_real_estate_ai.streamlit_components.response_words import (
    comparison_in_words,
    counted_leads,
    curve_in_words,
    marked_in_words,
    percent,
    trends,
)

PERIODS: Final = (7, 30, 90)
REFRESH_S: Final = 30
VERDICT_HELD: Final = timedelta(minutes=10)
"""The record changes by the day, and is dear to ask for."""
_HELD: Final = "team_held"
_VERDICT: Final = "team_verdict"
_EVERYBODY: Final = "all"
_CUTS: Final = {"source": "By source", "hour": "By hour of arrival", "agent": "By agent"}
_GROUP_COLUMNS: Final = (
    Column("Leads", number=True),
    Column("No first answer yet", number=True),
    Column("Within 5 min", number=True),
    Column("Half within", number=True),
    Column("9 of 10 within", number=True),
)
_MARKED_AT: Final = 3
"""Of the column that is there only where an agent marked a lead as answered."""
_MARKED_WORDS: Final = " Marked as answered: an agent said so with a click and no answer was seen; such a lead counts as neither."
_CSV_NAMES: Final = (
    "cut",
    "name",
    "leads",
    "answered",
    "waiting",
    "marked",
    "p50_min",
    "p90_min",
    "within_5_min",
)


class Held(NamedTuple):
    """What was read last, for whom and when; ``trouble``: why it is not newer."""

    asked: tuple[str, int, str]
    answer: TeamResponse
    read_at: datetime
    trouble: str | None = None


def show_team(session: Session, client: GatewayClient) -> None:
    """Draw the page."""
    with st.container(key="team_page"):
        title("Team")
        st.fragment(_live_part, run_every=REFRESH_S)(session, client)


def _live_part(session: Session, client: GatewayClient) -> None:
    if renewal_due():
        st.rerun()
    days = (
        st.segmented_control(
            "Leads that came in within",
            PERIODS,
            default=30,
            format_func=lambda days: f"{days} days",
            key="team_days",
        )
        or 30
    )
    here = zone().key
    held = _read(session, client, days, here)
    if held is None:
        return
    answer = held.answer
    _age(held, here)
    if answer.simulated:
        simulated_mark("These leads are simulated, and so are the answers to them.")
    if not answer.overall.leads:
        st.info(f"No lead came in within {days} days. Choose a longer time, or look at Live for older leads.")
    else:
        _response(answer, here)
    _load(answer)
    _untouched(answer)
    _verdict(session, client)
    _downloads(answer)


def _read(session: Session, client: GatewayClient, days: int, here: str) -> Held | None:
    """The newest answer; after trouble the one before, which then says so. None: there is nothing to show."""
    asked = (session.user.location_id, days, here)
    before: Held | None = st.session_state.get(_HELD)
    if before is not None and before.asked != asked:
        before = None
    try:
        query = urlencode({"days": days, "zone": here})
        answer = client.read(TeamResponse, f"/v1/team/response?{query}", session)
    except Unauthenticated:
        expire()
    except EnterpriseHubError as error:
        if before is None:
            st.error(f"{plain(str(error))} This page asks again every {REFRESH_S} s.")
            return None
        return before._replace(trouble=str(error))
    held = Held(asked, answer, datetime.now(UTC))
    st.session_state[_HELD] = held
    return held


def _age(held: Held, here: str) -> None:
    at = held.read_at.astimezone(ZoneInfo(here))
    if held.trouble:
        age = minutes_in_words((datetime.now(UTC) - held.read_at).total_seconds() / 60)
        st.warning(
            f"Figures of {at:%H:%M:%S}, {age} old: {plain(held.trouble)} This page asks again every {REFRESH_S} s.",
            icon=":material/cloud_off:",
        )
    else:
        st.caption(f"Figures of {at:%H:%M:%S} ({here}), read again every {REFRESH_S} s.")
    if held.answer.truncated:
        st.caption("More leads came in than this page looks at: these are the newest.")


# --- how soon -----------------------------------------------------------------------------------------------------


def _response(answer: TeamResponse, here: str) -> None:
    names = _names(answer)
    _figures(answer)
    curves = {
        _EVERYBODY: answer.overall,
        **{one.name: one for one in answer.by_agent if one.curve or one.marks},
    }
    left, right = st.columns([1, 1], gap="large")
    with left:
        who = st.selectbox(
            "First human answer: share of leads answered within",
            list(curves),
            format_func=lambda name: "Everybody" if name == _EVERYBODY else _agent(name, names),
            key="team_curve",
        )
        group = curves.get(who or _EVERYBODY, answer.overall)
        st.vega_lite_chart(response_chart(group), width="stretch", key="team_chart")
        st.caption(curve_in_words(group))
    with right:
        cut = (
            st.segmented_control(
                "Compare", list(_CUTS), default="source", format_func=_CUTS.__getitem__, key="team_cut"
            )
            or "source"
        )
        groups = {"source": answer.by_source, "hour": answer.by_hour, "agent": answer.by_agent}[cut]
        what = _CUTS[cut].removeprefix("By ").capitalize()
        some_marked = bool(answer.overall.marked)
        rows = [
            _group_row(
                _on_live(group.name, _agent(group.name, names))
                if cut == "agent" and group.name
                else _group_name(cut, group.name, names),
                group,
                some_marked=some_marked,
            )
            for group in groups
            if group.leads
        ]
        columns = [Column(what), *_GROUP_COLUMNS]
        if some_marked:
            columns.insert(_MARKED_AT, Column("Marked as answered", number=True))
        show_table(f"First human answer {_CUTS[cut].lower()}", columns, rows)
        if cut == "hour":
            st.caption(f"Hours in {here}.")
        st.caption(
            "First answer: by a human. Automatic messages are none. Leads without one count as not answered yet."
            + (_MARKED_WORDS if some_marked else "")
        )


def _figures(answer: TeamResponse) -> None:
    overall, trend = answer.overall, trends(answer)
    show_figures(
        [
            (
                "Answered within 5 min",
                percent(overall.within_5_min),
                lines("by a human", trend.get("within_5", "")),
            ),
            (
                "Half are answered within",
                minutes_in_words(overall.p50_min),
                lines(_reached(overall.p50_min, "half"), trend.get("p50", "")),
            ),
            ("9 of 10 within", minutes_in_words(overall.p90_min), _reached(overall.p90_min, "9 of 10")),
            (
                "No first answer yet",
                f"{overall.waiting:,}",
                lines(
                    f"of {counted_leads(overall.leads)} that came in ({overall.waiting / overall.leads:.0%})",
                    marked_in_words(overall),
                    trend.get("waiting", ""),
                ),
            ),
        ]
    )
    st.caption(comparison_in_words(answer))


def _reached(minutes: float | None, share: str) -> str:
    return f"fewer than {share} were answered" if minutes is None else "waiting leads counted"


def _group_row(name: str, group: ResponseGroup, *, some_marked: bool) -> list[str]:
    return [
        name,
        f"{group.leads:,}",
        f"{group.waiting:,}",
        *([f"{group.marked:,}"] if some_marked else []),
        bar(group.within_5_min),
        minutes_in_words(group.p50_min),
        minutes_in_words(group.p90_min),
    ]


def _group_name(cut: str, name: str, names: dict[UserId, str]) -> str:
    if cut == "agent":
        return _agent(name, names)
    if not name:
        return "Not known"
    return f"{name}:00" if cut == "hour" else name


def _names(answer: TeamResponse) -> dict[UserId, str]:
    return {load.user_id: load.name for load in answer.load if load.user_id is not None}


def _agent(user_id: str | None, names: dict[UserId, str]) -> str:
    if not user_id:
        return "Nobody yet"
    return names.get(UserId(user_id), f"agent {user_id[-4:]}")


# --- who has too much, and what nobody touched --------------------------------------------------------------------


def _load(answer: TeamResponse) -> None:
    heading("Who has how much")
    if not answer.load:
        st.caption("No lead is open.")
        return
    columns = [
        Column("Agent"),
        Column("Load"),
        *(
            Column(name, number=True)
            for name in ("Open", "Wait for an answer", "Longest wait", "To do", "At risk")
        ),
    ]
    show_table("Who has how much", columns, [_load_row(load) for load in answer.load])
    waiting = sum(load.waiting for load in answer.load)
    st.caption(
        f"{waiting:,} {'lead waits' if waiting == 1 else 'leads wait'} for an answer of a human to the last that they wrote, or to "
        f"their arrival: the clock on Live, of waits that began within {answer.days} days. A lead that somebody took on there and "
        "has not answered yet is counted here, and not there."
    )


def _load_row(load: AgentLoad) -> list[str]:
    return [
        _on_live(load.user_id, load.name) if load.user_id else "Assigned to nobody",
        _judgement(load),
        f"{load.open_leads:,}",
        f"{load.waiting:,}",
        minutes_in_words(load.longest_wait_min),
        f"{load.open_actions:,}",
        f"{load.at_risk:,}",
    ]


def _on_live(user_id: str, name: str) -> Html:
    """The name, leading to the live screen with that agent's leads."""
    return link(page_link(LIVE, agent=user_id), name)


def _judgement(load: AgentLoad) -> Html:
    """In words: "Fine" only where nothing is late."""
    if load.user_id is None:
        return mark("warning", "Nobody's: assign them") if load.waiting else mark("ok", "Nobody waits")
    if load.overloaded:
        return mark("warning", f"Too much: {load.why}")
    if load.behind:
        wait = "1 waits" if load.waiting == 1 else f"{load.waiting:,} wait"
        return mark("warning", f"Behind: {wait}, longest {minutes_in_words(load.longest_wait_min)}")
    return mark("ok", "Fine" if load.waiting else "Nobody waits")


def _untouched(answer: TeamResponse) -> None:
    heading("Hot leads that nobody touched")
    if not answer.untouched:
        st.caption("None: each hot lead has been touched by a human lately.")
        return
    names = _names(answer)
    columns = [
        Column("Lead"),
        Column("Score", number=True),
        Column("Untouched for", number=True),
        Column("Agent"),
        Column("Source"),
    ]
    rows = [_untouched_row(lead, answer.now, names) for lead in answer.untouched]
    st.caption(
        "High scores that no human wrote to, called or met for 2 days, or ever since they came: the hottest first, "
        f"{counted_leads(len(answer.untouched))} shown. "
        "Open a lead to see why and what to do; give it to somebody else in the CRM, and this page follows."
    )
    show_table("Hot leads that nobody touched", columns, rows)


def _untouched_row(lead: UntouchedLead, now: datetime, names: dict[UserId, str]) -> list[str]:
    since = minutes_in_words(max(0.0, (now - lead.untouched_since).total_seconds() / 60))
    return [
        link(page_link(LIVE, lead=lead.lead_id), lead.name),
        f"{lead.score:.0%}",
        f"{since}, never touched" if lead.never_touched else since,
        _on_live(lead.assigned_to, _agent(lead.assigned_to, names)) if lead.assigned_to else "Nobody yet",
        lead.source or "Not known",
    ]


# --- the record, and files ----------------------------------------------------------------------------------------


def _verdict(session: Session, client: GatewayClient) -> None:
    """The track record in one line. What it says is held for a while; trouble leaves the line out, the link stays."""
    held: tuple[str, datetime, str] | None = st.session_state.get(_VERDICT)
    now = datetime.now(UTC)
    if held is None or held[0] != session.user.location_id or now - held[1] > VERDICT_HELD:
        held = (session.user.location_id, now, _asked_verdict(session, client))
        st.session_state[_VERDICT] = held
    st.html(
        f'<p class="page-line"><strong>Were the scores right?</strong> {_sentence(held[2])} '
        f"{link(page_link(TRACK_RECORD), 'Track record')}</p>"
    )


def _asked_verdict(session: Session, client: GatewayClient) -> str:
    try:
        record = client.read(TrackRecord, "/v1/track-record", session)
    except Unauthenticated:
        expire()
    except EnterpriseHubError:
        return "the record cannot be read now"
    return record.targets[0].verdict if record.targets else "nothing was said of a lead yet"


def _sentence(words: str) -> str:
    return escape(words[:1].upper() + words[1:].rstrip(".")) + "."


def _downloads(answer: TeamResponse) -> None:
    with st.container(horizontal=True):
        st.download_button(
            "Response times (CSV)",
            response_csv(answer),
            "response-times.csv",
            "text/csv",
            key="team_csv",
            on_click="ignore",
        )
        st.download_button(
            "Who has how much (CSV)",
            load_csv(answer),
            "team-load.csv",
            "text/csv",
            key="team_load_csv",
            on_click="ignore",
        )


def response_csv(answer: TeamResponse) -> str:
    """Every group of the page, one row each."""
    names = _names(answer)
    cuts = [
        ("all", (answer.overall,)),
        ("source", answer.by_source),
        ("hour", answer.by_hour),
        ("agent", answer.by_agent),
    ]
    return as_csv(
        _CSV_NAMES,
        (
            (
                cut,
                _agent(group.name, names) if cut == "agent" else group.name,
                group.leads,
                group.answered,
                group.waiting,
                group.marked,
                group.p50_min,
                group.p90_min,
                group.within_5_min,
            )
            for cut, groups in cuts
            for group in groups
        ),
    )


def load_csv(answer: TeamResponse) -> str:
    """Every agent's desk, one row each."""
    names = [name for name in AgentLoad.model_fields if name != "user_id"]
    return as_csv(names, ([getattr(load, name) for name in names] for load in answer.load))
