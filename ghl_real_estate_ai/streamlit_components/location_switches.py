"""The switches of a location on the pages: the banner while nothing goes out, the kill switch, and the others.

Called by ``streamlit_components/app.py`` (banner) and ``administration.py``. Reads and turns ``/v1/switches``.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from typing import Final

import streamlit as st

from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.switches import Switch
from ghl_real_estate_ai.streamlit_components.gateway_answers import Switches, SwitchView
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.page_frame import (
    ADMIN,
    attempt,
    heading,
    page_link,
    plain,
    tell_results,
    when,
)
from ghl_real_estate_ai.streamlit_components.page_tables import mark

BANNER_S: Final = 60
"""How often a page that stays open looks whether the kill switch was turned elsewhere."""
_HELD_FOR: Final = timedelta(seconds=20)
_HELD: Final = "switches_held"
CONFIRM: Final = "kill_confirm"
"""That the kill switch has been asked for, and not confirmed."""
_TITLES: Final = {
    Switch.SUGGESTED_REPLIES: "Suggested replies",
    Switch.SILENCE_WATCH: "Silence watch",
    Switch.LEARNING: "Daily learning",
}
_PLACE: Final = "switches"


def show_banner(session: Session, client: GatewayClient) -> None:
    """One line on every page while nothing goes out. It keeps itself up to date."""
    st.fragment(_banner, run_every=BANNER_S)(session, client)


def _banner(session: Session, client: GatewayClient) -> None:
    outgoing = _outgoing(_known(session, client))
    if outgoing is None or outgoing.on:
        return
    more = f' <a href="{page_link(ADMIN)}">Turn it on again</a>' if session.user.role == Role.ADMIN else ""
    st.html(
        '<p class="outgoing-off" role="alert"><strong>Nothing goes out.</strong> '
        f"{escape(_who_and_when(outgoing))}{more}</p>"
    )


def _outgoing(items: tuple[SwitchView, ...]) -> SwitchView | None:
    return next((one for one in items if one.switch == Switch.OUTGOING), None)


def _known(session: Session, client: GatewayClient) -> tuple[SwitchView, ...]:
    """The switches, read lately; after trouble those that were read last: what the page itself asks tells of the trouble."""
    held: tuple[str, datetime, tuple[SwitchView, ...]] | None = st.session_state.get(_HELD)
    now, whose = datetime.now(UTC), session.user.location_id
    items = held[2] if held is not None and held[0] == whose else ()
    if held is not None and held[0] == whose and now - held[1] < _HELD_FOR:
        return items
    with suppress(EnterpriseHubError):
        items = client.read(Switches, "/v1/switches", session).items
    st.session_state[_HELD] = (whose, now, items)
    return items


def _who_and_when(one: SwitchView) -> str:
    if one.changed_at is None:
        return "Never changed."
    verb = (
        ("Let go" if one.on else "Stopped")
        if one.switch == Switch.OUTGOING
        else f"Turned {'on' if one.on else 'off'}"
    )
    return f"{verb} by {one.changed_by or 'somebody'}, {when(one.changed_at)}."


# --- the admin's page ---------------------------------------------------------------------------------------------


def show_kill_switch(session: Session, client: GatewayClient) -> None:
    """What it does, how it stands, and a button that asks once more."""
    try:
        outgoing = _outgoing(client.read(Switches, "/v1/switches", session).items)
    except EnterpriseHubError as error:
        st.error(f"Whether changes go out cannot be read: {plain(str(error))}")
        return
    if outgoing is None:
        return
    with st.container(key="kill_off" if not outgoing.on else "kill_on", border=True):
        heading("Outgoing changes")
        state = mark("ok", "Going out") if outgoing.on else mark("failure", "Stopped")
        st.html(
            f'<p class="page-line">{state}<br>{escape(outgoing.words)}<br>{escape(_who_and_when(outgoing))}</p>'
        )
        _confirmed(outgoing, session, client)
        tell_results("outgoing")


def _confirmed(outgoing: SwitchView, session: Session, client: GatewayClient) -> None:
    """Two steps, both ways: turned on again, what waits goes out at once."""
    verb = "Stop everything that goes out" if outgoing.on else "Let changes go out again"
    if st.session_state.get(CONFIRM) != outgoing.on:
        st.button(verb, key="kill_ask", type="primary", on_click=partial(_ask, outgoing.on))
        return
    st.warning(
        "Stop? From this moment nothing is sent or written into the CRM for anybody in this location."
        if outgoing.on
        else "Let go? What waits is sent at once, in the order in which it came.",
    )
    with st.container(horizontal=True):
        st.button(
            "Yes, stop it all" if outgoing.on else "Yes, let it go out",
            key="kill_yes",
            type="primary",
            on_click=partial(_turn, "outgoing", outgoing, session, client),
        )
        st.button("No, leave it as it is", key="kill_no", on_click=partial(_ask, None))


def _ask(about: bool | None) -> None:
    st.session_state[CONFIRM] = about


def _turn(place: str, one: SwitchView, session: Session, client: GatewayClient) -> None:
    def work() -> str:
        turned = client.post(SwitchView, f"/v1/switches/{one.switch}", session, body={"on": not one.on})
        st.session_state.pop(_HELD, None)
        if one.switch == Switch.OUTGOING:
            return "Changes go out again." if turned.on else "Nothing goes out from now on."
        return f"{_title(one)} is {'on' if turned.on else 'off'}. The button beside it turns it back."

    st.session_state.pop(CONFIRM, None)
    attempt(place, work)


def show_switches(session: Session, client: GatewayClient) -> None:
    """Every switch but the kill switch: what it does, how it stands, one button. It is its own undo."""
    heading("Feature switches")
    items = client.read(Switches, "/v1/switches", session).items
    for one in items:
        if one.switch == Switch.OUTGOING:
            continue
        with st.container(border=True, key=f"switch_{one.switch}"):
            state = mark("ok", "On") if one.on else mark("warning", "Off")
            st.html(
                f'<p class="page-line"><strong>{escape(_title(one))}</strong> {state}<br>{escape(one.words)}<br>'
                f'<span class="muted">{escape(_who_and_when(one))}</span></p>'
            )
            name = _title(one)
            st.button(
                f"Turn {name[0].lower()}{name[1:]} {'off' if one.on else 'on'}",
                key=f"turn_{one.switch}",
                on_click=partial(_turn, f"{_PLACE}_{one.switch}", one, session, client),
            )
            tell_results(f"{_PLACE}_{one.switch}")


def _title(one: SwitchView) -> str:
    return dict(_TITLES).get(Switch(one.switch), one.switch) if one.switch in set(Switch) else one.switch
