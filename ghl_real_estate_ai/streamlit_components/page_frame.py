"""What every page has around it: which pages there are and for whom, the bar at the top, marks and refusals.

Called by ``streamlit_components/app.py`` and by the pages. The live screen draws its own bar, of the same look.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from html import escape
from typing import Final, NamedTuple, NoReturn
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from ghl_real_estate_ai.errors import EnterpriseHubError, Unauthenticated
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.streamlit_components.live_client import Session

LIVE: Final = "now"
TEAM: Final = "team"
TRACK_RECORD: Final = "track_record"
ADMIN: Final = "admin"
SIGNED_OUT: Final = "signed_out"
EXPIRED: Final = "expired"
SESSION: Final = "session"
ENDED: Final = "page_ended"
RENEW_AT: Final = "renew_at"
_RESULTS: Final = "results"
_MARKDOWN: Final = frozenset("\\`*_{}[]<>()#+-.!|$:~&")
"""What Markdown, or Streamlit within it, reads as its own: also the dot of an address without a scheme."""


class Page(NamedTuple):
    """One page: its title in the bar, and who may open it."""

    title: str
    roles: frozenset[Role]
    for_whom: str


_EVERYBODY, _LEADERS, _ADMINS = (
    frozenset(Role),
    frozenset({Role.MANAGER, Role.ADMIN}),
    frozenset({Role.ADMIN}),
)
PAGES: Final = {
    LIVE: Page("Live", _EVERYBODY, "everybody"),
    TEAM: Page("Team", _LEADERS, "managers and admins"),
    TRACK_RECORD: Page("Track record", _LEADERS, "managers and admins"),
    ADMIN: Page("Admin", _ADMINS, "admins"),
}


def known_page(name: str | None) -> str:
    """The name itself, or the live screen's for any other word."""
    return name if name in PAGES else LIVE


def page_link(page: str, **more: str) -> str:
    """The URL of a page of ours, to be followed within the tab: see assets/session_keeper.js."""
    return f"?{urlencode({'page': page, **more})}"


def show_bar(session: Session, page: str) -> bool:
    """The bar; True when the user asks to sign out."""
    role = session.user.role
    links = "".join(
        f'<a class="page-link" href="{page_link(name)}"{_current(name == page)}>{escape(one.title)}</a>'
        for name, one in PAGES.items()
        if role in one.roles
    )
    with st.container(key="page_bar", horizontal=True, vertical_alignment="center", gap="small"):
        st.html(
            '<div class="page-bar"><span class="brand">EnterpriseHub</span>'
            f'<span class="place">{escape(session.user.location_name or session.user.location_id)}</span>'
            f'<nav class="pages" aria-label="Pages">{links}</nav>'
            f'<span class="who">{escape(session.user.name)} · {escape(role)}</span></div>'
        )
        clicked: bool = st.button("Sign out", key="bar_sign_out")
    return clicked


def _current(is_it: bool) -> str:
    return ' aria-current="page"' if is_it else ""


def simulated_mark(words: str) -> None:
    """The mark of every page that shows simulated data."""
    st.html(f'<p class="simulated" role="note"><strong>Simulated data</strong> {escape(words)}</p>')


def refuse(session: Session, page: str) -> None:
    """One sentence: who may, and what to do. The bar above leads back; so does the link."""
    one = PAGES[page]
    st.info(
        f"The page {one.title} is for {one.for_whom}; you are signed in as {session.user.role}. "
        "An admin of your location can change your role.",
        icon=":material/lock:",
    )
    st.html(f'<a class="page-button" href="{page_link(LIVE)}">Back to the live screen</a>')


def keep_session(session: Session) -> None:
    """From here on this is who is signed in."""
    now = datetime.now(UTC)
    st.session_state[SESSION] = session
    st.session_state[RENEW_AT] = now + (session.expires_at - now) / 2


def expire() -> NoReturn:
    """The gateway refused the token: begin anew at the form, from wherever in a page this is found out."""
    st.session_state[ENDED] = EXPIRED
    st.rerun()
    raise AssertionError  # st.rerun does not return; its type does not say so


def renewal_due() -> bool:
    """Whether the token is half-way through: a part of a page that runs by itself then has the whole script run."""
    at: datetime | None = st.session_state.get(RENEW_AT)
    return at is not None and datetime.now(UTC) >= at


# --- words and answers --------------------------------------------------------------------------------------------


def title(words: str) -> None:
    """What page this is."""
    st.html(f'<h1 class="page-title">{escape(words)}</h1>')


def heading(words: str) -> None:
    """What part of the page this is."""
    st.html(f'<h2 class="page-heading">{escape(words)}</h2>')


def zone() -> ZoneInfo:
    """The browser's time zone; UTC where it told none that we know."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def when(at: datetime) -> str:
    """A moment in the browser's zone, e.g. '26 Nov 2026 23:14'."""
    return f"{at.astimezone(zone()):%-d %b %Y %H:%M}"


def attempt(place: str, work: Callable[[], str]) -> None:
    """In a button's callback: do it, and keep what happened, or why it did not, for ``tell_results(place)``."""
    try:
        result = ("done", work())
    except Unauthenticated:
        st.session_state[ENDED] = EXPIRED
        return
    except EnterpriseHubError as error:
        result = ("refused", str(error))
    st.session_state.setdefault(_RESULTS, {})[place] = result


def tell_results(place: str) -> None:
    """What the last click at this place did; said once."""
    kind, words = st.session_state.get(_RESULTS, {}).pop(place, (None, ""))
    if kind == "done":
        st.success(plain(words), icon=":material/check:")
    elif kind == "refused":
        st.error(plain(words), icon=":material/error:")


def plain(text: str) -> str:
    """For Markdown: a text that somebody else wrote, as it is. Only a command between two backticks stays a command."""
    line = " ".join(text.split())
    parts = line.split("`")
    if "``" in line or len(parts) % 2 == 0:
        return _escaped(line)
    return "`".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts))


def _escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in _MARKDOWN else sign for sign in text)
