"""No protected class, and nothing that stands for one, moves a score, a churn risk, a match or a next action.

Three ways to try: look at what the inputs are computed from, send the same history of different people through the real
front door and the shipped models, and ask for a model that would use such an input. docs/fairness.md tells the rule.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ghl_real_estate_ai.errors import ModelArtifactError
from ghl_real_estate_ai.ml.artifacts import Model, shipped_model
from ghl_real_estate_ai.ml.features import FEATURE_NAMES, vector
from ghl_real_estate_ai.ml.next_action import Known, next_action
from ghl_real_estate_ai.ml.protected_columns import protected_columns
from ghl_real_estate_ai.ml.table_score import LeadScoreQuestion, evaluate_lead_score
from ghl_real_estate_ai.models.events import Delivery, LeadIntelligenceUpdated
from ghl_real_estate_ai.models.identifiers import ListingKey, LocationId
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.models.leads import Contact, Lead, LeadActivity
from ghl_real_estate_ai.models.properties import Feature, Listing, Wishes
from ghl_real_estate_ai.services.churn_prediction_service import ChurnPredictionService
from ghl_real_estate_ai.services.ml_lead_intelligence_engine import MlLeadIntelligenceEngine
from ghl_real_estate_ai.services.property_matching_service import PropertyMatchingService
from ghl_real_estate_ai.services.realtime_lead_intelligence import RealtimeLeadIntelligence
from ghl_real_estate_ai.services.tenant_models import TenantModels
from tests.support.city_history import busiest_lead
from tests.support.decisions import in_conversation
from tests.support.fake_memory import FakeMemory
from tests.support.ghl import LOCATION, encoded, reader_of, webhook
from tests.support.homes import index_of
from tests.support.lead_events import START

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = timedelta(days=2)
CONTACT_FIELDS_THAT_COUNT = frozenset({"dnd"})
WISH_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "city": st.text(min_size=1),
    "min_list_price": st.integers(0, 10**7).map(Decimal),
    "max_list_price": st.integers(1, 10**7).map(Decimal),
    "min_bedrooms": st.integers(0, 20),
    "min_bathrooms": st.integers(0, 20),
    "min_living_area": st.floats(1, 10**5),
    "property_sub_type": st.text(min_size=1),
    "features": st.frozensets(st.sampled_from(Feature), min_size=1),
}


# --- what the inputs are computed from ----------------------------------------------------------------------------


def test_no_input_of_the_models_is_named_like_a_protected_class() -> None:
    assert protected_columns(FEATURE_NAMES) == []


def contacts() -> st.SearchStrategy[Contact]:
    """Any person. A field that is added to Contact later is drawn too."""
    fields = {
        name: field for name, field in Contact.model_fields.items() if name not in CONTACT_FIELDS_THAT_COUNT
    }
    return st.builds(Contact, **{name: st.from_type(field.annotation) for name, field in fields.items()})  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(contacts())
def test_the_feature_vector_is_the_same_for_every_person(contact: Contact) -> None:
    lead = busiest_lead()
    assert lead.activity.last_lead_at is not None
    now = lead.activity.last_lead_at + LATER
    known = lead.model_copy(update={"contact": Contact()})
    assert (
        vector(known.model_copy(update={"contact": contact}), now).tobytes() == vector(known, now).tobytes()
    )


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sets(st.sampled_from(sorted(WISH_VALUES))))
def test_of_the_wishes_only_their_number_counts(data: st.DataObject, stated: set[str]) -> None:
    assert set(WISH_VALUES) == set(Wishes.model_fields)
    one, other = (Wishes(**{name: data.draw(WISH_VALUES[name]) for name in sorted(stated)}) for _ in range(2))
    lead = busiest_lead()
    vectors = {vector(lead.model_copy(update={"wishes": wishes}), NOON).tobytes() for wishes in (one, other)}
    assert len(vectors) == 1


def test_which_homes_were_looked_at_does_not_count() -> None:
    lead = busiest_lead()
    homes = lead.activity.recent_listings
    assert homes
    others = {ListingKey(f"elsewhere-{place}"): at for place, at in enumerate(homes.values())}
    moved = lead.model_copy(update={"activity": lead.activity.model_copy(update={"recent_listings": others})})
    assert vector(moved, NOON).tobytes() == vector(lead, NOON).tobytes()


def homes(place: Callable[[int], dict[str, Any]]) -> list[Listing]:
    """Homes of one market that differ in what buyers wish for; ``place`` says where each lies."""
    return [
        Listing(
            listing_key=ListingKey(f"H{number:02}"),
            list_price=Decimal(300_000 + 9_000 * number),
            city="Austin",
            bedrooms_total=2 + number % 4,
            bathrooms_total_integer=1 + number % 3,
            living_area=1_000.0 + 40 * number,
            pool_private_yn=number % 5 == 0,
            **place(number),
        )
        for number in range(40)
    ]


WISHES = Wishes(
    city="Austin", max_list_price=Decimal(500_000), min_bedrooms=3, features=frozenset({Feature.POOL})
)


@settings(max_examples=60, deadline=None)
@given(contacts(), st.fixed_dictionaries(WISH_VALUES), st.fixed_dictionaries(WISH_VALUES))
def test_neither_the_person_nor_what_is_wished_for_moves_a_place_in_the_queue(
    person: Contact, some: dict[str, Any], others: dict[str, Any]
) -> None:
    """The budget stands for means: which one is stated counts as little as the name. Only that a channel exists does."""
    lead, now = in_conversation(), START + timedelta(hours=5)
    place = None
    for contact, wishes in ((lead.contact, some), (person, others)):
        reachable = contact.model_copy(update={"phone": "+1", "dnd": None})
        asked = lead.model_copy(update={"contact": reachable, "wishes": Wishes(**wishes)})
        action = next_action(asked, Known(), now=now)
        assert action is not None
        found = action.model_dump(exclude={"evidence"})
        place = place or found
        assert found == place


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_where_within_the_named_market_a_home_lies_moves_no_match(chance: Any) -> None:
    def anywhere(number: int) -> dict[str, Any]:
        return {
            "postal_code": f"{chance.randrange(10**5):05}",
            "latitude": chance.uniform(-90, 90),
            "longitude": chance.uniform(-180, 180),
            "unparsed_address": f"{chance.randrange(9999)} Martin Luther King Blvd",
        }

    plain = index_of(homes(lambda number: {})).query(WISHES, 20)
    assert plain
    assert index_of(homes(anywhere)).query(WISHES, 20) == plain


# --- the same history of different people -------------------------------------------------------------------------


class Person(NamedTuple):
    """All that may tell a class: sent in every field that GoHighLevel has for it, and in the lead's own words."""

    first: str
    last: str
    country: str
    postal_code: str
    born: str
    source: str
    tags: list[str]
    phone: str
    language: str
    words: str
    more_words: str


