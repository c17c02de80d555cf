"""Ids that follow from what they name."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from ghl_real_estate_ai.models.identifiers import LocationId, derived_id, fact_id

NAMESPACE = uuid.UUID("6f0c5a56-3a3f-4b8e-9d44-5d6a3c1b2f10")
"""Part of every log that was ever written: it may not change."""


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_a_derived_id_is_the_uuid5_of_its_parts(parts: list[str]) -> None:
    assert derived_id(*parts) == str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def test_a_fact_has_the_same_id_by_whichever_door_it_comes() -> None:
    one = fact_id(LocationId("loc-1"), "message", "m-1")
    assert one == fact_id(LocationId("loc-1"), "message", "m-1") == "a9c8a392-c8aa-5b3e-9164-2be127b3752c"
    assert one != fact_id(LocationId("loc-2"), "message", "m-1")
