"""Which listing a text means: the same address however it is written, and none in doubt."""

from __future__ import annotations

import pytest

from ghl_real_estate_ai.ml.message_facts import facts_of
from ghl_real_estate_ai.ml.named_homes import meant, street_of
from tests.support.homes import a_home

OAK = a_home("2210034", unparsed_address="12 Oak St, Austin, TX 78701")
SIXTH = a_home("K2", unparsed_address="1420 West 6th Street, Austin, TX")
LOFT = a_home("K3", unparsed_address="99 Main St Unit 4, Austin, TX")
MAPLE = a_home("K4", unparsed_address="3 Maple Avenue, Austin, TX")
NOWHERE = a_home("K5")
HOMES = [OAK, SIXTH, LOFT, MAPLE, NOWHERE]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("is 12 Oak St available?", "2210034"),
        ("is 12 oak street available", "2210034"),
        ("12 Oak looks nice", "2210034"),
        ("about MLS# 2210034", "2210034"),
        ("1420 w 6th st please", "K2"),
        ("1420 6th street?", "K2"),
        ("can I see 99 Main Street tomorrow", "K3"),
        ("the house on Maple Ave", "K4"),
    ],
)
def test_an_address_is_found_however_it_is_written(text: str, key: str) -> None:
    found = meant(facts_of(text), HOMES)
    assert found is not None
    assert found.listing_key == key


@pytest.mark.parametrize(
    "text",
    [
        "13 Oak St?",
        "12 Elm St?",
        "the house on Pine Ave",
        "MLS 9999999",
        "is it available",
        "12 things to do",
    ],
)
def test_what_is_not_among_them_is_none(text: str) -> None:
    assert meant(facts_of(text), HOMES) is None


def test_two_that_fit_are_in_doubt() -> None:
    twin = a_home("K9", unparsed_address="12 Oak St, Waco, TX")
    assert meant(facts_of("is 12 Oak St available?"), [OAK, twin]) is None


def test_people_say_an_address_without_its_town() -> None:
    assert street_of(OAK) == "12 Oak St"
    assert street_of(NOWHERE) is None
