"""The dashboard's entry: sign in, or come back; then the live screen, or the page that the URL names.

Called by ``streamlit run`` (``enterprisehub dashboard`` and ``enterprisehub serve`` start it).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from ghl_real_estate_ai.errors import (
    ConfigurationError,
    EnterpriseHubError,
    InputError,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.settings import load_settings
from ghl_real_estate_ai.streamlit_components import page_frame, theme
from ghl_real_estate_ai.streamlit_components.administration import leave_administration, show_administration
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.location_switches import show_banner
from ghl_real_estate_ai.streamlit_components.page_frame import (
    ADMIN,
    ENDED,
    EXPIRED,
    LIVE,
    RENEW_AT,
    SESSION,
    SIGNED_OUT,
    TEAM,
    TRACK_RECORD,
    keep_session,
)
from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import show_hub
from ghl_real_estate_ai.streamlit_components.score_track_record import HELD, show_track_record
from ghl_real_estate_ai.streamlit_components.session_keeper import KEEPER, SCRIPT, keep
from ghl_real_estate_ai.streamlit_components.team_response import show_team

RENEW_AGAIN = timedelta(minutes=1)  # between two attempts, when the gateway does not answer
SEEN = "kept_session_seen"  # what the tab kept, once it was looked at: the same is not believed twice
NOTICE = "notice"
SEVERAL_LOCATIONS = "several_locations"
PAGE = "page"
SIGN_IN = "sign_in"
_OUTLIVES_SESSION = frozenset({SEEN, PAGE, NOTICE, KEEPER, SCRIPT})
NOTICES = {
    EXPIRED: "Your session has expired. Sign in again to go on.",
    SIGNED_OUT: "You are signed out.",
}


def main() -> None:
    """One run of the script: the sign-in form, or the page."""
    st.set_page_config(page_title="EnterpriseHub", layout="wide", initial_sidebar_state="collapsed")
    st.html(theme.page_style())
    try:
        gateway_url = load_settings().gateway_url
    except ConfigurationError as error:
        st.error(page_frame.plain(str(error)))
        return
    client = GatewayClient(gateway_url)
    session = _session(client)
    # Read once: from here on the browser says where it goes, see session_keeper.
    page = st.session_state.setdefault(PAGE, page_frame.known_page(st.query_params.get("page")))
    kept = keep(session, ask=session is None and SEEN not in st.session_state, page=page)
    if kept.went is not None and page_frame.known_page(kept.went) != page:
        st.session_state[PAGE] = page_frame.known_page(kept.went)
        st.rerun()
    if kept.found is not None and kept.found != st.session_state.get(SEEN):
        come_back(kept.found, client)
        return
    with _slots(SIGN_IN if session is None else page):
        if session is None:
            show_sign_in(client, opening=SEEN not in st.session_state)
        else:
            _show(session, page, client, gateway_url)


def _slots(shown: str) -> DeltaGenerator:
    """A place for each page; only the one that is shown is filled. The others are emptied at once: what stood there
    would else stay on the screen, dimmed, until the run has ended."""
    places = {
        name: st.container(gap=None) if name == shown else st.empty() for name in (SIGN_IN, *page_frame.PAGES)
    }
    return places[shown]


def _session(client: GatewayClient) -> Session | None:
    """The session that holds now. The live screen renews its own; on other pages it is renewed here, half-way through."""
    session: Session | None = st.session_state.get(SESSION)
    now = datetime.now(UTC)
    if session is None:
        return None
    if session.expired(now) or ENDED in st.session_state:
        end_session(st.session_state.pop(ENDED, EXPIRED))
        return None
    if st.session_state.get(PAGE) != LIVE and page_frame.renewal_due():
        try:
            session = client.renew(session)
            keep_session(session)
        except Unauthenticated:
            end_session(EXPIRED)
            return None
        except EnterpriseHubError:
            st.session_state[RENEW_AT] = now + RENEW_AGAIN  # the token still holds
    return session


def _show(session: Session, page: str, client: GatewayClient, gateway_url: str) -> None:
    """The page, in its frame; then what the user did with it."""
    if page != TRACK_RECORD:
        st.session_state.pop(HELD, None)
    if page != ADMIN:
        leave_administration()
    if page == LIVE:
        st.html(
            '<p class="loading" role="status">Loading the leads…</p>'
        )  # until the screen stands: pages.css
        show_banner(session, client)
        said = show_hub(session, gateway_url=gateway_url)
        if said.session is not None:
            renewed_by_screen(session, said.session)
        ended = said.ended
    else:
        ended = _show_page(session, page, client)
    if ended in NOTICES:
        end_session(ended)
        st.rerun()
    elif ended is not None:
        st.session_state[PAGE] = page_frame.known_page(ended)
        st.rerun()


def _show_page(session: Session, page: str, client: GatewayClient) -> str | None:
    if page_frame.show_bar(session, page):
        return SIGNED_OUT
    show_banner(session, client)
    with st.container(key="page_body"):
        if session.user.role not in page_frame.PAGES[page].roles:
            page_frame.refuse(session, page)
            return None
        _BODIES[page](session, client)
    return None


_BODIES = {TEAM: show_team, TRACK_RECORD: show_track_record, ADMIN: show_administration}


# --- the session --------------------------------------------------------------------------------------------------


def end_session(why: str) -> None:
    """Forget the token and all that was shown with it; the sign-in form says why. Whoever signed out does not come back to
    the page. The next user of this tab may be another: nothing is kept but what is named in _OUTLIVES_SESSION."""
    for name in [name for name in st.session_state if name not in _OUTLIVES_SESSION]:
        del st.session_state[name]
    st.session_state.setdefault(SEEN, "")
    if why == SIGNED_OUT:
        st.session_state[PAGE] = LIVE
    st.session_state[NOTICE] = NOTICES[why]


def come_back(found: str, client: GatewayClient) -> None:
    """After a reload, or a renewal by the live screen: what the tab kept is believed once the gateway has agreed to it."""
    signed_in = SESSION in st.session_state
    proven = None
    try:
        kept = Session.model_validate_json(found) if found else None
        proven = kept and kept.model_copy(update={"user": client.me(kept)})
    except (ValidationError, Unauthenticated):
        if not signed_in:
            st.session_state[NOTICE] = NOTICES[EXPIRED]
    except Unreachable as error:
        if not signed_in:  # else the token of before goes on
            with st.container(key="sign_in"):
                st.warning(f"{page_frame.plain(str(error))} You stay signed in.", icon=":material/cloud_off:")
                st.button("Try again", key="come_back_again")
            return
    st.session_state[SEEN] = found
    if proven is not None:
        keep_session(proven)
        st.session_state.pop(NOTICE, None)
    st.rerun()


def renewed_by_screen(session: Session, told: object) -> None:
    """The live screen's fresh token, for the pages after it. Another user's is not taken."""
    try:
        fresh = Session.model_validate_json(told) if isinstance(told, str) else Session.model_validate(told)
    except ValidationError:
        return
    same = fresh.user.user_id == session.user.user_id and fresh.user.location_id == session.user.location_id
    if same and fresh.expires_at > session.expires_at:
        keep_session(fresh)


# --- signing in ---------------------------------------------------------------------------------------------------


def show_sign_in(client: GatewayClient, *, opening: bool = False) -> None:
    """The form, and in one line why it is here or why it was refused. ``opening``: the tab has not told yet what it
    kept, so that the form shows itself only when that takes longer than a second (see theme)."""
    if opening:
        st.html('<p class="opening" role="status">Opening…</p>')
    with st.container(key="sign_in_opening" if opening else "sign_in"):
        st.subheader("EnterpriseHub", anchor=False)
        st.caption("Which lead needs what now, and why.")
        if notice := st.session_state.get(NOTICE):
            st.info(page_frame.plain(notice))
        with st.form("sign_in_form"):
            email = st.text_input("Email", autocomplete="username")
            password = st.text_input("Password", type="password", autocomplete="current-password")
            office = st.text_input("Location") if st.session_state.get(SEVERAL_LOCATIONS) else ""
            submitted = st.form_submit_button("Sign in", type="primary", width="stretch")
        if not submitted:
            return
        refused = _sign_in(client, email=email.strip(), password=password, office=office.strip())
        if refused:
            st.error(page_frame.plain(refused))
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
    keep_session(session)
    st.session_state.pop(NOTICE, None)
    st.session_state.pop(SEVERAL_LOCATIONS, None)
    return None


if __name__ == "__main__":
    main()
