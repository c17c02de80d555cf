"""What the orchestrator promises: whole or named as stale, a cause that adds up, nothing twice, nothing lost."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from ghl_real_estate_ai.errors import ModelArtifactError, StorageUnavailable, TranslationError
from ghl_real_estate_ai.limits import LEADS_CACHED
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, Course
from ghl_real_estate_ai.models.events import (
    Delivery,
    LeadIntelligenceUpdated,
    RecordedEvent,
    event_from_json,
)
from ghl_real_estate_ai.models.identifiers import LeadId, ListingKey, LocationId
from ghl_real_estate_ai.models.intelligence import (
    TYPICAL_DEAL_VALUE,
    ActionKind,
    ChurnRisk,
    LeadIntelligence,
    LeadScore,
    ModelStamp,
    risk_stage,
)
from ghl_real_estate_ai.models.leads import Lead, Location
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.ports import UnitOfWork
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import NO_WISHES, RealtimeLeadIntelligence
from tests.support.fake_memory import FakeMemory
from tests.support.lead_events import LEAD, LOCATION, START, EventMaker, recorded

STAMP = ModelStamp(name="fake", version="1", fitted_on="nothing", simulated=True)
HOUR = timedelta(hours=1)
SILENCE = FEATURE_NAMES.index("silence_days")


class FakeClock:
    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        return self.time


class FakeScorer:
    """Falls with silence, rises with messages. ``trouble``, when set, is raised; ``stuck`` never answers."""

    def __init__(self) -> None:
        self.trouble: Exception | None = None
        self.stuck = False
        self.stamp = STAMP

    async def _answer(self) -> None:
        if self.stuck:
            await asyncio.Event().wait()
        if self.trouble is not None:
            raise self.trouble

    async def score(self, seen: Course) -> LeadScore:
        await self._answer()
        silence = float(seen.x[SILENCE])
        said = sum(seen.lead.activity.counts.values())
        return LeadScore(probability=said / (2 + said + silence), horizon_days=14, model=self.stamp)

    async def won(self, seen: Course) -> LeadScore:
        return (await self.score(seen)).model_copy(update={"horizon_days": 180})

    def no_odds(self, lead: Lead) -> str | None:
        return "not enough data" if lead.activity.first_at is None else None

    async def risk(self, seen: Course) -> ChurnRisk:
        await self._answer()
        silence = float(seen.x[SILENCE])
        risk = silence / (1 + silence)
        return ChurnRisk(probability=risk, stage=risk_stage(risk), horizon_days=14, model=self.stamp)

    async def watch(
        self, seen: Course, *, shown: ChurnRisk | None, own_act: bool, acted_before: datetime | None
    ) -> ChurnRisk:
        return await self.risk(seen)


class House:
    """The orchestrator over a memory of dicts, driven as the bus drives it."""

    def __init__(self, *, deadline_s: float = 5.0) -> None:
        self.memory = FakeMemory()
        self.clock = FakeClock(START)
        self.engine = FakeScorer()
        self.churn = FakeScorer()
        self.matching = PropertyMatchingService(memory=self.memory)
        self.orchestrator = RealtimeLeadIntelligence(
            memory=self.memory,
            engine=self.engine,  # type: ignore[arg-type]
            churn=self.churn,  # type: ignore[arg-type]
            matching=self.matching,
            clock=self.clock,
            deadline_s=deadline_s,
        )

    async def record(self, fact: RecordedEvent) -> RecordedEvent:
        """Put it in the log, as the inbox does; returns it at its true position."""
        delivery = Delivery(delivery_id=fact.delivery_id, event=fact.event, received_at=fact.received_at)
        stored = await self.memory.write(lambda uow: uow.events.append(delivery))
        assert stored is not None
        return stored

    async def handle(self, fact: RecordedEvent) -> LeadIntelligenceUpdated | None:
        work = await self.orchestrator(fact)
        if work is None:
            return None
        facts = await self.memory.write(work)
        if not facts:
            return None
        (updated,) = (stored.event for stored in facts)
        assert isinstance(updated, LeadIntelligenceUpdated)
        return updated

    async def tell(self, fact: RecordedEvent) -> LeadIntelligence:
        updated = await self.handle(await self.record(fact))
        assert updated is not None
        return updated.intelligence

    async def stored(self) -> tuple[Lead | None, LeadIntelligence | None]:
        return await self.memory.read(
            lambda uow: (uow.leads.get(LOCATION, LEAD), uow.leads.intelligence(LOCATION, LEAD))
        )

    async def import_homes(self, *keys: str) -> None:
        homes = [Listing(listing_key=ListingKey(key), list_price=Decimal(1), city="Austin") for key in keys]
        await self.memory.write(lambda uow: uow.listings.put_many(LOCATION, homes))
        self.matching.invalidate(LOCATION)


@pytest.mark.asyncio
async def test_an_event_gives_score_churn_matches_cause_and_action_in_one_fact() -> None:
    house, make = House(), EventMaker().make
    await house.import_homes("A", "B")
    await house.tell(make("LeadUpserted", created=True, contact={"name": "Ann"}, wishes={"city": "Austin"}))
    fact = await house.record(make("MessageReceived", at=START + HOUR, channel="sms", text="Hi"))
    house.clock.time = START + HOUR + timedelta(milliseconds=7)
    updated = await house.handle(fact)
    assert updated is not None
    whole = updated.intelligence
    assert (whole.lead_name, whole.stage, whole.as_of) == ("Ann", "new", house.clock.time)
    assert whole.score.value is not None
    assert whole.churn.value is not None
    assert [match.listing_key for match in whole.matches.value or ()] == ["A", "B"]
    assert [part.stale_reason for part in (whole.score, whole.churn, whole.matches)] == [None] * 3
    assert (whole.cause.event_id, whole.cause.summary) == (fact.event.event_id, "lead's sms message")
    assert whole.next_action is not None
    assert whole.next_action.kind is ActionKind.FIRST_RESPONSE
    assert updated.correlation_id == fact.event.correlation_id
    assert list(updated.stage_ms) == ["log", "features", "models", "ready"]
    assert updated.stage_ms["ready"] == pytest.approx(7)
    assert (await house.stored())[1] == whole
    assert event_from_json(updated.model_dump_json()) == updated


@pytest.mark.asyncio
async def test_the_causes_add_up_to_the_change_that_screens_show() -> None:
    house, make = House(), EventMaker().make
    first = await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    assert first.cause.score_by_event is None
    assert first.cause.score_by_time is None
    house.clock.time = START + 5 * HOUR
    second = await house.tell(make("MessageReceived", at=START + 5 * HOUR, channel="sms", text="Hello?"))
    assert first.score.value is not None
    assert second.score.value is not None
    assert first.churn.value is not None
    assert second.churn.value is not None
    cause = second.cause
    assert cause.score_by_event is not None
    assert cause.score_by_time is not None
    assert cause.churn_by_event is not None
    assert cause.churn_by_time is not None
    assert cause.score_by_time < 0 < cause.score_by_event
    assert cause.churn_by_event < 0 < cause.churn_by_time
    assert cause.score_by_event + cause.score_by_time == pytest.approx(
        second.score.value.probability - first.score.value.probability
    )
    assert cause.churn_by_event + cause.churn_by_time == pytest.approx(
        second.churn.value.probability - first.churn.value.probability
    )


@pytest.mark.asyncio
async def test_another_models_last_word_is_not_told_as_time_passing() -> None:
    house, make = House(), EventMaker().make
    await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    house.engine.stamp = STAMP.model_copy(update={"version": "2"})
    swapped = (await house.tell(make("MessageReceived", channel="sms", text="Hello?"))).cause
    assert (swapped.score_by_time, swapped.churn_by_time) == (None, 0.0)
    assert swapped.score_by_event is not None
    settled = (await house.tell(make("MessageReceived", channel="sms", text="Well?"))).cause
    assert settled.score_by_time == 0.0


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (ModelArtifactError("model file is damaged; run train"), "failed: model file is damaged; run train"),
        (ValueError("phone +1555 is not a number"), "failed: ValueError"),
        (ZeroDivisionError(), "failed: ZeroDivisionError"),
    ],
)
async def test_a_part_that_fails_is_shown_stale_and_the_others_arrive(
    trouble: Exception, reason: str
) -> None:
    house, make = House(), EventMaker().make
    good = await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    house.engine.trouble = trouble
    house.clock.time = START + HOUR
    whole = await house.tell(make("MessageReceived", at=START + HOUR, channel="sms", text="Hi?"))
    assert (whole.score.value, whole.score.as_of) == (good.score.value, START)
    assert whole.score.stale_reason == reason
    assert (whole.cause.score_by_event, whole.cause.score_by_time) == (None, None)
    assert (whole.churn.as_of, whole.churn.stale_reason) == (START + HOUR, None)
    assert whole.cause.churn_by_event is not None
    house.engine.trouble = None
    fresh = await house.tell(make("MessageReceived", at=START + HOUR, channel="sms", text="Now?"))
    assert (fresh.score.as_of, fresh.score.stale_reason) == (START + HOUR, None)


@pytest.mark.asyncio
async def test_a_part_that_is_late_is_shown_stale_and_the_others_arrive() -> None:
    house, make = House(deadline_s=0.02), EventMaker().make
    house.churn.stuck = True
    whole = await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    assert whole.churn.value is None
    assert whole.churn.stale_reason == "late: no answer within 20 ms"
    assert whole.score.value is not None


@pytest.mark.asyncio
async def test_an_error_that_no_part_should_have_reaches_the_bus() -> None:
    house = House()
    house.engine.trouble = RuntimeError("a bug")
    fact = await house.record(EventMaker().make("MessageReceived", channel="sms"))
    with pytest.raises(ExceptionGroup):
        await house.orchestrator(fact)


@pytest.mark.asyncio
async def test_without_wishes_the_matches_say_why_they_are_empty() -> None:
    house = House()
    await house.import_homes("A")
    whole = await house.tell(EventMaker().make("MessageReceived", channel="sms", text="Hi"))
    assert (whole.matches.value, whole.matches.stale_reason) == ((), NO_WISHES)


@pytest.mark.asyncio
async def test_an_event_that_was_handled_before_changes_nothing() -> None:
    house, make = House(), EventMaker().make
    fact = await house.record(make("MessageReceived", channel="sms", text="Hi"))
    assert await house.handle(fact) is not None
    before = await house.stored()
    assert await house.handle(fact) is None
    house.orchestrator.forget_uncommitted()
    assert await house.handle(fact) is None
    assert await house.stored() == before
    assert await house.memory.read(lambda uow: uow.events.head(LOCATION)) == 2


@pytest.mark.asyncio
async def test_work_that_runs_twice_appends_and_applies_once() -> None:
    """A neighbour in the group commit failed, or two processes raced: the derived id is the lock."""
    house = House()
    work = await house.orchestrator(
        await house.record(EventMaker().make("MessageReceived", channel="sms", text="Hi"))
    )
    assert work is not None
    assert len(await house.memory.write(work)) == 1
    assert list(await house.memory.write(work)) == []


@pytest.mark.asyncio
async def test_events_of_one_batch_build_on_each_other_before_the_commit() -> None:
    house, make = House(), EventMaker().make
    facts = [
        await house.record(make("MessageReceived", at=START + n * HOUR, channel="sms")) for n in range(3)
    ]
    works = [await house.orchestrator(fact) for fact in facts]
    for work in works:
        assert work is not None
        await house.memory.write(work)
    lead, _ = await house.stored()
    assert lead is not None
    assert lead.activity.counts["message_in"] == 3  # type: ignore[index]


@pytest.mark.asyncio
async def test_after_a_failed_commit_the_uncommitted_view_is_dropped_and_the_event_counts_once() -> None:
    house = House()
    fact = await house.record(EventMaker().make("MessageReceived", channel="sms", text="Hi"))
    house.memory.fail_writes = 1
    with pytest.raises(StorageUnavailable):
        await house.handle(fact)
    house.orchestrator.forget_uncommitted()
    assert await house.stored() == (None, None)
    assert await house.handle(fact) is not None
    lead, _ = await house.stored()
    assert lead is not None
    assert sum(lead.activity.counts.values()) == 1


@pytest.mark.asyncio
async def test_a_buried_event_that_is_tried_again_still_counts() -> None:
    house, make = House(), EventMaker().make
    buried = await house.record(make("MessageReceived", channel="sms", text="Hi"))
    await house.tell(make("MessageReceived", at=START + HOUR, channel="sms", text="Hello?"))
    assert await house.handle(buried) is not None
    assert await house.handle(buried) is None
    lead, _ = await house.stored()
    assert lead is not None
    assert sum(lead.activity.counts.values()) == 2
    assert lead.last_inbound is not None
    assert lead.last_inbound.text == "Hello?"


@pytest.mark.asyncio
async def test_an_event_that_cannot_be_applied_leaves_no_trace() -> None:
    house = House()
    bad = await house.record(EventMaker().make("LeadUpserted", created=True, contact={"shoe_size": 44}))
    with pytest.raises(TranslationError):
        await house.orchestrator(bad)
    assert await house.stored() == (None, None)


@pytest.mark.asyncio
async def test_an_acknowledged_action_leaves_the_queue() -> None:
    house, make = House(), EventMaker().make
    whole = await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    assert whole.next_action is not None
    taken = await house.tell(make("ActionAcknowledged", action_id=whole.next_action.action_id, user_id="u1"))
    assert taken.next_action is None or taken.next_action.action_id != whole.next_action.action_id
    assert taken.cause.event_type == "ActionAcknowledged"


@pytest.mark.asyncio
async def test_a_home_that_the_lead_came_back_to_is_named_as_the_listing_names_it() -> None:
    house, make = House(), EventMaker().make
    home = Listing(
        listing_key=ListingKey("A"),
        list_price=Decimal(1),
        city="Austin",
        unparsed_address="12 Oak St, Austin",
    )
    await house.memory.write(lambda uow: uow.listings.put_many(LOCATION, [home]))
    whole = None
    for minute, key in ((0, "A"), (4, "gone"), (5, "A"), (6, "gone")):
        at = START + timedelta(minutes=minute)
        house.clock.time = at
        whole = await house.tell(
            make("PropertyActivityRecorded", at=at, interaction="viewed", listing_key=key)
        )
    assert whole is not None
    assert whole.next_action is not None
    assert [evidence.text for evidence in whole.next_action.evidence[:2]] == [
        "looked at a home twice in 2 min",
        "looked at 12 Oak St twice in 5 min",
    ]


@pytest.mark.asyncio
async def test_the_queue_gets_the_odds_the_source_and_who_said_not_mine() -> None:
    house, make = House(), EventMaker().make
    await house.tell(make("LeadUpserted", created=True, contact={"phone": "+1", "source": "zillow"}))
    first = await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    action = first.next_action
    assert action is not None
    assert first.won.value is not None
    assert action.expected_value == pytest.approx(first.won.value.probability * TYPICAL_DEAL_VALUE)
    assert action.priority == pytest.approx((action.expected_value or 0) * action.urgency)
    declined = await house.tell(make("LeadDeclined", action_id=action.action_id, user_id="u1"))
    assert (declined.source, declined.declined_by) == ("zillow", ("u1",))
    assert declined.next_action is not None
    assert declined.next_action.action_id == action.action_id


@pytest.mark.asyncio
async def test_a_corrected_wish_asks_for_homes_at_once() -> None:
    house, make = House(), EventMaker().make
    await house.import_homes("A")
    assert not (await house.tell(make("LeadUpserted", created=True, contact={}))).matches.value
    corrected = await house.tell(make("WishesCorrected", wishes={"city": "Austin"}, user_id="u1"))
    assert [match.listing_key for match in corrected.matches.value or ()] == ["A"]
    assert corrected.cause.summary == "wishes corrected"


@pytest.mark.asyncio
async def test_a_forgotten_lead_is_dropped_and_does_not_come_back() -> None:
    house, make = House(), EventMaker().make
    await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    in_flight = await house.orchestrator(
        await house.record(make("MessageReceived", at=START + HOUR, channel="sms", text="Secret"))
    )
    assert in_flight is not None
    digest = await house.memory.forget(LOCATION, LEAD)
    house.orchestrator.forget(LOCATION, digest)
    assert list(await house.memory.write(in_flight)) == []
    assert await house.stored() == (None, None)
    reads = house.memory.reads
    await house.orchestrator(recorded("NoteAdded", 99, START, location_id=LOCATION, lead_id=LEAD))
    assert house.memory.reads > reads, "the erased lead was still held in memory"


@pytest.mark.asyncio
async def test_facts_that_are_not_about_a_lead_are_skipped() -> None:
    house = House()
    assert await house.orchestrator(recorded("NoteAdded", 1, START, location_id=LOCATION)) is None
    vendor = EventMaker().make("VendorEventKept", vendor_type="X", body={})
    assert await house.orchestrator(vendor) is None


@pytest.mark.asyncio
async def test_real_leads_are_judged_by_the_clock_even_when_old_history_arrives() -> None:
    house, make = House(), EventMaker().make
    house.clock.time = START + 100 * HOUR
    old = await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    assert old.as_of == house.clock.time
    ahead = START + 101 * HOUR
    early = await house.tell(make("MessageReceived", at=ahead, channel="sms", text="Hello?"))
    assert early.as_of == ahead
    again = await house.tell(make("MessageSent", at=START + HOUR, channel="sms", human=True))
    assert again.as_of == house.clock.time


@pytest.mark.asyncio
async def test_simulated_leads_are_judged_on_their_own_time_line() -> None:
    house, make = House(), EventMaker().make
    house.clock.time = START + 10_000 * HOUR
    later = await house.tell(
        make("MessageReceived", at=START + 5 * HOUR, channel="sms", text="Hi", simulated=True)
    )
    assert (later.as_of, later.simulated) == (START + 5 * HOUR, True)
    sooner = await house.tell(make("MessageSent", at=START, channel="sms", human=True, simulated=True))
    assert sooner.as_of == START + 5 * HOUR
    clicked = await house.tell(
        make(
            "ActionAcknowledged",
            at=house.clock.time,
            action_id="a",
            user_id="u",
            simulated=True,
        )
    )
    assert clicked.as_of == START + 5 * HOUR
    verdict = {"listing_key": "H1", "verdict": "like", "by": "agent", "user_id": "u"}
    judged = await house.tell(make("ListingJudged", at=house.clock.time, simulated=True, **verdict))
    assert judged.as_of == START + 5 * HOUR
    quiet = {"stage": 1, "due_at": START + 9 * HOUR}
    silent = await house.tell(make("LeadWentQuiet", at=START + 11 * HOUR, simulated=True, **quiet))
    assert silent.as_of == START + 11 * HOUR


@pytest.mark.asyncio
async def test_a_warm_start_needs_no_further_reads() -> None:
    house, make = House(), EventMaker().make
    await house.memory.write(lambda uow: uow.tenants.put_location(Location(location_id=LOCATION, name="L")))
    await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    house.orchestrator.forget_uncommitted()
    await house.orchestrator.warm(LOCATION)
    reads = house.memory.reads
    fact = await house.record(make("MessageReceived", at=START + HOUR, channel="sms", text="Hi"))
    assert await house.orchestrator(fact) is not None
    assert house.memory.reads == reads


@pytest.mark.asyncio
async def test_no_more_leads_are_held_than_there_is_room_for_however_many_tenants_warm_up() -> None:
    house, make = House(), EventMaker().make
    places = [LocationId(f"loc-{number}") for number in range(8)]

    def put(uow: UnitOfWork) -> None:
        for place in places:
            for number in range(LEADS_CACHED // 4):
                lead = Lead(location_id=place, lead_id=LeadId(f"lead-{number}"), position=number)
                uow.leads.put(lead, None)

    await house.memory.write(put)
    for place in places:
        await house.orchestrator.warm(place)
    assert len(house.orchestrator._held) == LEADS_CACHED
    await house.tell(make("MessageReceived", channel="sms", text="Hi"))
    assert len(house.orchestrator._held) == LEADS_CACHED
    assert (LOCATION, LEAD) in house.orchestrator._held
