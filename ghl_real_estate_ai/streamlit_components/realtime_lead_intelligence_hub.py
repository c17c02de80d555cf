"""The live screen: assembles its browser module once and mounts it with the signed-in user's data.

Called by ``streamlit_components/app.py``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import streamlit as st

from ghl_real_estate_ai.streamlit_components.live_client import Session

ASSETS: Final = Path(__file__).parent / "assets"
ENTRY: Final = "live_hub.js"
SHEETS: Final = ("uplot/uplot.css", "live_hub.css", "live_panels.css", "live_now.css", "live_lead.css")
"""The look: charts | tokens, bar and panels | what stands in the panels | the queue and what filters it | one lead."""

_IMPORT = re.compile(r'^import \{[^}]*\} from "(?P<file>\.[./a-z_]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def assemble(entry: str = ENTRY, *, assets: Path = ASSETS) -> str:
    """One ES module out of ``entry`` and the modules it imports, each once, after what it needs. The protocol's own module
    is the one that the gateway serves to everybody (``live_client/``).

    Streamlit takes an inline component's JavaScript as one text. The files stay real ES modules (node tests import
    them as they are), so joining them needs no more than leaving out their imports and the word ``export``.
    """
    seen: set[Path] = set()
    parts: list[str] = []

    def add(file: Path) -> None:
        if file in seen:
            return
        seen.add(file)
        source = file.read_text(encoding="utf-8")
        for match in _IMPORT.finditer(source):
            add((file.parent / match["file"]).resolve())
        parts.append(_EXPORT.sub("", _IMPORT.sub("", source)))

    add((assets / entry).resolve())
    return "\n".join(parts)


_mount = st.components.v2.component(
    "enterprisehub_live_hub",
    html=(ASSETS / "live_hub.html").read_text(encoding="utf-8"),
    css="\n".join((ASSETS / sheet).read_text(encoding="utf-8") for sheet in SHEETS),
    js=assemble(),
)


class Said(NamedTuple):
    """What the screen tells the script. ``ended``: ``signed_out`` (the user asked), ``expired`` (the gateway refused the
    token) or the name of another page. ``session``: it has renewed the token. Both None while it is simply open."""

    ended: str | None
    session: object | None


def show_hub(session: Session, *, gateway_url: str) -> Said:
    """Mount the live screen for this session; it paints by itself from here on, without reruns."""
    result = _mount(
        key="live_hub",
        data={
            "api_url": gateway_url,
            "token": session.access_token,
            "expires_at": session.expires_at.isoformat(),
            "user": session.user.model_dump(mode="json"),
        },
        on_ended_change=_nothing,
        on_session_change=_nothing,
    )
    return Said(ended=result.ended, session=result.session)


def _nothing() -> None:
    """Streamlit names a value on the result only when somebody listens for its change."""
