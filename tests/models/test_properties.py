"""A listing's photos, as RESO's Media resource tells them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from ghl_real_estate_ai.models.properties import MEDIA_KEPT, Listing

HOME = {"ListingKey": "H1", "ListPrice": 1, "City": "Austin"}


def photo(place: int | None, **fields: object) -> dict[str, Any]:
    return {"MediaURL": f"https://photos.example/{place}.jpg", "Order": place, **fields}


def urls(*media: dict[str, Any]) -> list[str | None]:
    return [one.media_url for one in Listing.model_validate({**HOME, "Media": media}).media]


def test_photos_come_in_the_order_of_the_mls_then_those_without_one() -> None:
    assert urls(photo(2), photo(None), photo(0), photo(1)) == [
        f"https://photos.example/{place}.jpg" for place in (0, 1, 2, None)
    ]


def test_the_first_forty_are_kept() -> None:
    many = urls(*(photo(place) for place in reversed(range(MEDIA_KEPT + 5))))
    assert len(many) == MEDIA_KEPT == 40
    assert many[-1] == "https://photos.example/39.jpg"


def test_what_is_no_photo_or_has_no_address_is_not_kept() -> None:
    media = (
        photo(1, MediaCategory="Video"),
        photo(2, MediaCategory="Photo"),
        {"Order": 3},
        {"MediaURL": None},
    )
    assert urls(*media) == ["https://photos.example/2.jpg"]


@pytest.mark.parametrize(
    "url",
    [
        "http://photos.example/1.jpg",
        "//photos.example/1.jpg",
        "data:image/png;base64,AA",
        "https://user:secret@photos.example/1.jpg",
        "https://photos.example/a b.jpg",
        'https://photos.example/"onerror=',
        "https://photos.example/" + "x" * 2_000,
    ],
)
def test_only_plain_https_addresses_are_taken(url: str) -> None:
    with pytest.raises(ValidationError, match="MediaURL"):
        urls({"MediaURL": url})


def test_a_listing_that_was_stored_without_photos_is_read_and_one_with_them_comes_back_whole() -> None:
    assert Listing.model_validate({**HOME, "Media": None}).media == ()
    old = Listing.model_validate(HOME)
    assert (old.media, old.photos_count) == ((), None)
    known = Listing.model_validate(
        {**HOME, "PhotosCount": 9, "Media": [photo(1, ShortDescription="Front"), photo(2)]}
    )
    assert Listing.model_validate_json(known.model_dump_json(by_alias=True)) == known
    assert [one.order for one in known.with_one_photo.media] == [1]
    assert known.with_one_photo.photos_count == 9
    assert old.with_one_photo is old
