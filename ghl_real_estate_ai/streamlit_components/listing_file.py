"""A file of homes as people have it, CSV or RESO JSON, into rows by RESO's names. Called by ``location_listings.py``.

It finds columns and cleans numbers; what a row is worth is the gateway's to say.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Never

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.limits import LISTING_BODY_BYTES
from ghl_real_estate_ai.models.properties import Listing

type Row = Mapping[str, object]

NEEDED: Final = ("ListingKey", "ListPrice", "City")
"""Without them no row is a listing."""
BATCH_ROWS: Final = 500
"""Rows of one request: the bar moves, and each answer comes well within the timeout."""
_ALSO_CALLED: Final = {
    "mlsnumber": "ListingKey",
    "price": "ListPrice",
    "status": "StandardStatus",
    "address": "UnparsedAddress",
    "bedrooms": "BedroomsTotal",
    "beds": "BedroomsTotal",
    "bathrooms": "BathroomsTotalInteger",
    "squarefeet": "LivingArea",
    "sqft": "LivingArea",
    "state": "StateOrProvince",
    "zip": "PostalCode",
    "zipcode": "PostalCode",
}
"""Heads of columns that can mean one thing only. The page tells what was read as what. "MLS" is often the MLS's name, and
ListingId a field of RESO's own.
"""
_PROPERTIES: Final = Listing.model_json_schema()["properties"]
_NAMES: Final = {name.casefold(): name for name in _PROPERTIES if name != "Media"}
_NUMBERS: Final = frozenset(
    name
    for name, one in _PROPERTIES.items()
    if {"number", "integer"} & {kind.get("type") for kind in (one, *one.get("anyOf", ()))}
)
_ONE_WORD: Final = frozenset({"StandardStatus", "PropertySubType"})
"""RESO shows their values with spaces ('Coming Soon') and names them without."""
_DELIMITERS: Final = (",", ";", "\t")
_FINE: Final = frozenset({"LotSizeAcres", "GarageSpaces", "Latitude", "Longitude"})
"""Numbers of which three decimals make sense; 450.000 as a price does not."""
_COMMAS: Final = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+(\.\d*)?")
"""1,234,567.89: what a comma between thousands looks like."""
_POINTS: Final = re.compile(r"-?\d{1,3}(\.\d{3})+")
"""1.234.567: where a comma is the decimal mark, this is no decimal."""
_FIGURES: Final = re.compile(r"-?[\d.,]+")


class ListingFile(NamedTuple):
    """``read_as``: heads of columns that had another name, with RESO's. ``left_out``: those that were not read."""

    rows: Sequence[Row]
    is_table: bool
    read_as: Sequence[tuple[str, str]] = ()
    left_out: Sequence[str] = ()

    @property
    def keyed_by_mls_number(self) -> bool:
        """Whether homes are named by their MLS number: a feed knows them by another key."""
        return any(name == NEEDED[0] and _bare(head) in _ALSO_CALLED for head, name in self.read_as)

    def place(self, row: int) -> str:
        """A row as somebody finds it in the file; a table's first row is its heads."""
        return f"Row {row + 2:,}" if self.is_table else f"Home {row + 1:,}"


def read_listing_file(name: str, content: bytes) -> ListingFile:
    """The rows of ``name``. Raises InputError, which says what the file lacks."""
    read = _read_json if name.casefold().endswith(".json") else _read_table
    found = read(content)
    if not found.rows:
        raise InputError("There are no homes in this file.")
    return found


def batches(rows: Sequence[Row]) -> Iterator[tuple[int, Sequence[Row]]]:
    """The number of the first row, and rows of at most half of what one request may hold."""
    first, size = 0, 0
    for place, row in enumerate(rows):
        weight = len(json.dumps(row))
        if place - first == BATCH_ROWS or (place > first and size + weight > LISTING_BODY_BYTES // 2):
            yield first, rows[first:place]
            first, size = place, 0
        size += weight
    if first < len(rows):
        yield first, rows[first:]


def _read_json(content: bytes) -> ListingFile:
    try:
        told = json.loads(_text(content), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise InputError(f"This is no JSON: {error}.") from error
    rows = told.get("value") if isinstance(told, dict) else told
    if not isinstance(rows, list):
        raise InputError('The JSON holds no list of homes. It is to be {"value": [homes]} or [homes].')
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"Home {place + 1:,} is no object with RESO's names.")
    return ListingFile(rows=rows, is_table=False)


def _no_number(word: str) -> Never:
    raise ValueError(f"{word} is no number")


def _read_table(content: bytes) -> ListingFile:
    text = _text(content)
    first_line = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=first_line.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        heads = next(lines, [])
        names = _names_of(heads)
        rows = [
            {
                name: _cell(name, cell)
                for name, cell in zip(names, line, strict=False)
                if name and cell.strip()
            }
            for line in lines
        ]
    except csv.Error as error:
        raise InputError(f"Line {lines.line_num:,} cannot be read: {error}.") from error
    while rows and not rows[-1]:  # a spreadsheet's empty end
        rows.pop()
    if delimiter == ";":  # as spreadsheets write it where a comma is the decimal mark
        _refuse_other_decimals(rows)
    return ListingFile(
        rows=rows,
        is_table=True,
        read_as=[(head, name) for head, name in zip(heads, names, strict=True) if name and head != name],
        left_out=[head for head, name in zip(heads, names, strict=True) if not name and head],
    )


def _names_of(heads: Sequence[str]) -> list[str | None]:
    """RESO's name of each column. By its own name a column is found first; of two that mean the same the first is read."""
    plain = [_bare(head) for head in heads]
    own = [_NAMES.get(head) for head in plain]
    taken: set[str] = set()
    names: list[str | None] = []
    for head, name in zip(plain, own, strict=True):
        found = name
        if found is None and (other := _ALSO_CALLED.get(head)) not in own:
            found = other
        names.append(None if found in taken else found)
        if found:
            taken.add(found)
    missing = [name for name in NEEDED if name not in taken]
    if missing:
        raise InputError(
            f"There is no column {' and no column '.join(missing)}. The first row is to name the columns as RESO does; "
            f"it says: {', '.join(head for head in heads if head)[:300] or 'nothing'}."
        )
    return names


def _bare(head: str) -> str:
    return re.sub(r"[^a-z0-9]", "", head.casefold().replace("#", "number"))


def _cell(name: str, cell: str) -> str:
    """A number without its dollar sign and the commas between thousands; other commas are the gateway's to refuse."""
    text = cell.strip()
    if name in _NUMBERS:
        bare = text.removeprefix("$").strip()
        return bare.replace(",", "") if _COMMAS.fullmatch(bare) and name not in _FINE else bare
    return text.replace(" ", "") if name in _ONE_WORD else text


def _refuse_other_decimals(rows: Sequence[Row]) -> None:
    """Of 0,25 and 450.000 one file may mean a quarter and many thousands: nothing is guessed."""
    for place, row in enumerate(rows):
        for name in _NUMBERS & row.keys():
            text = str(row[name])
            doubtful = "," in text or (name not in _FINE and _POINTS.fullmatch(text))
            if doubtful and _FIGURES.fullmatch(text):
                raise InputError(
                    f"Row {place + 2:,} says {text} as {name}. Decimals are to have a point and thousands a comma or nothing, "
                    "as in 0.25 and 450000. Save the file so, and choose it again."
                )


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")  # an old spreadsheet's
