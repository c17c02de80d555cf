"""The live screen's colours: every text colour reads on every ground it stands on, in both schemes (WCAG 2.2 AA)."""

from __future__ import annotations

import itertools
import re

import pytest

from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS

AA = 4.5
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


def test_motion_is_only_for_those_who_want_it() -> None:
    calm, _, moving = CSS.partition("@media (prefers-reduced-motion: no-preference)")
    assert not re.search(r"\b(animation|transition):", calm)
    assert "animation:" in moving
