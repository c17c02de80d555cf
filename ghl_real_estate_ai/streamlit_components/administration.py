"""The page "Admin": the kill switch, the doctor's findings, and everything that an admin of a location sees to.

Called by ``streamlit_components/app.py``. Each section asks the gateway for its own part, when it is opened.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import partial
from html import escape
from typing import Final

import streamlit as st

from ghl_real_estate_ai.errors import EnterpriseHubError, Unauthenticated
from ghl_real_estate_ai.models.diagnosis import Finding, FindingStatus
from ghl_real_estate_ai.streamlit_components.dead_letters import show_dead_letters
from ghl_real_estate_ai.streamlit_components.gateway_answers import (
    FirstSteps,
    Health,
    Locations,
    LocationView,
)
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.location_listings import PLAN, show_listings
from ghl_real_estate_ai.streamlit_components.location_switches import CONFIRM, show_kill_switch, show_switches
from ghl_real_estate_ai.streamlit_components.location_users import CHANGED, REMOVE, show_users
from ghl_real_estate_ai.streamlit_components.page_frame import (
    expire,
    heading,
    plain,
    simulated_mark,
    title,
    zone,
)
from ghl_real_estate_ai.streamlit_components.page_tables import (
    NOTHING,
    Column,
    mark,
    show_table,
    with_commands,
)

_SECTION: Final = "admin_section"
_WORST_FIRST: Final = (
    FindingStatus.FAILURE,
    FindingStatus.WARNING,
    FindingStatus.UNKNOWN,
    FindingStatus.OK,
)
_STATUS_WORDS: Final = {
    FindingStatus.FAILURE: ("failure", "Failure"),
    FindingStatus.WARNING: ("warning", "Warning"),
    FindingStatus.UNKNOWN: ("unknown", "Not known"),
    FindingStatus.OK: ("ok", "Fine"),
}


_CHECKS: Final = {
    "connection": "Connection to GoHighLevel",
    "token": "Access token",
    "encryption_key": "Key that seals the token",
    "api": "GoHighLevel's API",
    "scopes": "What the token may read and write",
    "custom_fields": "Our custom fields in the account",
    "api_quota": "Calls left today",
    "clock": "Clock of the server",
    "public_url": "Address of the gateway",
    "app_webhook": "Webhooks of the app",
    "workflow_webhook": "Webhooks of workflows",
    "deliveries": "Answers to webhooks",
    "polling": "Reading the account regularly",
    "bus_lag": "Events that wait for their handlers",
    "rereads": "Leads that wait to be read again",
    "changes": "Changes that wait to be written into the CRM",
    "dead_letters": "Deliveries that could not be used",
    "outgoing": "Outgoing changes",
}
"""The doctor's checks, as people call them."""


def show_administration(session: Session, client: GatewayClient) -> None:
    """Draw the page."""
    with st.container(key="admin_page"):
        title("Admin")
        simulated = _is_simulated(session, client)
        if simulated:
            simulated_mark("The leads of this location are simulated.")
        show_kill_switch(session, client)
        chosen = st.segmented_control(
            "Section", list(_SECTIONS), default="Health", label_visibility="collapsed", key=_SECTION
        )
        try:
            _SECTIONS[chosen or "Health"](session, client)
        except Unauthenticated:
            expire()
        except EnterpriseHubError as error:
            st.error(plain(str(error)))
            st.button("Try again", key="admin_again")


def _is_simulated(session: Session, client: GatewayClient) -> bool:
    """Trouble is told by what the page itself asks."""
    with suppress(EnterpriseHubError):
        return client.read(FirstSteps, "/v1/first-steps", session).simulated
    return False


def leave_administration() -> None:
    """Questions that were left open are not waiting when somebody comes back."""
    for asked in (CONFIRM, CHANGED, REMOVE, PLAN):
        st.session_state.pop(asked, None)


