"""Tables and figures of the pages, as HTML with aligned numbers, and as CSV. Called by ``streamlit_components/`` pages.

Plain tables and not ``st.dataframe``: a link, a mark and a bar in a cell, read aloud as a table, in the page's own type.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final, NamedTuple

import streamlit as st

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so is run by a spreadsheet: https://owasp.org/www-community/attacks/CSV_Injection"""

NOTHING: Final = "–"


class Html(str):
    """A cell that is markup already. Everything else is escaped."""

    __slots__ = ()


class Column(NamedTuple):
    """``number``: right-aligned, digits of one width."""

    title: str
    number: bool = False


def show_table(caption: str, columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> None:
    """The table; wider than a phone it scrolls within itself. ``caption`` is what a screen reader says first."""
    head = "".join(f'<th scope="col"{_align(column)}>{escape(column.title)}</th>' for column in columns)
    body = "".join(f"<tr>{_row(columns, row)}</tr>" for row in rows)
    st.html(
        f'<div class="table-frame" role="region" aria-label="{escape(caption)}" tabindex="0">'
        f'<table class="page-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(columns: Sequence[Column], row: Sequence[str]) -> str:
    first, *others = zip(columns, row, strict=True)
    cells = "".join(f"<td{_align(column)}>{_safe(cell)}</td>" for column, cell in others)
    return f'<th scope="row"{_align(first[0])}>{_safe(first[1])}</th>{cells}'


def _align(column: Column) -> str:
    return ' class="number"' if column.number else ""


def _safe(cell: str) -> str:
    return cell if isinstance(cell, Html) else escape(cell)


def link(href: str, text: str) -> Html:
    """A link to a page of ours."""
    return Html(f'<a class="page-link-inline" href="{escape(href)}">{escape(text)}</a>')


def mark(kind: str, text: str) -> Html:
    """A word with a shape before it, so that colour is not the only signal. ``kind``: ok, warning, failure or unknown."""
    return Html(f'<span class="mark mark-{kind}">{escape(text)}</span>')


def with_commands(text: str) -> Html:
    """A sentence in which a command stands between two backticks."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return Html(escape(text))
    return Html(
        "".join(
            f"<code>{escape(part)}</code>" if place % 2 else escape(part) for place, part in enumerate(parts)
        )
    )


def bar(share: float | None) -> Html:
    """A share in per cent, with a bar of that length."""
    if share is None:
        return Html(f"<span>{NOTHING}</span>")
    return Html(
        f'<span class="share"><span class="share-bar"><span style="width:{share:.0%}"></span></span>'
        f"<span>{share:.0%}</span></span>"
    )


def lines(*texts: str) -> Html:
    """These texts, each on a line of its own; empty ones are left out."""
    return Html("<br>".join(_safe(text) for text in texts if text))


def show_figures(figures: Iterable[tuple[str, str, str]]) -> None:
    """A row of (title, figure, note)."""
    parts = "".join(
        f"<div><dt>{escape(title)}</dt><dd>{escape(figure)}</dd><dd class='note'>{_safe(note)}</dd></div>"
        for title, figure, note in figures
    )
    st.html(f'<dl class="page-figures">{parts}</dl>')


def as_csv(names: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows for a spreadsheet; a text that it would run as a formula is kept a text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([_plain(cell) for cell in row] for row in rows)
    return out.getvalue()


def _plain(cell: object) -> object:
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def minutes_in_words(minutes: float | None) -> str:
    """'45 s', '12 min', '3.5 h', '2.1 days'."""
    if minutes is None:
        return NOTHING
    if minutes < 1:
        return f"{minutes * 60:.0f} s"
    if minutes < 90:
        return f"{minutes:.0f} min"
    if minutes < 36 * 60:
        return f"{minutes / 60:.1f} h"
    return f"{minutes / 60 / 24:.1f} days"
