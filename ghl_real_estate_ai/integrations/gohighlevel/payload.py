"""The fields of one GoHighLevel delivery, read with care: present or absent, right or refused by name.

Called by translation.py, contacts.py and messages.py. Every reader raises TranslationError naming the field, or returns
None when the field is absent, null or empty.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from ghl_real_estate_ai.errors import TranslationError

ID_CHARACTERS: Final = 255
"""Longest id that is taken; GoHighLevel's own have 20 to 36 characters."""

_MONEY_LIMIT: Final = Decimal(10) ** 15
_DOLLARS: Final = re.compile(r"\$?\d{1,3}(,\d{3})*(\.\d+)?")
_EPOCH_MS_FROM: Final = 10**11
"""A Unix time above this counts milliseconds: as seconds it would lie in the year 5138."""

_YEARS: Final = range(1990, 2101)


class Payload:
    """A JSON object. The envelope is flat; fields that a nested ``data`` object holds are found too."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        data = body.get("data")
        self.fields: Final[Mapping[str, Any]] = {**data, **body} if isinstance(data, dict) else body

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    @property
    def kind(self) -> str:
        """``type``; '' when it is absent or no text."""
        value = self.fields.get("type")
        return value if isinstance(value, str) else ""

    def raw(self, name: str) -> Any:
        """The value as it came; None when absent."""
        return self.fields.get(name)

    def within(self, name: str) -> Payload | None:
        """A nested object; None when it is absent or no object."""
        value = self.fields.get(name)
        return Payload(value) if isinstance(value, dict) else None

    def text(self, name: str) -> str | None:
        """Text; a number is taken as its digits."""
        value = self.fields.get(name)
        if isinstance(value, str):
            return value.strip() or None
        if value is None:
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return str(value)
        raise TranslationError(f"{name}: must be text")

    def identifier(self, name: str) -> str | None:
        """An id: text of at most ID_CHARACTERS."""
        value = self.text(name)
        if value is not None and len(value) > ID_CHARACTERS:
            raise TranslationError(f"{name}: an id has at most {ID_CHARACTERS} characters")
        return value

    def needed(self, name: str) -> str:
        """An id that the event cannot do without."""
        value = self.identifier(name)
        if value is None:
            raise TranslationError(f"{name}: missing")
        return value

    def flag(self, name: str) -> bool | None:
        """True or false, also as text."""
        value = self.fields.get(name)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and value in {"true", "false"}:
            return value == "true"
        raise TranslationError(f"{name}: must be true or false")

    def texts(self, name: str) -> list[str] | None:
        """A list of texts; workflow payloads write it as one text with commas."""
        value = self.fields.get(name)
        if value is None:
            return None
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
            raise TranslationError(f"{name}: must be a list of texts")
        return [part.strip() for part in parts if part.strip()]

    def number(self, name: str) -> float | None:
        """A finite number >= 0, also as text."""
        money = self.money(name)
        if money is not None and money < 0:
            raise TranslationError(f"{name}: must not be negative")
        return None if money is None else float(money)

    def money(self, name: str) -> Decimal | None:
        """An amount, also as text such as "$450,000"."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        amount = as_decimal(value)
        if amount is None:
            raise TranslationError(f"{name}: must be a number below {_MONEY_LIMIT:e}")
        return amount

    def time(self, name: str) -> datetime | None:
        """A time: ISO 8601 (UTC unless it says otherwise) or Unix time in seconds or milliseconds."""
        value = self.fields.get(name)
        if value is None or value == "":
            return None
        moment = _moment(value)
        if moment is None:
            raise TranslationError(f"{name}: must be an ISO 8601 or Unix time")
        return moment

    def first_time(self, *names: str) -> datetime | None:
        """The first of these fields that holds a readable time. Never raises: another clock stands in for a broken one."""
        return next((at for name in names if (at := _moment(self.fields.get(name))) is not None), None)


def as_decimal(value: object) -> Decimal | None:
    """A sensible finite number, also from text such as "$450,000"; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    text = value if isinstance(value, int) else str(value).strip()
    if isinstance(text, str) and _DOLLARS.fullmatch(text):
        text = text.removeprefix("$").replace(",", "")
    try:
        amount = Decimal(text)
        return amount if amount.is_finite() and abs(amount) < _MONEY_LIMIT else None
    except ArithmeticError:  # no number, or one that is beyond any: "1e1000000"
        return None


def _moment(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            text = value.strip()
            moment = _of_epoch(float(text)) if text.isdecimal() else datetime.fromisoformat(text)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            moment = _of_epoch(float(value))
        else:
            return None
        # Astronomic dates would sort before or after everything for ever: no clock says them.
        aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return aware if aware.year in _YEARS else None


def _of_epoch(value: float) -> datetime:
    if not math.isfinite(value):
        raise ValueError("not finite")
    return datetime.fromtimestamp(value / 1_000 if value >= _EPOCH_MS_FROM else value, UTC)
