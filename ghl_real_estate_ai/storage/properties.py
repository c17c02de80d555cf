"""Homes by RESO ListingKey.

The listings route puts them, matching reads them by page and those that changed by key, screens look one up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import sqlalchemy as sa

from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.storage.schema import listings as homes
from ghl_real_estate_ai.storage.schema import on_both

_PUT: Final = on_both(
    lambda insert: (row := insert(homes)).on_conflict_do_update(
        index_elements=["location_id", "listing_key"], set_={"state": row.excluded.state}
    )
)
_GET_MANY: Final = sa.select(homes.c.state).where(
    homes.c.location_id == sa.bindparam("tenant"),
    homes.c.listing_key.in_(sa.bindparam("keys", expanding=True)),
)


class SqlListingStore:
    """``ports.ListingStore``. Kept as RESO JSON, by RESO's names."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def put_many(self, location_id: LocationId, listings: Sequence[Listing]) -> None:
        """Insert or replace; of a key given twice the later one stays."""
        rows = [
            {
                "location_id": location_id,
                "listing_key": listing.listing_key,
                "state": listing.model_dump_json(by_alias=True),
            }
            for listing in listings
        ]
        if rows:
            self._connection.execute(_PUT[self._connection.dialect.name], rows)

    def get(self, location_id: LocationId, listing_key: ListingKey) -> Listing | None:
        """The home, or None."""
        query = sa.select(homes.c.state).where(
            homes.c.location_id == location_id, homes.c.listing_key == listing_key
        )
        state = self._connection.execute(query).scalar()
        return None if state is None else Listing.model_validate_json(state)

    def get_many(self, location_id: LocationId, listing_keys: Collection[ListingKey]) -> list[Listing]:
        """Those of them that there are, in any order."""
        rows = self._connection.execute(_GET_MANY, {"tenant": location_id, "keys": sorted(listing_keys)})
        return [Listing.model_validate_json(row.state) for row in rows]

    def count(self, location_id: LocationId) -> int:
        """How many there are."""
        query = sa.select(sa.func.count()).select_from(homes).where(homes.c.location_id == location_id)
        return self._connection.execute(query).scalar_one()

    def page(self, location_id: LocationId, *, after: str, limit: int) -> list[Listing]:
        """The next homes in the database's own order of keys; ``after`` is the last key before, '' at the start."""
        query = (
            sa.select(homes.c.state)
            .where(homes.c.location_id == location_id, homes.c.listing_key > after)
            .order_by(homes.c.listing_key)
            .limit(limit)
        )
        return [Listing.model_validate_json(state) for state in self._connection.scalars(query)]
