"""Writes one buyer's happenings down as GoHighLevel webhook bodies, with names, numbers and words for them.

Called by simulation/city.py. The scribe's luck is not the life's: changing a template never changes what happens.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.buyers import Happening, Kind
from ghl_real_estate_ai.simulation.homes import Home
from ghl_real_estate_ai.simulation.talk import Topic, bedrooms, dollars, write

Body = dict[str, JsonValue]

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FIRST: Final = (
    "Amara", "Ben", "Carla", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Imani", "Jonas", "Keiko", "Luis", "Mei",
    "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Viktor", "Wanda", "Ximena", "Yusuf", "Zoe",
)  # fmt: skip
_LAST: Final = (
    "Abara", "Bergman", "Castillo", "Dubois", "Eriksen", "Fontaine", "Garcia", "Haddad", "Ivanov", "Jensen", "Kim",
    "Larsen", "Mbeki", "Nakamura", "Okafor", "Patel", "Quispe", "Rossi", "Singh", "Tanaka", "Ueda", "Vargas", "Wong",
    "Yilmaz", "Zielinski",
)  # fmt: skip
_SOURCES: Final = ("simulated portal", "simulated website", "simulated referral")
_AREA_CODES: Final = ("202", "303", "404", "512", "617", "808")
_TAGS: Final = ("hot lead", "pre-approved", "first showing", "newsletter")
_NOTES: Final = (
    "Good talk, wants to see more homes this month.",
    "Needs to sell first. Follow up after the open house.",
    "Asked about closing costs; sent the worksheet.",
    "Liked the layout, wants a second look.",
)
_TASKS: Final = ("Send comparable sales", "Call back about the showing", "Prepare a list of homes")
PIPELINE_ID: Final = "simulatedPipeline001"
_STAGES: Final = {Kind.DEAL_OPENED: "stage-contacted", Kind.DEAL_MOVED: "stage-showing"}
_MEETING_STATUS: Final = {
    Kind.BOOKED: "new",
    Kind.CONFIRMED: "confirmed",
    Kind.CANCELLED: "cancelled",
    Kind.SHOWED: "showed",
    Kind.NO_SHOW: "noshow",
}
_DEAL_EVENTS: Final = {
    Kind.DEAL_OPENED: ("OpportunityCreate", "open"),
    Kind.DEAL_MOVED: ("OpportunityStageUpdate", "open"),
    Kind.WON: ("OpportunityStatusUpdate", "won"),
    Kind.LOST: ("OpportunityStatusUpdate", "lost"),
}
_FORM_FIELDS: Final = ("city", "max_list_price")
"""Wishes that the sign-up form asks for; the rest come up in conversation."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One person of the brokerage."""

    user_id: str
    name: str

    @property
    def email(self) -> str:
        """At the address range that is nobody's."""
        return f"{self.name.replace(' ', '.')}@example.com".lower()


def vendor_id(rng: random.Random) -> str:
    """20 letters and digits, as GHL's ids look."""
    return "".join(rng.choices(_ALPHABET, k=20))


