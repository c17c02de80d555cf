"""One row of an export into the facts that it states. Called by csv_export.py.

A contact: created when ``Created`` says so, and what the row states of it. A deal: as it stands, and the name, email and
phone of whose it is. What a row states holds since it was updated; where no column says when, since the file was written.
The row becomes a body like a webhook's, so that one translation serves every door.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final

from ghl_real_estate_ai.errors import TranslationError
from ghl_real_estate_ai.integrations.gohighlevel.csv_columns import WISH
from ghl_real_estate_ai.integrations.gohighlevel.csv_dates import DATE_FORMS, moment
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator
from ghl_real_estate_ai.models.crm_account import proposed_role
from ghl_real_estate_ai.models.events import Delivery, OpportunityChanged, Source
from ghl_real_estate_ai.models.exports import ExportKind, ExportLayout, ExportRow
from ghl_real_estate_ai.models.identifiers import LocationId, derived_id
from ghl_real_estate_ai.models.leads import StageRole

DELIVERY_PREFIX: Final = "csv:"

_PERSON: Final = {"name": "name", "email": "email", "phone": "phone"}
_CONTACT: Final = {
    **_PERSON,
    "first_name": "firstName",
    "last_name": "lastName",
    "source": "source",
    "tags": "tags",
}
_DEAL: Final = {"pipeline_id": "pipelineId", "stage_id": "pipelineStageId", "status": "status"}
_OURS: Final = {theirs: ours for ours, theirs in (_CONTACT | _DEAL).items()} | {
    "monetaryValue": "value",
    "contactId": "contact_id",
}
_IDS: Final = {ExportKind.CONTACTS: "contact_id", ExportKind.OPPORTUNITIES: "opportunity_id"}
_YES: Final = frozenset({"true", "yes", "1", "on", "active", "enabled"})
_NO: Final = frozenset({"false", "no", "0", "off", "inactive", "disabled"})
_USER_ID: Final = re.compile(r"[A-Za-z0-9_-]{16,}")
"""A user's id; exports mostly write the user's name, which no event can be matched with."""

_NOT_A_DIGIT: Final = re.compile(r"\D")
_US_DIGITS: Final = 10


@dataclass(frozen=True, kw_only=True)
class RowReader:
    """Reads the rows of one file; what they share is given once."""

    layout: ExportLayout
    translator: Translator
    location_id: LocationId
    zone: tzinfo
    stages: Mapping[str, StageRole]
    simulated: bool
    received_at: datetime

    def read(self, number: int, cells: tuple[str, ...]) -> ExportRow:
        """The row's facts. Raises TranslationError: the column's name (or a field's), a colon, how to mend it."""
        if len(cells) > len(self.layout.header):
            raise TranslationError(
                f"row: has {len(cells)} values for {len(self.layout.header)} columns; quote values with commas"
            )
        row = {ours: cells[place] for ours, place in self.layout.columns.items() if place < len(cells)}
        lead_id, derived = self._lead_id(row)
        created, updated = self._time(row, "created"), self._time(row, "updated")
        if self.layout.kind is ExportKind.CONTACTS:
            deliveries, by_name = self._contact(row, lead_id, created=created, updated=updated), None
        else:
            deliveries, by_name = self._deal(row, lead_id, created=created, updated=updated)
        return ExportRow(
            number=number,
            cells=cells,
            deliveries=tuple(deliveries),
            id_was_derived=derived,
            time_was_missing=created is None and updated is None,
            user_was_named=bool(row.get("assigned")) and not _USER_ID.fullmatch(row["assigned"]),
            role_by_name=by_name,
        )

    # --- whose, and when -----------------------------------------------------------------------------------------

    def _lead_id(self, row: Mapping[str, str]) -> tuple[str, bool]:
        """The contact's id; without one, an id made of the email or else the phone: the same in every file."""
        if row.get("contact_id"):
            return row["contact_id"], False
        email = row.get("email", "").casefold()
        phone = _NOT_A_DIGIT.sub("", row.get("phone", ""))
        if not email and not phone:
            raise TranslationError("Contact Id: fill in Contact Id, Email or Phone, to tell whose row it is")
        if not email and len(phone) == _US_DIGITS:
            phone = f"1{phone}"
        return f"csv-{derived_id(self.location_id, 'email' if email else 'phone', email or phone)}", True

    def _as_of(self, created: datetime | None, updated: datetime | None) -> datetime:
        """Since when holds what the row states. A column may know the day only, so never before it was made."""
        at = updated or self.layout.written_at
        return at if created is None else max(at, created)

    def _time(self, row: Mapping[str, str], name: str) -> datetime | None:
        if not row.get(name):
            return None
        found = moment(row[name], self.zone)
        if found is None:
            raise TranslationError(f"{self.title(name)}: write dates as {DATE_FORMS}")
        return found

    # --- what -----------------------------------------------------------------------------------------------------

    def _contact(
        self, row: Mapping[str, str], lead_id: str, *, created: datetime | None, updated: datetime | None
    ) -> list[Delivery]:
        body: dict[str, Any] = {"id": lead_id, **_stated(row, _CONTACT), **self._switch(row)}
        if _USER_ID.fullmatch(row.get("assigned", "")):
            body["assignedTo"] = row["assigned"]
        wishes = [
            {"id": ours.removeprefix(WISH), "value": value}
            for ours, value in row.items()
            if ours.startswith(WISH) and value
        ]
        if wishes:
            body["customFields"] = wishes
        changed = self._fact(
            {**body, "type": "ContactUpdate"}, self._as_of(created, updated), named=_digest(row)
        )
        if created is None:
            return [changed]
        return [self._fact({**body, "type": "ContactCreate"}, created, named=_digest(row)), changed]

    def _deal(
        self, row: Mapping[str, str], lead_id: str, *, created: datetime | None, updated: datetime | None
    ) -> tuple[list[Delivery], str | None]:
        title = row.get("opportunity", "").casefold()
        deal_id = row.get("opportunity_id") or f"csv-{derived_id(self.location_id, 'deal', lead_id, title)}"
        body: dict[str, Any] = {
            "type": "OpportunityUpdate",
            "id": deal_id,
            "contactId": lead_id,
            **_stated(row, _DEAL),
        }
        if row.get("value"):
            body["monetaryValue"] = row["value"].replace(" ", "")
        delivery = self._fact(body, self._as_of(created, updated), named=_digest(row))
        role, by_name = self._role(row)
        if isinstance(delivery.event, OpportunityChanged) and role is not None:
            event = delivery.event.model_copy(update={"stage_role": role})
            delivery = delivery.model_copy(update={"event": event})
        return [*self._person(row, lead_id, met=created), delivery], by_name

    def _person(self, row: Mapping[str, str], lead_id: str, *, met: datetime | None) -> list[Delivery]:
        """Whose deal it is: there since the deal was made, and as the row names them since the file was written."""
        body = {"type": "ContactUpdate", "id": lead_id}
        facts = [] if met is None else [self._fact(body, met, named=f"met {met.isoformat()}")]
        stated = _stated(row, _PERSON)
        if stated:
            facts.append(self._fact({**body, **stated}, self.layout.written_at, named=_digest(row)))
        return facts

    def _role(self, row: Mapping[str, str]) -> tuple[StageRole | None, str | None]:
        """What the stage means: as the operator said of its id or name, else by the words of its name (then with it)."""
        name = row.get("stage", "")
        given = self.stages.get(row.get("stage_id", "")) or self.stages.get(name.casefold())
        if given is not None or not name:
            return given, None
        return proposed_role(name), name

    def _switch(self, row: Mapping[str, str]) -> dict[str, bool]:
        said = row.get("dnd", "").casefold()
        if not said:
            return {}
        if said not in _YES | _NO:
            raise TranslationError(f"{self.title('dnd')}: write true or false")
        return {"dnd": said in _YES}

    def _fact(self, body: dict[str, Any], at: datetime, *, named: str) -> Delivery:
        """``named``: what tells it from other facts about the same thing."""
        delivery_id = f"{DELIVERY_PREFIX}{derived_id(self.location_id, body['type'], body['id'], named)}"
        event = self.translator.event(
            {**body, "locationId": self.location_id, "timestamp": at.isoformat()},
            delivery_id=delivery_id,
            received_at=self.received_at,
            simulated=self.simulated,
        )
        from_file = event.model_copy(update={"source": Source.CSV})
        return Delivery(delivery_id=delivery_id, event=from_file, received_at=self.received_at)

    def title(self, field: str) -> str:
        """The file's own name for a column that we, or GoHighLevel, call so; else the field as it is."""
        ours = _IDS[self.layout.kind] if field == "id" else _OURS.get(field, field)
        ours = ours if ours in self.layout.columns else f"{WISH}{field}"
        if ours not in self.layout.columns:
            return field
        return self.layout.header[self.layout.columns[ours]].strip()


def _digest(row: Mapping[str, str]) -> str:
    """Of what is stated: a row that was not touched is the same delivery in every file."""
    said = "\x1f".join(f"{name}={value}" for name, value in sorted(row.items()) if value)
    return hashlib.sha256(said.encode()).hexdigest()


def _stated(row: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """The cells that hold something, by GoHighLevel's names. An empty cell is no statement that there is nothing."""
    return {theirs: row[ours] for ours, theirs in names.items() if row.get(ours)}
