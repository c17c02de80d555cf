"""A page of the dashboard as Streamlit runs it, opened by somebody who is signed in. Used by the tests of the pages."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.streamlit_components import app, page_frame
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient, Session
from tests.support.dashboard import PASSWORD, LiveGateway

EMAILS = {role: f"{role}@example.com" for role in Role}


def add_everybody(gateway: LiveGateway) -> None:
    """One user of each role."""
    for role, email in EMAILS.items():
        gateway.add_user(email=email, role=role)


@functools.cache
def session_of(url: str, role: Role) -> Session:
    """Signed in once: a gateway lets nobody try often."""
    return GatewayClient(url).sign_in(EMAILS[role], PASSWORD)


def opened(
    gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, role: Role, page: str | None = None
) -> AppTest:
    """The dashboard, as after signing in with ``?page=`` in the URL."""
    monkeypatch.setenv("ENTERPRISEHUB_PORT", str(gateway.settings.port))
    test = AppTest.from_file(str(Path(app.__file__)), default_timeout=60)
    test.session_state[page_frame.SESSION] = session_of(gateway.settings.gateway_url, role)
    if page is not None:
        test.query_params["page"] = page
    return test.run()


def html(page: AppTest) -> str:
    """All markup that the page writes."""
    return "\n".join(element.proto.body for element in page.get("html"))


def told(page: AppTest) -> str:
    """All that the page says in words, markup left out."""
    kinds = (page.success, page.info, page.warning, page.error, page.markdown, page.caption, page.code)
    return "\n".join(as_read(str(element.value)) for kind in kinds for element in kind)


def as_read(markdown: str) -> str:
    """What a reader sees of a text whose signs are escaped."""
    return re.sub(r"\\([^a-zA-Z0-9\s])", r"\1", markdown)


def shows_live(page: AppTest) -> bool:
    """Whether the live screen is open."""
    return any(
        element.type == "bidi_component" and element.proto.component_name.endswith("live_hub")
        for element in page.main
    )


def press(page: AppTest, key: str) -> AppTest:
    """Click the button of this key; nothing may break."""
    page.button(key=key).click().run()
    assert not page.exception
    return page
