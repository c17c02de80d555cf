"""What the browser keeps for the pages: the session over a reload, and which page is open, in the URL.

Called by ``streamlit_components/app.py``, once in each run of the script. Why the browser and not ``st.query_params``: Streamlit sends a
query string of its own memory once Python has written to it, and the live screen writes to the same URL without Streamlit.
"""

from __future__ import annotations

import secrets
from typing import Final, NamedTuple

import streamlit as st

from ghl_real_estate_ai.streamlit_components.live_client import Session
from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS, assemble

KEEPER: Final = "session_keeper"
"""Its name in the tab's state: what the browser told once stays told when the session ends."""
SCRIPT: Final = "session_keeper_script"
"""Which of the server's sessions this is. A tab repeats to a server that was started again what it told the one before: that
is no answer to the question of the new one."""


class Kept(NamedTuple):
    """``found``: the session that this tab kept, as JSON, unproven; "" for none; None: not told yet. ``went``: the page of a
    link, or of Back and Forward, if that is what began this run."""

    found: str | None
    went: str | None


_mount = st.components.v2.component(
    "enterprisehub_session_keeper",
    html="<span hidden></span>",
    js=assemble("session_keeper.js", assets=ASSETS),
)


def keep(session: Session | None, *, ask: bool, page: str) -> Kept:
    """Have the tab keep ``session``, or keep none; with ``ask`` tell what it kept. The URL says ``page`` from here on."""
    script: str = st.session_state.setdefault(SCRIPT, secrets.token_hex(8))
    result = _mount(
        key=KEEPER,
        data={
            "session": session.model_dump_json() if session else None,
            "ask": ask,
            "script": script,
            "page": page,
        },
        on_found_change=_nothing,
        on_went_change=_nothing,
    )
    return Kept(found=told_to(script, result.found), went=result.went)


def told_to(script: str, found: object) -> str | None:
    """What the tab kept, of an answer to this session of the server; None: it told another, or nothing yet."""
    asked_by, _, kept = str(found or "").partition(":")
    return kept if asked_by == script else None


def _nothing() -> None:
    """Streamlit names a value on the result only when somebody listens for its change."""