def stamp(at: datetime) -> str:
    """GHL's time format: UTC with milliseconds and Z."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _half_hour(at: datetime) -> datetime:
    return at.replace(minute=30 if at.minute >= 30 else 0, second=0, microsecond=0)


def _as_text(value: JsonValue) -> str:
    return ",".join(str(part) for part in value) if isinstance(value, list) else str(value)


class Scribe:
    """The paper trail of one buyer."""

    def __init__(
        self, rng: random.Random, *, agent: Agent, wishes: Mapping[str, JsonValue], homes: list[Home]
    ) -> None:
        """``wishes``: the buyer's hidden wishes, told field by field. ``homes``: the city's listings."""
        self._rng, self._agent, self._homes = rng, agent, homes
        self.lead_id = vendor_id(rng)
        self._first, self._last = rng.choice(_FIRST), rng.choice(_LAST)
        self._email = f"{self._first}.{self._last}{rng.randrange(10, 99)}@example.com".lower()
        self._phone = f"+1{rng.choice(_AREA_CODES)}55501{rng.randrange(100):02d}"
        self._conversation_id, self._deal_id = vendor_id(rng), vendor_id(rng)
        self._meeting_ids: dict[float, str] = {}
        self._source = rng.choice(_SOURCES)
        self._untold = dict(wishes)
        self._told: Body = {}
        self._wishes = wishes
        self._tags: list[JsonValue] = []
        self._by_email = rng.random() < 0.3

    def write_down(self, happening: Happening, at: datetime) -> tuple[str, Body] | None:
        """GHL's event type and body (without its envelope), or None for what leaves no trace."""
        kind = happening.kind
        if kind is Kind.DIED:
            return None
        return self._WRITERS[kind](self, happening, at)

    # --- the contact -----------------------------------------------------------------------------------------------

    def _contact(self, type_: str, **extra: JsonValue) -> tuple[str, Body]:
        return type_, {
            "type": type_,
            "id": self.lead_id,
            "name": f"{self._first} {self._last}",
            "firstName": self._first,
            "lastName": self._last,
            "email": self._email,
            "phone": self._phone,
            "source": self._source,
            "assignedTo": self._agent.user_id,
            "tags": list(self._tags),
            "customFields": [{"id": name, "value": value} for name, value in self._told.items()],
            **extra,
        }

    def _arrived(self, _: Happening, at: datetime) -> tuple[str, Body]:
        for name in _FORM_FIELDS:
            if self._rng.random() < 0.6 and name in self._untold:
                self._told[name] = self._untold.pop(name)
        return self._contact("ContactCreate", dateAdded=stamp(at), dnd=False)

    def _wishes_stated(self, _: Happening, at: datetime) -> tuple[str, Body]:
        for name in list(self._untold)[:2]:
            self._told[name] = self._untold.pop(name)
        return self._contact("ContactUpdate")

    def _tagged(self, _: Happening, at: datetime) -> tuple[str, Body]:
        tag = self._rng.choice(_TAGS)
        if tag not in self._tags:
            self._tags.append(tag)
        return self._contact("ContactTagUpdate")

    def _opted_out(self, _: Happening, at: datetime) -> tuple[str, Body]:
        return self._contact("ContactUpdate", dnd=True)

    # --- the site --------------------------------------------------------------------------------------------------

    def _record(self, event: str, values: Mapping[str, JsonValue]) -> tuple[str, Body]:
        pairs = {"event": event, "contact_id": self.lead_id, **values}
        return "RecordCreate", {
            "type": "RecordCreate",
            "id": vendor_id(self._rng),
            "owners": [],
            "followers": [],
            "properties": [{"key": key, "valueString": _as_text(value)} for key, value in pairs.items()],
        }

    def _searched(self, _: Happening, at: datetime) -> tuple[str, Body]:
        names = ("city", "max_list_price", "min_bedrooms")
        asked = {name: self._wishes[name] for name in names if self._rng.random() < 0.7}
        return self._record("property_searched", asked)

    def _looked(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        if happening.home is None:  # no home is on the market where they look: the site saw a search
            return self._searched(happening, at)
        event = "property_viewed" if happening.kind is Kind.VIEWED else "property_saved"
        return self._record(event, {"listing_key": self._homes[happening.home]["ListingKey"]})

    # --- words -----------------------------------------------------------------------------------------------------

    def _text(self, happening: Happening) -> str:
        budget, beds = self._wishes["max_list_price"], self._wishes["min_bedrooms"]
        words = {
            "name": self._first,
            "agent": self._agent.name.split(" ", maxsplit=1)[0],
            "city": str(self._wishes["city"]),
            "home": self._address(happening.home),
            "budget": dollars(float(budget)) if isinstance(budget, int | float) else "my budget",
            "beds": bedrooms(beds) if isinstance(beds, int) else "enough bedrooms",
        }
        return write(happening.topic or Topic.ASK_HOME, self._rng, words)

    def _address(self, home: int | None) -> str:
        if home is None:
            return "that home"
        return str(self._homes[home].get("UnparsedAddress", "that home")).split(",", maxsplit=1)[0]

    def _message(
        self, direction: str, at: datetime, *, message_type: str, **extra: JsonValue
    ) -> tuple[str, Body]:
        type_ = "InboundMessage" if direction == "inbound" else "OutboundMessage"
        return type_, {
            "type": type_,
            "contactId": self.lead_id,
            "conversationId": self._conversation_id,
            "messageId": vendor_id(self._rng),
            "direction": direction,
            "messageType": message_type,
            "dateAdded": stamp(at),
            "attachments": [],
            **extra,
        }

    def _written(
        self, direction: str, happening: Happening, at: datetime, **extra: JsonValue
    ) -> tuple[str, Body]:
        text = self._text(happening)
        if not self._by_email:
            return self._message(
                direction,
                at,
                message_type="SMS",
                body=text,
                contentType="text/plain",
                status="delivered",
                **extra,
            )
        office, lead = "Simulated Realty <office@example.com>", f"{self._first} <{self._email}>"
        sender, receiver = (lead, office) if direction == "inbound" else (office, lead)
        return self._message(
            direction,
            at,
            message_type="Email",
            body=f"<p>{text}</p>",
            subject="Your home search",
            to=[receiver],
            emailMessageId=vendor_id(self._rng),
            **{"from": sender},
            **extra,
        )

    def _wrote(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        return self._written("inbound", happening, at)

    def _agent_wrote(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        return self._written("outbound", happening, at, userId=self._agent.user_id, source="app")

    def _automated(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        return self._written("outbound", happening, at, source="workflow")

    def _called(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        answered = happening.kind is Kind.CALLED
        status = "completed" if answered else "voicemail"
        who: Body = {"userId": self._agent.user_id} if answered else {}
        seconds = self._rng.randrange(60, 600) if answered else self._rng.randrange(8, 40)
        return self._message(
            "inbound", at, message_type="CALL", status=status, callStatus=status, callDuration=seconds, **who
        )

    def _agent_called(self, _: Happening, at: datetime) -> tuple[str, Body]:
        return self._message(
            "outbound",
            at,
            message_type="CALL",
            status="completed",
            callStatus="completed",
            callDuration=self._rng.randrange(40, 700),
            userId=self._agent.user_id,
        )

    # --- meetings, deals, notes ------------------------------------------------------------------------------------

    def _meeting(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        kind, starts = happening.kind, happening.starts or happening.hours
        if kind is Kind.BOOKED:
            self._meeting_ids[starts] = vendor_id(self._rng)
        type_ = "AppointmentCreate" if kind is Kind.BOOKED else "AppointmentUpdate"
        return type_, {
            "type": type_,
            "appointment": {
                "id": self._meeting_ids[starts],
                "title": f"Showing of {self._address(happening.home)}",
                "calendarId": "simulatedCalendar001",
                "contactId": self.lead_id,
                "appointmentStatus": _MEETING_STATUS[kind],
                "assignedUserId": self._agent.user_id,
                "users": [self._agent.user_id],
                "source": "booking_widget",
                "startTime": stamp(_half_hour(at + timedelta(hours=starts - happening.hours))),
                "dateUpdated": stamp(at),
            },
        }

    def _deal(self, happening: Happening, at: datetime) -> tuple[str, Body]:
        kind = happening.kind
        type_, status = _DEAL_EVENTS[kind]
        return type_, {
            "type": type_,
            "id": self._deal_id,
            "contactId": self.lead_id,
            "assignedTo": self._agent.user_id,
            "name": f"{self._first} {self._last}: purchase",
            "pipelineId": PIPELINE_ID,
            "pipelineStageId": _STAGES.get(kind, "stage-closing"),
            "monetaryValue": self._wishes["max_list_price"],
            "status": status,
            "source": self._source,
            "dateAdded": stamp(at),
        }

    def _noted(self, _: Happening, at: datetime) -> tuple[str, Body]:
        text = self._rng.choice(_NOTES)
        return "NoteCreate", self._paper("NoteCreate", at, body=text)

    def _tasked(self, _: Happening, at: datetime) -> tuple[str, Body]:
        return "TaskCreate", self._paper(
            "TaskCreate",
            at,
            title=self._rng.choice(_TASKS),
            assignedTo=self._agent.user_id,
            dueDate=stamp(at + timedelta(days=1)),
        )

    def _paper(self, type_: str, at: datetime, **extra: JsonValue) -> Body:
        return {
            "type": type_,
            "id": vendor_id(self._rng),
            "contactId": self.lead_id,
            "dateAdded": stamp(at),
            **extra,
        }

    _WRITERS: ClassVar[dict[Kind, Callable[[Scribe, Happening, datetime], tuple[str, Body]]]] = {
        Kind.ARRIVED: _arrived,
        Kind.WISHES_STATED: _wishes_stated,
        Kind.TAGGED: _tagged,
        Kind.OPTED_OUT: _opted_out,
        Kind.SEARCHED: _searched,
        Kind.VIEWED: _looked,
        Kind.SAVED: _looked,
        Kind.WROTE: _wrote,
        Kind.FAREWELL: _wrote,
        Kind.CALLED: _called,
        Kind.MISSED_CALL: _called,
        Kind.AGENT_WROTE: _agent_wrote,
        Kind.AGENT_CALLED: _agent_called,
        Kind.AUTOMATED: _automated,
        Kind.BOOKED: _meeting,
        Kind.CONFIRMED: _meeting,
        Kind.CANCELLED: _meeting,
        Kind.SHOWED: _meeting,
        Kind.NO_SHOW: _meeting,
        Kind.DEAL_OPENED: _deal,
        Kind.DEAL_MOVED: _deal,
        Kind.WON: _deal,
        Kind.LOST: _deal,
        Kind.NOTED: _noted,
        Kind.TASKED: _tasked,
    }
