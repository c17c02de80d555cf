"""The admin's section "Users": who signs in here, added, changed and removed. Called by ``administration.py``.

Reads and changes ``/v1/users``; the people of the CRM come from ``/v1/team``.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from functools import partial
from html import escape
from typing import Final
from urllib.parse import quote

import streamlit as st

from ghl_real_estate_ai.models.identifiers import UserId
from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.team import Team
from ghl_real_estate_ai.streamlit_components.gateway_answers import Users, UserView
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from ghl_real_estate_ai.streamlit_components.page_frame import (
    attempt,
    heading,
    keep_session,
    plain,
    tell_results,
)

_PLACE: Final = "users"
_REMOVED: Final = "users_removed"
_HANDED_OUT: Final = "user_handed_out"
_HANDED_TO: Final = "user_handed_to"
CHANGED: Final = "user_changed"
"""Who is being changed."""
REMOVE: Final = "user_remove"
"""Whose removal has been asked for, and not confirmed."""
_PASSWORD_BYTES: Final = 12
"""96 bits: nobody guesses it, and 16 characters can be dictated."""
_ROLE_WORDS: Final = {
    Role.AGENT: "Agent: works leads",
    Role.MANAGER: "Manager: also sees the team",
    Role.ADMIN: "Admin: also runs the location",
}


def show_users(session: Session, client: GatewayClient) -> None:
    """The list, each with what can be done about them. Raises what the gateway refuses."""
    heading("Users")
    users = client.read(Users, "/v1/users", session).items
    people = {one.user_id: one.name for one in client.read(Team, "/v1/team", session).members}
    tell_results(_REMOVED)
    _forget_password_of_nobody(users)
    for user in users:
        _row(user, session, client, people)
    tell_results(_PLACE)
    _new_password(of=None)
    with st.expander("Add a user", key="user_add"):
        _add(session, client, people)


def _row(user: UserView, session: Session, client: GatewayClient, people: Mapping[UserId, str]) -> None:
    """Who it is, with a button of their own; what is to be changed opens below it, of one user at a time."""
    opened = st.session_state.get(CHANGED) == user.user_id
    with st.container(border=True, gap="small", key=f"user_{user.user_id}"):
        with st.container(horizontal=True, vertical_alignment="center"):
            you = " (you)" if user.user_id == session.user.user_id else ""
            st.html(
                f'<p class="page-line"><strong>{escape(user.name)}</strong>{you} · {escape(user.role)}<br>'
                f'{escape(user.email)}<br><span class="muted">In the CRM: {escape(_in_crm(user, people))}</span></p>'
            )
            st.button(
                "Close" if opened else "Change",
                key=f"change_{user.user_id}",
                on_click=partial(_open, None if opened else user.user_id),
            )
        tell_results(_place_of(user))
        _new_password(of=user.user_id)
        if opened:
            _change(user, session, client, people)


def _open(user_id: UserId | None) -> None:
    """A question about the removal of somebody else is not left open."""
    st.session_state[CHANGED] = user_id
    st.session_state.pop(REMOVE, None)


def _in_crm(user: UserView, people: Mapping[UserId, str]) -> str:
    if user.crm_user_id is None:
        return "Not known"
    return people.get(user.crm_user_id, f"agent {user.crm_user_id[-4:]}")


def _place_of(user: UserView) -> str:
    """Where the answer to a click about them is told: in a long list the top is out of sight."""
    return f"{_PLACE}_{user.user_id}"


def _new_password(*, of: UserId | None) -> None:
    """Shown where it was asked for, until the admin says that it is copied; then it is nowhere but in the user's hands."""
    held: tuple[str, str] | None = st.session_state.get(_HANDED_OUT)
    if held is None or st.session_state.get(_HANDED_TO) != of:
        return
    email, password = held
    with st.container(border=True, key="user_password_box"):
        st.markdown(f"Give **{plain(email)}** this password. It is shown here only, and not kept.")
        st.code(password, language=None)
        st.button("I have copied it", key="user_password_done", on_click=_forget_password)


def _forget_password() -> None:
    st.session_state.pop(_HANDED_OUT, None)


def _forget_password_of_nobody(users: Sequence[UserView]) -> None:
    """A password opens nothing once its user is removed, here or by another admin."""
    held: tuple[str, str] | None = st.session_state.get(_HANDED_OUT)
    if held is not None and held[0] not in {user.email for user in users}:
        _forget_password()


