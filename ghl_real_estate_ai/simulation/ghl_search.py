"""The language of POST /contacts/search: filters in groups, sorting, pages and ``searchAfter``.

Called by ghl_contacts.py and ghl_routes_contacts.py. GoHighLevel's own document leaves the body empty; the language is that
of its help pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds

Body = dict[str, JsonValue]

PAGE_MOST: Final = 500
REACH_OF_PAGES: Final = 10_000
QUERY_MOST: Final = 75
_DATES: Final = frozenset({"dateAdded", "dateUpdated", "lastActivity"})
_SEARCHED: Final = ("name", "email", "phone", "companyName")
_BOUNDS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "gt": lambda value, bound: value > bound,
    "gte": lambda value, bound: value >= bound,
    "lt": lambda value, bound: value < bound,
    "lte": lambda value, bound: value <= bound,
}


@dataclass(frozen=True, slots=True)
class Found:
    """One page: contacts with their ``searchAfter``, and how many there are in all."""

    contacts: list[Body]
    total: int


@dataclass(frozen=True, slots=True)
class _Sort:
    field: str
    descending: bool

    def key(self, contact: Body) -> tuple[int, float | str]:
        return _sortable(contact, self.field)


class ContactSearch:
    """The index. The last search's order is kept until the index changes: its next page costs nothing."""

    def __init__(self) -> None:
        self._contacts: dict[str, Body] = {}
        self._kept: tuple[str, list[Body]] | None = None

    def take(self, contact_id: str, contact: Body | None) -> None:
        """Show a contact in its newest state, or no more."""
        self._kept = None
        if contact is None:
            self._contacts.pop(contact_id, None)
        else:
            self._contacts[contact_id] = contact

    def find(self, body: Mapping[str, JsonValue]) -> Found:
        """One page. Raises VendorRefusal (422, 400) for what the language does not know."""
        limit = body.get("pageLimit")
        if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= PAGE_MOST:
            raise _wrong(f"pageLimit must be a number from 1 to {PAGE_MOST}")
        sorts = _sorts(body.get("sort"))
        ordered = self._ordered(body, sorts)
        first = self._first(body, ordered, sorts, limit)
        page = ordered[first : first + limit]
        return Found([{**contact, "searchAfter": _after(contact, sorts)} for contact in page], len(ordered))

    def _ordered(self, body: Mapping[str, JsonValue], sorts: list[_Sort]) -> list[Body]:
        key = repr((body.get("filters"), body.get("query"), sorts))
        if self._kept is not None and self._kept[0] == key:
            return self._kept[1]
        wanted = _all_of(body.get("filters"))
        query = body.get("query")
        if isinstance(query, str) and len(query) > QUERY_MOST:
            raise _wrong(f"query must have at most {QUERY_MOST} characters")
        words = query.lower() if isinstance(query, str) else ""
        ordered = [c for c in self._contacts.values() if wanted(c) and (not words or _mentions(c, words))]
        ordered.sort(key=lambda contact: str(contact["id"]))
        for sort in reversed(sorts):
            ordered.sort(key=sort.key, reverse=sort.descending)
        self._kept = (key, ordered)
        return ordered

    def _first(
        self, body: Mapping[str, JsonValue], ordered: list[Body], sorts: list[_Sort], limit: int
    ) -> int:
        after, page = body.get("searchAfter"), body.get("page")
        if isinstance(after, list) and after:
            return next(
                (n for n, contact in enumerate(ordered) if _is_past(contact, after, sorts)), len(ordered)
            )
        number = page if isinstance(page, int) and page >= 1 else 1
        if number * limit > REACH_OF_PAGES:
            raise VendorRefusal(
                HTTPStatus.BAD_REQUEST, f"pages reach {REACH_OF_PAGES} contacts; go on with searchAfter"
            )
        return (number - 1) * limit


# --- sorting ------------------------------------------------------------------------------------------------------


def _sorts(said: JsonValue) -> list[_Sort]:
    if said is None:
        return [_Sort("dateAdded", descending=True)]
    if not isinstance(said, list):
        raise _wrong("sort must be an array of {field, direction}")
    sorts = []
    for entry in said:
        field = entry.get("field") if isinstance(entry, dict) else None
        direction = entry.get("direction") if isinstance(entry, dict) else None
        if not isinstance(field, str) or direction not in {"asc", "desc"}:
            raise _wrong("sort must be an array of {field, direction: asc or desc}")
        sorts.append(_Sort(field, direction == "desc"))
    return sorts


def _sortable(contact: Body, field: str) -> tuple[int, float | str]:
    """Numbers and times before texts; what is absent first."""
    value = _comparable(field, contact.get(field))
    if value is None:
        return (0, 0)
    return (1, value) if isinstance(value, float) else (2, value)


