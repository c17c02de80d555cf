"""A correction of a wish against the CRM that knows nothing of it: what it repeats, what it newly says, and the undo."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ghl_real_estate_ai.commands.records import rebuild
from ghl_real_estate_ai.models.events import RecordedEvent, WishesCorrected
from ghl_real_estate_ai.models.identifiers import LeadId
from ghl_real_estate_ai.models.leads import Lead, Role
from tests.support.gateway import HOME, Gateway, eventually, furnish, served, settings_for, user_of
from tests.support.ghl import GhlSigner

pytestmark = pytest.mark.asyncio(loop_scope="module")

AGENT = user_of(Role.AGENT)
LONG_AFTER = "2126-03-02T12:{minute:02}:00.000Z"
"""When the CRM says that a contact changed: later than any click of this test."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway that reads two custom fields as wishes."""
    signer = GhlSigner()
    settings = settings_for(tmp_path_factory.mktemp("wishes"), signer).model_copy(
        update={"ghl_wish_fields": {"f-city": "city", "f-max": "max_list_price"}}
    )
    async with served(settings, signer) as running:
        await furnish(running.services)
        yield running


class Contact:
    """A lead as its CRM tells of it: every change repeats every custom field."""

    def __init__(self, gateway: Gateway, lead_id: str) -> None:
        self._gateway = gateway
        self.lead_id = LeadId(lead_id)
        self._changes = 0

    async def changes(self, *, name: str, city: str | None, most: int | None, wait: bool = True) -> None:
        """Something about it changes; waits until the house has worked on it."""
        self._changes += 1
        fields = [{"id": "f-city", "value": city}, {"id": "f-max", "value": most}]
        at = LONG_AFTER.format(minute=self._changes)
        await self._gateway.deliver(
            "ContactUpdate", id=self.lead_id, name=name, customFields=fields, timestamp=at
        )

        async def is_known() -> bool:
            return (await self.lead()).contact.name == name

        if wait:
            await eventually(is_known)

    async def lead(self) -> Lead:
        lead = await self._gateway.services.memory.read(lambda uow: uow.leads.get(HOME, self.lead_id))
        assert lead is not None
        return lead

    async def correct(self, **wishes: Any) -> dict[str, Any]:
        """What was before; waits until the correction counts."""
        answer = await self._gateway.post(f"/v1/leads/{self.lead_id}/wishes", AGENT, {"wishes": wishes})
        assert answer.status_code == 202, answer.text
        fact = answer.json()

        async def is_applied() -> bool:
            return (await self.lead()).position >= fact["position"]

        await eventually(is_applied)
        before: dict[str, Any] = fact["before"]
        return before

    async def corrections(self) -> list[RecordedEvent]:
        """Newest first."""
        log = await self._gateway.services.memory.read(
            lambda uow: uow.events.of_lead(HOME, self.lead_id, before=None, limit=50)
        )
        return [one for one in log if isinstance(one.event, WishesCorrected)]


async def a_contact(gateway: Gateway) -> Contact:
    """Who wishes for Austin up to 400,000, by the CRM."""
    contact = Contact(gateway, await gateway.lead("Ana Stated"))
    await contact.changes(name="Ana One", city="Austin", most=400_000)
    return contact


async def test_a_correction_stays_when_something_else_about_the_contact_changes(gateway: Gateway) -> None:
    contact = await a_contact(gateway)
    assert await contact.correct(city="Marfa", max_list_price=None) == {
        "city": "Austin",
        "max_list_price": "400000",
    }
    await contact.changes(name="Ana Two", city="Austin", most=400_000)
    wishes = (await contact.lead()).wishes
    assert (wishes.city, wishes.max_list_price) == ("Marfa", None)
    (correction,) = await contact.corrections()
    assert isinstance(correction.event, WishesCorrected)
    assert correction.event.instead_of == {"city": "Austin", "max_list_price": "400000"}


async def test_a_new_value_of_the_crm_counts_for_its_own_field_alone(gateway: Gateway) -> None:
    contact = await a_contact(gateway)
    await contact.correct(city="Marfa", max_list_price=450_000)
    await contact.changes(name="Ana Two", city="Waco", most=400_000)
    wishes = (await contact.lead()).wishes
    assert (wishes.city, str(wishes.max_list_price)) == ("Waco", "450000")


async def test_the_undo_works_after_the_crm_repeated_itself_and_after_it_said_something_new(
    gateway: Gateway,
) -> None:
    contact = await a_contact(gateway)
    before = await contact.correct(city="Marfa")
    await contact.changes(name="Ana Two", city="Austin", most=400_000)
    assert await contact.correct(**before) == {"city": "Marfa"}
    assert (await contact.lead()).wishes.city == "Austin"
    await contact.changes(name="Ana Three", city="Waco", most=400_000)
    assert (await contact.lead()).wishes.city == "Waco"
    again = await contact.correct(city="Alpine")
    assert again == {"city": "Waco"}
    await contact.changes(name="Ana Four", city="Waco", most=400_000)
    assert (await contact.lead()).wishes.city == "Alpine"
    await contact.correct(**again)
    assert (await contact.lead()).wishes.city == "Waco"


async def test_what_the_crm_said_a_moment_before_a_correction_was_corrected_too(gateway: Gateway) -> None:
    """Whether the house had worked on it by then or not: it was in the log."""
    contact = await a_contact(gateway)
    await contact.changes(name="Ana Two", city="Waco", most=400_000, wait=False)
    assert await contact.correct(city="Marfa") == {"city": "Waco"}
    await contact.changes(name="Ana Three", city="Waco", most=400_000)
    assert (await contact.lead()).wishes.city == "Marfa"


async def test_a_replay_of_the_log_comes_to_the_same_leads(gateway: Gateway) -> None:
    contact = await a_contact(gateway)
    await contact.correct(city="Marfa", features=["pool"])
    await contact.changes(name="Ana Two", city="Austin", most=410_000)
    await contact.correct(features=None)
    rebuilt = await rebuild(gateway.services.memory, HOME, write=False)
    assert rebuilt.leads
    assert rebuilt.different == ()
