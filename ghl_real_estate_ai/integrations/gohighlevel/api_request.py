"""One request to GoHighLevel's API, ready but not sent: path, names and version as its profile wants them. Pure.

Made by the five ``*_endpoints.py``; sent by exchange.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.integrations.gohighlevel.payload import ID_CHARACTERS

_DATE_VERSION: Final = "2021-07-28"
_DATE_VERSIONS: Final = {"conversations": "2021-04-15", "calendars": "2021-04-15"}
"""First segment of the path -> its ``Version`` under ApiProfile.DATES; every other has _DATE_VERSION."""


class ApiProfile(StrEnum):
    """Which generation of the API is spoken. ``v3`` came on 2026-06-11; the dated one still works, without an end date."""

    V3 = "v3"
    DATES = "dates"

    def version(self, template: str) -> str:
        """The ``Version`` header of a path."""
        return "v3" if self is ApiProfile.V3 else _DATE_VERSIONS.get(template.split("/")[1], _DATE_VERSION)

    def named(self, snake: str) -> str:
        """A parameter that the dated version writes in snake_case and v3 in camelCase."""
        if self is ApiProfile.DATES:
            return snake
        first, *rest = snake.split("_")
        return first + "".join(word.title() for word in rest)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """Only ``operation`` is ever shown; the rest may name people."""

    operation: str
    """Method and path template, ``GET /contacts/{contactId}``: the name of the endpoint."""
    path: str = field(repr=False)
    version: str | None = field(repr=False)
    """The ``Version`` header; None where the API documents none."""
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    json: Mapping[str, Any] | None = field(default=None, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    scope: str | None = field(default=None, repr=False)
    """The scope that the call needs, where the API documents one."""
    repeatable: bool = field(default=True, repr=False)
    """Whether sending it twice does what sending it once does: only then is it sent again after a lost answer."""
    authorized: bool = field(default=True, repr=False)
    """Whether it carries a token; asking for the first one cannot."""

    @property
    def method(self) -> str:
        """GET, POST, PUT or DELETE."""
        return self.operation.split(" ", 1)[0]


def api_request(
    api: ApiProfile,
    operation: str,
    *,
    ids: Mapping[str, str] | None = None,
    query: Mapping[str, object] | None = None,
    json: Mapping[str, object] | None = None,
    form: Mapping[str, str | None] | None = None,
    scope: str | None = None,
    repeatable: bool | None = None,
    authorized: bool = True,
) -> ApiRequest:
    """What is None in query, json and form is left out. Unless said, every method but POST is repeatable."""
    method, template = operation.split(" ", 1)
    path = template
    for name, value in (ids or {}).items():
        path = path.replace(f"{{{name}}}", quote(checked_id(name, value), safe=""))
    return ApiRequest(
        operation=operation,
        path=path,
        version=api.version(template),
        query=tuple((name, _query_text(value)) for name, value in given(query).items()),
        json=None if json is None else given(json),
        form=None if form is None else {name: value for name, value in form.items() if value is not None},
        scope=scope,
        repeatable=method != "POST" if repeatable is None else repeatable,
        authorized=authorized,
    )


def checked_id(name: str, value: str) -> str:
    """An id that names one thing and no path. Raises InputError naming the field, not its value."""
    odd = (
        not value.strip()
        or value in {".", ".."}
        or len(value) > ID_CHARACTERS
        or any(mark in "/\\" or not mark.isprintable() for mark in value)
    )
    if odd:
        raise InputError(
            f"{name}: not an id; it must not be empty, '.', '..' or hold slashes or control characters"
        )
    return value


def given(values: Mapping[str, object] | None) -> dict[str, object]:
    """The values that are not None."""
    return {name: value for name, value in (values or {}).items() if value is not None}


def epoch_ms(name: str, at: datetime) -> int:
    """Unix time in milliseconds. Raises InputError for a time without a zone."""
    return round(_aware(name, at).timestamp() * 1_000)


def epoch_s(name: str, at: datetime) -> int:
    """Unix time in seconds. Raises InputError for a time without a zone."""
    return round(_aware(name, at).timestamp())


def iso(name: str, at: datetime) -> str:
    """ISO 8601 with milliseconds and offset. Raises InputError for a time without a zone."""
    return _aware(name, at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def within(name: str, value: int, *, least: int, most: int) -> int:
    """A number in bounds. Raises InputError naming them."""
    if not least <= value <= most:
        raise InputError(f"{name}: must be {least} to {most}")
    return value


def _aware(name: str, at: datetime) -> datetime:
    if at.tzinfo is None:
        raise InputError(f"{name}: needs a time zone")
    return at


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
