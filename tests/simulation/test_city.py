"""The city: the same seed gives the same bytes, events look like GoHighLevel's, and the truth stays hidden but known."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from ghl_real_estate_ai.models.properties import Listing, Wishes
from ghl_real_estate_ai.simulation.city import City, CityEvent, LeadTruth, write_truth
from ghl_real_estate_ai.simulation.homes import fits, meets_amenities
from ghl_real_estate_ai.simulation.talk import bedrooms, dollars

START = datetime(2026, 6, 1, tzinfo=UTC)
DIGEST = """
import hashlib, json
from datetime import UTC, datetime
from ghl_real_estate_ai.simulation.city import City
city = City(seed=5, leads=40, listings=80, start=datetime(2026, 6, 1, tzinfo=UTC), days=10)
digest = hashlib.sha256(json.dumps(city.listings).encode())
for event in city.events():
    digest.update(json.dumps([event.at.isoformat(), event.type, event.body]).encode())
print(digest.hexdigest())
"""


def _lead_of(event: CityEvent) -> str:
    body = event.body
    match body:
        case {"appointment": {"contactId": str(lead_id)}} | {"contactId": str(lead_id)}:
            return lead_id
        case {"properties": [*pairs]}:
            return next(
                str(p["valueString"]) for p in pairs if isinstance(p, dict) and p["key"] == "contact_id"
            )
        case _:
            return str(body["id"])


@pytest.fixture(name="city", scope="module")
def _city() -> City:
    return City(seed=3, leads=250, listings=300, start=START, days=30)


@pytest.fixture(name="events", scope="module")
def _events(city: City) -> list[CityEvent]:
    return list(city.events())


@pytest.fixture(name="truth", scope="module")
def _truth(city: City) -> list[LeadTruth]:
    return list(city.truth())


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "1", "4242")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


def test_another_seed_gives_another_city() -> None:
    def digest(seed: int) -> str:
        city = City(seed=seed, leads=5, listings=10, start=START, days=5)
        return hashlib.sha256(json.dumps([e.body for e in city.events()]).encode()).hexdigest()

    assert digest(1) != digest(2)


def test_events_come_in_time_order_with_history_before_the_start_and_arrivals_after(
    events: list[CityEvent],
) -> None:
    times = [event.at for event in events]
    assert times == sorted(times)
    assert times[0] >= START - timedelta(days=30)
    assert times[-1] <= START + timedelta(days=30)
    births = [event.at for event in events if event.type == "ContactCreate"]
    assert sum(at <= START for at in births) == 250
    assert sum(at > START for at in births) == pytest.approx(250, rel=0.3)


def test_events_are_made_as_they_are_asked_for() -> None:
    endless = City(seed=1, leads=20, listings=50, start=START, days=20_000, arrivals_per_day=0)
    assert len(list(islice(endless.events(), 50))) == 50


def test_bodies_carry_the_fields_that_gohighlevel_sends(events: list[CityEvent]) -> None:
    kinds = Counter[str]()
    for event in events:
        body = event.body
        kinds[event.type] += 1
        assert body["type"] == event.type
        assert not {"locationId", "webhookId", "timestamp"} & body.keys()
        match event.type:
            case "ContactCreate" | "ContactUpdate" | "ContactTagUpdate":
                assert str(body["email"]).endswith("@example.com")
                assert re.fullmatch(r"\+1\d{3}55501\d\d", str(body["phone"]))
                assert str(body["source"]).startswith("simulated")
                assert isinstance(body["customFields"], list)
            case "InboundMessage" | "OutboundMessage":
                assert body["messageType"] in {"SMS", "Email", "CALL"}
                assert body["direction"] == ("inbound" if event.type == "InboundMessage" else "outbound")
                assert body["messageId"]
                assert body["conversationId"]
            case "RecordCreate":
                assert isinstance(body["properties"], list)
                keys = {pair["key"] for pair in body["properties"] if isinstance(pair, dict)}
                assert {"event", "contact_id"} <= keys
            case "AppointmentCreate" | "AppointmentUpdate":
                assert isinstance(body["appointment"], dict)
                assert body["appointment"]["contactId"]
            case _:
                assert body["contactId"]
    assert set(kinds) == {
        "AppointmentCreate", "AppointmentUpdate", "ContactCreate", "ContactTagUpdate", "ContactUpdate", "InboundMessage",
        "NoteCreate", "OpportunityCreate", "OpportunityStageUpdate", "OpportunityStatusUpdate", "OutboundMessage",
        "RecordCreate", "TaskCreate",
    }  # fmt: skip


def test_an_automation_never_looks_like_a_human(events: list[CityEvent]) -> None:
    for event in events:
        if event.type == "OutboundMessage":
            assert (event.body.get("source") == "workflow") == ("userId" not in event.body)


def test_a_meeting_starts_after_it_was_booked(events: list[CityEvent]) -> None:
    for event in events:
        if event.type == "AppointmentCreate" and isinstance(event.body["appointment"], dict):
            assert datetime.fromisoformat(str(event.body["appointment"]["startTime"])) > event.at


def test_messages_vary_and_never_speak_of_people_or_areas(events: list[CityEvent]) -> None:
    texts = [str(e.body["body"]).lower() for e in events if "body" in e.body]
    assert len(set(texts)) > 0.4 * len(texts)
    banned = r"\b(famil\w*|child\w*|kid\w*|school\w*|safe\w*|crime|church\w*|mosque|temple|race|ethnic\w*|single|couple|young|elderly|disab\w*|neighbou?rhood|immigra\w*|god|wife|husband)\b"
    assert [text for text in texts if re.search(banned, text)] == []
    assert [text for text in texts if "{" in text] == []


def test_homes_are_readable_listings_that_say_they_are_simulated(city: City) -> None:
    homes = [Listing.model_validate(home) for home in city.listings]
    assert len({home.listing_key for home in homes}) == 300
    assert all(home.simulated for home in homes)
    assert {home.originating_system_name for home in homes} == {"EnterpriseHub city simulator"}
    assert len({home.city for home in homes}) == 5
    assert any(home.year_built is None for home in homes)
    assert all(home.postal_code is None for home in homes)


def test_wishes_in_events_are_readable_and_only_ever_the_leads_own(
    truth: list[LeadTruth], events: list[CityEvent]
) -> None:
    wishes = {lead.lead_id: lead.wishes for lead in truth}
    for event in events:
        if event.type.startswith("Contact"):
            fields = event.body["customFields"]
            assert isinstance(fields, list)
            stated = {str(f["id"]): f["value"] for f in fields if isinstance(f, dict)}
            Wishes.model_validate(stated)
            assert stated.items() <= wishes[str(event.body["id"])].items()


def test_a_home_fits_only_within_every_hard_wish() -> None:
    home = {"City": "Elm Harbor", "ListPrice": 400_000, "BedroomsTotal": 3, "PropertySubType": "Townhouse"}
    wishes = {"city": "Elm Harbor", "max_list_price": 450_000, "min_bedrooms": 3, "min_living_area": 1_000}
    assert fits(home, wishes)
    assert not fits(home, {**wishes, "city": "Stonebrook"})
    assert not fits(home, {**wishes, "max_list_price": 399_000})
    assert not fits(home, {**wishes, "min_bedrooms": 4})
    assert not fits(home, {**wishes, "property_sub_type": "Condominium"})
    assert not meets_amenities(home, {"features": ["pool"]})
    assert meets_amenities({**home, "PoolPrivateYN": True}, {"features": ["pool"]})
    assert meets_amenities(home, {})


def test_no_lead_acts_after_interest_has_died(truth: list[LeadTruth], events: list[CityEvent]) -> None:
    died = {lead.lead_id: lead.died_at for lead in truth}
    for event in events:
        ended = died.get(str(event.body.get("contactId")))
        if event.type == "InboundMessage" and ended is not None:
            assert event.at <= ended + timedelta(minutes=2), "only a farewell may follow"


@pytest.mark.untraced
def test_intent_and_patience_show_in_what_happens() -> None:
    city = City(seed=11, leads=1_500, listings=200, start=START, days=30, arrivals_per_day=0)
    truth = list(city.truth())
    keen = [lead for lead in truth if lead.intent > 0.6]
    cool = [lead for lead in truth if lead.intent < 0.2]

    def booked(leads: list[LeadTruth]) -> float:
        return sum(lead.bookings > 0 for lead in leads) / len(leads)

    def lost(leads: list[LeadTruth]) -> float:
        return sum(lead.died_at is not None and lead.won_at is None for lead in leads) / len(leads)

    assert booked(keen) > 3 * booked(cool)
    assert lost(keen) < lost(cool)
    patient = [lead for lead in truth if lead.patience_hours > 12]
    hasty = [lead for lead in truth if lead.patience_hours < 4]
    assert lost(hasty) > lost(patient)


@pytest.mark.untraced
def test_the_oracle_is_calibrated_against_what_then_happened() -> None:
    city = City(seed=21, leads=300, listings=100, start=START, days=15, arrivals_per_day=0, history_days=20)
    own, booked = {}, {}
    for event in city.events():
        lead_id = _lead_of(event)
        later = START < event.at <= START + timedelta(days=14)
        if later and event.type in {"InboundMessage", "RecordCreate", "AppointmentCreate"}:
            own[lead_id] = True
        if later and event.type == "AppointmentCreate":
            booked[lead_id] = True
    leads = [lead.lead_id for lead in city.truth()]
    oracle = {lead: city.oracle(lead, START, draws=40) for lead in leads}
    silent = sum(lead not in own for lead in leads) / len(leads)
    assert sum(p.silent_14d for p in oracle.values()) / len(leads) == pytest.approx(silent, abs=0.06)
    assert sum(p.appointment_14d for p in oracle.values()) / len(leads) == pytest.approx(
        len(booked) / len(leads), abs=0.05
    )
    sure = [lead for lead in leads if oracle[lead].silent_14d > 0.9]
    assert sum(lead not in own for lead in sure) / len(sure) > 0.85
    assert city.oracle(leads[0], START, draws=40) == oracle[leads[0]]


def test_the_oracle_refuses_strangers_and_the_unborn(city: City, truth: list[LeadTruth]) -> None:
    with pytest.raises(KeyError, match="nobody"):
        city.oracle("nobody", START)
    newest = max(truth, key=lambda lead: lead.born_at)
    with pytest.raises(KeyError):
        city.oracle(newest.lead_id, newest.born_at - timedelta(hours=1))


def test_the_truth_can_be_written_as_json_lines(city: City, tmp_path) -> None:
    path = tmp_path / "truth.jsonl"
    count = write_truth(city, path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == count
    assert {"lead_id", "intent", "patience_hours", "wishes", "died_at", "first_booked_at", "won_at"} <= lines[
        0
    ].keys()
    assert all(0 <= line["intent"] <= 1 for line in lines)


def test_a_start_without_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        City(seed=1, leads=1, listings=1, start=datetime(2026, 1, 1), days=1)  # noqa: DTZ001  # the point of the test


def test_a_city_without_homes_still_lives() -> None:
    city = City(seed=2, leads=10, listings=0, start=START, days=10)
    assert any(event.type == "InboundMessage" for event in city.events())


def test_words_for_numbers_read_well() -> None:
    assert bedrooms(1) == "one bedroom"
    assert bedrooms(4) == "four bedrooms"
    assert bedrooms(7) == "7 bedrooms"
    assert dollars(455_000) == "$455k"
    assert dollars(1_250_000) == "$1.25M"