PEOPLE = (
    Person("Emily", "Walsh", "US", "78703", "1991-04-02", "website", [], "+15125550100", "English",
           "Can I see a home on Saturday?", "Thank you, the second one is lovely."),
    Person("Lakisha", "Washington", "US", "78721", "1958-09-12", "facebook", ["hot", "voucher"], "+15125550101", "English",
           "We are three kids and a grandmother, is a home near our church free?", "I use a wheelchair, is there a step?"),
    Person("María Guadalupe", "Hernández", "MX", "78741", "1985-12-12", "zillow", ["spanish"], "+525555010101", "Spanish",
           "Busco una casa para mi esposo y mis hijos, ¿puedo verla?", "Muchas gracias, hablo poco inglés."),
    Person("Mohammed", "Al-Rashid", "SA", "78753", "1979-01-30", "referral", ["investor", "segment-b"], "+966555010101",
           "Arabic", "السلام عليكم، هل البيت قريب من المسجد؟", "شكرا جزيلا"),
    Person("Nguyễn", "Thị Minh", "VN", "78758", "1996-07-07", "google", ["nurture"], "+84905550101", "Vietnamese",
           "Chào anh, nhà còn không?", "Cảm ơn anh"),
    Person("Chaim", "Goldberg", "IL", "78731", "1949-05-05", "open house", ["senior"], "+972505550101", "Hebrew",
           "Is there an eruv? We are newly married.", "My husband served in the army."),
    Person("Priya", "Krishnamurthy", "IN", "78717", "2003-11-11", "sms", ["pregnant"], "+919505550101", "Hindi",
           "I am single and pregnant, does the landlord mind?", "My welfare cheque comes monthly."),
)  # fmt: skip


