"""The whole circle: the account's signed webhooks in, intelligence, write-back by API, and our own echo back again.

The account is the simulated GoHighLevel behind real HTTP, which tells of every change as the real one does, ours included.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.bootstrap import Services, SystemClock
from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    OwnerKind,
    WriteBackPart,
)
from ghl_real_estate_ai.models.events import RecordedEvent
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.leads import Location
from ghl_real_estate_ai.models.synchronization import ChangeKind, ChangeStatus, CrmChange
from ghl_real_estate_ai.models.write_back import SETTLE_S, is_own_tag
from ghl_real_estate_ai.services.crm_outbox import CrmOutbox
from ghl_real_estate_ai.settings import Settings
from ghl_real_estate_ai.simulation.ghl_account import Change, webhook_of
from tests.support.crm_writer import CountingHttp, own_fields, writing_to
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.gateway import Gateway, eventually, served, settings_for
from tests.support.ghl import GhlSigner

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]
ROUNDS = 50
DAY = timedelta(days=1)
WRITES = {
    "PUT /contacts/{contactId}",
    "POST /contacts/{contactId}/tags",
    "DELETE /contacts/{contactId}/tags",
    "POST /contacts/{contactId}/tasks",
    "POST /contacts/{contactId}/notes",
}


class SettledClock(SystemClock):
    """The outbox's clock, ahead by the time that changes are given to settle: nobody waits for it here."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=SETTLE_S)


@dataclass
class Circle:
    """The account and the house, joined both ways."""

    fake: FakeGhl
    gateway: Gateway
    http: CountingHttp

    @property
    def location_id(self) -> LocationId:
        return LocationId(self.fake.location_id)

    @property
    def writes(self) -> int:
        """Calls of ours that changed something."""
        return sum(count for name, count in self.http.calls.items() if name in WRITES)

    # --- what happens in the account ---

    async def arrives(self, at: datetime, **fields: JsonValue) -> LeadId:
        """A new contact."""
        known: dict[str, JsonValue] = {"firstName": "Ada", "phone": "+15125550100", "tags": ["buyer"]}
        contact = self.fake.home.put_contact({**known, **fields}, at=at)
        self.fake.home.tell("ContactCreate", told(contact), at=at)
        return LeadId(str(contact["id"]))

    def writes_in(self, lead_id: LeadId, text: str, at: datetime) -> None:
        """The lead sends a text message."""
        message = self.fake.home.put_message(
            {
                "contactId": lead_id,
                "messageId": self.fake.home.new_id(),
                "messageType": "SMS",
                "direction": "inbound",
                "body": text,
            },
            at=at,
        )
        self.fake.home.tell("InboundMessage", webhook_of(message), at=at)

    def is_tagged(self, lead_id: LeadId, tags: Sequence[str]) -> None:
        """Somebody, or a workflow of the account, sets the account's own tags."""
        now = self.fake.vendor.clock.now()
        kept: list[JsonValue] = [*tags, *(tag for tag in self.tags_of(lead_id) if is_own_tag(tag))]
        contact = self.fake.home.put_contact({"id": lead_id, "tags": kept}, at=now)
        self.fake.home.tell("ContactTagUpdate", told(contact))

    def tags_of(self, lead_id: LeadId) -> list[str]:
        contact = self.fake.home.contacts.get(lead_id)
        tags = None if contact is None else contact["tags"]
        return [str(tag) for tag in tags] if isinstance(tags, list) else []

    # --- what is known of it ---

    async def quiet(self) -> None:
        """Until no webhook, no event and no change is on its way any more."""
        services = self.gateway.services

        async def nothing_moves() -> bool:
            await self.fake.vendor.webhooks.settled()
            counts = await services.memory.read(lambda uow: uow.changes.counts(self.location_id))
            lag = await services.bus.lag(self.location_id)
            waiting = self.fake.vendor.webhooks.counts
            delivered = waiting.sent == waiting.accepted + waiting.given_up
            return lag == 0 and counts.get(ChangeStatus.PENDING, 0) == 0 and delivered

        quiet_looks = 0
        async with asyncio.timeout(30):
            while quiet_looks < 3:
                await eventually(nothing_moves)
                quiet_looks += 1
                await asyncio.sleep(0.01)

    async def changes(self, lead_id: LeadId) -> dict[ChangeKind, list[CrmChange]]:
        found = await self.gateway.services.memory.read(
            lambda uow: uow.changes.of_lead(self.location_id, lead_id)
        )
        return {kind: [change for change in found if change.kind is kind] for kind in ChangeKind}

    async def log(self) -> list[RecordedEvent]:
        return await self.gateway.services.memory.read(
            lambda uow: uow.events.read(self.location_id, after=0, limit=10_000)
        )


