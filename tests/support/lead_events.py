"""Makes lead events and hypothesis strategies of them. Used by the tests of ml/ and services/."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ghl_real_estate_ai.models.events import (
    Event,
    RecordedEvent,
    Source,
    event_from_json,
)
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId

LOCATION = LocationId("loc-1")
LEAD = LeadId("lead-1")
START = datetime(2026, 3, 2, 9, tzinfo=UTC)


class EventMaker:
    """Numbers events of one lead as the log would: positions 1, 2, 3 ..., unique event ids."""

    def __init__(self, *, location_id: LocationId = LOCATION, lead_id: LeadId = LEAD) -> None:
        self.location_id = location_id
        self.lead_id = lead_id
        self.position = 0

    def make(self, kind: str, *, at: datetime = START, **fields: Any) -> RecordedEvent:
        """The next event, as it is read back from the log (through JSON)."""
        self.position += 1
        return recorded(
            kind,
            self.position,
            at,
            **{"location_id": self.location_id, "lead_id": self.lead_id, **fields},
        )


def recorded(kind: str, position: int, at: datetime, **fields: Any) -> RecordedEvent:
    """An event at a position of the log, received at ``at``."""
    event_id = fields.pop("event_id", f"event-{position:04}")
    received_at = fields.pop("received_at", at)
    event = _event(
        type=kind,
        event_id=event_id,
        occurred_at=at,
        correlation_id=f"corr-{position}",
        source=Source.APP_WEBHOOK,
        **fields,
    )
    return RecordedEvent(
        position=position,
        delivery_id=f"delivery-{position:04}",
        received_at=received_at,
        recorded_at=received_at + timedelta(milliseconds=2),
        event=event,
    )


def _event(**fields: Any) -> Event:
    return event_from_json(json.dumps(fields, default=lambda value: value.isoformat()))


_TEXT = st.none() | st.sampled_from(["Can I see it?", "Is it still on the market?", "x" * 900])
_CHANNEL = st.sampled_from(["sms", "email", "call", "voicemail", "live_chat"])
_ACTION = st.integers(0, 40).map(lambda number: f"act-{number}")
_DAYS_AHEAD = st.integers(1, 9).map(lambda days: (START + timedelta(days=days)).isoformat())
_USER = st.integers(0, 40).map(lambda number: f"u{number}")
_BODIES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "LeadUpserted": st.fixed_dictionaries(
        {
            "created": st.booleans(),
            "contact": st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["A", "B", None]),
                    "dnd": st.booleans(),
                    "tags": st.sampled_from([["hot"], []]),
                    "assigned_to": st.sampled_from(["u1", "u2"]),
                },
            ),
            "wishes": st.fixed_dictionaries(
                {},
                optional={
                    "city": st.sampled_from(["Austin", "Waco", None]),
                    "max_list_price": st.sampled_from(["400000", 550000]),
                    "features": st.sampled_from([["pool"], ["garage", "pool"], []]),
                },
            ),
        }
    ),
    "LeadDeleted": st.just({}),
    "MessageReceived": st.fixed_dictionaries(
        {"channel": _CHANNEL, "text": _TEXT, "call_seconds": st.sampled_from([None, 20.0, 466.0])}
    ),
    "MessageSent": st.fixed_dictionaries({"channel": _CHANNEL, "text": _TEXT, "human": st.booleans()}),
    "OpportunityChanged": st.fixed_dictionaries(
        {
            "opportunity_id": st.sampled_from(["o1", "o2"]),
            "status": st.sampled_from(["open", "won", "lost", None]),
            "monetary_value": st.sampled_from(["10.50", None]),
            "deleted": st.booleans(),
        }
    ),
    "AppointmentChanged": st.fixed_dictionaries(
        {
            "appointment_id": st.sampled_from(["a1", "a2"]),
            "created": st.booleans(),
            "status": st.sampled_from(["new", "confirmed", "showed", "cancelled"]),
            "start_time": st.sampled_from([START.isoformat(), (START + timedelta(days=20)).isoformat()]),
            "deleted": st.booleans(),
        }
    ),
    "PropertyActivityRecorded": st.one_of(
        st.fixed_dictionaries(
            {
                "interaction": st.sampled_from(["viewed", "saved"]),
                "listing_key": st.integers(0, 30).map(lambda number: f"H{number}"),
            }
        ),
        st.fixed_dictionaries(
            {
                "interaction": st.just("searched"),
                "wishes": st.fixed_dictionaries(
                    {},
                    optional={"city": st.sampled_from(["Dallas", ""]), "min_bedrooms": st.integers(0, 5)},
                ),
            }
        ),
    ),
    "NoteAdded": st.just({"text": "called, no answer"}),
    "TaskChanged": st.just({"task_id": "t1"}),
    "ActionAcknowledged": st.fixed_dictionaries(
        {"action_id": _ACTION, "user_id": st.just("u1")}, optional={"until": _DAYS_AHEAD}
    ),
    "ActionSnoozed": st.fixed_dictionaries(
        {
            "action_id": _ACTION,
            "user_id": st.just("u1"),
            "until": _DAYS_AHEAD,
        }
    ),
    "MarkedAnswered": st.fixed_dictionaries(
        {"action_id": _ACTION, "user_id": st.just("u1"), "through": _DAYS_AHEAD}
    ),
    "LeadDeclined": st.fixed_dictionaries({"action_id": _ACTION, "user_id": _USER}),
    "ActionReopened": st.fixed_dictionaries({"action_id": _ACTION, "user_id": _USER}),
    "WishesCorrected": st.fixed_dictionaries(
        {
            "wishes": st.fixed_dictionaries(
                {},
                optional={
                    "city": st.sampled_from(["Austin", None]),
                    "max_list_price": st.sampled_from([450000, None]),
                    "features": st.sampled_from([["pool"], None]),
                },
            ),
            "instead_of": st.fixed_dictionaries(
                {},
                optional={
                    "city": st.sampled_from(["Austin", "Waco", None]),
                    "max_list_price": st.sampled_from(["400000", "550000"]),
                    "features": st.sampled_from([["pool"], []]),
                },
            ),
            "user_id": st.just("u1"),
        }
    ),
    "ListingJudged": st.fixed_dictionaries(
        {
            "listing_key": st.integers(0, 5).map(lambda number: f"H{number}"),
            "verdict": st.sampled_from(["pass", "like", "save", "showing", "undo"]),
            "by": st.sampled_from(["lead", "agent"]),
            "user_id": st.just("u1"),
        }
    ),
}


WISHING = ("LeadUpserted", "LeadDeleted", "PropertyActivityRecorded", "WishesCorrected")
"""What states wishes, and a deletion between."""


@st.composite
def logs(
    draw: st.DrawFn, *, max_size: int = 40, of: Sequence[str] = tuple(sorted(_BODIES))
) -> list[RecordedEvent]:
    """A lead's log: any mix of events at any times, simultaneous ones included."""
    kinds = draw(st.lists(st.sampled_from(of), max_size=max_size))
    maker = EventMaker()
    return [
        maker.make(
            kind,
            at=START + timedelta(minutes=draw(st.integers(0, 3000)) * 7),
            simulated=draw(st.booleans()),
            **draw(_BODIES[kind]),
        )
        for kind in kinds
    ]
