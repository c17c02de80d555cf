"""The map that reads an event log: which columns mean what, and which GoHighLevel events each activity stands for.

Called by simulation/replay.py. A map is a TOML file; docs/simulation.md shows one. Every mistake in it is named by its key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from pydantic import Field, JsonValue, ValidationError, model_validator

from ghl_real_estate_ai.errors import ConfigurationError
from ghl_real_estate_ai.models.identifiers import Frozen
from ghl_real_estate_ai.simulation.vendor_servers import vendor_time

_PLACEHOLDER: Final = re.compile(r"\{(\w*)\}")

type Cell = str | int | float | None
"""What a placeholder stands for. None: the log is silent."""


class Columns(Frozen):
    """The log's column for each role. Roles without a column stay unknown."""

    case: str
    activity: str
    time: str
    lifecycle: str | None = None
    resource: str | None = None
    value: str | None = None

    def named(self) -> dict[str, str]:
        """Role -> column, of the roles that have one."""
        return {role: column for role, column in self.model_dump().items() if column is not None}


class Send(Frozen):
    """One GoHighLevel event. ``{case}``, ``{time}`` ... in its body are filled from the row."""

    type: str = Field(min_length=1)
    body: dict[str, JsonValue] = Field(default_factory=dict)


class Rule(Frozen):
    """What an activity, or one lifecycle transition of it, stands for: events to send, or the reason to send none."""

    activity: str
    lifecycle: str | None = None
    send: tuple[Send, ...] = ()
    ignore: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.send) == (self.ignore is not None):
            raise ValueError('give either [[rule.send]] tables or ignore = "the reason"')
        return self


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of the log. ``number`` counts from 1 in the file's order."""

    number: int
    case: str
    activity: str
    time: datetime
    lifecycle: str | None
    resource: str | None
    value: Cell

    def cell(self, role: str) -> Cell:
        """The value of a placeholder."""
        if role == "row":
            return self.number
        if role == "time":
            return vendor_time(self.time)
        found: Cell = getattr(self, role)
        return found


class ReplayMap(Frozen):
    """A checked map. ``template.<type>`` holds the body fields that all events of a type share."""

    title: str
    columns: Columns
    template: dict[str, dict[str, JsonValue]] = Field(default_factory=dict)
    rule: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _rules_are_clear(self) -> Self:
        seen: set[tuple[str, str | None]] = set()
        known = {"row", *self.columns.named()}
        for number, rule in enumerate(self.rule, start=1):
            where = f"rule {number} ({rule.activity})"
            if (rule.activity, rule.lifecycle) in seen:
                raise ValueError(f"{where}: an earlier rule has the same activity and lifecycle; remove one")
            seen.add((rule.activity, rule.lifecycle))
            if rule.lifecycle is not None and self.columns.lifecycle is None:
                raise ValueError(f"{where}: names a lifecycle, but columns.lifecycle is not set")
            for send in rule.send:
                for name in _placeholders(self.body_of(send)):
                    if name not in known:
                        raise ValueError(f"{where}: {{{name}}} is not one of {', '.join(sorted(known))}")
        sent = {send.type for rule in self.rule for send in rule.send}
        for unused in self.template.keys() - sent:
            raise ValueError(f"template.{unused}: no rule sends this type")
        return self

    def body_of(self, send: Send) -> dict[str, JsonValue]:
        """The event's body before it is filled."""
        return {**self.template.get(send.type, {}), **send.body}

    def rules(self) -> Mapping[tuple[str, str | None], Rule]:
        """Rules by activity and lifecycle; lifecycle None: any other."""
        return {(rule.activity, rule.lifecycle): rule for rule in self.rule}

    def filled(self, send: Send, row: LogRow) -> dict[str, JsonValue]:
        """The body with the row's values. A field whose value the row lacks is left out."""
        return {
            name: value
            for name, template in self.body_of(send).items()
            if (value := _filled(template, row)) is not None
        }


def load_map(path: Path) -> ReplayMap:
    """Read and check a map. Raises ConfigurationError naming the key and the fix."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"map {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # TOML and UTF-8 errors are ValueErrors
        raise ConfigurationError(f"map {path}: not TOML; {error}") from error
    try:
        return ReplayMap.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigurationError(f"map {path}: {key + ': ' if key else ''}{message}") from error


def _placeholders(template: JsonValue) -> Iterator[str]:
    if isinstance(template, str):
        yield from _PLACEHOLDER.findall(template)
    elif isinstance(template, dict):
        for value in template.values():
            yield from _placeholders(value)
    elif isinstance(template, list):
        for value in template:
            yield from _placeholders(value)


def _filled(template: JsonValue, row: LogRow) -> JsonValue:
    """A text that is one placeholder keeps the value's type; a text around a missing value is missing as a whole."""
    if isinstance(template, dict):
        return {name: value for name, part in template.items() if (value := _filled(part, row)) is not None}
    if isinstance(template, list):
        return [value for part in template if (value := _filled(part, row)) is not None]
    if not isinstance(template, str):
        return template
    cells = {name: row.cell(name) for name in _PLACEHOLDER.findall(template)}
    if any(cell is None for cell in cells.values()):
        return None
    only = _PLACEHOLDER.fullmatch(template)
    if only is not None:
        return cells[only.group(1)]
    return _PLACEHOLDER.sub(lambda found: str(cells[found.group(1)]), template)
