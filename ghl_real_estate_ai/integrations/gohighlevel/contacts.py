"""What a contact delivery says of the person and of their wishes; nothing that could stand for a protected class.

Called by translation.py. Birth date, address, country, company and website are never taken: no field here reads them.
Our own tags are not taken either: what we conclude about a lead must never become an input of a conclusion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from ghl_real_estate_ai.errors import ConfigurationError, TranslationError
from ghl_real_estate_ai.integrations.gohighlevel.payload import Payload, as_decimal
from ghl_real_estate_ai.models.properties import Wishes
from ghl_real_estate_ai.models.write_back import is_own_tag


def _account_tags(payload: Payload, name: str) -> list[str] | None:
    tags = payload.texts(name)
    return None if tags is None else [tag for tag in tags if not is_own_tag(tag)]


_READERS: Final[Mapping[str, tuple[str, Callable[[Payload, str], Any]]]] = {
    "name": ("name", Payload.text),
    "firstName": ("first_name", Payload.text),
    "lastName": ("last_name", Payload.text),
    "email": ("email", Payload.text),
    "phone": ("phone", Payload.text),
    "source": ("source", Payload.text),
    "assignedTo": ("assigned_to", Payload.identifier),
    "tags": ("tags", _account_tags),
    "dnd": ("dnd", Payload.flag),
}
"""GoHighLevel's field -> (field of models.leads.Contact, how it is read)."""

_ANSWER_KEYS: Final = ("value", "fieldValue", "field_value")
"""Where a custom field holds its value: webhooks say ``value``, the API versions say the others."""


def contact_fields(payload: Payload) -> dict[str, Any]:
    """The fields of models.leads.Contact that the delivery held. None: it said that there is no value."""
    return {
        ours: read(payload, theirs) for theirs, (ours, read) in _READERS.items() if theirs in payload.fields
    }


class WishReader:
    """Reads stated wishes out of custom fields and searches."""

    def __init__(self, wish_fields: Mapping[str, str]) -> None:
        """``wish_fields``: GoHighLevel custom field id -> field of models.properties.Wishes. Raises ConfigurationError."""
        for field, wish in wish_fields.items():
            if wish not in Wishes.model_fields:
                raise ConfigurationError(
                    f"setting ENTERPRISEHUB_GHL_WISH_FIELDS: {field!r} maps to {wish!r}, which is no wish; "
                    f"choose one of {', '.join(Wishes.model_fields)}"
                )
        self._wish_of: Final = {**{name: name for name in Wishes.model_fields}, **wish_fields}

    def of_custom_fields(self, payload: Payload) -> dict[str, Any]:
        """The wishes in ``customFields``: [{id, value}]. Other custom fields are not taken."""
        answers = payload.raw("customFields")
        if answers is None:
            return {}
        if not isinstance(answers, list):
            raise TranslationError("customFields: must be a list of {id, value}")
        stated: dict[str, object] = {}
        for answer in answers:
            if not isinstance(answer, dict):
                raise TranslationError("customFields: must be a list of {id, value}")
            field = answer.get("id")
            wish = self._wish_of.get(field) if isinstance(field, str) else None
            if wish is not None:
                stated[wish] = next((answer[key] for key in _ANSWER_KEYS if key in answer), None)
        return checked_wishes(stated)

    def of_search(self, properties: Mapping[str, object]) -> dict[str, Any]:
        """The wishes among a record's properties."""
        return checked_wishes(
            {wish: properties[field] for field, wish in self._wish_of.items() if field in properties}
        )


def checked_wishes(stated: Mapping[str, object]) -> dict[str, Any]:
    """Wishes as they go into the log: JSON values within the bounds of models.properties.Wishes.

    A field without a value takes the wish back: None, or [] for features. Raises TranslationError naming the wish.
    """
    if not stated:
        return {}
    values = {name: _wish_value(name, value) for name, value in stated.items()}
    given = {name: value for name, value in values.items() if value is not None}
    try:
        dumped = Wishes.model_validate(given).model_dump(mode="json", exclude_unset=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise TranslationError(f"{first['loc'][0]}: not a readable wish; {first['msg']}") from error
    if "features" in dumped:
        dumped["features"] = sorted(
            dumped["features"]
        )  # a set has no order; the log should not differ by run
    return {name: dumped.get(name) for name in values}


def _wish_value(name: str, value: object) -> object:
    if name == "features":
        return _features(value)
    if value in (None, "", [], {}):
        return None
    if isinstance(value, (bool, list, dict)):
        raise TranslationError(f"{name}: must be one value")
    if Wishes.model_fields[name].annotation == str | None:
        return str(value).strip()
    number = as_decimal(value)
    if number is None:
        raise TranslationError(f"{name}: must be a number")
    return number


def _features(value: object) -> list[str]:
    parts = value.split(",") if isinstance(value, str) else [] if value is None else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise TranslationError("features: must be a list of texts")
    return [part.strip().lower().replace(" ", "_") for part in parts if part.strip()]
