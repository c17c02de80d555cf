"""Tables are read from any common file, and a bad one is named with its path."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pytest

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.ml.tables import read_table, require_columns


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_any_common_separator_is_found(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(separator.join(["a", "b"]) + "\n" + separator.join(["1", "x y"]) + "\n")
    assert read_table(path).rows() == [(1, "x y")]


def test_parquet_is_read_by_its_ending(tmp_path: Path) -> None:
    table = pl.DataFrame({"a": [1, 2], "b": ["x", None]})
    table.write_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").equals(table)


def test_a_number_column_with_one_word_at_the_end_is_words(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a\n" + "1\n" * 5_000 + "one\n")
    assert read_table(path)["a"].dtype == pl.String


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\n1,2\n")
    assert read_table(path).columns == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("t.csv", b"a,b\n", "holds no rows"), ("t.csv", b"", "not a CSV"), ("t.parquet", b"a,b\n1,2\n", "not a CSV or Parquet"),
     ("t.xlsx", b"PK\x03\x04\x14\0", "an Excel workbook or zip archive.*save it as CSV or Parquet"),
     ("t.json", b'\n[{"a": 1}]', "JSON.*save it as CSV or Parquet"), ("t.csv", b"a\0b", "neither CSV nor Parquet"),
     ("t.csv.gz", b"\x1f\x8b\x08", "not a CSV"), ("t.csv", b"a, a\n1,2\n", "two columns are called 'a'")],
)  # fmt: skip
def test_an_unreadable_file_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        read_table(tmp_path / name)
    assert name in str(error.value)


def test_a_missing_file_and_a_missing_column_name_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(InputError, match="did you mean 'budget'"):
        require_columns(pl.DataFrame({"budget": [1]}), ["budgte"], path="t.csv")
    with pytest.raises(InputError, match="did you mean 'y'"):
        require_columns(pl.DataFrame({"y": [1], "b": [2]}), ["Y"], path="t.csv")
    with pytest.raises(InputError, match="a folder"):
        read_table(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_any_common_encoding_and_line_end_is_read(tmp_path: Path, encoding: str, ends: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(ends.join(["Größe;Ort", "12;Zürich", "7;Genève", ""]).encode(encoding))
    table = read_table(path)
    assert table.columns == ["Größe", "Ort"]
    assert table.rows() == [(12, "Zürich"), (7, "Genève")]


def test_a_broken_byte_does_not_make_another_encoding_of_the_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("Ort\nZürich\nZürich\nGenève\n".encode() + b"x\xffy\n")
    assert read_table(path)["Ort"].to_list() == ["Zürich", "Zürich", "Genève", "x\ufffdy"]


def test_a_gzipped_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert read_table(path).rows() == [(1, 2)]


def test_names_are_stripped_and_a_separator_within_quotes_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(' y ,"budget; in; euro; not; dollars",\n1,2,3\n')
    assert read_table(path).columns == ["y", "budget; in; euro; not; dollars", ""]
