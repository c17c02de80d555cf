"""What the fake's other calls do: tags that overwrite, tasks without ``completed``, paging of deals, times of calendars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ghl_real_estate_ai.simulation.ghl_account import ACTIVITY_KEY, CALENDAR_ID, WORKFLOW_ID
from ghl_real_estate_ai.simulation.ghl_clock import milliseconds
from tests.support.fake_ghl import APRIL, COMPANY_ID, JULY, FakeGhl, fake_ghl, fake_ghl_in_thread

START = datetime(2026, 11, 1, tzinfo=UTC)
ANN = "contact00001"


def with_ann(fake: FakeGhl) -> None:
    contact = {
        "id": ANN,
        "firstName": "Ann",
        "email": "ann@example.com",
        "tags": ["hot"],
        "customFields": [{"id": "f1", "value": "a"}],
    }
    fake.home.put_contact(contact, at=START)


@pytest.mark.asyncio
async def test_tags_in_a_put_or_an_upsert_overwrite_all_and_the_tag_calls_do_not() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        one = f"/contacts/{ANN}"
        assert (await http.post(f"{one}/tags", json={"tags": ["VIP"]})).json()["tags"] == ["hot", "vip"]
        gone = await http.request("DELETE", f"{one}/tags", json={"tags": ["hot"]})
        assert gone.json()["tags"] == ["vip"]
        assert (await http.put(one, json={"tags": ["new"]})).json()["contact"]["tags"] == ["new"]
        upsert = {"locationId": fake.location_id, "email": "ann@example.com", "tags": ["other"]}
        assert (await http.post("/contacts/upsert", json=upsert)).json()["contact"]["tags"] == ["other"]
        assert (await http.get(f"/locations/{fake.location_id}/tags")).json()["tags"][0]["name"] == "hot"


@pytest.mark.asyncio
async def test_custom_fields_are_taken_in_either_spelling_and_others_stay() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        for spelling in ("fieldValue", "field_value", "value"):
            answer = await http.put(
                f"/contacts/{ANN}", json={"customFields": [{"id": "f2", spelling: spelling}]}
            )
            assert answer.json()["contact"]["customFields"] == [
                {"id": "f1", "value": "a"},
                {"id": "f2", "value": spelling},
            ]


@pytest.mark.asyncio
async def test_both_generations_spell_success_and_do_not_disturb_their_way() -> None:
    async with fake_ghl() as fake:
        with_ann(fake)
        async with fake.api(version=JULY) as old, fake.api() as new:
            set_old = await old.put(f"/contacts/{ANN}", json={"dndSettings": {"SMS": {"status": "active"}}})
            assert (set_old.json()["succeded"], "succeeded" in set_old.json()) == (True, False)
            read_new = (await new.get(f"/contacts/{ANN}")).json()["contact"]
            assert read_new["dndSettings"] == {"sms": {"status": "active"}}
            both = (await new.put(f"/contacts/{ANN}", json={})).json()
            assert {"succeded", "succeeded"} <= set(both)
            fake.habits.both_spellings = False
            assert "succeded" not in (await new.put(f"/contacts/{ANN}", json={})).json()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("tasks", {"title": "Call", "dueDate": "2026-12-01T00:00:00Z"}, "completed must be a boolean value"),
        (
            "tasks",
            {"title": "Call", "dueDate": "soon", "completed": False},
            "dueDate must be a valid ISO 8601 date string",
        ),
        ("notes", {}, "body must be a string"),
        ("tags", {"tags": "hot"}, "tags must be an array"),
    ],
)
async def test_a_body_that_lacks_something_is_a_422_that_lists_it(path: str, body: Any, words: str) -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        answer = await http.post(f"/contacts/{ANN}/{path}", json=body)
        assert (answer.status_code, answer.json()["message"]) == (422, [words])


@pytest.mark.asyncio
async def test_a_known_email_is_not_created_twice_and_a_body_must_be_an_object() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        body = {"locationId": fake.location_id, "email": "ann@example.com"}
        assert (await http.post("/contacts/", json=body)).status_code == 400
        assert (await http.post("/contacts/", json=[])).status_code == 422
        assert (await http.post("/contacts/", content=b"{")).status_code == 400


@pytest.mark.asyncio
async def test_a_workflow_takes_contacts_in_and_lets_them_go() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        path = f"/contacts/{ANN}/workflow/{WORKFLOW_ID}"
        await http.post(path, json={})
        assert fake.home.enrolled == {(ANN, WORKFLOW_ID)}
        await http.request("DELETE", path, json={})
        assert fake.home.enrolled == set()
        assert (await http.post(f"/contacts/{ANN}/workflow/unknown00000", json={})).status_code == 404


@pytest.mark.asyncio
async def test_deals_page_by_cursor_and_by_number_and_v3_wants_its_own_names() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        for n in range(7):
            fake.home.put_opportunity(
                {"id": f"deal{n:05d}", "contactId": ANN, "name": f"d{n}"}, at=START + timedelta(days=n)
            )
        query: dict[str, Any] = {"locationId": fake.location_id, "limit": 3}
        seen: list[str] = []
        while True:
            page = (await http.get("/opportunities/search", params=query)).json()
            seen += [deal["id"] for deal in page["opportunities"]]
            if "nextPageUrl" not in page["meta"]:
                break
            query |= {name: page["meta"][name] for name in ("startAfter", "startAfterId")}
        assert seen == [f"deal{n:05d}" for n in range(6, -1, -1)]
        second = (
            await http.get(
                "/opportunities/search", params={"locationId": fake.location_id, "limit": 3, "page": 2}
            )
        ).json()
        assert ([d["id"] for d in second["opportunities"]], second["meta"]["prevPage"]) == (seen[3:6], 1)
        upward = {
            "locationId": fake.location_id,
            "order": "added_asc",
            "date": "11-02-2026",
            "endDate": "11-03-2026",
        }
        narrow = (await http.get("/opportunities/search", params=upward)).json()["opportunities"]
        assert [deal["id"] for deal in narrow] == ["deal00001", "deal00002"]
        for wrong in (
            {"location_id": fake.location_id},
            {"locationId": fake.location_id, "limit": 101},
            {**upward, "date": "2026-11-02"},
        ):
            assert (await http.get("/opportunities/search", params=wrong)).status_code == 422
        by_contact = await http.get(
            "/opportunities/search", params={"locationId": fake.location_id, "contactId": "nobody"}
        )
        assert by_contact.json()["meta"]["total"] == 0


@pytest.mark.asyncio
async def test_stage_and_status_keep_the_time_of_their_own_last_change() -> None:
    async with fake_ghl() as fake, fake.api(version=JULY) as http:
        with_ann(fake)
        fake.home.put_opportunity({"id": "deal00001", "contactId": ANN}, at=START)
        fake.home.put_opportunity(
            {"id": "deal00001", "pipelineStageId": "stage-showing"}, at=START + timedelta(hours=1)
        )
        await http.put("/opportunities/deal00001/status", json={"status": "won"})
        assert (
            await http.put("/opportunities/deal00001/status", json={"status": "eaten"})
        ).status_code == 422
        deal = (await http.get("/opportunities/deal00001")).json()["opportunity"]
        assert deal["lastStageChangeAt"] == "2026-11-01T01:00:00.000Z"
        assert deal["lastStatusChangeAt"] == deal["updatedAt"] > deal["lastStageChangeAt"]
        await http.delete("/opportunities/deal00001")
        assert (await http.get("/opportunities/deal00001")).status_code == 404


@pytest.mark.asyncio
async def test_calendar_events_want_epoch_milliseconds_and_one_owner() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        fake.home.put_appointment(
            {"id": "meeting00001", "contactId": ANN, "startTime": "2026-11-05T10:00:00.000Z"}, at=START
        )
        window = {"startTime": milliseconds(START), "endTime": milliseconds(START + timedelta(days=7))}
        base = {"locationId": fake.location_id, "calendarId": CALENDAR_ID}
        assert len((await http.get("/calendars/events", params={**base, **window})).json()["events"]) == 1
        iso = {"startTime": "2026-11-01T00:00:00Z", "endTime": "2026-11-08T00:00:00Z"}
        nothing = await http.get("/calendars/events", params={**base, **iso})
        assert (nothing.status_code, nothing.json()) == (200, {"events": []})
        assert (
            await http.get("/calendars/events", params={"locationId": fake.location_id, **window})
        ).status_code == 422
        assert (await http.get("/calendars/events", params=base)).status_code == 422
        by_user = {"locationId": fake.location_id, "userId": "another", **window}
        assert (await http.get("/calendars/events", params=by_user)).json()["events"] == []


@pytest.mark.asyncio
async def test_a_booking_takes_its_slot_and_a_wrong_one_is_refused() -> None:
    async with fake_ghl() as fake, fake.api(version=APRIL) as http:
        with_ann(fake)
        path = f"/calendars/{CALENDAR_ID}/free-slots"
        day = {"startDate": milliseconds(START), "endDate": milliseconds(START + timedelta(days=1))}

        async def free() -> list[str]:
            slots: list[str] = (await http.get(path, params=day)).json()["2026-11-01"]["slots"]
            return slots

        slot = (await free())[0]
        book = {
            "calendarId": CALENDAR_ID,
            "locationId": fake.location_id,
            "contactId": ANN,
            "startTime": slot,
        }
        assert (await http.post("/calendars/events/appointments", json=book)).json()[
            "appointmentStatus"
        ] == "new"
        assert slot not in await free()
        for wrong in ({"startTime": "noon"}, {"appointmentStatus": "eaten"}, {"contactId": ""}):
            assert (
                await http.post("/calendars/events/appointments", json={**book, **wrong})
            ).status_code == 422
        long = {"startDate": milliseconds(START), "endDate": milliseconds(START + timedelta(days=32))}
        assert (await http.get(path, params=long)).status_code == 400
        assert (await http.get(path, params={"startDate": "x", "endDate": "y"})).status_code == 422
        assert (await http.get("/calendars/unknown00000/free-slots", params=day)).status_code == 404


@pytest.mark.asyncio
async def test_a_record_is_written_and_read_and_another_object_is_unknown() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        body = {
            "locationId": fake.location_id,
            "properties": {"event": "property_viewed", "listing_key": "L1"},
        }
        made = await http.post(f"/objects/{ACTIVITY_KEY}/records", json=body)
        assert made.status_code == 201
        search = {
            "locationId": fake.location_id,
            "page": 1,
            "pageLimit": 10,
            "query": "listing_key:L1",
            "searchAfter": [],
        }
        found = (await http.post(f"/objects/{ACTIVITY_KEY}/records/search", json=search)).json()
        assert [record["id"] for record in found["records"]] == [made.json()["record"]["id"]]
        assert (
            await http.post("/objects/custom_objects.pets/records/search", json=search)
        ).status_code == 404
        for wrong in ({"pageLimit": 501}, {"searchAfter": ["x"]}):
            assert (
                await http.post(f"/objects/{ACTIVITY_KEY}/records/search", json=search | wrong)
            ).status_code == 422


@pytest.mark.asyncio
async def test_tasks_of_the_whole_location_are_searched_by_person_and_state() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        with_ann(fake)
        for n in range(3):
            task = {
                "title": f"t{n}",
                "dueDate": "2026-12-01T00:00:00Z",
                "completed": n == 0,
                "assignedTo": "u1",
            }
            await http.post(f"/contacts/{ANN}/tasks", json=task)
        path = f"/locations/{fake.location_id}/tasks/search"
        open_ones = (
            await http.post(path, json={"completed": False, "assignedTo": ["u1"], "contactId": [ANN]})
        ).json()
        assert [task["title"] for task in open_ones["tasks"]] == ["t1", "t2"]
        assert (await http.post(path, json={"assignedTo": ["u2"]})).json()["tasks"] == []
        assert len((await http.post(path, json={"skip": 1, "limit": 1})).json()["tasks"]) == 1


@pytest.mark.asyncio
async def test_fields_people_and_companies_that_do_not_fit_are_refused() -> None:
    async with fake_ghl() as fake, fake.api() as http:
        path, field = (
            f"/locations/{fake.location_id}/customFields",
            {"name": "Score", "dataType": "NUMERICAL"},
        )
        assert (await http.post(path, json=field)).status_code == 201
        assert (await http.post(path, json=field)).status_code == 400
        assert (await http.get(path, params={"model": "house"})).status_code == 422
        assert (await http.get("/users/search")).status_code == 422
        assert (await http.get("/users/search", params={"companyId": "another"})).status_code == 403
        assert (await http.get(f"/companies/{COMPANY_ID}")).status_code == 200
        assert (await http.get("/locations/elsewhere000")).status_code == 403


@pytest.mark.asyncio
async def test_v3_has_no_unsubscriptions() -> None:
    async with fake_ghl() as fake:
        with_ann(fake)
        query = {"locationId": fake.location_id, "contactId": ANN}
        async with fake.api() as http:
            assert (
                await http.get("/conversations/preferences/unsubscriptions/status", params=query)
            ).status_code == 400
        async with fake.api(version=APRIL) as http:
            for state in ("unsubscribed", "subscribed"):
                action = {"type": "default", "subtype_status": state}
                body = {**query, "email": "ann@example.com", "subscription_action": action}
                await http.post("/conversations/preferences/unsubscriptions/user-change", json=body)
                told = (
                    await http.get("/conversations/preferences/unsubscriptions/status", params=query)
                ).json()
                assert told["subscriptions"][0]["status"] == state


def test_the_fake_can_run_in_a_thread_for_tests_without_a_loop() -> None:
    with fake_ghl_in_thread() as fake:
        answer = httpx.get(
            f"{fake.url}/locations/{fake.location_id}", headers=fake.headers(), trust_env=False
        )
        assert answer.json()["location"]["id"] == fake.location_id
