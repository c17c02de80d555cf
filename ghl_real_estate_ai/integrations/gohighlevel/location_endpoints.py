"""The requests about an account itself: location, fields, tags, users, workflows, custom objects. Pure; called by client.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ghl_real_estate_ai.integrations.gohighlevel.api_request import (
    ApiProfile,
    ApiRequest,
    api_request,
    checked_id,
    within,
)

RECORD_PAGE: Final = 100
"""Most records of one page; the API names no bound, this one is ours."""

_FIELDS_READ: Final = "locations/customFields.readonly"
_FIELDS_WRITE: Final = "locations/customFields.write"


def get_location(api: ApiProfile, location_id: str) -> ApiRequest:
    """The account: its name, time zone and company."""
    operation = "GET /locations/{locationId}"
    return api_request(api, operation, ids={"locationId": location_id}, scope="locations.readonly")


def list_custom_fields(api: ApiProfile, location_id: str, *, model: str = "contact") -> ApiRequest:
    """The account's custom fields of ``model``: contact, opportunity or all."""
    return api_request(
        api,
        "GET /locations/{locationId}/customFields",
        ids={"locationId": location_id},
        query={"model": model},
        scope=_FIELDS_READ,
    )


def create_custom_field(
    api: ApiProfile,
    location_id: str,
    *,
    name: str,
    data_type: str,
    model: str = "contact",
    placeholder: str | None = None,
) -> ApiRequest:
    """A new custom field. ``data_type``: TEXT, LARGE_TEXT, NUMERICAL, MONETORY (their word), DATE ..."""
    return api_request(
        api,
        "POST /locations/{locationId}/customFields",
        ids={"locationId": location_id},
        json={"name": name, "dataType": data_type, "model": model, "placeholder": placeholder},
        scope=_FIELDS_WRITE,
    )


def update_custom_field(
    api: ApiProfile, location_id: str, field_id: str, *, name: str, placeholder: str | None = None
) -> ApiRequest:
    """Rename a custom field. Its type stays as it was made."""
    return api_request(
        api,
        "PUT /locations/{locationId}/customFields/{id}",
        ids={"locationId": location_id, "id": field_id},
        json={"name": name, "placeholder": placeholder},
        scope=_FIELDS_WRITE,
    )


def list_location_tags(api: ApiProfile, location_id: str) -> ApiRequest:
    """Every tag of the account."""
    operation = "GET /locations/{locationId}/tags"
    return api_request(api, operation, ids={"locationId": location_id}, scope="locations/tags.readonly")


def search_users(
    api: ApiProfile,
    company_id: str,
    *,
    location_id: str | None = None,
    query: str | None = None,
    skip: int | None = None,
    limit: int | None = None,
) -> ApiRequest:
    """The people of a company, or of one of its locations: names for ``assignedTo``."""
    asked = {
        "companyId": checked_id("companyId", company_id),
        "locationId": location_id,
        "query": query,
        "skip": skip,
        "limit": limit,
    }
    return api_request(api, "GET /users/search", query=asked, scope="users.readonly")


def list_workflows(api: ApiProfile, location_id: str) -> ApiRequest:
    """Id, name and status of each workflow; the API can neither read nor make their steps."""
    query = {"locationId": checked_id("locationId", location_id)}
    return api_request(api, "GET /workflows/", query=query, scope="workflows.readonly")


def list_objects(api: ApiProfile, location_id: str) -> ApiRequest:
    """The kinds of record that the account knows, standard and custom."""
    query = {"locationId": checked_id("locationId", location_id)}
    return api_request(api, "GET /objects/", query=query, scope="objects/schema.readonly")


def search_records(
    api: ApiProfile,
    location_id: str,
    schema_key: str,
    *,
    query: str = "",
    page: int = 1,
    page_limit: int = RECORD_PAGE,
    search_after: Sequence[object] = (),
) -> ApiRequest:
    """Records of one kind. The API wants all five fields, also the empty ones."""
    return api_request(
        api,
        "POST /objects/{schemaKey}/records/search",
        ids={"schemaKey": schema_key},
        json={
            "locationId": checked_id("locationId", location_id),
            "page": within("page", page, least=1, most=10**6),
            "pageLimit": within("page_limit", page_limit, least=1, most=RECORD_PAGE),
            "query": query,
            "searchAfter": list(search_after),
        },
        scope="objects/record.readonly",
        repeatable=True,
    )
