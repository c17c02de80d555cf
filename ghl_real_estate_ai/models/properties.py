"""Listings by their RESO Data Dictionary 2.0 names, and a buyer's stated wishes."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from ghl_real_estate_ai.models.identifiers import Frozen, ListingKey, UtcTime

LEAST_PRICE, MOST_PRICE = Decimal(1), Decimal(10**9)
LEAST_AREA, MOST_AREA = 1.0, 1e7
"""US dollars and square feet: what lies outside is a slip of the keyboard, and no float of the scan over- or underflows within."""


def _nothing_or_a_price(value: Decimal) -> Decimal:
    if 0 < value < LEAST_PRICE:
        raise ValueError(f"must be 0 or at least {LEAST_PRICE}")
    return value


Price = Annotated[Decimal, Field(ge=LEAST_PRICE, le=MOST_PRICE, description="US dollars")]
Area = Annotated[float, Field(ge=LEAST_AREA, le=MOST_AREA, allow_inf_nan=False, description="square feet")]


PhotoUrl = Annotated[
    str,
    Field(
        max_length=2_000,
        pattern=r"^https://[A-Za-z0-9.-]+(:[0-9]+)?([/?#][^\s\"<>\\]*)?$",
        description="https only: a page that came by https shows nothing else",
    ),
]


class StandardStatus(StrEnum):
    """RESO StandardStatus, the values that matter to a buyer."""

    ACTIVE = "Active"
    ACTIVE_UNDER_CONTRACT = "ActiveUnderContract"
    COMING_SOON = "ComingSoon"
    PENDING = "Pending"
    CLOSED = "Closed"
    WITHDRAWN = "Withdrawn"
    CANCELED = "Canceled"
    EXPIRED = "Expired"
    HOLD = "Hold"


class Feature(StrEnum):
    """Amenities that a buyer may ask for; each stands for one RESO field."""

    GARAGE = "garage"  # GarageSpaces >= 1
    POOL = "pool"  # PoolPrivateYN
    FIREPLACE = "fireplace"  # FireplaceYN
    WATERFRONT = "waterfront"  # WaterfrontYN
    NEW_CONSTRUCTION = "new_construction"  # NewConstructionYN


MEDIA_KEPT = 40
"""Photos that a listing keeps, the first by RESO's Order."""


class Media(Frozen):
    """A photo of a home, by RESO's Media resource. A browser loads it from where the MLS put it."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal, populate_by_name=True)

    media_url: PhotoUrl | None = Field(default=None, alias="MediaURL")
    order: int | None = None
    short_description: str | None = Field(default=None, max_length=500)
    media_category: str | None = Field(
        default=None, exclude=True, description="what is not a Photo is not kept"
    )


def _none_given(media: object) -> object:
    """RESO says null where the resource was not asked for."""
    return () if media is None else media


def _photos(media: tuple[Media, ...]) -> tuple[Media, ...]:
    """Those that can be shown, in the order that the MLS gives; without one, they follow as they came."""
    photos = [one for one in media if one.media_url and one.media_category in (None, "Photo")]
    photos.sort(key=lambda one: (one.order is None, one.order or 0))
    return tuple(photos[:MEDIA_KEPT])


class Listing(Frozen):
    """A home on the market. JSON uses RESO's names (``ListPrice``); a field that the source left out is None: unknown."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_pascal, populate_by_name=True)

    listing_key: ListingKey = Field(min_length=1, max_length=255)
    standard_status: StandardStatus = StandardStatus.ACTIVE
    list_price: Price
    property_type: str = "Residential"
    property_sub_type: str | None = Field(
        default=None, description="e.g. SingleFamilyResidence, Condominium, Townhouse"
    )
    bedrooms_total: int | None = Field(default=None, ge=0)
    bathrooms_total_integer: int | None = Field(default=None, ge=0)
    living_area: Area | None = None
    lot_size_acres: float | None = Field(default=None, ge=0)
    year_built: int | None = Field(default=None, ge=1600, le=2200)
    garage_spaces: float | None = Field(default=None, ge=0)
    pool_private_yn: bool | None = Field(default=None, alias="PoolPrivateYN")
    fireplace_yn: bool | None = Field(default=None, alias="FireplaceYN")
    waterfront_yn: bool | None = Field(default=None, alias="WaterfrontYN")
    new_construction_yn: bool | None = Field(default=None, alias="NewConstructionYN")
    latitude: float | None = Field(default=None, ge=-90, le=90)
    longitude: float | None = Field(default=None, ge=-180, le=180)
    unparsed_address: str | None = None
    city: str = Field(min_length=1, description="the market that a buyer names")
    state_or_province: str | None = None
    postal_code: str | None = None
    originating_system_name: str | None = Field(
        default=None, description="the MLS, or the simulator that made it up"
    )
    modification_timestamp: UtcTime | None = None
    photos_count: int | None = Field(
        default=None, ge=0, description="as the MLS says; may be more than media"
    )
    media: Annotated[tuple[Media, ...], BeforeValidator(_none_given), AfterValidator(_photos)] = Field(
        default=(), description="photos, first one first"
    )
    simulated: bool = Field(
        default=False, alias="Simulated", description="made by a simulator; screens say so"
    )

    @property
    def with_one_photo(self) -> Listing:
        """The same with its first photo only: what travels with matches and on streams."""
        return self if len(self.media) < 2 else self.model_copy(update={"media": self.media[:1]})


class Wishes(Frozen):
    """What a buyer has said they want. None means not stated. Only stated wishes ever steer a match.

    Field names are the keys that ``ghl_wish_fields`` maps GHL custom fields to.
    """

    city: str | None = None
    min_list_price: (
        Annotated[Decimal, Field(ge=0, le=MOST_PRICE), AfterValidator(_nothing_or_a_price)] | None
    ) = Field(default=None, description="US dollars; 0 says nothing")
    max_list_price: Price | None = None
    min_bedrooms: int | None = Field(default=None, ge=0, le=20)
    min_bathrooms: int | None = Field(default=None, ge=0, le=20)
    min_living_area: Area | None = None
    property_sub_type: str | None = None
    features: frozenset[Feature] = frozenset()

    @property
    def stated(self) -> bool:
        """Whether anything was stated at all."""
        return self != Wishes()
