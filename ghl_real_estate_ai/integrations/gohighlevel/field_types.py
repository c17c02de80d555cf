"""How a field of an API answer is read: leniently, because the vendor's words stay whole beside it.

Used by resources.py and account_resources.py. A value of the wrong kind reads as absent; only a missing id is an error,
and on a page of many things it spoils that one thing, not the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from ghl_real_estate_ai.integrations.gohighlevel.payload import Payload, as_decimal


class Resource(BaseModel):
    """Base of every typed answer. Shown by its id only: the rest may be personal or secret."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        hide_input_in_errors=True,
        defer_build=True,  # at the first answer of its kind: some fifty of them are no part of the gateway's start
    )

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [("id", self.id)] if hasattr(self, "id") else []


class KeptResource(Resource):
    """A resource that is translated into our events from the vendor's own words: it keeps them as ``raw``."""

    raw: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _keep(cls, value: Any) -> Any:
        return {**value, "raw": value} if isinstance(value, dict) else value


class BrokenItem(KeptResource):
    """An item of a page that has no id. Its words are kept: who reads the page decides what becomes of them."""

    search_after: Mark = ()

    @model_validator(mode="before")
    @classmethod
    def _whatever(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {}


def whole[R: KeptResource](items: Iterable[R | BrokenItem]) -> list[R]:
    """Those of a page's items that could be read."""
    return [one for one in items if not isinstance(one, BrokenItem)]


def unwrapped(value: Any, key: str) -> Any:
    """What a one-key envelope holds, ``{"contact": {...}}``; the value itself where the envelope is missing."""
    return value[key] if isinstance(value, dict) and isinstance(value.get(key), dict) else value


def _id(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else str(value) if isinstance(value, int | float) else None


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list | tuple) else ()


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else {"true": True, "false": False}.get(str(value).lower())


def _count(value: Any) -> int | None:
    number = as_decimal(value)
    return None if number is None else int(number)


def _moment(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else Payload({"at": value}).first_time("at")


def _by_name(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _mark(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def _list(value: Any) -> Any:
    return () if value is None else value


Id = Annotated[str, BeforeValidator(_id), Field(min_length=1)]
"""The one thing that must be there."""
Text = Annotated[str | None, BeforeValidator(_text)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]
Flag = Annotated[bool | None, BeforeValidator(_flag)]
Count = Annotated[int | None, BeforeValidator(_count)]
Amount = Annotated[Decimal | None, BeforeValidator(as_decimal)]
Moment = Annotated[datetime | None, BeforeValidator(_moment)]
"""ISO 8601 (UTC unless it says otherwise) or Unix time."""
ByName = Annotated[dict[str, Any], BeforeValidator(_by_name)]
List = BeforeValidator(_list)
"""Marks a list that may come as null."""
Mark = Annotated[tuple[Any, ...], BeforeValidator(_mark)]
"""Where a search goes on behind an item: values without a meaning of their own."""
type Items[R] = Annotated[tuple[Annotated[R | BrokenItem, Field(union_mode="left_to_right")], ...], List]
"""What a page that is read to the end holds."""
