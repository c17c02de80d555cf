"""The city lives in the fake account: each of its events becomes account state, and is told as the webhook it is.

Called by commands/fake_account.py and tests. What the API then shows adds up to what the webhooks said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.ghl_account import Body, SubAccount
from ghl_real_estate_ai.simulation.ghl_answers import merged_customs
from ghl_real_estate_ai.simulation.vendor_servers import VendorEvent

_ENVELOPE = ("type", "timestamp", "webhookId", "locationId")


def apply(sub_account: SubAccount, event: VendorEvent, *, quietly: bool = False) -> None:
    """Let an event of the city happen. ``quietly``: without webhooks, as history before the app was installed."""
    sub_account.clock.follow(event.at)
    sub_account.settle()
    body = {name: value for name, value in event.body.items() if name not in _ENVELOPE}
    _change(sub_account, event, body)
    if not quietly:
        sub_account.tell(event.type, event.body, at=event.at)


def apply_all(sub_account: SubAccount, events: Iterable[VendorEvent], *, quietly: bool = True) -> int:
    """Let many happen; returns how many."""
    count = 0
    for event in events:
        apply(sub_account, event, quietly=quietly)
        count += 1
    return count


def _change(sub_account: SubAccount, event: VendorEvent, body: Body) -> None:
    at, type_ = event.at, event.type
    if type_ == "ContactDelete":
        sub_account.remove_contact(str(body["id"]))
    elif type_.startswith("Contact"):
        sub_account.put_contact(_beside_others(sub_account.contacts.get(str(body["id"])), body), at=at)
    elif type_ in {"InboundMessage", "OutboundMessage"}:
        sub_account.put_message(body, at=at)
    elif type_.startswith("Opportunity"):
        sub_account.put_opportunity(body, at=at)
    elif type_.startswith("Appointment"):
        meeting = body.get("appointment")
        sub_account.put_appointment(meeting if isinstance(meeting, dict) else body, at=at)
    elif type_ == "NoteCreate":
        sub_account.notes[str(body["id"])] = {**body, "userId": body.get("userId")}
    elif type_ == "TaskCreate":
        sub_account.tasks[str(body["id"])] = {"body": "", "completed": False, **body}
    elif type_ == "RecordCreate":
        sub_account.put_record(_properties(body), at=at, record_id=str(body["id"]))


def _beside_others(known: Body | None, told: Body) -> Body:
    """The city only adds tags, and tells of all that are its own; what a client of the API put beside them stays."""
    merged = dict(told)
    if known is not None and "tags" in told:
        merged["tags"] = [*dict.fromkeys([*_list(told["tags"]), *_list(known["tags"])])]
    if known is not None and "customFields" in told:
        merged["customFields"] = merged_customs(known["customFields"], told["customFields"])
    return merged


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _properties(body: Mapping[str, JsonValue]) -> Body:
    """A webhook lists a record's properties as {key, valueString}; the API shows them by key."""
    entries = body.get("properties")
    pairs: Body = {}
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            pairs[str(entry["key"])] = entry.get("valueString")
    return pairs
