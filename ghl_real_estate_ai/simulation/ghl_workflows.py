"""The body of the workflow "Webhook" action, as it was captured: snake_case, no type, no id, no signature.

Called by ghl_webhooks.py for subscriptions of the kind ``workflow``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.ghl_account import Body, Change

Describe = Callable[[str, str], Mapping[str, JsonValue]]
"""(location id, contact id) -> the contact and, under ``location``, the location."""


def workflow_body(
    location_id: str, change: Change, describe: Describe, custom_data: Mapping[str, JsonValue]
) -> bytes | None:
    """What the action posts when this change triggers the workflow; None when it is about no contact."""
    contact_id = _contact_of(change)
    if contact_id is None:
        return None
    contact = describe(location_id, contact_id)
    tags = contact.get("tags")
    body: Body = {
        "contact_id": contact_id,
        "first_name": contact.get("firstName"),
        "last_name": contact.get("lastName"),
        "full_name": contact.get("name"),
        "email": contact.get("email"),
        "phone": contact.get("phone"),
        "tags": ",".join(str(tag) for tag in tags) if isinstance(tags, list) else "",
        "country": contact.get("country", "US"),
        "date_created": contact.get("dateAdded"),
        "contact_source": contact.get("source"),
        "contact_type": "lead",
        "full_address": "",
        "location": contact.get("location"),
        "workflow": {"id": "simulatedWorkflow001", "name": "EnterpriseHub (simulated)"},
        "triggerData": {},
        "contact": {"attributionSource": {}, "lastAttributionSource": {}},
        "customData": dict(custom_data),
        **_of_the_trigger(change),
    }
    return json.dumps(body, ensure_ascii=False).encode()


def _contact_of(change: Change) -> str | None:
    if change.type.startswith("Contact"):
        said = change.body.get("id")
    elif change.type.startswith("Appointment"):
        meeting = change.body.get("appointment")
        said = meeting.get("contactId") if isinstance(meeting, dict) else None
    else:
        said = change.body.get("contactId")
    return said if isinstance(said, str) else None


def _of_the_trigger(change: Change) -> Body:
    """The block of the trigger's own kind, with GoHighLevel's typing errors."""
    body = change.body
    if change.type.startswith("Opportunity"):
        return {
            "opportunity_name": body.get("name"),
            "status": body.get("status"),
            "lead_value": body.get("monetaryValue"),
            "pipeline_id": body.get("pipelineId"),
            "pipleline_stage": body.get("pipelineStageId"),
        }
    if change.type.startswith("Appointment"):
        meeting = body.get("appointment")
        said = meeting if isinstance(meeting, dict) else {}
        return {
            "calendar": {
                "id": said.get("calendarId"),
                "appointmentId": said.get("id"),
                "title": said.get("title"),
                "startTime": said.get("startTime"),
                "endTime": said.get("endTime"),
                "appoinmentStatus": said.get("appointmentStatus"),
            }
        }
    if change.type.endswith("boundMessage"):
        return {
            "message": {
                "body": body.get("body"),
                "type": body.get("type"),
                "direction": body.get("direction"),
            }
        }
    if change.type.startswith("Task"):
        return {
            "task": {"title": body.get("title"), "body": body.get("body"), "dueDate": body.get("dueDate")}
        }
    return {}
