"""Tables of the pages: what is escaped, what is aligned, and what a spreadsheet gets."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.streamlit_components.page_tables import as_csv, bar, link, mark, minutes_in_words


def script() -> None:
    """One row with everything in it."""
    from ghl_real_estate_ai.streamlit_components.page_tables import Column, link, show_table

    columns = [Column("Lead"), Column("Waits", number=True)]
    show_table("Who waits", columns, [[link("?lead=<1>", "Ada <b>"), "<i>12</i>"]])


def test_a_table_has_a_caption_heads_of_rows_and_columns_and_escapes_what_it_shows() -> None:
    (body,) = [element.proto.body for element in AppTest.from_function(script).run().get("html")]
    assert "<caption>Who waits</caption>" in body
    assert '<th scope="col" class="number">Waits</th>' in body
    assert '<th scope="row"><a class="page-link-inline" href="?lead=&lt;1&gt;">Ada &lt;b&gt;</a></th>' in body
    assert '<td class="number">&lt;i&gt;12&lt;/i&gt;</td>' in body


def test_marks_links_and_bars_escape_their_text() -> None:
    assert "<x>" not in mark("ok", "<x>") + link('"><x>', "<x>")
    assert "width:34%" in bar(0.34)
    assert "–" in bar(None)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(None, "–"), (0.75, "45 s"), (12.4, "12 min"), (89.0, "89 min"), (210.0, "3.5 h"), (3024.0, "2.1 days")],
)
def test_a_time_is_told_in_the_unit_that_people_use(minutes: float | None, words: str) -> None:
    assert minutes_in_words(minutes) == words


def test_a_spreadsheet_gets_no_formula_and_no_word_for_nothing() -> None:
    assert as_csv(["name", "x"], [["=1+1", None], ["Ada, B.", -0.5]]) == 'name,x\n\'=1+1,\n"Ada, B.",-0.5\n'
