"""Connecting an account of the fake GoHighLevel: unattended, at a terminal, by the app, and a second time."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from ghl_real_estate_ai.bootstrap import SystemClock
from ghl_real_estate_ai.commands.connect import (
    APP,
    PRIVATE_TOKEN,
    ConnectOptions,
    Connector,
    connect,
)
from ghl_real_estate_ai.commands.location_setup import SetupOptions
from ghl_real_estate_ai.commands.questions import Questions, Unattended, questions
from ghl_real_estate_ai.errors import InputError, NeedsReconnect, Unreachable
from ghl_real_estate_ai.integrations.gohighlevel.account import GoHighLevelAccount
from ghl_real_estate_ai.integrations.gohighlevel.history import GoHighLevelHistory
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.models.connections import (
    ConnectionKind,
    ConnectionStatus,
    LocationSetup,
    WriteBackPart,
)
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import StageRole
from ghl_real_estate_ai.models.synchronization import SyncSource
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.services.crm_connections import CrmConnections
from ghl_real_estate_ai.services.crm_sync import CrmSync, SyncStep
from ghl_real_estate_ai.services.event_bus import EventBus
from ghl_real_estate_ai.services.event_inbox import EventInbox
from ghl_real_estate_ai.simulation.ghl_oauth import ALL_SCOPES
from tests.support.crm_access import CALLBACK, crm_tools
from tests.support.fake_ghl import FakeGhl, fake_ghl
from tests.support.fake_memory import FakeMemory

pytestmark = pytest.mark.asyncio

GATEWAY = "https://hub.example.com"
QUIET = SetupOptions(new_workflow_url=False, write_back="none")


@dataclass
class House:
    """The parts over a fake GoHighLevel, and what was said."""

    parts: Connector
    fake: FakeGhl
    said: list[str] = field(default_factory=list)

    async def run(
        self, *, ask: Questions | None = None, setup: SetupOptions = QUIET, **options: Any
    ) -> dict[str, Any]:
        """One run of the command; by default a script's, by private token, without import."""
        chosen = replace(
            ConnectOptions(location=self.fake.location_id, setup=setup, import_history=False), **options
        )
        return await connect(self.parts, chosen, ask=ask or Unattended(), say=self.said.append)

    @property
    def memory(self) -> Memory:
        return self.parts.memory

    async def setup(self) -> LocationSetup:
        found = await self.memory.read(lambda uow: uow.connections.setup(LocationId(self.fake.location_id)))
        assert found is not None
        return found


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    memory = FakeMemory()
    async with fake_ghl() as fake:
        app = AppCredentials(fake.client_id, fake.client_secret)
        async with crm_tools(memory, fake.url, app) as tools:
            clock = SystemClock()
            history = GoHighLevelHistory(client=tools.client, wish_fields={}, simulated=True)
            inbox = EventInbox(memory=memory, bus=EventBus(memory=memory, clock=clock), clock=clock)
            parts = Connector(
                memory=memory,
                connections=CrmConnections(
                    memory=memory, access=tools.access, clock=clock, app_id="app", adopt=tools.keeper.token
                ),
                account=GoHighLevelAccount(client=tools.client, clock=clock),
                sync=CrmSync(memory=memory, reader=history, inbox=inbox, clock=clock),
                gateway_url=GATEWAY,
                callback_url=CALLBACK,
            )
            yield House(parts, fake)


@dataclass
class Scripted:
    """A person at a terminal: answers by the beginning of the question; Enter for the rest."""

    answers: dict[str, str]
    asked: list[str] = field(default_factory=list)

    def text(self, question: str, *, default: str | None, option: str) -> str:
        return self._answer(question, default or "")

    def secret(self, question: str, *, option: str) -> str:
        return self._answer(question, "")

    def agree(self, question: str, *, default: bool) -> bool:
        return self._answer(question, "yes" if default else "no") == "yes"

    def choose(self, question: str, choices: Sequence[str], *, default: str) -> str:
        answer = self._answer(question, default)
        assert answer in choices
        return answer

    def _answer(self, question: str, default: str) -> str:
        self.asked.append(question)
        return next((said for start, said in self.answers.items() if question.startswith(start)), default)