def _after(contact: Body, sorts: list[_Sort]) -> list[JsonValue]:
    values = [_comparable(sort.field, contact.get(sort.field)) for sort in sorts]
    return [*(int(v) if isinstance(v, float) and v.is_integer() else v for v in values), contact["id"]]


def _is_past(contact: Body, after: list[JsonValue], sorts: list[_Sort]) -> bool:
    """Whether a contact comes after the one that ``searchAfter`` describes."""
    for sort, value in zip(sorts, after, strict=False):
        mine, theirs = _sortable(contact, sort.field), _sortable({sort.field: value}, sort.field)
        if mine != theirs:
            return (mine < theirs) if sort.descending else (mine > theirs)
    return str(contact["id"]) > str(after[-1])


# --- filters ------------------------------------------------------------------------------------------------------

Test = Callable[[Body], bool]


def _all_of(filters: JsonValue) -> Test:
    if filters is None:
        return lambda _: True
    if not isinstance(filters, list):
        raise _wrong("filters must be an array")
    tests = [_test(entry) for entry in filters]
    return lambda contact: all(test(contact) for test in tests)


def _test(entry: JsonValue) -> Test:
    if not isinstance(entry, dict):
        raise _wrong("each filter must be {field, operator, value} or {group, filters}")
    if "group" in entry:
        inner = entry.get("filters")
        tests = [_test(part) for part in inner] if isinstance(inner, list) else []
        if entry["group"] not in {"AND", "OR"} or not tests:
            raise _wrong("group must be AND or OR, with filters")
        whole = all if entry["group"] == "AND" else any
        return lambda contact: whole(test(contact) for test in tests)
    field, operator, value = entry.get("field"), entry.get("operator"), entry.get("value")
    if not isinstance(field, str) or not isinstance(operator, str):
        raise _wrong("each filter must have field and operator")
    return _comparison(field, operator, value)


def _comparison(field: str, operator: str, value: JsonValue) -> Test:
    wanted = _comparable(field, value)
    tests: Mapping[str, Test] = {
        "eq": lambda contact: _is(contact, field, wanted, value),
        "not_eq": lambda contact: not _is(contact, field, wanted, value),
        "contains": lambda contact: _holds(contact, field, value),
        "not_contains": lambda contact: not _holds(contact, field, value),
        "exists": lambda contact: _field(contact, field) not in (None, "", []),
        "not_exists": lambda contact: _field(contact, field) in (None, "", []),
        "range": lambda contact: _within(contact, field, value),
    }
    if operator not in tests:
        raise _wrong(f"operator must be one of {', '.join(tests)}")
    if operator == "range" and not isinstance(value, dict):
        raise _wrong("value of a range must be an object of gt, gte, lt, lte")
    return tests[operator]


def _field(contact: Body, field: str) -> JsonValue:
    """A field, or a custom field as ``customFields.{id}``."""
    prefix, _, custom_id = field.partition(".")
    if prefix != "customFields":
        return contact.get(field)
    customs = contact.get("customFields")
    for custom in customs if isinstance(customs, list) else ():
        if isinstance(custom, dict) and custom.get("id") == custom_id:
            return custom.get("value")
    return None


def _is(contact: Body, field: str, wanted: float | str | None, value: JsonValue) -> bool:
    held = _field(contact, field)
    if isinstance(held, list):
        return value in held if not isinstance(value, list) else all(part in held for part in value)
    if isinstance(value, list):
        return held in value
    return _comparable(field, held) == wanted


def _holds(contact: Body, field: str, value: JsonValue) -> bool:
    held = _field(contact, field)
    if isinstance(held, list):
        wanted = value if isinstance(value, list) else [value]
        return any(part in held for part in wanted)
    return isinstance(held, str) and str(value).lower() in held.lower()


def _within(contact: Body, field: str, bounds: JsonValue) -> bool:
    held = _comparable(field, _field(contact, field))
    if not isinstance(held, float) or not isinstance(bounds, dict):
        return False
    for name, bound in bounds.items():
        limit = _comparable(field, bound)
        if name not in _BOUNDS or not isinstance(limit, float):
            raise _wrong("value of a range must be an object of gt, gte, lt, lte with numbers or dates")
        if not _BOUNDS[name](held, limit):
            return False
    return True


def _comparable(field: str, value: JsonValue) -> float | str | None:
    """A number, a time as milliseconds, or text in small letters."""
    if value is None or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return float(value)
    if field in _DATES:
        try:
            return float(milliseconds(datetime.fromisoformat(value)))
        except ValueError:
            raise _wrong(f"{field} must be a date or epoch milliseconds") from None
    return value.lower()


def _mentions(contact: Body, words: str) -> bool:
    return any(words in str(contact.get(field, "")).lower() for field in _SEARCHED)


def _wrong(message: str) -> VendorRefusal:
    return VendorRefusal(HTTPStatus.UNPROCESSABLE_ENTITY, [message])
