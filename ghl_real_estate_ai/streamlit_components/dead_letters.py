"""The admin's section "Dead letters": what came in and could not be worked on, and another try. Called by ``administration.py``.

Reads ``/v1/dead-letters`` and asks for replays.
"""

from __future__ import annotations

from functools import partial
from html import escape
from typing import Final

import streamlit as st

from ghl_real_estate_ai.streamlit_components.gateway_answers import DeadLetters, DeadLetterView, Replayed
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.page_frame import attempt, heading, tell_results, when
from ghl_real_estate_ai.streamlit_components.page_tables import mark

PAGE_LETTERS: Final = 20
"""Letters on one page: each has its own button."""
_PLACE: Final = "dead_letters"
_AFTER: Final = "dead_letters_after"


def show_dead_letters(session: Session, client: GatewayClient) -> None:
    """The list with its buttons. Raises what the gateway refuses."""
    heading("Dead letters")
    after = st.session_state.get(_AFTER, 0)
    page = client.read(DeadLetters, f"/v1/dead-letters?after={after}&limit={PAGE_LETTERS}", session)
    tell_results(_PLACE)
    if not page.total:
        st.html(f'<p class="page-line">{mark("ok", "None: all that came in was worked on.")}</p>')
        return
    st.markdown(
        f"{page.total:,} could not be worked on. Mend what the reason names, then try again; "
        "what fails again stays here with its new reason."
    )
    st.button(
        "Replay all", key="replay_all", type="primary", on_click=partial(_replay, None, session, client)
    )
    for letter in page.items:
        _letter(letter, session, client)
    _turning(page)


def _letter(letter: DeadLetterView, session: Session, client: GatewayClient) -> None:
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key=f"letter_{letter.dead_letter_id}"
    ):
        marks = [
            f"no. {letter.dead_letter_id}",
            when(letter.failed_at),
            *([] if letter.position is None else [f"event {letter.position:,}"]),
            *(["simulated"] if letter.simulated else []),
            *(
                []
                if letter.has_raw or letter.position is not None
                else ["what came is not kept: it cannot be replayed"]
            ),
        ]
        st.html(
            f'<p class="page-line"><strong>{escape(letter.subscriber)}</strong>: {escape(letter.reason)}<br>'
            f'<span class="muted">{escape(" · ".join(marks))}</span></p>'
        )
        st.button(
            "Replay",
            key=f"replay_{letter.dead_letter_id}",
            on_click=partial(_replay, letter.dead_letter_id, session, client),
        )


def _replay(which: int | None, session: Session, client: GatewayClient) -> None:
    def work() -> str:
        path = "/v1/dead-letters/replay" if which is None else f"/v1/dead-letters/{which}/replay"
        done = client.post(Replayed, path, session)
        st.session_state.pop(_AFTER, None)
        why = f" The reason: {done.reason}." if done.reason else ""
        if which is not None:
            told = "is worked on now" if done.replayed else f"failed again.{why} It"
            return f"Letter {which} {told}{'' if done.replayed else ' stays here'}. {done.left:,} left."
        return f"{done.replayed:,} worked on now, {done.left:,} left.{why}"

    attempt(_PLACE, work)


def _turning(page: DeadLetters) -> None:
    after = st.session_state.get(_AFTER, 0)
    if not after and page.total <= len(page.items):
        return
    with st.container(horizontal=True):
        if after:
            st.button("Newest", key="letters_newest", on_click=partial(_go, 0))
        if len(page.items) == PAGE_LETTERS:
            oldest = page.items[-1].dead_letter_id
            st.button("Older", key="letters_older", on_click=partial(_go, oldest))


def _go(after: int) -> None:
    st.session_state[_AFTER] = after
