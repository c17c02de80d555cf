"""GoHighLevel's CSV exports of contacts and opportunities, row by row. Implements crm_ports.ExportReader; used by bootstrap.

Rows go through the same translation as webhooks, under ids made of what they state: the same file twice is all duplicates.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ghl_real_estate_ai.errors import InputError, TranslationError
from ghl_real_estate_ai.integrations.gohighlevel.csv_columns import check_enough, kind_of, known_columns
from ghl_real_estate_ai.integrations.gohighlevel.csv_rows import RowReader
from ghl_real_estate_ai.integrations.gohighlevel.translation import Translator
from ghl_real_estate_ai.limits import CSV_CELL_CHARACTERS
from ghl_real_estate_ai.models.exports import ExportKind, ExportLayout, ExportRow, RefusedRow
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.leads import StageRole

_CHUNK: Final = 1 << 20
_DELIMITERS: Final = (",", ";", "\t")
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class CsvExportReader:
    """Holds no file open between calls, and no row in memory but the one that is read."""

    def __init__(self, *, wish_fields: Mapping[str, str]) -> None:
        """``wish_fields``: as for webhooks. Raises ConfigurationError."""
        self._translator: Final = Translator(wish_fields=wish_fields)

    def layout(self, file: Path, *, kind: ExportKind | None) -> ExportLayout:
        """Encoding, delimiter, kind and columns of a file. Raises InputError when it is no export that we can read."""
        if not file.is_file():
            raise InputError(f"{file}: no such file")
        encoding, lines = _encoding(file)
        with file.open(encoding=encoding, newline="") as opened:
            first = opened.readline()
        delimiter = max(_DELIMITERS, key=first.count)
        header = next(csv.reader([first], delimiter=delimiter, strict=False), [])
        if not any(name.strip() for name in header):
            raise InputError(f"{file}: is empty; export it again, with its first line of column names")
        kind = kind or kind_of(header)
        columns = known_columns(header, kind)
        check_enough(columns, kind)
        used = set(columns.values())
        return ExportLayout(
            file=file,
            kind=kind,
            encoding=encoding,
            delimiter=delimiter,
            header=tuple(header),
            columns=columns,
            ignored=tuple(name for place, name in enumerate(header) if place not in used and name.strip()),
            rows=max(0, lines - 1),
            written_at=datetime.fromtimestamp(file.stat().st_mtime, UTC),
        )

    def rows(
        self,
        layout: ExportLayout,
        *,
        location_id: LocationId,
        zone: tzinfo,
        stages: Mapping[str, StageRole],
        simulated: bool,
        received_at: datetime,
    ) -> Iterator[ExportRow]:
        """Every row. ``stages``: a stage's id, or its name in lower case -> what it means; other names are read by their words.

        Raises InputError, with the line, where the file is no CSV any more.
        """
        reader = RowReader(
            layout=layout,
            translator=self._translator,
            location_id=location_id,
            zone=zone,
            stages=stages,
            simulated=simulated,
            received_at=received_at,
        )
        for number, cells in _cells(layout):
            yield _row(reader, number, cells)


def _row(reader: RowReader, number: int, cells: tuple[str, ...]) -> ExportRow:
    try:
        return reader.read(number, cells)
    except TranslationError as error:
        field, _, fix = str(error).partition(": ")
    except ValidationError as error:
        first: Any = error.errors(include_url=False, include_input=False)[0]
        field, fix = ".".join(str(part) for part in first["loc"]), str(first["msg"])
    refused = RefusedRow(row=number, field=reader.title(field), fix=fix)
    return ExportRow(number=number, cells=cells, refused=refused)


def _cells(layout: ExportLayout) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Number and cells of each row that holds anything."""
    csv.field_size_limit(CSV_CELL_CHARACTERS)
    with layout.file.open(encoding=layout.encoding, newline="", errors="replace") as opened:
        lines = csv.reader(opened, delimiter=layout.delimiter)
        try:
            for number, cells in enumerate(lines, start=1):
                if number > 1 and any(cell.strip() for cell in cells):
                    # PostgreSQL refuses NUL characters
                    yield number, tuple(cell.replace("\x00", "").strip() for cell in cells)
        except csv.Error as error:
            raise InputError(
                f"{layout.file}, line {lines.line_num}: not readable as CSV ({error}); a value with a quote or line "
                "break must stand in quotes"
            ) from error


def _encoding(file: Path) -> tuple[str, int]:
    """UTF-8 with or without its mark, UTF-16 by its mark, else Windows' Western one; and how many lines there are."""
    lines, is_utf8 = 0, True
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as opened:
        start = opened.read(3)
        opened.seek(0)
        while chunk := opened.read(_CHUNK):
            lines += chunk.count(b"\n")
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
                decoder.reset()
    if start.startswith(_UTF16_MARKS):
        return "utf-16", lines
    if not is_utf8:
        return "cp1252", lines
    return "utf-8-sig" if start == codecs.BOM_UTF8 else "utf-8", lines