@asynccontextmanager
async def circle(folder: Path, *parts: WriteBackPart) -> AsyncIterator[Circle]:
    """Account and house, wired as in life but for the outbox's clock; ``parts`` of the write-back are turned on."""
    https: list[CountingHttp] = []
    async with fake_ghl() as fake:
        fake.access_token()  # the app is installed: from now on the account sends webhooks

        @asynccontextmanager
        async def running(settings: Settings) -> AsyncIterator[Services]:
            async with bootstrap.opened(settings) as memory, writing_to(fake, memory=memory) as desk:
                https.append(desk.http)
                services = bootstrap.compose(settings, memory)
                await furnish(services, LocationId(fake.location_id), parts)
                outbox = CrmOutbox(memory=memory, writer=desk.writer, clock=SettledClock(), sleep=blink)
                async with asyncio.TaskGroup() as tasks:
                    background = [tasks.create_task(services.bus.run()), tasks.create_task(outbox.run())]
                    try:
                        yield services
                    finally:
                        await services.hub.aclose()
                        for task in background:
                            task.cancel()

        settings = settings_for(folder, GhlSigner()).model_copy(
            update={"simulator_public_key": fake.vendor.webhooks.key.public, "ghl_api_url": fake.url}
        )
        async with served(settings, GhlSigner(), running=running) as gateway:
            fake.vendor.webhooks.subscribe(f"{gateway.url}/webhooks/ghl")
            yield Circle(fake, gateway, https[0])


