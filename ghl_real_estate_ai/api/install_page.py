"""The page that an account's owner sees when they come back from GoHighLevel: what is connected, or what went wrong.

Called by routes/connections.py. Plain HTML: no script, no address of anybody else, nothing that the request held.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from http import HTTPStatus
from typing import Final

from fastapi.responses import HTMLResponse

from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.services.crm_connections import Connected

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; form-action 'none'",
    "X-Robots-Tag": "noindex",
}
_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} - EnterpriseHub</title>
<style>body{{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem;color-scheme:light dark}}</style>
<main><h1>{title}</h1>
{body}
</main></html>
"""
_SHOWN: Final = 50
"""Names of locations on the page; of more, the number is said."""


def connected_page(connected: Connected) -> HTMLResponse:
    """It worked, and what to do next."""
    parts = [_list("Connected:", connected.locations)] if connected.locations else []
    if connected.later:
        parts.append(_list("Their own access follows within minutes, one after the other:", connected.later))
    if not parts:
        parts.append(
            _paragraph(
                "The agency is connected, but none of its locations has the app yet. Install it in them."
            )
        )
    parts.append(
        _paragraph(
            "You may close this page. In the terminal, `enterprisehub connect` goes on: stages, calendars, history."
        )
    )
    parts.append(_paragraph("`enterprisehub doctor` says at any time whether all is well."))
    return _page("Connected", "\n".join(parts), HTTPStatus.OK)


def failed_page(what: str, fix: str, *, status: int) -> HTMLResponse:
    """It did not work, and how to mend it."""
    return _page("Not connected", _paragraph(what) + "\n" + _paragraph(fix), status)


def _page(title: str, body: str, status: int) -> HTMLResponse:
    return HTMLResponse(_PAGE.format(title=escape(title), body=body), status_code=status, headers=_HEADERS)


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _list(head: str, places: Sequence[Location]) -> str:
    lines = "".join(f"<li>{escape(place.name)}</li>" for place in places[:_SHOWN])
    if len(places) > _SHOWN:
        lines += f"<li>and {len(places) - _SHOWN} more</li>"
    return f"{_paragraph(head)}<ul>{lines}</ul>"
