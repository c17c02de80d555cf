"""A table or event log from a file, as polars reads it, with errors that name the file, the column and the fix.

Called by the evaluations of this room.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import polars as pl

from ghl_real_estate_ai.errors import InputError

_PARQUET: Final = frozenset({".parquet", ".pq"})
_SEPARATORS: Final = (",", ";", "\t", "|")


def read_table(path: Path) -> pl.DataFrame:
    """The whole file, CSV (any common separator) or Parquet. Raises InputError when it cannot be read or has no rows."""
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.suffix.lower() in _PARQUET:
            table = pl.read_parquet(path)
        else:
            table = pl.read_csv(
                path,
                separator=_separator(path),
                infer_schema_length=None,  # a number in the first rows may be a word in the last
                encoding="utf8-lossy",
                try_parse_dates=False,
            )
    except (pl.exceptions.PolarsError, OSError, UnicodeError) as error:
        raise InputError(f"{path}: not a CSV or Parquet table ({str(error).splitlines()[0]})") from error
    if table.is_empty():
        raise InputError(f"{path}: the table holds no rows")
    return table


def require_columns(table: pl.DataFrame, columns: Iterable[str], *, path: Path | str) -> None:
    """Raises InputError that names the first missing column and the nearest one that is there."""
    for column in columns:
        if column not in table.columns:
            near = get_close_matches(column, table.columns, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(table.columns[:12])}"
            raise InputError(f"{path}: no column {column!r}{hint}")


def _separator(path: Path) -> str:
    with path.open(encoding="utf-8", errors="replace") as lines:
        head = lines.readline()
    return max(_SEPARATORS, key=head.count)
