"""Listings by their RESO names: check a batch, import it, look one up. Called by an MLS feed's script and by the screens."""

from __future__ import annotations

import asyncio
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Path, Request
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, to_json

from ghl_real_estate_ai.api.dependencies import IdentityDep, ServicesDep, allowed
from ghl_real_estate_ai.errors import InputError, NotFound
from ghl_real_estate_ai.limits import LISTING_BATCH_ROWS
from ghl_real_estate_ai.models.events import Delivery, ListingsImported, RecordedEvent, Source
from ghl_real_estate_ai.models.identifiers import CorrelationId, Frozen, ListingKey, new_event_id
from ghl_real_estate_ai.models.leads import Identity, Role
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.ports import UnitOfWork

PATH = "/v1/listings"
CHECK_PATH = f"{PATH}/check"

router = APIRouter(prefix=PATH, tags=["listings"])

Importer = Annotated[Identity, Depends(allowed(Role.MANAGER, Role.ADMIN))]


class ListingBatch(Frozen):
    """The shape in which a RESO Web API gives listings; its annotations (``@odata.context``) are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    value: tuple[Listing, ...] = Field(min_length=1, max_length=LISTING_BATCH_ROWS)


class Stored(Frozen):
    """How many listings were added or replaced."""

    stored: int


class RefusedRow(Frozen):
    """``row`` counts from 0; ``field``: by RESO's name, "" when the row is no listing at all."""

    row: int
    field: str
    reason: str


class Checked(Frozen):
    """What an import of these rows would do: listings that are not here yet, that differ from what is here, that do not."""

    new: int
    changed: int
    same: int
    refused: tuple[RefusedRow, ...]


class _RawBatch(Frozen):
    model_config = ConfigDict(frozen=True, extra="ignore")

    value: tuple[object, ...] = Field(min_length=1, max_length=LISTING_BATCH_ROWS)


class _Judged(NamedTuple):
    good: dict[ListingKey, Listing]
    refused: tuple[RefusedRow, ...]


_BATCH = TypeAdapter(ListingBatch)
_RAW_BATCH = TypeAdapter(_RawBatch)


@router.post("")
async def import_listings(request: Request, identity: Importer, services: ServicesDep) -> Stored:
    """All of them or none; an error names the row and the field. Body: ``{"value": [RESO listings]}``."""
    # Read here, not by FastAPI: the caller's role is checked before megabytes are, and a thread does the parsing.
    batch = await asyncio.to_thread(_parse, await request.body())
    delivery = _imported(identity, batch, services)

    def store(uow: UnitOfWork) -> RecordedEvent | None:
        uow.listings.put_many(identity.location_id, batch)
        return uow.events.append(delivery)

    recorded = await services.memory.write(store)
    if recorded is not None:
        services.bus.announce([recorded])
    return Stored(stored=len(batch))


@router.post("/check")
async def check_listings(request: Request, identity: Importer, services: ServicesDep) -> Checked:
    """What ``POST /v1/listings`` would do with this body; stores nothing. Each row that it would refuse is named."""
    judged = await asyncio.to_thread(_judge, await request.body())
    held = await services.memory.read(lambda uow: uow.listings.get_many(identity.location_id, judged.good))
    # as they are stored: what is read but not kept is no difference
    same = sum(one.model_dump_json() == judged.good[one.listing_key].model_dump_json() for one in held)
    return Checked(
        new=len(judged.good) - len(held), changed=len(held) - same, same=same, refused=judged.refused
    )


@router.get("/{listing_key}")
async def get_listing(
    listing_key: Annotated[ListingKey, Path(min_length=1, max_length=255)],
    identity: IdentityDep,
    services: ServicesDep,
) -> Listing:
    """One home, by RESO's names."""
    found = await services.memory.read(lambda uow: uow.listings.get(identity.location_id, listing_key))
    if found is None:
        raise NotFound("no such listing in this location")
    return found


def _parse(body: bytes) -> tuple[Listing, ...]:
    try:
        return _BATCH.validate_json(body).value
    except ValidationError as error:
        raise _refusal(error) from error


def _judge(body: bytes) -> _Judged:
    """Row by row; of a key given twice the later one counts, as in the store."""
    try:
        rows = _RAW_BATCH.validate_json(body).value
    except ValidationError as error:
        raise _refusal(error) from error
    good: dict[ListingKey, Listing] = {}
    refused: list[RefusedRow] = []
    for place, row in enumerate(rows):
        try:
            listing = Listing.model_validate_json(to_json(row))
        except ValidationError as error:
            first = _first(error)
            refused.append(RefusedRow(row=place, field=_place(first), reason=first["msg"]))
        else:
            good[listing.listing_key] = listing
    return _Judged(good, tuple(refused))


def _refusal(error: ValidationError) -> InputError:
    first = _first(error)
    return InputError(f"{_place(first) or 'body'}: {first['msg']}")


def _first(error: ValidationError) -> ErrorDetails:
    return error.errors(include_url=False, include_input=False)[0]


def _place(error: ErrorDetails) -> str:
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return place.lstrip(".")


def _imported(identity: Identity, batch: tuple[Listing, ...], services: ServicesDep) -> Delivery:
    event_id = new_event_id()
    now = services.clock.now()
    event = ListingsImported(
        event_id=event_id,
        location_id=identity.location_id,
        occurred_at=now,
        correlation_id=CorrelationId(event_id),
        source=Source.API,
        simulated=all(listing.simulated for listing in batch),
        listing_keys=tuple(listing.listing_key for listing in batch),
    )
    return Delivery(delivery_id=f"listings:{event_id}", event=event, received_at=now)
