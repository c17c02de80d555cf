"""A lead who wrote, its homes and matches, and the reply that is suggested.

Called by: tests/services/test_suggested_reply, test_suggested_reply_offers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import Delivery, MessageReceived, MessageSent, Source
from ghl_real_estate_ai.models.identifiers import (
    CorrelationId,
    EventId,
    LeadId,
    ListingKey,
    LocationId,
    UserId,
)
from ghl_real_estate_ai.models.intelligence import Cause, LeadIntelligence, Part
from ghl_real_estate_ai.models.leads import (
    Contact,
    HomeView,
    Identity,
    Lead,
    Location,
    Role,
)
from ghl_real_estate_ai.models.matching_models import EnhancedPropertyMatch
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.models.replies import SuggestedReply
from ghl_real_estate_ai.models.switches import Switch, SwitchState
from ghl_real_estate_ai.services.suggested_reply import SuggestedReplies
from tests.support.fake_memory import FakeMemory

OURS, LEAD = LocationId("ours"), LeadId("lead")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AGENT = Identity(
    location_id=OURS,
    user_id=UserId("maria"),
    email="maria@example.com",
    name="Maria Lopez",
    role=Role.AGENT,
    expires_at=NOON + timedelta(days=1),
)
OAK = Listing(
    listing_key=ListingKey("K1"),
    list_price=Decimal(450_000),
    city="Austin",
    unparsed_address="12 Oak St, Austin, TX 78701",
    bedrooms_total=3,
    bathrooms_total_integer=2,
    living_area=1_800,
    pool_private_yn=False,
)
ELM = OAK.model_copy(
    update={
        "listing_key": "K2",
        "unparsed_address": "7 Elm Ave, Austin, TX 78702",
        "list_price": Decimal(390_000),
    }
)


def lead(*homes: Listing, **fields: object) -> Lead:
    views = tuple(
        HomeView(at=NOON, event_id=EventId(home.listing_key), listing_key=home.listing_key) for home in homes
    )
    known: dict[str, object] = {"contact": Contact(first_name="Ana", name="Ana Diaz"), "views": views}
    return Lead.model_validate({"location_id": OURS, "lead_id": LEAD, **known, **fields})


def wrote(text: str | None, minute: int = 0, *, channel: Channel = Channel.SMS) -> Delivery:
    """The lead did, at so many minutes past noon."""
    return _delivery(MessageReceived(**_fields(f"in-{minute}", minute), channel=channel, text=text))


def answered(text: str, minute: int, *, human: bool = True) -> Delivery:
    return _delivery(
        MessageSent(**_fields(f"out-{minute}", minute), channel=Channel.SMS, text=text, human=human)
    )


def _fields(name: str, minute: int) -> dict[str, object]:
    return {
        "event_id": EventId(name),
        "location_id": OURS,
        "occurred_at": NOON + timedelta(minutes=minute),
        "correlation_id": CorrelationId(name),
        "source": Source.APP_WEBHOOK,
        "lead_id": LEAD,
    }


def _delivery(event: MessageReceived | MessageSent) -> Delivery:
    return Delivery(delivery_id=event.event_id, event=event, received_at=event.occurred_at)


def concluded(matches: Sequence[Listing]) -> LeadIntelligence:
    """What is known of the lead: these homes match, the best first."""
    ranked = tuple(
        EnhancedPropertyMatch(lead_id=LEAD, listing=home, overall_score=1, wishes=(), match_rank=rank, generated_at=NOON)
        for rank, home in enumerate(matches, start=1)
    )  # fmt: skip
    return LeadIntelligence(
        lead_id=LEAD, lead_name="Ana", assigned_to=None, stage="new", simulated=False, as_of=NOON,
        score=Part(), churn=Part(), matches=Part(value=ranked), next_action=None,
        cause=Cause(event_id=EventId("e-1"), event_type="MessageReceived", summary="a message"),
    )  # fmt: skip


async def house(
    known: Lead,
    said: Sequence[Delivery],
    homes: Sequence[Listing] = (OAK, ELM),
    *,
    off: bool = False,
    matches: Sequence[Listing] = (),
    brokerage: str = "Sunrise Realty",
) -> FakeMemory:
    memory = FakeMemory()
    await memory.write(lambda uow: uow.tenants.put_location(Location(location_id=OURS, name=brokerage)))
    await memory.write(lambda uow: uow.listings.put_many(OURS, homes))
    await memory.write(lambda uow: uow.leads.put(known, concluded(matches) if matches else None))
    for delivery in said:
        await memory.write(lambda uow, delivery=delivery: uow.events.append(delivery))  # type: ignore[misc]
    if off:
        await memory.write(
            lambda uow: uow.switches.put(OURS, SwitchState(switch=Switch.SUGGESTED_REPLIES, on=False))
        )
    return memory


async def suggested(
    known: Lead, *said: Delivery, homes: Sequence[Listing] = (OAK, ELM), off: bool = False
) -> SuggestedReply:
    memory = await house(known, said, homes, off=off)
    return await SuggestedReplies(memory=memory).suggest(LEAD, by=AGENT)


async def text_of(known: Lead, *said: Delivery, homes: Sequence[Listing] = (OAK, ELM)) -> str:
    reply = await suggested(known, *said, homes=homes)
    assert reply.text is not None, reply.withheld
    return reply.text


NAMES = ["Emily", "Lakisha", "Mohammed", "Guadalupe", "José", "芳", "Christian", "Precious", None]
