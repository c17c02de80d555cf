"""The pictures of the pages: names that stay the same, each once, for both widths."""

from __future__ import annotations

from ghl_real_estate_ai.commands.browsing import DESKTOP, PHONE
from ghl_real_estate_ai.commands.portraits import BEFORE, SITTINGS


def test_each_picture_has_a_name_of_its_own_that_says_page_width_and_scheme() -> None:
    named = [one for sitting in (*BEFORE, *SITTINGS) for one in sitting.file_names()]
    names = [name for name, _, _ in named]
    assert len(set(names)) == len(names)
    assert {"now-1440.png", "now-390-dark.png", "sign-in-390.png", "first-run-1440.png"} <= set(names)
    for name, size, scheme in named:
        assert size == (PHONE if "-390" in name else DESKTOP)
        assert name.endswith("-dark.png") == (scheme == "dark")


def test_every_page_is_taken_at_both_widths() -> None:
    for sitting in (*BEFORE, *SITTINGS):
        assert {size for _, size, _ in sitting.file_names()} == {DESKTOP, PHONE}
