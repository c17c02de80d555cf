"""The dashboard's entry: sign in, then the live screen, or the page that was asked for.

Called by ``streamlit run`` (``enterprisehub dashboard`` and ``enterprisehub serve`` start it).
"""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    EnterpriseHubError,
    InputError,
    TooManyRequests,
    Unauthenticated,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.settings import load_settings
from ghl_real_estate_ai.streamlit_components import theme
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import show_hub
from ghl_real_estate_ai.streamlit_components.score_track_record import show_track_record

SESSION = "session"
NOTICE = "notice"
SEVERAL_LOCATIONS = "several_locations"
PAGE = "page"
TRACK_RECORD = "track_record"  # what the live screen says when the user asks for that page; any other word is that screen
NOTICES = {
    "expired": "Your session has expired. Sign in again to go on.",
    "signed_out": "You are signed out.",
}


def main() -> None:
    """One run of the script: the sign-in form, or the live screen."""
    st.set_page_config(page_title="EnterpriseHub", layout="wide", initial_sidebar_state="collapsed")
    st.html(theme.PAGE_STYLE)
    try:
        gateway_url = load_settings().gateway_url
    except ConfigurationError as error:
        st.error(str(error))
        return
    session: Session | None = st.session_state.get(SESSION)
    if session and session.expired(datetime.now(UTC)):
        end_session("expired")
        session = None
    if session is None:
        show_sign_in(GatewayClient(gateway_url))
        return
    if st.session_state.get(PAGE) == TRACK_RECORD:
        ended = show_track_record(session, GatewayClient(gateway_url))
    else:
        ended = show_hub(session, gateway_url=gateway_url, on_end=lambda: None)
    if ended in NOTICES:
        end_session(ended)
        st.rerun()
    elif ended is not None:
        st.session_state[PAGE] = ended
        st.rerun()


def end_session(why: str) -> None:
    """Forget the token; the sign-in form says why."""
    st.session_state.pop(SESSION, None)
    st.session_state.pop(PAGE, None)
    st.session_state[NOTICE] = NOTICES[why]


def show_sign_in(client: GatewayClient) -> None:
    """The form, and in one line why it is here or why it was refused."""
    with st.container(key="sign_in"):
        st.subheader("EnterpriseHub", anchor=False)
        st.caption("Which lead needs what now, and why.")
        if notice := st.session_state.get(NOTICE):
            st.info(notice)
        with st.form("sign_in_form"):
            email = st.text_input("Email", autocomplete="username")
            password = st.text_input("Password", type="password", autocomplete="current-password")
            office = st.text_input("Location") if st.session_state.get(SEVERAL_LOCATIONS) else ""
            submitted = st.form_submit_button("Sign in", type="primary", width="stretch")
        if not submitted:
            return
        refused = _sign_in(client, email=email.strip(), password=password, office=office.strip())
        if refused:
            st.error(refused)
            return
    st.rerun()


def _sign_in(client: GatewayClient, *, email: str, password: str, office: str) -> str | None:
    """Keep a new session; else the reason why there is none, in one line."""
    if not email or not password:
        return "Enter your email and your password."
    try:
        session = client.sign_in(email, password, LocationId(office) if office else None)
    except Unauthenticated:
        return "Email or password is wrong."
    except TooManyRequests as error:
        return f"Too many attempts. Try again in {max(1, round(error.retry_after_s))} s."
    except InputError as error:
        # The one thing that the form did not ask for is the location, which most people need not know.
        if "location_id" in str(error) and not st.session_state.get(SEVERAL_LOCATIONS):
            st.session_state[SEVERAL_LOCATIONS] = True
            st.session_state[NOTICE] = str(error).replace("location_id: ", "").replace("; send", "; enter")
            return None
        return str(error)
    except EnterpriseHubError as error:
        return str(error)
    st.session_state[SESSION] = session
    st.session_state.pop(NOTICE, None)
    st.session_state.pop(SEVERAL_LOCATIONS, None)
    return None


if __name__ == "__main__":
    main()
