"""Which column of a GoHighLevel export is which, whatever the version of the export called it. Called by csv_export.py.

Names are compared without case, spaces, dots and dashes: ``Contact Id``, ``contact_id`` and ``ContactID`` are one.
Address, company, birth date and the like are not here, so nothing is taken from them; nor from the last activity, which is
no change of the contact.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.models.exports import ExportKind
from ghl_real_estate_ai.models.properties import Wishes

_PERSON: Final = {
    "contact_id": ("contactid", "leadid"),
    "name": ("contactname", "name", "fullname", "contact"),
    "email": ("email", "emailaddress", "primaryemail", "contactemail"),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "primaryphone", "contactphone"),
}
_CONTACT: Final = {
    **_PERSON,
    "contact_id": (*_PERSON["contact_id"], "id"),
    "first_name": ("firstname",),
    "last_name": ("lastname", "surname"),
    "created": ("created", "createdon", "createdat", "createddate", "dateadded", "datecreated", "createdutc"),
    "updated": ("updated", "updatedon", "updatedat", "lastupdated", "dateupdated", "lastmodified"),
    "tags": ("tags", "tag", "contacttags"),
    "source": ("source", "contactsource", "leadsource"),
    "assigned": ("assigneduserid", "assignedtoid", "assigned", "assignedto", "assigneduser", "owner"),
    "dnd": ("dnd", "donotdisturb", "dndall"),
}
_OPPORTUNITY: Final = {
    **_PERSON,
    "opportunity_id": ("opportunityid", "dealid", "id"),
    "opportunity": ("opportunityname", "opportunity", "dealname", "opportunitytitle"),
    "pipeline_id": ("pipelineid",),
    "pipeline": ("pipeline", "pipelinename"),
    "stage_id": ("pipelinestageid", "stageid"),
    "stage": ("stage", "pipelinestage", "stagename", "pipelinestagename"),
    "status": ("status", "opportunitystatus", "dealstatus"),
    "value": ("leadvalue", "opportunityvalue", "monetaryvalue", "value", "amount", "dealvalue"),
    "created": ("createdon", "created", "createdat", "dateadded", "datecreated", "createddate"),
    "updated": ("updatedon", "updated", "updatedat", "lastupdated", "dateupdated"),
}
_TABLES: Final = {ExportKind.CONTACTS: _CONTACT, ExportKind.OPPORTUNITIES: _OPPORTUNITY}
_TELLS: Final = frozenset({"opportunity_id", "opportunity", "pipeline", "pipeline_id", "stage", "stage_id"})
"""Columns that only an export of opportunities has."""

_NOT_A_LETTER: Final = re.compile(r"[^a-z0-9]")
_WISHES: Final = {_NOT_A_LETTER.sub("", name): name for name in Wishes.model_fields}
WISH: Final = "wish:"
"""Before the name of a wish: a custom field that is called like one, e.g. ``Max List Price``."""


def known_columns(header: Sequence[str], kind: ExportKind) -> dict[str, int]:
    """What we know each column as -> its place. The first name of a table's line wins over later ones."""
    places: dict[str, int] = {}
    for place, name in enumerate(header):
        places.setdefault(_NOT_A_LETTER.sub("", name.casefold()), place)
    found = {
        ours: places[names[0]]
        for ours, spellings in _TABLES[kind].items()
        if (names := [name for name in spellings if name in places])
    }
    if kind is ExportKind.CONTACTS:
        found |= {f"{WISH}{wish}": places[name] for name, wish in _WISHES.items() if name in places}
    return found


def kind_of(header: Sequence[str]) -> ExportKind:
    """Guessed: an export of opportunities names deals, pipelines or stages. Raises InputError for neither."""
    if _TELLS & known_columns(header, ExportKind.OPPORTUNITIES).keys() - {"opportunity_id"}:
        return ExportKind.OPPORTUNITIES
    if known_columns(header, ExportKind.CONTACTS).keys() & _PERSON.keys():
        return ExportKind.CONTACTS
    raise InputError(
        "header: no column of a contacts or opportunities export found, such as 'Contact Id', 'Email' or 'Stage'; "
        "the first line must name the columns"
    )


def check_enough(columns: dict[str, int], kind: ExportKind) -> None:
    """Raises InputError when no row could be used."""
    if not columns.keys() & {"contact_id", "email", "phone"}:
        raise InputError("header: needs a column 'Contact Id', 'Email' or 'Phone' to tell whose row it is")
    if kind is ExportKind.OPPORTUNITIES and not columns.keys() & {"opportunity_id", "opportunity"}:
        raise InputError("header: needs a column 'Opportunity ID' or 'Opportunity Name' to tell deals apart")
