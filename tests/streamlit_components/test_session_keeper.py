"""Which answer of a tab counts: the one to the question of this session of the server."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.streamlit_components.session_keeper import told_to


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (None, None),
        ("s2:", ""),
        ('s2:{"a": "b:c"}', '{"a": "b:c"}'),
        ("s1:", None),  # told to the server before it was started again
        ('s1:{"a": 1}', None),
        ("", None),
    ],
)
def test_only_what_was_told_to_this_session_of_the_server_counts(found: str | None, kept: str | None) -> None:
    assert told_to("s2", found) == kept
