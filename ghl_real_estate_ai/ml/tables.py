"""A table or event log from a file, as polars reads it, with errors that name the file, the column and the fix.

Called by the evaluations of this room.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import re
import zlib
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import polars as pl

from ghl_real_estate_ai.errors import InputError

_PARQUET: Final = frozenset({".parquet", ".pq"})
_PARQUET_BEGINS: Final = b"PAR1"
_GZIP_BEGINS: Final = b"\x1f\x8b"
_OTHER_FORMATS: Final = {
    b"PK\x03\x04": "an Excel workbook or zip archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"{": "JSON",
    b"[{": "JSON",
    b"<": "HTML or XML",
}
"""By how such a file begins."""
_UTF16_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SEPARATORS: Final = (",", ";", "\t", "|")
_FIRST_LINE: Final = re.compile(r'(?:"[^"]*"|[^"\n])*')
"""A line may go on within quotes."""
_HEAD: Final = 1_000_000


def read_table(path: Path) -> pl.DataFrame:
    """The whole file: Parquet, or CSV of any common separator, encoding and line ending, gzipped or not.

    Raises InputError when it cannot be read, has no rows, or names two columns alike.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder; name a CSV or Parquet file in it")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        data = path.read_bytes()
        if path.suffix.lower() in _PARQUET or data.startswith(_PARQUET_BEGINS):
            table = pl.read_parquet(data)
            names = table.columns
        else:
            data = _utf8(gzip.decompress(data) if data.startswith(_GZIP_BEGINS) else data, path)
            head = _FIRST_LINE.match(data[:_HEAD].decode("utf-8", "replace"))
            table, names = _read_csv(data, head[0] if head else "")
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: not a CSV or Parquet table ({str(error).splitlines()[0]})") from error
    if table.is_empty():
        raise InputError(f"{path}: the table holds no rows")
    return _named(table, names, path)


def require_columns(table: pl.DataFrame, columns: Iterable[str], *, path: Path | str) -> None:
    """Raises InputError that names the first missing column and the nearest one that is there."""
    for column in columns:
        if column not in table.columns:
            there = {name.casefold(): name for name in table.columns}
            near = get_close_matches(column.strip().casefold(), there, n=1, cutoff=0.5)
            hint = (
                f"; did you mean {there[near[0]]!r}?" if near else f"; it has {', '.join(table.columns[:12])}"
            )
            raise InputError(f"{path}: no column {column!r}{hint}")


def _utf8(data: bytes, path: Path) -> bytes:
    """The text of a CSV with plain line ends: by its byte order mark, else UTF-8, else Windows-1252."""
    if data.startswith(_UTF16_MARKS):
        data = data.decode("utf-16", "replace").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    begins = data[:_HEAD].lstrip()
    for sign, name in _OTHER_FORMATS.items():
        if begins.startswith(sign):
            raise InputError(f"{path}: {name}, which is not read; save it as CSV or Parquet")
    if b"\0" in data[:_HEAD]:
        raise InputError(f"{path}: neither CSV nor Parquet; save it as one of these, a CSV in UTF-8")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        foreign = len(text) - len(text.encode("ascii", "ignore"))
        if 2 * text.count("\ufffd") > foreign:  # else UTF-8 in which a few bytes are broken
            text = data.decode("cp1252", "replace")
        data = text.encode()
    return data if b"\n" in data else data.replace(b"\r", b"\n")


def _read_csv(data: bytes, head: str) -> tuple[pl.DataFrame, list[str]]:
    """The table, and the names as its first line has them."""
    bare = re.sub(r'"[^"]*"', "", head)
    separator = max(_SEPARATORS, key=bare.count)
    table = pl.read_csv(
        data,
        separator=separator,
        infer_schema_length=None,  # a number in the first rows may be a word in the last
        try_parse_dates=False,
    )
    names = next(csv.reader([head], delimiter=separator), [])
    return table, names if len(names) == table.width else table.columns


def _named(table: pl.DataFrame, names: list[str], path: Path) -> pl.DataFrame:
    """Names without blanks around them; columns without a name keep what the reader calls them."""
    bare = [name.strip() for name in names]
    twice = next((name for name in bare if name and bare.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are called {twice!r}; rename one of them")
    return table.rename(
        {given: name for given, name in zip(table.columns, bare, strict=True) if name and given != name}
    )
