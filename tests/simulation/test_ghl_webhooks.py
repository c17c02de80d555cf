"""The fake's webhooks: a client's own writes come back, retries by both policies, doubled and late ones, the breaker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.integrations.gohighlevel.webhooks import GoHighLevelWebhookReader
from ghl_real_estate_ai.simulation.ghl_account import CALENDAR_ID
from ghl_real_estate_ai.simulation.ghl_webhooks import Subscription
from ghl_real_estate_ai.simulation.scribe import PIPELINE_ID
from ghl_real_estate_ai.simulation.vendor_servers import (
    WEBHOOK_PATH,
    RetryPolicy,
    retries_of_august_2026,
    retry_on_429_only,
)
from tests.support.clock import FakeClock
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.webhook_receiver import Answer, WebhookReceiver, receiving

pytestmark = pytest.mark.asyncio

QUICK = retries_of_august_2026(scale=0.00001)
ANN = {"id": "contact00001", "firstName": "Ann", "email": "ann@example.com", "tags": ["hot"]}


def receiver(*script: Answer) -> WebhookReceiver:
    """Trusts nobody; answers by script, then 401."""
    reader = GoHighLevelWebhookReader(public_keys=(), simulator_public_key="", wish_fields={})
    return WebhookReceiver(reader, script=iter(script))


def always(status: int) -> list[Answer]:
    return [(status, "{}")] * 1_000


def subscribe(fake: FakeGhl, gateway: WebhookReceiver, **options: Any) -> Subscription:
    """Webhooks to the receiver, with Ann in the account."""
    fake.vendor.authority.installed.setdefault(fake.location_id, fake.vendor.clock.now())
    fake.home.put_contact(ANN, at=fake.vendor.clock.now())
    return fake.vendor.webhooks.subscribe(gateway.url + WEBHOOK_PATH, **{"policy": QUICK, **options})


async def write_note(fake: FakeGhl) -> None:
    """A change that is told."""
    async with fake.api() as http:
        assert (await http.post("/contacts/contact00001/notes", json={"body": "hi"})).status_code == 201
    await fake.vendor.webhooks.settled()


def bodies(gateway: WebhookReceiver) -> list[Mapping[str, Any]]:
    return [json.loads(request) for request in gateway.requests]


async def test_every_write_of_a_client_comes_back_as_a_signed_webhook() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        reader = GoHighLevelWebhookReader(
            public_keys=(), simulator_public_key=fake.vendor.webhooks.key.public, wish_fields={}
        )
        async with receiving(WebhookReceiver(reader)) as gateway:
            subscribe(fake, gateway)
            one, task = (
                "/contacts/contact00001",
                {"title": "Call", "dueDate": "2026-12-01T00:00:00Z", "completed": False},
            )
            await http.put(one, json={"lastName": "Lee"})
            await http.put(one, json={"dnd": True, "dndSettings": {"sms": {"status": "active"}}})
            await http.put(one, json={"dnd": False})
            await http.post(f"{one}/tags", json={"tags": ["VIP"]})
            await http.post(f"{one}/tags", json={"tags": ["vip"]})
            note = (await http.post(f"{one}/notes", json={"body": "hi"})).json()["note"]
            await http.delete(f"{one}/notes/{note['id']}")
            made = (await http.post(f"{one}/tasks", json=task)).json()["task"]
            await http.put(f"{one}/tasks/{made['id']}/completed", json={"completed": True})
            await http.post(
                "/conversations/messages", json={"type": "SMS", "contactId": "contact00001", "message": "Hi"}
            )
            deal = {
                "pipelineId": PIPELINE_ID,
                "locationId": fake.location_id,
                "name": "n",
                "status": "open",
                "contactId": "contact00001",
            }
            deal_id = (await http.post("/opportunities/", json=deal)).json()["opportunity"]["id"]
            await http.put(
                f"/opportunities/{deal_id}", json={"pipelineStageId": "stage-showing", "monetaryValue": 9}
            )
            await http.put(f"/opportunities/{deal_id}/status", json={"status": "won"})
            meeting = {
                "calendarId": CALENDAR_ID,
                "locationId": fake.location_id,
                "contactId": "contact00001",
                "startTime": "2026-12-01T10:00:00Z",
            }
            meeting_id = (await http.post("/calendars/events/appointments", json=meeting)).json()["id"]
            await http.put(
                f"/calendars/events/appointments/{meeting_id}", json={"appointmentStatus": "showed"}
            )
            await http.request("DELETE", f"/calendars/events/{meeting_id}", json={})
            await http.delete(one)
            await fake.vendor.webhooks.settled()
        assert Counter(body["type"] for body in bodies(gateway)) == {
            "ContactUpdate": 3, "ContactDndUpdate": 2, "ContactTagUpdate": 1, "NoteCreate": 1, "NoteDelete": 1,
            "TaskCreate": 1, "TaskComplete": 1, "OutboundMessage": 1, "OpportunityCreate": 1, "OpportunityStageUpdate": 1,
            "OpportunityMonetaryValueUpdate": 1, "OpportunityStatusUpdate": 1, "AppointmentCreate": 1,
            "AppointmentUpdate": 1, "AppointmentDelete": 1, "ContactDelete": 1,
        }  # fmt: skip
        sent = next(body for body in bodies(gateway) if body["type"] == "OutboundMessage")
        assert (sent["source"], sent["direction"]) == ("api", "outbound")
        assert len(gateway.stored) == fake.vendor.webhooks.counts.accepted == 19
        assert all(delivery.event.simulated for delivery in gateway.stored.values())


async def test_no_app_no_webhook_and_a_missing_scope_silences_its_events() -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(200))) as gateway:
        subscribe(fake, gateway)
        fake.vendor.authority.app_scopes = frozenset({"opportunities.readonly"})
        await write_note(fake)
        fake.vendor.uninstall(fake.location_id)
        await fake.vendor.webhooks.settled()
        await write_note(fake)
        assert [body["type"] for body in bodies(gateway)] == ["UNINSTALL"]


async def test_an_installation_is_told_to_the_app() -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(200))) as gateway:
        fake.vendor.webhooks.subscribe(gateway.url, policy=QUICK)
        fake.vendor.install(fake.location_id)
        fake.vendor.install("")
        await fake.vendor.webhooks.settled()
        assert {body["type"] for body in bodies(gateway)} == {"INSTALL"}
        assert {body.get("locationId") for body in bodies(gateway)} == {fake.location_id, None}


async def test_the_new_policy_tries_any_failure_twelve_times_with_the_same_bytes() -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(500))) as gateway:
        subscribe(fake, gateway)
        await write_note(fake)
        assert (len(gateway.requests), len(set(gateway.requests))) == (12, 1)
        assert fake.vendor.webhooks.counts.given_up == 1


@pytest.mark.parametrize(("status", "tries"), [(429, 6), (500, 1)])
async def test_the_old_policy_tries_a_429_six_times_and_loses_the_rest(status: int, tries: int) -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(status))) as gateway:
        subscribe(fake, gateway, policy=retry_on_429_only(scale=0.00001))
        await write_note(fake)
        assert len(gateway.requests) == tries


async def test_a_gateway_that_is_away_is_tried_too() -> None:
    async with fake_ghl() as fake:
        async with receiving(receiver()) as gateway:
            subscribe(fake, gateway, policy=RetryPolicy(attempts=3, first_wait_s=0.0, factor=1.0))
        await write_note(fake)
        assert fake.vendor.webhooks.counts.requests == 3


async def test_webhooks_may_come_twice_and_out_of_order() -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(200))) as gateway:
        subscribe(fake, gateway)
        fake.faults.doubled, fake.faults.shuffled, fake.faults.shuffle_s = 0.5, 0.5, 0.05
        for n in range(40):
            fake.home.tell("NoteCreate", {"id": f"note{n}", "contactId": "contact00001"})
        await fake.vendor.webhooks.settled()
        order = [body["id"] for body in bodies(gateway)]
        assert len(order) > 45
        assert len(set(order)) == 40
        assert list(dict.fromkeys(order)) != [f"note{n}" for n in range(40)]


async def test_an_unhealthy_receiver_is_warned_then_paused_until_it_is_enabled_by_hand() -> None:
    clock = FakeClock()
    once = RetryPolicy(attempts=1, first_wait_s=0.0, factor=1.0)
    async with fake_ghl(now=clock.now) as fake, receiving(receiver(*always(500))) as gateway:
        subscription = subscribe(fake, gateway, policy=once)
        subscription.health.deliveries_over = 10
        states = []
        for _ in range(4):
            for n in range(11):
                fake.home.tell("NoteCreate", {"id": f"note{n}", "contactId": "contact00001"})
            await fake.vendor.webhooks.settled()
            clock.set_forward(timedelta(days=3).total_seconds())
            states.append((subscription.health.warned, subscription.health.paused, len(gateway.requests)))
        assert states == [(False, False, 11), (True, False, 22), (True, True, 22), (True, True, 22)]
        assert fake.vendor.webhooks.counts.paused == 22
        async with fake.api() as http:
            enabled = (await http.post("/_fake/webhooks/enable")).json()["subscriptions"][0]
            assert (enabled["warned"], enabled["paused"]) == (False, False)
        await write_note(fake)
        assert len(gateway.requests) == 23


async def test_a_receiver_with_few_failures_is_never_paused() -> None:
    clock = FakeClock()
    async with fake_ghl(now=clock.now) as fake, receiving(receiver((500, ""), *always(200))) as gateway:
        subscription = subscribe(fake, gateway)
        subscription.health.deliveries_over = 5
        for _ in range(3):
            for n in range(12):
                fake.home.tell("NoteCreate", {"id": f"note{n}", "contactId": "contact00001"})
            await fake.vendor.webhooks.settled()
            clock.set_forward(timedelta(days=3).total_seconds())
        assert not subscription.health.warned


async def test_a_workflows_webhook_is_unsigned_snake_case_and_says_what_its_author_added() -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(200))) as gateway:
        fake.home.put_contact({**ANN, "tags": ["hot", "buyer"]}, at=fake.vendor.clock.now())
        async with fake.api() as http:
            said = {"url": gateway.url, "kind": "workflow", "custom_data": {"event": "lead.created"}}
            assert (await http.post("/_fake/webhooks", json=said)).status_code == 201
        at = fake.vendor.clock.now()
        fake.home.tell("ContactCreate", ANN)
        fake.home.tell("OpportunityCreate", {"id": "d", "contactId": "contact00001", "pipelineStageId": "s"})
        fake.home.tell(
            "AppointmentCreate", {"appointment": {"contactId": "contact00001", "appointmentStatus": "new"}}
        )
        fake.home.tell("InboundMessage", {"contactId": "contact00001", "body": "Hi"})
        fake.home.tell("TaskCreate", {"contactId": "contact00001", "title": "Call"})
        fake.home.tell("RecordCreate", {"id": "about nobody"}, at=at)
        await fake.vendor.webhooks.settled()
        contact, deal, meeting, message, task = sorted(
            bodies(gateway),
            key=lambda b: (
                ("pipleline_stage" in b) + 2 * ("calendar" in b) + 3 * ("message" in b) + 4 * ("task" in b)
            ),
        )
        assert (contact["contact_id"], contact["tags"], contact["customData"]) == (
            "contact00001", "hot,buyer", {"event": "lead.created"},
        )  # fmt: skip
        assert contact["location"]["id"] == fake.location_id
        assert not {"type", "webhookId", "timestamp", "locationId"} & set(contact)
        assert (deal["pipleline_stage"], meeting["calendar"]["appoinmentStatus"]) == ("s", "new")
        assert (message["message"]["body"], task["task"]["title"]) == ("Hi", "Call")


async def test_the_traps_of_the_published_pages_can_be_switched_on() -> None:
    async with fake_ghl() as fake, receiving(receiver(*always(200))) as gateway:
        subscribe(fake, gateway)
        async with fake.api() as http:
            knobs = (
                "appointment_updates_claim_create",
                "sent_texts_claim_inbound",
                "texts_without_message_id",
                "records_without_type",
            )
            await http.post("/_fake/habits", json=dict.fromkeys(knobs, True))
        fake.home.tell("AppointmentUpdate", {"appointment": {"id": "a"}})
        fake.home.tell("OutboundMessage", {"messageType": "SMS", "messageId": "m", "direction": "outbound"})
        fake.home.tell("RecordCreate", {"id": "r", "properties": []})
        await fake.vendor.webhooks.settled()
        told = bodies(gateway)
        assert {"AppointmentCreate", "OutboundMessage"} == {body["type"] for body in told if "type" in body}
        text = next(body for body in told if "messageType" in body)
        assert ("messageId" in text, text["direction"]) == (False, "inbound")
        assert any("type" not in body and body.get("id") == "r" for body in told)


@pytest.mark.parametrize("said", [{}, {"url": "u", "kind": "pigeon"}, {"url": "u", "policy": "never"}])
async def test_a_subscription_that_makes_no_sense_is_refused(said: dict[str, Any]) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        assert (await http.post("/_fake/webhooks", json=said)).status_code == 400
        assert (await http.post("/_fake/app/explode", json={})).status_code == 404


async def test_subscriptions_and_installations_are_steered_over_http() -> None:
    async with fake_ghl() as fake, fake.api() as http, receiving(receiver(*always(200))) as gateway:
        said = {
            "url": gateway.url,
            "events": ["INSTALL"],
            "location_id": fake.location_id,
            "policy": "only_429",
            "scale": 0.0,
        }
        await http.post("/_fake/webhooks", json=said)
        assert (await http.post("/_fake/app/install", json={})).json() == {"installed": [fake.location_id]}
        assert (await http.post("/_fake/app/uninstall", json={})).json() == {"installed": []}
        await fake.vendor.webhooks.settled()
        assert [body["type"] for body in bodies(gateway)] == ["INSTALL"]
        assert (await http.get("/_fake/webhooks")).json()["counts"]["accepted"] == 1
        assert (await http.delete("/_fake/webhooks")).json()["subscriptions"] == []
