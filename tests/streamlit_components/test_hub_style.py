"""The live screen's colours: every text colour reads on every ground it stands on, in both schemes (WCAG 2.2 AA)."""

from __future__ import annotations

import itertools
import re

import pytest

from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS, SHEETS

AA = 4.5
OWN_SHEETS = tuple(sheet for sheet in SHEETS if not sheet.startswith("uplot/"))
CSS = (ASSETS / "live_hub.css").read_text()
PAIRS = dict(re.findall(r"--([a-z-]+): light-dark\((#[0-9a-f]{6}, #[0-9a-f]{6})\);", CSS))
ON_CARDS = ("text", "muted", "accent", "good", "bad", "early", "active", "critical")


def colour(name: str, scheme: int) -> str:
    return PAIRS[name].split(", ")[scheme]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_reads_on_every_ground(scheme: int) -> None:
    grounds = ("card", "hover", "page")
    pairs = [*itertools.product(ON_CARDS, grounds), ("on-accent", "accent"), ("critical", "critical-back")]
    poor = {
        pair: round(contrast(colour(pair[0], scheme), colour(pair[1], scheme)), 2)
        for pair in pairs
        if contrast(colour(pair[0], scheme), colour(pair[1], scheme)) < AA
    }
    assert poor == {}


def test_the_simulated_mark_reads_in_both_schemes() -> None:
    sim = dict(re.findall(r"--((?:on-)?sim): (#[0-9a-f]{6});", CSS))
    assert contrast(sim["sim"], sim["on-sim"]) > 7


@pytest.mark.parametrize("sheet", OWN_SHEETS)
def test_colours_are_tokens_everywhere(sheet: str) -> None:
    """So that the pairs above are all there are: only the tokens' own lines and shadows write a colour out."""
    rules = re.sub(r"^  --[a-z-]+: .*$", "", (ASSETS / sheet).read_text(), flags=re.MULTILINE)
    assert re.findall(r"#[0-9a-fA-F]{3,8}\b", rules) == []


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_undo_note_reads_although_it_is_the_page_inside_out(scheme: int) -> None:
    assert contrast(colour("card", scheme), colour("text", scheme)) > 7


@pytest.mark.parametrize("sheet", OWN_SHEETS)
def test_motion_is_only_for_those_who_want_it(sheet: str) -> None:
    calm, _, moving = (ASSETS / sheet).read_text().partition("@media (prefers-reduced-motion: no-preference)")
    assert not re.search(r"\b(animation|transition):", calm)
    assert not moving or re.search(r"\b(animation|transition):", moving)


def test_type_has_five_sizes() -> None:
    assert re.findall(r"--t-[a-z]+: ([0-9.]+)rem;", CSS) == ["0.75", "0.875", "1", "1.25", "2"]
