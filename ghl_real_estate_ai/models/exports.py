"""A file that the CRM exported, for accounts without API access: what its header says, what each row became.

Made by the reader behind ``crm_ports.ExportReader``; used by commands/csv_import.py.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import Field

from ghl_real_estate_ai.models.events import Delivery
from ghl_real_estate_ai.models.identifiers import Frozen, UtcTime


class ExportKind(StrEnum):
    """What a row is about."""

    CONTACTS = "contacts"
    OPPORTUNITIES = "opportunities"


class ExportLayout(Frozen):
    """How a file is to be read."""

    file: Path
    kind: ExportKind
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    columns: dict[str, int] = Field(description="what we know a column as -> its place")
    ignored: tuple[str, ...] = Field(default=(), description="names of columns that nothing is taken from")
    rows: int = Field(description="about how many: lines that hold a value with a line break count twice")
    written_at: UtcTime = Field(description="of the file: since when holds what its rows do not date")


class RefusedRow(Frozen):
    """Why nothing was taken from a row, and what to change in it. Holds no value of the row."""

    row: int
    field: str
    fix: str


class ExportRow(Frozen):
    """One row of the file, by the number that a spreadsheet shows for it."""

    number: int
    cells: tuple[str, ...] = Field(repr=False)
    deliveries: tuple[Delivery, ...] = ()
    refused: RefusedRow | None = None
    id_was_derived: bool = Field(default=False, description="no contact id: one was made of email or phone")
    time_was_missing: bool = Field(default=False, description="no date in the row: the file's own stands in")
    user_was_named: bool = Field(default=False, description="its agent is a name, no id: nobody is assigned")
    role_by_name: str | None = Field(
        default=None, description="name of the stage whose meaning was taken from its words"
    )
