"""Somebody who was forgotten stays forgotten, although the CRM still has them: by no door do they come back."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from ghl_real_estate_ai.commands import records
from ghl_real_estate_ai.limits import REREAD_AGAIN_S
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import RereadRequest
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_reread import CrmReread
from ghl_real_estate_ai.services.crm_sync import IMPORTED, CrmSync
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.storage.database import Database
from tests.support.clock import FakeClock
from tests.support.crm_city import connect, reader_of, setup_of
from tests.support.fake_ghl import FakeGhl, fake_ghl

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]

ADA, BO = LeadId("contactOfAda0000001"), LeadId("contactOfBo00000001")


def live_at_the_crm(fake: FakeGhl, lead: str) -> None:
    """Everything that polling reads of somebody, as of now."""
    home, now = fake.home, fake.vendor.clock.now()
    home.put_contact({"id": lead, "firstName": "Ada", "email": f"{lead}@example.com"}, at=now)
    said = {"contactId": lead, "direction": "inbound", "body": "Is it quiet there?"}
    home.put_message({**said, "messageId": f"sms-{lead}", "messageType": "SMS"}, at=now)
    home.put_message({**said, "messageId": f"mail-{lead}", "messageType": "Email"}, at=now)
    home.put_opportunity({"contactId": lead}, at=now)
    home.put_appointment({"contactId": lead, "startTime": now.isoformat()}, at=now)
    visit = {"event": "property_viewed", "contact_id": lead}
    home.put_record({**visit, "listing_key": "H1"}, at=now)
    home.put_record({**visit, "listing_key": ["no", "key"]}, at=now)  # a dead letter


async def logged(memory: Memory, location_id: LocationId) -> str:
    """The log and the dead letters, as one text."""
    events = await memory.read(lambda uow: uow.events.read(location_id, after=0, limit=1_000))
    letters = await memory.read(lambda uow: uow.cursors.dead_letters(location_id))
    return json.dumps([one.model_dump(mode="json") for one in (*events, *letters)])


async def test_neither_polling_nor_a_hint_brings_a_forgotten_lead_back(sqlite_memory: Database) -> None:
    clock, memory = FakeClock(), sqlite_memory
    async with fake_ghl(now=clock.now) as fake, reader_of(fake.url, fake.pit) as reader:
        place = LocationId(fake.location_id)
        inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
        sync = CrmSync(memory=memory, reader=reader, inbox=inbox, clock=clock)
        await connect(memory, setup_of(fake))
        for lead in (ADA, BO):
            live_at_the_crm(fake, lead)
        await sync.import_history(place)
        assert ADA in await logged(memory, place)

        await records.forget_lead(memory, place, ADA)

        live_at_the_crm(fake, ADA)
        for source in (*IMPORTED, *IMPORTED):
            assert await sync.step(place, source) is not None
        happened_at = clock.now() - timedelta(seconds=REREAD_AGAIN_S)
        hint = RereadRequest(location_id=place, lead_id=ADA, requested_at=happened_at, due_at=clock.now())
        await memory.write(lambda uow: uow.sync.request_reread(hint))
        assert await CrmReread(memory=memory, reader=reader, inbox=inbox, clock=clock).serve_due() == 1

        assert ADA not in await logged(memory, place)
        assert BO in await logged(memory, place)
        assert await memory.read(lambda uow: uow.sync.reread_of(place, ADA)) is None
        assert await memory.read(lambda uow: uow.leads.get(place, ADA)) is None
