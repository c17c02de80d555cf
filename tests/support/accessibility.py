"""axe-core on a page of the real thing: what somebody with a screen reader, or poor eyes, would stumble over."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.sync_playwright import Axe

GRAVE = {"serious", "critical"}


def grave_findings(page: Any, *, within: str | None = None) -> list[str]:
    """Each serious or critical finding: the rule, what it is about, where. ``within``: a CSS selector; the whole page if None."""
    found = Axe().run(page, context=within, options={"resultTypes": ["violations"]})
    return [
        f"{violation['id']} ({violation['help']}): {node['html'][:200]}"
        for violation in found.response["violations"]
        if violation["impact"] in GRAVE
        for node in violation["nodes"]
    ]