def _health(session: Session, client: GatewayClient) -> None:
    """What the doctor knows, worst first."""
    heading("Health")
    health = client.read(Health, "/v1/health/crm", session)
    simulated = _is_simulated(session, client)
    findings = [_meant(one) if simulated else one for one in health.findings]
    found = sorted(findings, key=lambda one: _WORST_FIRST.index(one.status))
    counts = [
        f"{count} {_STATUS_WORDS[status][1].lower()}"
        for status in _WORST_FIRST
        if (count := sum(one.status is status for one in found))
    ]
    st.html(f'<p class="page-line">{escape(", ".join(counts)) or "Nothing was looked at."}.</p>')
    st.html("".join(_finding(one) for one in found))
    st.caption(
        f"At {datetime.now(zone()):%H:%M:%S}. This asks the CRM nothing. To have it asked now, run on the server:"
    )
    st.code(f"enterprisehub doctor --location {health.location_id}", language=None, wrap_lines=True)


def _meant(one: Finding) -> Finding:
    """Simulated leads need no account: that none is connected is no failure there."""
    if one.check != "connection" or one.what != "the location is not connected":
        return one
    what = "simulated: not connected on purpose"
    return one.model_copy(update={"status": FindingStatus.OK, "what": what, "fix": None})


def _finding(one: Finding) -> str:
    fix = f'<p class="fix"><strong>What to do:</strong> {with_commands(one.fix)}</p>' if one.fix else ""
    return (
        f'<section class="finding"><p>{mark(*_STATUS_WORDS[one.status])} <strong>{escape(_title_of(one))}</strong></p>'
        f"<p>{with_commands(_first_upper(one.what))}</p>{fix}</section>"
    )


def _title_of(one: Finding) -> str:
    known = _CHECKS.get(one.check)
    if known is None and one.check.startswith("sync_"):
        return f"Reading of {one.check.removeprefix('sync_').replace('_', ' ')}"
    return known or _first_upper(one.check.replace("_", " "))


def _first_upper(words: str) -> str:
    return words[:1].upper() + words[1:]


def _locations(session: Session, client: GatewayClient) -> None:
    heading("Locations")
    items = client.read(Locations, "/v1/locations", session).items
    simulated = _is_simulated(session, client)
    columns = [Column("Location"), Column("Id"), Column("CRM"), Column("Leads", number=True), Column("")]
    rows = [
        [
            one.name,
            one.location_id,
            _connection_of(one, simulated=simulated and one.here),
            f"{one.leads:,}",
            "you are here" if one.here else NOTHING,
        ]
        for one in items
    ]
    show_table("Locations in which you are an admin", columns, rows)
    st.caption("To see another one, sign out and sign in with its id. To add one, run on the server:")
    st.code("enterprisehub connect --location <GHL locationId>", language=None, wrap_lines=True)


def _connection_of(one: LocationView, *, simulated: bool) -> str:
    """As Health has it: simulated leads need no account."""
    if one.connection is None and simulated:
        return mark("ok", "simulated: none needed")
    return mark("ok" if one.connection == "active" else "warning", one.connection or "not connected")


def _first_steps(session: Session, client: GatewayClient) -> None:
    heading("First steps")
    told = client.read(FirstSteps, "/v1/first-steps", session)
    st.html(f'<p class="page-line">{told.leads:,} leads and {told.listings:,} homes are here.</p>')
    for step in told.steps:
        with st.container(border=True, key=f"step_{step.name}"):
            state = mark("ok", "Done") if step.done else mark("warning", "To do")
            st.html(f'<p class="page-line">{state} <strong>{escape(step.title)}</strong></p>')
            if not step.done:
                st.markdown(step.how)
                if step.href and step.href.startswith(("https://", "http://")):
                    st.link_button("Open", step.href)
                if there := _DONE_IN.get(step.name):
                    st.button(f"Open {there}", key=f"open_{there}", on_click=partial(_open_section, there))


def _open_section(name: str) -> None:
    st.session_state[_SECTION] = name


_DONE_IN: Final = {"listings": "Homes", "team": "Users"}
"""First steps that a section of this page takes."""
_SECTIONS: Final = {
    "Health": _health,
    "Users": show_users,
    "Homes": show_listings,
    "Switches": show_switches,
    "Dead letters": show_dead_letters,
    "Locations": _locations,
    "First steps": _first_steps,
}