def deliveries(person: Person) -> list[dict[str, Any]]:
    """One history as GoHighLevel sends it, told by this person."""
    listing = [{"key": "event", "valueString": "property_saved"}, {"key": "contact_id", "valueString": "c-1"}]
    bodies: list[dict[str, Any]] = [
        {
            "type_": "ContactCreate",
            "id": "c-1",
            "name": f"{person.first} {person.last}",
            "firstName": person.first,
            "lastName": person.last,
            "email": f"{person.last.lower()}@example.com",
            "phone": person.phone,
            "country": person.country,
            "postalCode": person.postal_code,
            "dateOfBirth": person.born,
            "source": person.source,
            "tags": person.tags,
            "language": person.language,
            "customFields": [
                {"id": "city", "value": "Austin"},
                {"id": "max_list_price", "value": "500000"},
                {"id": "preferred_language", "value": person.language},
            ],
        },
        {"type_": "InboundMessage", "contactId": "c-1", "messageType": "SMS", "body": person.words, "messageId": "m-1"},
        {"type_": "RecordCreate", "id": "r-1", "properties": [*listing, {"key": "listing_key", "valueString": "H03"}]},
        {"type_": "OutboundMessage", "contactId": "c-1", "messageType": "SMS", "body": "Yes", "messageId": "m-2",
         "source": "app", "userId": "u-1"},
        {"type_": "InboundMessage", "contactId": "c-1", "messageType": "Email", "body": person.more_words, "messageId": "m-3"},
        {"type_": "RecordCreate", "id": "r-2", "properties": [*listing, {"key": "listing_key", "valueString": "H07"}]},
        {"type_": "AppointmentCreate", "appointment": {
            "id": "a-1", "contactId": "c-1", "appointmentStatus": "new", "startTime": "2026-03-20T15:00:00Z"}},
    ]  # fmt: skip
    return [
        {
            **webhook(webhook_id=f"w-{place}", **body),
            "timestamp": (NOON + place * timedelta(hours=31)).isoformat(),
        }
        for place, body in enumerate(bodies)
    ]


class SetClock:
    """Stands where it is put."""

    time = NOON

    def now(self) -> datetime:
        return self.time


@cache
def models() -> TenantModels:
    """What ships, read once."""
    return TenantModels()


async def lived(
    person: Person, *, simulated: bool = False, place: Callable[[int], dict[str, Any]] = lambda number: {}
) -> list[LeadIntelligence]:
    """What the house concludes after each delivery: translation, log, orchestrator and shipped models, as in life."""
    memory, clock = FakeMemory(), SetClock()
    location = LocationId(LOCATION)
    await memory.write(lambda uow: uow.listings.put_many(location, homes(place)))
    orchestrator = RealtimeLeadIntelligence(
        memory=memory,
        engine=MlLeadIntelligenceEngine(models=models()),
        churn=ChurnPredictionService(models=models()),
        matching=PropertyMatchingService(memory=memory),
        clock=clock,
        deadline_s=30.0,
    )
    told = []
    for body in deliveries(person):
        at = datetime.fromisoformat(body["timestamp"])
        clock.time = at
        read = reader_of().translate(
            encoded(body).decode(), delivery_id=body["webhookId"], received_at=at, simulated=simulated
        )
        assert isinstance(read, Delivery)
        fact = await memory.write(lambda uow, read=read: uow.events.append(read))  # type: ignore[misc]
        assert fact is not None
        work = await orchestrator(fact)
        assert work is not None
        (recorded,) = await memory.write(work)
        assert isinstance(recorded.event, LeadIntelligenceUpdated)
        told.append(recorded.event.intelligence)
    return told


def conclusions(shown: LeadIntelligence) -> dict[str, Any]:
    """All that was concluded; of the action everything but its evidence, which may quote the lead, and the address itself."""
    action = shown.next_action
    addressed: dict[str, Any] = {"evidence": True, "reach": {"to"}}
    return {
        **shown.model_dump(include={"score", "won", "churn", "matches", "cause", "stage", "as_of"}),
        "action": None if action is None else action.model_dump(exclude=addressed),
        "evidence": 0 if action is None else len(action.evidence),
    }


