"""The search language of contacts: filters, groups, sorting, pages beyond ten thousand, and an index that lags."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import JsonValue

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation.ghl_contacts import ContactBook
from ghl_real_estate_ai.simulation.ghl_search import ContactSearch

PEOPLE: list[dict[str, JsonValue]] = [
    {"id": "c1", "name": "Ann Lee", "email": "ann@example.com", "tags": ["hot", "buyer"], "dnd": False,
     "dateUpdated": "2026-11-01T00:00:00.000Z", "customFields": [{"id": "budget", "value": 300}]},
    {"id": "c2", "name": "Bob Ray", "email": "bob@example.com", "tags": [], "dnd": True,
     "dateUpdated": "2026-11-02T00:00:00.000Z", "customFields": []},
    {"id": "c3", "name": "Cy Moe", "tags": ["hot"], "dnd": False,
     "dateUpdated": "2026-11-03T00:00:00.000Z", "customFields": [{"id": "budget", "value": 900}]},
]  # fmt: skip


def index(people: list[dict[str, JsonValue]] = PEOPLE) -> ContactSearch:
    search = ContactSearch()
    for person in people:
        search.take(str(person["id"]), person)
    return search


def found(*filters: Any, **body: Any) -> list[JsonValue]:
    sort = [{"field": "dateUpdated", "direction": "asc"}]
    page = index().find({"pageLimit": 10, "filters": list(filters), "sort": sort, **body})
    return [contact["id"] for contact in page.contacts]


def condition(field: str, operator: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "operator": operator, "value": value}


@pytest.mark.parametrize(
    ("filter_", "ids"),
    [
        (condition("name", "eq", "ann lee"), ["c1"]),
        (condition("name", "not_eq", "ann lee"), ["c2", "c3"]),
        (condition("email", "contains", "EXAMPLE"), ["c1", "c2"]),
        (condition("email", "not_contains", "ann"), ["c2", "c3"]),
        (condition("email", "exists"), ["c1", "c2"]),
        (condition("email", "not_exists"), ["c3"]),
        (condition("tags", "eq", "hot"), ["c1", "c3"]),
        (condition("tags", "eq", ["hot", "buyer"]), ["c1"]),
        (condition("tags", "contains", ["buyer", "x"]), ["c1"]),
        (condition("id", "eq", ["c1", "c3"]), ["c1", "c3"]),
        (condition("dnd", "eq", True), ["c2"]),
        (condition("customFields.budget", "range", {"gte": 300, "lt": 900}), ["c1"]),
        (condition("dateUpdated", "range", {"gt": "2026-11-01T00:00:00Z"}), ["c2", "c3"]),
        (condition("dateUpdated", "range", {"lte": 1_793_577_600_000}), ["c1", "c2"]),
        (
            {"group": "OR", "filters": [condition("dnd", "eq", True), condition("tags", "eq", "buyer")]},
            ["c1", "c2"],
        ),
        (
            {"group": "AND", "filters": [condition("dnd", "eq", False), condition("tags", "eq", "buyer")]},
            ["c1"],
        ),
    ],
)
def test_a_filter_finds_whom_it_describes(filter_: dict[str, Any], ids: list[str]) -> None:
    assert found(filter_) == ids


def test_filters_together_must_all_hold_and_words_are_searched_too() -> None:
    assert found(condition("tags", "eq", "hot"), condition("email", "exists")) == ["c1"]
    assert found(query="bob") == ["c2"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "pageLimit"),
        ({"pageLimit": 501}, "pageLimit"),
        ({"pageLimit": True}, "pageLimit"),
        ({"pageLimit": 1, "sort": "name"}, "sort"),
        ({"pageLimit": 1, "sort": [{"field": "name", "direction": "up"}]}, "direction"),
        ({"pageLimit": 1, "query": "x" * 76}, "query"),
        ({"pageLimit": 1, "filters": {}}, "filters"),
        ({"pageLimit": 1, "filters": ["x"]}, "filter"),
        ({"pageLimit": 1, "filters": [{"group": "XOR", "filters": [condition("id", "exists")]}]}, "group"),
        ({"pageLimit": 1, "filters": [{"field": "id"}]}, "operator"),
        ({"pageLimit": 1, "filters": [condition("id", "like", "c")]}, "operator"),
        ({"pageLimit": 1, "filters": [condition("id", "range", 5)]}, "range"),
        ({"pageLimit": 1, "filters": [condition("dateUpdated", "range", {"above": 5})]}, "gt"),
        ({"pageLimit": 1, "filters": [condition("dateAdded", "eq", "yesterday")]}, "dateAdded"),
        ({"pageLimit": 500, "page": 21}, "searchAfter"),
    ],
)
def test_what_the_language_does_not_know_is_refused_by_name(body: dict[str, Any], word: str) -> None:
    with pytest.raises(VendorRefusal, match=word):
        index().find(body)


@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_search_after_walks_past_ten_thousand_without_missing_anybody(direction: str) -> None:
    people: list[dict[str, JsonValue]] = [
        {"id": f"c{n:05d}", "dateUpdated": f"2026-11-0{n % 7 + 1}T00:00:00Z"} for n in range(10_400)
    ]
    search, seen, after = index(people), [], list[JsonValue]()
    sort: JsonValue = [{"field": "dateUpdated", "direction": direction}]
    while True:
        page = search.find({"pageLimit": 500, "sort": sort, "searchAfter": after})
        if not page.contacts:
            break
        seen += [contact["id"] for contact in page.contacts]
        after = page.contacts[-1]["searchAfter"]  # type: ignore[assignment]  # reason: always a list
    assert len(seen) == len(set(map(str, seen))) == page.total == 10_400


def test_pages_by_number_follow_each_other() -> None:
    pages = [
        [
            c["id"]
            for c in index()
            .find({"pageLimit": 2, "page": n, "sort": [{"field": "id", "direction": "asc"}]})
            .contacts
        ]
        for n in (1, 2)
    ]
    assert pages == [["c1", "c2"], ["c3"]]


def test_the_index_shows_a_change_when_its_lag_is_over() -> None:
    now = [0.0]
    book = ContactBook(lambda: now[0], lambda: 2.0)
    book.put({"id": "c1", "name": "Ann"})
    assert book.index().find({"pageLimit": 1}).total == 0
    now[0] = 2.0
    assert book.index().find({"pageLimit": 1}).total == 1
    book.put({"id": "c1", "name": "Anna"})
    book.remove("c1")
    now[0] = 3.9
    assert book.index().find({"pageLimit": 1}).contacts[0]["name"] == "Ann"
    now[0] = 4.0
    assert book.index().find({"pageLimit": 1}).total == 0
