"""Files of homes as people have them: which columns are found, how numbers are read, and what is said of the rest."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pydantic import ValidationError

from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.limits import LISTING_BODY_BYTES
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.streamlit_components.listing_file import BATCH_ROWS, batches, read_listing_file


def table(text: str) -> Any:
    return read_listing_file("homes.csv", text.encode())


def test_columns_are_found_by_resos_names_however_they_are_written() -> None:
    found = table(
        "\ufeffListing Key,list_price,CITY,Pool Private YN,Agent Notes\nA-1,450000,Austin,Yes,call first\n"
    )
    assert found.rows == [
        {"ListingKey": "A-1", "ListPrice": "450000", "City": "Austin", "PoolPrivateYN": "Yes"}
    ]
    assert found.left_out == ["Agent Notes"]
    assert not found.keyed_by_mls_number
    assert Listing.model_validate(found.rows[0]).pool_private_yn is True


def test_common_heads_are_read_as_resos_and_the_page_is_told() -> None:
    found = table("MLS #;Price;City;Beds;Status\nA-1;$450,000;Austin;3;Coming Soon\n")
    assert found.rows == [
        {
            "ListingKey": "A-1",
            "ListPrice": "450000",
            "City": "Austin",
            "BedroomsTotal": "3",
            "StandardStatus": "ComingSoon",
        }
    ]
    assert ("MLS #", "ListingKey") in found.read_as
    assert found.keyed_by_mls_number
    assert ("City", "City") not in found.read_as


def test_resos_own_column_is_read_before_one_that_means_the_same() -> None:
    found = table("Price,ListPrice,ListingKey,City,Beds,Bedrooms\n1,2,A-1,Austin,3,4\n")
    assert found.rows == [{"ListPrice": "2", "ListingKey": "A-1", "City": "Austin", "BedroomsTotal": "3"}]
    assert list(found.left_out) == ["Price", "Bedrooms"]


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("LotSizeAcres", "0,25"),
        ("LotSizeAcres", "1,250"),
        ("ListPrice", "450.000"),
        ("ListPrice", "450.000,00"),
        ("LivingArea", "1.650"),
    ],
)
def test_where_a_comma_may_be_the_decimal_mark_nothing_is_guessed(name: str, cell: str) -> None:
    heads = ("ListingKey", "City", "ListPrice", "LivingArea", "LotSizeAcres")
    good = {"ListingKey": "A", "City": "Austin", "ListPrice": "$450,000", "LotSizeAcres": "0.125"}
    rows = [";".join(row.get(head, "") for head in heads) for row in (good, good | {name: cell})]
    with pytest.raises(
        InputError, match=f"Row 3 says {re.escape(cell)} as {name}. Decimals are to have a point"
    ):
        table("\n".join((";".join(heads), *rows)))


def test_a_comma_that_is_not_between_thousands_is_left_for_the_gateway_to_refuse() -> None:
    found = table(
        'ListingKey,City,ListPrice,LotSizeAcres\nA,Austin,"$1,450,000.00","0,25"\nB,Austin,"45,00",0.25\n'
    )
    assert [(row["ListPrice"], row["LotSizeAcres"]) for row in found.rows] == [
        ("1450000.00", "0,25"),
        ("45,00", "0.25"),
    ]
    for row in found.rows:
        with pytest.raises(ValidationError):
            Listing.model_validate(row)


@pytest.mark.parametrize("head", ["MLS", "ListingId"])
def test_the_name_of_an_mls_and_resos_other_id_are_no_key(head: str) -> None:
    with pytest.raises(InputError, match="no column ListingKey"):
        table(f"{head},ListPrice,City\nA,1,Austin\n")


def test_rows_are_named_as_a_spreadsheet_counts_them_and_its_empty_end_is_no_row() -> None:
    found = table('ListingKey,ListPrice,City\nA-1,1,"Elm\nHarbor"\nA-2,,Austin\n,,\n,,\n')
    assert len(found.rows) == 2
    assert found.rows[1] == {"ListingKey": "A-2", "City": "Austin"}
    assert found.place(1) == "Row 3"


@pytest.mark.parametrize(
    "text", ['[{"ListingKey": "A"}]', '{"@odata.context": "x", "value": [{"ListingKey": "A"}]}']
)
def test_json_is_taken_as_a_list_or_as_a_reso_web_api_gives_it(text: str) -> None:
    found = read_listing_file("Homes.JSON", text.encode())
    assert found.rows == [{"ListingKey": "A"}]
    assert found.place(0) == "Home 1"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "Key,Price,Town\n1,2,3\n", "no column ListingKey and no column City"),
        ("a.csv", "", "it says: nothing"),
        ("a.csv", "ListingKey,ListPrice,City\n", "no homes in this file"),
        ("a.json", "{", "This is no JSON"),
        ("a.json", "[" * 100_000, "This is no JSON"),
        ("a.json", '[{"ListPrice": NaN}]', "NaN is no number"),
        ("a.json", '{"items": []}', "holds no list of homes"),
        ("a.json", "[1]", "Home 1 is no object"),
    ],
)
def test_a_file_that_holds_no_homes_says_what_it_lacks(name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_listing_file(name, text.encode())


def test_an_old_spreadsheets_letters_are_read() -> None:
    found = read_listing_file("a.csv", "ListingKey,ListPrice,City\nA,1,Peñasco\n".encode("cp1252"))
    assert found.rows[0]["City"] == "Peñasco"


def test_requests_stay_below_what_the_gateway_takes_and_hold_every_row_once() -> None:
    rows = [{"ListingKey": str(number)} for number in range(2 * BATCH_ROWS + 1)]
    parts = list(batches(rows))
    assert [(first, len(part)) for first, part in parts] == [
        (0, BATCH_ROWS),
        (BATCH_ROWS, BATCH_ROWS),
        (2 * BATCH_ROWS, 1),
    ]
    heavy = [{"ListingKey": "x" * (LISTING_BODY_BYTES // 5)} for _ in range(6)]
    parts = list(batches(heavy))
    assert [row for _, part in parts for row in part] == heavy
    assert all(len(json.dumps(list(part))) < LISTING_BODY_BYTES for _, part in parts)