async def test_a_script_connects_by_a_token_from_the_environment() -> None:
    async with house() as at:
        report = await at.run(token=at.fake.pit)
        connection = await at.parts.connections.of_location(LocationId(at.fake.location_id))
        places = await at.memory.read(lambda uow: uow.tenants.locations())
        setup = await at.setup()
    assert connection is not None
    assert (connection.kind, connection.status) == (ConnectionKind.PRIVATE_TOKEN, ConnectionStatus.ACTIVE)
    assert [place.name for place in places] == [at.fake.home.name]
    assert list(setup.stages.values()) == [StageRole.WORKING, StageRole.APPOINTMENT, StageRole.WORKING]
    assert [user.user_id for user in setup.crm_users] == [agent.user_id for agent in at.fake.home.users]
    assert setup.calendars
    assert setup.activity_object == "custom_objects.property_activity"
    assert setup.write_back == frozenset()
    assert setup.workflow_key_hash is None
    assert (report["workflow_url"], report["imported"], report["simulated"]) == (None, None, True)
    assert at.fake.pit not in " ".join(at.said) + str(report)


async def test_running_it_again_keeps_who_is_who_and_the_names_that_a_token_may_not_read() -> None:
    async with house() as at:
        await at.run(token=at.fake.pit)
        linked = {UserId("our-user"): UserId("crm-user")}
        before = (await at.setup()).model_copy(update={"linked_users": linked})
        await at.memory.write(lambda uow: uow.connections.put_setup(before))
        blind = at.fake.vendor.authority.private_token(at.fake.location_id, ALL_SCOPES - {"users.readonly"})
        await at.run(token=blind)
        after = await at.setup()
    assert before.crm_users
    assert (after.crm_users, after.linked_users) == (before.crm_users, linked)


async def test_a_missing_scope_is_listed_with_what_it_costs() -> None:
    async with house() as at:
        token = at.fake.vendor.authority.private_token(
            at.fake.location_id, ALL_SCOPES - {"conversations/message.readonly"}
        )
        report = await at.run(token=token)
    assert [check["scope"] for check in report["missing_scopes"]] == ["conversations/message.readonly"]
    assert any("conversations/message.readonly is missing" in line and "history" in line for line in at.said)


async def test_a_token_that_is_not_accepted_stores_nothing() -> None:
    async with house() as at:
        with pytest.raises(NeedsReconnect):
            await at.run(token="pit-wrong")
        assert await at.memory.read(lambda uow: uow.connections.all()) == []


async def test_without_a_terminal_what_is_missing_is_named() -> None:
    async with house() as at:
        with pytest.raises(InputError, match="set ENTERPRISEHUB_GHL_TOKEN"):
            await at.run()
        with pytest.raises(InputError, match="give --location"):
            await at.run(location=None, token=at.fake.pit)


async def test_a_second_run_changes_what_is_asked_for_and_keeps_the_rest() -> None:
    async with house() as at:
        first = await at.run(token=at.fake.pit)
        stage_id = next(iter(first["stages"]))
        before = await at.setup()
        await at.memory.write(
            lambda uow: uow.connections.put_setup(before.model_copy(update={"field_ids": {"a": "b"}}))
        )
        await at.run(setup=SetupOptions(stages=(f"{stage_id}=lost",), write_back="fields,tags"))
        after = await at.setup()
        await at.run(setup=SetupOptions(polling=False, calendars=("none",), activity_object="none"))
        last = await at.setup()
    assert after.stages == {**before.stages, stage_id: StageRole.LOST}
    assert after.write_back == {WriteBackPart.FIELDS, WriteBackPart.TAGS}
    assert after.field_ids == {"a": "b"}
    assert (after.calendars, after.activity_object, after.polling) == (
        before.calendars,
        before.activity_object,
        True,
    )
    assert (last.polling, last.calendars, last.activity_object) == (False, (), None)
    assert (last.stages, last.write_back) == (after.stages, after.write_back)


async def test_the_workflows_url_is_shown_once_and_only_its_hash_is_kept() -> None:
    async with house() as at:
        report = await at.run(token=at.fake.pit, setup=SetupOptions(new_workflow_url=True, write_back="none"))
        url = str(report["workflow_url"])
        again = await at.run()
        setup = await at.setup()
        found = await at.memory.read(
            lambda uow: uow.connections.setup_by_workflow_key(setup.workflow_key_hash or "")
        )
    assert url.startswith(f"{GATEWAY}/webhooks/ghl/workflow/")
    key = url.rpartition("/")[2]
    assert len(key) >= 40
    assert setup.workflow_key_hash == hashlib.sha256(key.encode()).hexdigest()
    assert found == setup
    assert again["workflow_url"] is None


async def test_history_is_read_when_wanted() -> None:
    async with house() as at:
        for name in ("Ana", "Bo"):
            at.fake.home.put_contact({"firstName": name}, at=at.fake.vendor.clock.now())
        steps: list[SyncStep] = []
        options = ConnectOptions(location=at.fake.location_id, token=at.fake.pit, setup=QUIET)
        report = await connect(at.parts, options, ask=Unattended(), say=at.said.append, progress=steps.append)
        again = await at.run(import_history=True)
    assert report["imported"]["contacts"] == again["imported"]["contacts"] == 2  # type: ignore[index]
    assert steps[0].source is SyncSource.CONTACTS


