"""What every store of listings promises, on SQLite and on a real PostgreSQL: homes by key, by page, by tenant."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.storage.database import Database
from tests.support.facts import LOCATION

OTHER = LocationId("loc-2")
pytestmark = pytest.mark.asyncio


def listing(key: str, price: str = "500000.00") -> Listing:
    return Listing(listing_key=ListingKey(key), list_price=Decimal(price), city="Austin", simulated=True)


async def test_listings_are_replaced_by_key(memory: Database) -> None:
    await memory.write(lambda uow: uow.listings.put_many(LOCATION, [listing("b"), listing("a")]))
    await memory.write(lambda uow: uow.listings.put_many(LOCATION, [listing("b", "450000.50")]))
    await memory.write(lambda uow: uow.listings.put_many(OTHER, []))

    assert await memory.read(lambda uow: uow.listings.page(LOCATION, after="", limit=9)) == [
        listing("a"),
        listing("b", "450000.50"),
    ]
    assert await memory.read(lambda uow: uow.listings.get(LOCATION, ListingKey("a"))) == listing("a")
    assert await memory.read(lambda uow: uow.listings.get(OTHER, ListingKey("a"))) is None


async def test_listings_are_read_by_page_each_once_and_by_key_those_that_there_are(memory: Database) -> None:
    keys = ["a", "B", "b-2", "c_1", "Z", "ä", "10", "9"]
    await memory.write(lambda uow: uow.listings.put_many(LOCATION, [listing(key) for key in keys]))
    await memory.write(lambda uow: uow.listings.put_many(OTHER, [listing("theirs")]))
    seen: list[str] = []
    while len(seen) < len(keys):
        after = seen[-1] if seen else ""
        page = await memory.read(
            lambda uow, after=after: uow.listings.page(LOCATION, after=after, limit=3)  # type: ignore[misc]
        )
        assert 0 < len(page) <= 3
        seen += [home.listing_key for home in page]
    assert sorted(seen) == sorted(keys)
    assert await memory.read(lambda uow: uow.listings.page(LOCATION, after=seen[-1], limit=3)) == []
    asked = [ListingKey(key) for key in ("Z", "theirs", "10", "absent")]
    found = await memory.read(lambda uow: uow.listings.get_many(LOCATION, asked))
    assert {home.listing_key for home in found} == {"Z", "10"}
    assert await memory.read(lambda uow: uow.listings.get_many(LOCATION, [])) == []