def told(contact: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """A contact as its webhook tells it: its ``type`` (a lead, a customer) gives way to the event's."""
    return {name: value for name, value in contact.items() if name != "type"}


async def blink(_: float) -> None:
    await asyncio.sleep(0.01)


async def furnish(services: Services, location_id: LocationId, parts: Sequence[WriteBackPart]) -> None:
    """The location is served and connected, as ``connect`` leaves it."""
    connection = Connection(
        owner_id=location_id,
        owner_kind=OwnerKind.LOCATION,
        kind=ConnectionKind.PRIVATE_TOKEN,
        status=ConnectionStatus.ACTIVE,
        obtained_at=services.clock.now(),
        simulated=True,
    )
    setup = LocationSetup(location_id=location_id, write_back=frozenset(parts))
    place = Location(location_id=location_id, name="Simulated Realty")
    await services.memory.write(lambda uow: uow.tenants.put_location(place))
    await services.memory.write(lambda uow: uow.connections.put(connection))
    await services.memory.write(lambda uow: uow.connections.put_setup(setup))


def types_of(log: list[RecordedEvent]) -> list[str]:
    """What the log holds of the account's facts, our own conclusions left out."""
    return [r.event.type for r in log if r.event.type != "LeadIntelligenceUpdated"]


async def test_the_account_shows_what_the_house_concluded_and_its_echo_is_no_news(tmp_path: Path) -> None:
    async with circle(tmp_path, *WriteBackPart) as joined:
        today = joined.fake.vendor.clock.now()
        lead = await joined.arrives(today - 40 * DAY, assignedTo="simulatedAgent000001")
        await joined.quiet()
        joined.writes_in(lead, "Can we see <b>12 Harbour Street</b>?", today - 40 * DAY + timedelta(hours=1))
        await joined.quiet()

        shown = own_fields(joined.fake, lead)
        assert shown["EnterpriseHub Next Action"] == "Give the first response"
        assert shown["EnterpriseHub Stage"] == "new"
        assert shown["EnterpriseHub Basis"] == "simulated lead, model of simulated leads"
        assert isinstance(shown["EnterpriseHub Score"], int)
        assert {"buyer", "eh:waiting"} <= set(joined.tags_of(lead))
        (task,) = joined.fake.home.tasks.values()
        assert (task["title"], task["completed"]) == ("Give the first response (simulated)", False)
        assert task["assignedTo"] == "simulatedAgent000001"
        assert "nobody of the team has been in touch" in str(task["body"])

        # Forty days later the deal moves, and the lead has been silent all the time.
        deal = joined.fake.home.put_opportunity(
            {"contactId": lead, "name": "Ada", "status": "open", "pipelineId": "p", "pipelineStageId": "s"},
            at=today,
        )
        joined.fake.home.tell("OpportunityCreate", deal, at=today)
        await joined.quiet()
        assert own_fields(joined.fake, lead)["EnterpriseHub Risk"] == "critical"
        assert "eh:slipping" in joined.tags_of(lead)
        (note,) = joined.fake.home.notes.values()
        assert "Risk of going silent rose to critical" in str(note["body"])
        assert "“Can we see ‹b›12 Harbour Street‹/b›?”" in str(note["body"])
        assert "simulated lead" in str(note["body"])

        # The account told of each of our changes; none of it is in the log, and nothing failed.
        echoes = joined.writes
        assert joined.fake.vendor.webhooks.counts.accepted == 3 + echoes
        assert types_of(await joined.log()) == ["LeadUpserted", "MessageReceived", "OpportunityChanged"]
        statuses = {c.status for group in (await joined.changes(lead)).values() for c in group}
        assert statuses == {ChangeStatus.DONE}


async def test_a_triggers_b_triggers_a_comes_to_an_end(tmp_path: Path) -> None:
    """A workflow of the account answers every change, ours too, by one of its own; fifty rounds cost no further call."""
    async with circle(tmp_path, *WriteBackPart) as joined:
        lead = await joined.arrives(joined.fake.vendor.clock.now())
        answers: list[str] = []
        answering: list[str] = []

        def workflow(_: str, change: Change) -> None:
            if not answering and len(answers) < 4 * ROUNDS:  # bounded, should the guard fail
                answers.append(change.type)
                answering.append(change.type)
                joined.is_tagged(lead, ["buyer", f"nurture-{len(answers)}"])
                answering.clear()

        joined.fake.account.listeners.append(workflow)
        joined.writes_in(lead, "Is it still on the market?", joined.fake.vendor.clock.now())
        await joined.quiet()
        settled = joined.writes
        assert len(answers) == 1 + settled, "the lead's message, and each of our writes"
        for number in range(ROUNDS):
            joined.is_tagged(lead, ["buyer", f"round-{number}"])
            await joined.quiet()

        assert 1 <= settled <= 5, "fields, tags, task; fields and tags once more at most"
        assert joined.writes == settled, "nobody's tag made us write"
        assert len(answers) == 1 + settled + ROUNDS
        account_tags = [tag for tag in joined.tags_of(lead) if not is_own_tag(tag)]
        assert account_tags == ["buyer", f"nurture-{len(answers)}"]
        assert len(joined.tags_of(lead)) > len(account_tags)


async def test_our_tags_never_reach_the_lead_that_models_see(tmp_path: Path) -> None:
    async with circle(tmp_path, WriteBackPart.TAGS) as joined:
        lead = await joined.arrives(joined.fake.vendor.clock.now())
        joined.writes_in(lead, "Is it still on the market?", joined.fake.vendor.clock.now())
        await joined.quiet()
        assert any(is_own_tag(tag) for tag in joined.tags_of(lead))
        joined.is_tagged(lead, ["buyer", "vip"])
        await joined.quiet()
        known = await joined.gateway.services.memory.read(lambda uow: uow.leads.get(joined.location_id, lead))
        assert known is not None
        assert known.contact.tags == ("buyer", "vip")


async def test_nothing_is_called_until_the_owner_turns_it_on(tmp_path: Path) -> None:
    async with circle(tmp_path) as joined:
        lead = await joined.arrives(joined.fake.vendor.clock.now())
        joined.writes_in(lead, "Is it still on the market?", joined.fake.vendor.clock.now())
        await joined.quiet()
        assert "LeadIntelligenceUpdated" in [r.event.type for r in await joined.log()]
        assert joined.http.calls == {}
        assert not any((await joined.changes(lead)).values())


async def test_an_account_that_was_uninstalled_gets_nothing_more(tmp_path: Path) -> None:
    async with circle(tmp_path, *WriteBackPart) as joined:
        services = joined.gateway.services
        gone: dict[str, Any] = {"status": ConnectionStatus.UNINSTALLED}
        connection = await services.memory.read(lambda uow: uow.connections.get(joined.location_id))
        assert connection is not None
        closed = connection.model_copy(update=gone)
        await services.memory.write(lambda uow: uow.connections.put(closed))
        lead = await joined.arrives(joined.fake.vendor.clock.now())
        joined.writes_in(lead, "Is it still on the market?", joined.fake.vendor.clock.now())
        await joined.quiet()
        assert joined.http.calls == {}