def _add(session: Session, client: GatewayClient, people: Mapping[UserId, str]) -> None:
    with st.form("user_add_form", border=False):
        st.text_input("Email", key="new_email")
        st.text_input("Name", key="new_name")
        st.selectbox("Role", list(_ROLE_WORDS), format_func=_ROLE_WORDS.__getitem__, key="new_role")
        _crm_choice(people, key="new_crm", chosen=None)
        st.caption("A password is made for them and shown once.")
        st.form_submit_button("Add user", type="primary", on_click=partial(_added, session, client))


def _crm_choice(people: Mapping[UserId, str], *, key: str, chosen: UserId | None) -> None:
    options: list[UserId | None] = [None, *people]
    if chosen not in options:
        options.append(chosen)
    st.selectbox(
        "Who they are in the CRM",
        options,
        index=options.index(chosen),
        format_func=lambda one: (
            "Found by their email" if one is None else people.get(one, f"agent {one[-4:]}")
        ),
        key=key,
    )


def _added(session: Session, client: GatewayClient) -> None:
    asked = st.session_state
    password = secrets.token_urlsafe(_PASSWORD_BYTES)

    def work() -> str:
        added = client.post(
            UserView,
            "/v1/users",
            session,
            body={
                "email": asked["new_email"].strip(),
                "name": asked["new_name"].strip(),
                "role": str(asked["new_role"]),
                "password": password,
                **({"crm_user_id": asked["new_crm"]} if asked["new_crm"] else {}),
            },
        )
        asked[_HANDED_OUT], asked[_HANDED_TO] = (added.email, password), None
        asked["new_email"] = asked["new_name"] = ""
        return f"{added.name} is added as {added.role}."

    attempt(_PLACE, work)


def _change(user: UserView, session: Session, client: GatewayClient, people: Mapping[UserId, str]) -> None:
    chosen = user.user_id
    with st.form(f"user_form_{chosen}", border=False):
        st.text_input("Name", value=user.name, key=f"name_{chosen}")
        roles = list(_ROLE_WORDS)
        st.selectbox(
            "Role",
            roles,
            index=roles.index(user.role),
            format_func=_ROLE_WORDS.__getitem__,
            key=f"role_{chosen}",
        )
        _crm_choice(people, key=f"crm_{chosen}", chosen=user.crm_user_id)
        st.checkbox("Make a new password; it ends their sessions", key=f"reset_{chosen}")
        st.form_submit_button("Save", type="primary", on_click=partial(_changed, user, session, client))
    _removal(user, session, client)


def _changed(user: UserView, session: Session, client: GatewayClient) -> None:
    asked, which = st.session_state, user.user_id
    password = secrets.token_urlsafe(_PASSWORD_BYTES) if asked[f"reset_{which}"] else None

    wanted: dict[str, str | None] = {
        "name": asked[f"name_{which}"].strip(),
        "role": str(asked[f"role_{which}"]),
        "crm_user_id": asked[f"crm_{which}"],
    }
    # only what is new: a CRM user found by the email is no link until somebody says so
    body = {name: value for name, value in wanted.items() if value != getattr(user, name)}

    def work() -> str:
        if password:
            body["password"] = password
        elif not body:
            return "Nothing was changed."
        changed = client.post(UserView, f"/v1/users/{quote(which, safe='')}", session, body=body)
        if password:
            asked[_HANDED_OUT], asked[_HANDED_TO] = (changed.email, password), which
            asked[f"reset_{which}"] = False
            if which == session.user.user_id:  # it ended this session too, before the password was seen
                keep_session(client.sign_in(changed.email, password, session.user.location_id))
        asked[CHANGED] = None
        return f"{changed.name} is saved."

    attempt(_place_of(user), work)


def _removal(user: UserView, session: Session, client: GatewayClient) -> None:
    if st.session_state.get(REMOVE) != user.user_id:
        st.button("Remove this user", key="user_remove_ask", on_click=partial(_ask_removal, user.user_id))
        return
    st.warning(
        f"Remove {plain(user.name)}? Their screens close and they cannot sign in. Their leads stay as they are."
    )
    with st.container(horizontal=True):
        st.button(
            "Yes, remove",
            key="user_remove_yes",
            type="primary",
            on_click=partial(_removed, user, session, client),
        )
        st.button("No, keep", key="user_remove_no", on_click=partial(_ask_removal, None))


def _ask_removal(user_id: UserId | None) -> None:
    st.session_state[REMOVE] = user_id


def _removed(user: UserView, session: Session, client: GatewayClient) -> None:
    def work() -> str:
        client.tell(f"/v1/users/{quote(user.user_id, safe='')}/removal", session)
        return f"{user.name} is removed. Add {user.email} again to give access back, with a new password."

    _open(None)
    attempt(_REMOVED, work)  # not in their row: it is gone
