"""A home matched to a lead's stated wishes: which are met, missed or unknown, and how close the whole is.

``EnhancedPropertyMatch`` wraps a ``PropertyMatch`` without changing it, and names the evidence it does not have.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Closeness, Frozen, LeadId, ListingKey, UtcTime
from ghl_real_estate_ai.models.properties import Listing, Wishes

WISH_WEIGHTS = {
    "city": 2,
    "min_list_price": 4,
    "max_list_price": 8,
    "min_bedrooms": 6,
    "min_bathrooms": 4,
    "min_living_area": 4,
    "property_sub_type": 4,
    "feature": 3,  # each wished feature
}
"""How much each stated wish weighs before the lead has judged a home. A wish not stated, or not known of a home, weighs nothing."""

PRICE_TOLERANCE = 0.10
"""A price up to this share outside the wished band is a near miss, its closeness falling to 0; beyond is filtered."""

LIVING_AREA_TOLERANCE = 0.20
"""A living area this share below the wish has closeness 0. It never filters."""

ONE_ROOM_SHORT = 0.5
"""Closeness of one bedroom or bathroom fewer than wished; two fewer are filtered."""


class Verdict(StrEnum):
    """What a lead thinks of a home. The newest verdict counts; UNDO takes it back."""

    PASS = "pass"  # noqa: S105  # reason: a verdict on a home, no password
    LIKE = "like"
    SAVE = "save"
    SHOWING = "showing"
    UNDO = "undo"


LIKED = frozenset({Verdict.LIKE, Verdict.SAVE, Verdict.SHOWING})
"""Verdicts that speak for a home."""


class JudgedBy(StrEnum):
    """Who said it: the lead, or an agent who thinks so."""

    LEAD = "lead"
    AGENT = "agent"


class WishOutcome(StrEnum):
    """What a listing says to one wish. UNKNOWN: the listing leaves the field out; never counted as met."""

    MET = "met"
    MISSED = "missed"
    UNKNOWN = "unknown"


class WishResult(Frozen):
    """One wish against one listing."""

    wish: str = Field(description="field of Wishes, or feature:<name>")
    outcome: WishOutcome
    closeness: Closeness | None = Field(description="1 is exactly as wished; None when unknown")
    detail: str = Field(description="in words, e.g. '3 bedrooms (wished 3 or more)'")


class Relaxation(Frozen):
    """The smallest change of one stated wish that lets more homes meet every wish."""

    wish: str = Field(description="field of Wishes, or feature:<name>")
    change: str = Field(description="in words, e.g. 'raise the maximum by $15,000 to $415,000'")
    more: int = Field(ge=1, description="homes that meet every wish then and do not now, counted")
    cost: float = Field(ge=0, description="what the lead gives up, on the scale of WISH_WEIGHTS")
    wishes: Wishes = Field(description="what would be asked then")


class PropertyMatch(Frozen):
    """One of the best listings for a lead. Scores are 0 to 1."""

    lead_id: LeadId
    listing: Listing
    overall_score: Closeness
    wishes: tuple[WishResult, ...]
    match_rank: int = Field(ge=1)
    generated_at: UtcTime

    @property
    def listing_key(self) -> ListingKey:
        """RESO key of the home."""
        return self.listing.listing_key

    @property
    def reasoning(self) -> str:
        """The wishes met and missed, in one line."""
        return "; ".join(result.detail for result in self.wishes)


class LearnedWeight(Frozen):
    """What judged homes have taught about one stated wish, in words."""

    wish: str
    weight: float = Field(ge=0, description="as it counts for this lead now")
    usual_weight: float = Field(ge=0, description="as it counts for a lead that has judged nothing")
    reason: str


class EvidenceGap(StrEnum):
    """Evidence that a match does not carry. A gap is named, never filled with a default."""

    VISION = "vision"
    NEIGHBORHOOD = "neighborhood"
    COMMUTE = "commute"


class EnhancedPropertyMatch(PropertyMatch):
    """A ``PropertyMatch`` with room for photo, neighborhood and commute evidence; reads like the plain one."""

    gaps: tuple[EvidenceGap, ...] = tuple(EvidenceGap)
    verdict: Verdict | None = Field(default=None, description="what is known of the lead's mind about it")
    also_listed_as: tuple[ListingKey, ...] = Field(
        default=(), description="older listings of the same home, folded into this one"
    )

    @classmethod
    def from_match(cls, match: PropertyMatch) -> Self:
        """The same match, same score and rank, with every further evidence named as a gap."""
        return cls.model_validate({**dict(match)})
