"""GoHighLevel's webhooks as its own pages show them: with the wrong type, the wrong direction, or without their id.

Called by ghl_webhooks.py. Each trap is a knob of ``Habits``, off by default.
"""

from __future__ import annotations

from dataclasses import replace

from ghl_real_estate_ai.simulation.ghl_account import Body, Change
from ghl_real_estate_ai.simulation.ghl_knobs import Habits


def as_published(change: Change, habits: Habits) -> Change:
    """The change with the traps that are on."""
    body = dict(change.body)
    if change.type in {"AppointmentUpdate", "AppointmentDelete"} and habits.appointment_updates_claim_create:
        return _typed(change, body, "AppointmentCreate")
    if body.get("messageType") == "SMS":
        if change.type == "OutboundMessage" and habits.sent_texts_claim_inbound:
            body["direction"] = "inbound"
        if habits.texts_without_message_id:
            body.pop("messageId", None)
    if change.type.startswith("Record") and habits.records_without_type:
        return _typed(change, body, "")
    return replace(change, body=body)


def _typed(change: Change, body: Body, type_: str) -> Change:
    """``type`` '' is left out of the envelope by ghl_webhooks.py."""
    return Change(change.at, type_, body | {"type": type_})
