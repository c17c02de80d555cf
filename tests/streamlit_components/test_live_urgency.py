"""The screen's urgency of a wait is the policy's: the same constants, the same values at any minute."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import timedelta

import pytest

from ghl_real_estate_ai.models.intelligence import (
    FIRST_RESPONSE_HALF_MINUTES,
    URGENCY_FLOOR,
    URGENCY_OF_PRESSURE,
    WAITING_HALF_LIFE_HOURS,
    ActionKind,
    NextAction,
)
from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS
from tests.support import node
from tests.support.decisions import asking, decide, in_conversation, must
from tests.support.lead_events import START

MODULE = ASSETS / "live_urgency.js"
HALF_MINUTES = {
    ActionKind.FIRST_RESPONSE: FIRST_RESPONSE_HALF_MINUTES,
    ActionKind.REPLY: WAITING_HALF_LIFE_HOURS * 60,
}
MINUTES = (0, 0.5, 5, 10, 30, 61, 600, 10_000)


@pytest.mark.parametrize("kind", HALF_MINUTES)
def test_the_screen_has_the_constants_of_the_policy(kind: ActionKind) -> None:
    line = re.search(
        rf"{kind.value}: {{ floor: ([0-9.]+), pressure: ([0-9.]+), half_minutes: ([0-9.]+) }}",
        MODULE.read_text(),
    )
    assert line is not None
    assert tuple(map(float, line.groups())) == (
        URGENCY_FLOOR[kind],
        URGENCY_OF_PRESSURE[kind],
        HALF_MINUTES[kind],
    )


def told(kind: ActionKind, minutes: float) -> NextAction:
    """What the policy says after so long a wait."""
    wait = timedelta(minutes=minutes)
    lead = asking() if kind is ActionKind.FIRST_RESPONSE else in_conversation()
    since = START if kind is ActionKind.FIRST_RESPONSE else START + timedelta(hours=2)
    action = must(decide(lead, since + wait, deal=0.1))
    assert (action.kind, action.waiting_since) == (kind, since)
    return action


@pytest.mark.parametrize("kind", HALF_MINUTES)
def test_what_was_told_at_any_minute_leads_to_what_the_policy_would_tell_at_another(kind: ActionKind) -> None:
    actions = {minutes: told(kind, minutes) for minutes in MINUTES}
    asked = [
        {"action": actions[then].model_dump(mode="json"), "after": now * 60_000}
        for then in MINUTES
        for now in MINUTES
    ]
    script = f"""
      const {{ priorityAt }} = await import({json.dumps(MODULE.as_uri())});
      const asked = JSON.parse(await new Promise((done) => {{
        let text = ""; process.stdin.on("data", (part) => (text += part)).on("end", () => done(text));
      }}));
      const now = ({{ action, after }}) => Date.parse(action.waiting_since) + after;
      console.log(JSON.stringify(asked.map((one) => priorityAt(one.action, now(one)))));
    """
    run = subprocess.run(
        [node.node(), "--experimental-default-type=module", "--input-type=module", "--eval", script],
        input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    expected = [actions[now].priority for _ in MINUTES for now in MINUTES]
    assert json.loads(run.stdout) == pytest.approx(expected, rel=1e-9)
