"""What the API answers about an account: location, fields, tags, users, workflows, records, tokens. Called by client.py."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AliasChoices, AliasPath, Field, model_validator

from ghl_real_estate_ai.integrations.gohighlevel.field_types import (
    ByName,
    Count,
    Flag,
    Id,
    Items,
    KeptResource,
    List,
    Mark,
    Moment,
    Resource,
    Text,
    Texts,
    unwrapped,
)


class Location(Resource):
    """A sub-account. Its address, phone and email are not taken."""

    id: Id
    company_id: Text = None
    name: Text = None
    timezone: Text = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "location")


class CustomField(Resource):
    """A custom field's definition."""

    id: Id
    name: Text = None
    field_key: Text = None
    data_type: Text = None
    model: Text = None

    @model_validator(mode="before")
    @classmethod
    def _one_shape(cls, value: Any) -> Any:
        return unwrapped(value, "customField")


class CustomFieldList(Resource):
    """An account's custom fields."""

    custom_fields: Annotated[tuple[CustomField, ...], List] = ()


class LocationTag(Resource):
    """A tag that contacts can have."""

    id: Id
    name: Text = None


class LocationTagList(Resource):
    """An account's tags."""

    tags: Annotated[tuple[LocationTag, ...], List] = ()


class User(Resource):
    """Somebody who works with the account."""

    id: Id
    name: Text = None
    first_name: Text = None
    last_name: Text = None
    email: Text = None
    deleted: Flag = None
    role: Text = Field(default=None, validation_alias=AliasPath("roles", "role"))


class UserPage(Resource):
    """One page of a search."""

    users: Annotated[tuple[User, ...], List] = ()
    count: Count = None


class Workflow(Resource):
    """An automation of the account."""

    id: Id
    name: Text = None
    status: Text = None


class WorkflowList(Resource):
    """An account's workflows."""

    workflows: Annotated[tuple[Workflow, ...], List] = ()


class ObjectSchema(Resource):
    """A kind of record."""

    id: Id
    key: Text = None
    standard: Flag = None
    label: Text = Field(default=None, validation_alias=AliasPath("labels", "singular"))


class ObjectSchemaList(Resource):
    """The kinds of record that an account knows."""

    objects: Annotated[tuple[ObjectSchema, ...], List] = ()


class Record(KeptResource):
    """One record of a custom object."""

    id: Id
    object_key: Text = None
    properties: ByName = Field(default_factory=dict)
    created_at: Moment = None
    updated_at: Moment = None
    search_after: Mark = ()


class RecordPage(Resource):
    """One page of a search."""

    records: Items[Record] = ()
    total: Count = None

    @property
    def search_after(self) -> tuple[Any, ...]:
        """Where the next page starts; () when the API did not say."""
        return next((one.search_after for one in reversed(self.records) if one.search_after), ())


class UnsubscribeState(KeptResource):
    """What a contact unsubscribed from, in the API's own words: it documents no shape."""


class TokenGrant(Resource):
    """Tokens. Never shown: it has no id to show."""

    access_token: str = Field(validation_alias=AliasChoices("accessToken", "access_token"), min_length=1)
    refresh_token: Text = Field(default=None, validation_alias=AliasChoices("refreshToken", "refresh_token"))
    expires_in: Count = Field(default=None, validation_alias=AliasChoices("expiresIn", "expires_in"))
    scope: Text = None
    user_type: Text = Field(default=None, validation_alias=AliasChoices("userType", "user_type"))
    location_id: Text = None
    company_id: Text = None
    user_id: Text = None
    approved_locations: Texts = ()
    is_bulk_installation: Flag = None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The granted scopes."""
        return tuple((self.scope or "").split())


class InstalledLocation(Resource):
    """A location of a company that has, or may have, the app."""

    id: Id = Field(validation_alias=AliasChoices("_id", "id"))
    name: Text = None
    is_installed: Flag = None


class InstalledLocationPage(Resource):
    """One page; ``next_page`` leads to the next in v3, in the dated version count on with ``skip``."""

    items: Annotated[tuple[InstalledLocation, ...], List] = Field(
        default=(), validation_alias=AliasChoices("items", "locations")
    )
    total: Count = Field(
        default=None, validation_alias=AliasChoices("count", AliasPath("pagination", "totalRecords"))
    )
    next_page: Text = Field(default=None, validation_alias=AliasPath("pagination", "nextPageToken"))