async def test_a_person_answers_and_corrects_what_a_stage_means() -> None:
    async with house() as at:
        person = Scripted(
            {
                "Connect by": PRIVATE_TOKEN,
                "Private integration token": at.fake.pit,
                "Is that what the stages mean?": "no",
                "Buyers (simulated) / Showing": "none",
                "Buyers (simulated) / Closing": "won",
                "Write into the CRM": "tags",
                "Read the account's history": "no",
            }
        )
        report = await at.run(ask=person, setup=SetupOptions(), import_history=None)
        setup = await at.setup()
    assert list(setup.stages.values()) == [StageRole.WORKING, StageRole.WON]
    assert setup.write_back == {WriteBackPart.TAGS}
    assert report["imported"] is None
    assert "Make a URL for the Webhook action of workflows?" in person.asked


@pytest.mark.parametrize(
    ("setup", "says"),
    [
        (SetupOptions(stages=("New=fresh",)), "--stage 'New=fresh': write ID=ROLE"),
        (SetupOptions(stages=("nowhere=won",)), "no stage of this id or name"),
        (SetupOptions(calendars=("nowhere",)), "--calendar 'nowhere'"),
        (SetupOptions(activity_object="nothing"), "--activity-object 'nothing'"),
        (SetupOptions(write_back="fields,emails"), "--write-back: emails is none of fields"),
    ],
)
async def test_an_option_that_fits_nothing_in_the_account_is_refused(setup: SetupOptions, says: str) -> None:
    async with house() as at:
        with pytest.raises(InputError, match=says):
            await at.run(token=at.fake.pit, setup=setup)


async def test_the_app_is_installed_in_the_browser_while_the_command_waits() -> None:
    async with house() as at:

        async def owner_agrees(_: float) -> None:
            """What the gateway's callback route does, when the owner's browser comes back."""
            url = next(line for line in at.said if "chooselocation" in line)
            state = url.partition("state=")[2]
            if await at.memory.read(lambda uow: uow.connections.all()):
                return
            await at.parts.connections.finish_install(code=at.fake.code(), state=state)

        options = ConnectOptions(way=APP, setup=QUIET, import_history=False)
        report = await connect(at.parts, options, ask=Unattended(), say=at.said.append, sleep=owner_agrees)
    assert (report["location_id"], report["kind"]) == (at.fake.location_id, "oauth")
    assert report["missing_scopes"] == []


async def agency_agrees(at: House) -> None:
    """What the gateway's callback route does when an agency's owner comes back, at a time that allows no tokens."""
    at.fake.faults.fail_next, at.fake.faults.only_path = 4, "/oauth/location"
    state = (await at.parts.connections.install_url()).partition("state=")[2]
    await at.parts.connections.finish_install(code=at.fake.code(""), state=state)
    at.fake.faults.fail_next = 0


async def test_a_location_of_a_connected_agency_needs_no_consent_of_its_own() -> None:
    async with house() as at:
        await agency_agrees(at)
        assert await at.parts.connections.of_location(LocationId(at.fake.location_id)) is None
        report = await at.run()
    assert (report["location_id"], report["kind"]) == (at.fake.location_id, "oauth")


async def test_an_agency_that_agrees_again_connects_the_location_that_was_named_at_once() -> None:
    async with house() as at:
        for _ in range(2):

            async def owner_agrees(_: float) -> None:
                await agency_agrees(at)

            options = ConnectOptions(
                location=at.fake.location_id, way=APP, setup=QUIET, import_history=False, wait_s=3
            )
            report = await connect(
                at.parts, options, ask=Unattended(), say=at.said.append, sleep=owner_agrees
            )
            assert (report["location_id"], report["kind"]) == (at.fake.location_id, "oauth")


async def test_waiting_for_the_app_ends_with_the_reason() -> None:
    async with house() as at:

        async def nobody(_: float) -> None:
            return

        options = ConnectOptions(way=APP, wait_s=3)
        with pytest.raises(Unreachable, match=r"within 3 s.*enterprisehub serve.*redirect URL"):
            await connect(at.parts, options, ask=Unattended(), say=at.said.append, sleep=nobody)


async def test_nobody_is_asked_where_there_is_no_terminal() -> None:
    nobody = questions(unattended=True)
    assert isinstance(nobody, Unattended)
    assert nobody.choose("Which", ("a", "b"), default="a") == "a"