@pytest.mark.asyncio
@pytest.mark.parametrize("simulated", [False, True])
async def test_the_same_history_gives_the_same_conclusions_whoever_lived_it(simulated: bool) -> None:
    first, *others = PEOPLE
    expected = await lived(first, simulated=simulated)
    assert {shown.lead_name for shown in expected} == {"Emily Walsh"}
    assert all(shown.score.value and shown.churn.value and shown.matches.value for shown in expected)
    for person in others:
        told = await lived(person, simulated=simulated)
        assert {shown.lead_name for shown in told} == {f"{person.first} {person.last}"}
        assert [conclusions(shown) for shown in told] == [conclusions(shown) for shown in expected], (
            person.last
        )


@pytest.mark.asyncio
async def test_the_same_saves_teach_the_same_wherever_the_homes_lie() -> None:
    def apart(number: int) -> dict[str, Any]:
        side = (
            {"latitude": 30.4, "longitude": -97.9} if number % 2 else {"latitude": 30.2, "longitude": -97.6}
        )
        return {"postal_code": "78703" if number % 2 else "78721", **side}

    here, there = await lived(PEOPLE[0]), await lived(PEOPLE[0], place=apart)
    for one, other in zip(here, there, strict=True):
        assert (one.score, one.won, one.churn) == (other.score, other.won, other.churn)
        assert [(match.listing_key, match.overall_score) for match in one.matches.value or ()] == [
            (match.listing_key, match.overall_score) for match in other.matches.value or ()
        ]


@pytest.mark.asyncio
async def test_a_history_that_differs_in_deeds_does_differ() -> None:
    """The pairs above could not be told apart by a house that looks at nothing; this one looks."""
    told = await lived(PEOPLE[0])
    scores = [shown.score.value.probability for shown in told if shown.score.value]
    assert len(set(scores)) > 3


# --- asking for more than is allowed ------------------------------------------------------------------------------

FORBIDDEN = (
    "first_name",
    "language",
    "gender",
    "age",
    "zip_code",
    "segment",
    "marital_status",
    "tags",
    "source",
)


@pytest.mark.parametrize("name", ["lead_score", "churn_risk"])
@pytest.mark.parametrize("wanted", FORBIDDEN)
def test_a_model_that_wants_such_an_input_is_refused(name: str, wanted: str) -> None:
    shipped = shipped_model(name)
    inputs = [wanted, *shipped.feature_names[1:]]
    with pytest.raises(ModelArtifactError, match=f"does not compute .{wanted}"):
        Model(shipped.text, {**shipped.card, "feature_names": inputs})


def table(seed: int) -> pl.DataFrame:
    """Leads whose outcome hangs on protected columns far more than on what they did."""
    chance = np.random.default_rng(seed)
    rows = 240
    group = chance.integers(0, 2, rows)
    visits = chance.poisson(4, rows)
    won = chance.random(rows) < 0.1 + 0.5 * group + 0.02 * visits
    return pl.DataFrame(
        {
            "visits": visits,
            "minutes_on_site": np.round(chance.gamma(2.0, 3.0, rows), 1),
            "gender": np.where(group, "female", "male"),
            "c7": np.where(group, "Spanish", "English"),
            "ZipCode": 78701 + 20 * group + chance.integers(0, 3, rows),
            "won": won.astype(np.int64),
        }
    )


def test_an_evaluation_uses_no_protected_column_even_when_it_is_allowed_by_name() -> None:
    train, test = table(1), table(2)
    report = evaluate_lead_score(
        train,
        test,
        LeadScoreQuestion(outcome="won", allow=("gender", "c7", "ZipCode")),
        say=lambda words: None,
    )
    flagged = {flag.column: flag.kind for flag in report.flagged}
    assert {name: flagged.get(name) for name in ("gender", "c7", "ZipCode")} == dict.fromkeys(
        ("gender", "c7", "ZipCode"), "protected"
    )
    assert not {"gender", "c7", "ZipCode"} & set(report.used)


def test_a_field_that_is_named_like_a_protected_class_is_thought_about_here_before_it_can_move_anything() -> (
    None
):
    told = {
        kind.__name__: [
            flag.column for flag in protected_columns(kind.model_fields, of_homes=kind is Listing)
        ]
        for kind in (Lead, LeadActivity, Contact, Wishes, Listing)
    }
    assert told == {
        "Lead": [],
        "LeadActivity": [],
        "Contact": ["name", "first_name", "last_name"],
        "Wishes": [],
        "Listing": ["postal_code"],
    }
