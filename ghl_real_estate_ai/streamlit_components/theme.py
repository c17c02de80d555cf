"""The look of the pages around the live screen and of the sign-in form, from the live screen's own colours.

Called by ``streamlit_components/app.py``; ``commands/launch.py`` gives Streamlit's widgets the same colours.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Final

ASSETS: Final = Path(__file__).parent / "assets"
_TOKEN = re.compile(r"^\s*(--[a-z-]+: [^;{}]+;)", re.MULTILINE)
_PAIR = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\);")
_WIDGETS: Final = {
    "primaryColor": "accent",
    "backgroundColor": "page",
    "secondaryBackgroundColor": "card",
    "textColor": "text",
    "borderColor": "line",
    "linkColor": "accent",
}
"""Streamlit's option: our token."""


@functools.cache
def page_style() -> str:
    """One style element: the live screen's tokens for the whole page, and the pages' own sheet."""
    tokens = "\n".join(_TOKEN.findall((ASSETS / "live_hub.css").read_text(encoding="utf-8")))
    sheet = (ASSETS / "pages.css").read_text(encoding="utf-8")
    return f"<style>\n:root {{\n{tokens}\n}}\n{sheet}</style>"


@functools.cache
def widget_colours() -> dict[str, str]:
    """Options by which Streamlit's own widgets take the live screen's colours, in both schemes."""
    css = (ASSETS / "live_hub.css").read_text(encoding="utf-8")
    pairs = dict(_PAIR.findall(css))
    options = {"theme.baseRadius": "6px"}
    for number, scheme in enumerate(("light", "dark")):
        for option, token in _WIDGETS.items():
            options[f"theme.{scheme}.{option}"] = pairs[token].split(", ")[number]
    return options
