"""The lead page on the real gateway: what an agent changes there becomes a fact, and comes back on the page."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.commands.records import forget_lead
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.events import (
    Delivery,
    Event,
    LeadUpserted,
    ListingJudged,
    MessageReceived,
    Source,
    WishesCorrected,
)
from ghl_real_estate_ai.models.identifiers import CorrelationId, LeadId, new_event_id
from ghl_real_estate_ai.models.leads import Role
from tests.support.browser import no_script_fails, open_page
from tests.support.dashboard import (
    OFFICE,
    PASSWORD,
    WAIT_S,
    LiveGateway,
    dashboard_settings,
    live_gateway,
    sign_in,
    wait_until_live,
)

pytestmark = pytest.mark.browser

AGENT = "dana@example.com"
MANAGER = "mia@example.com"
NAME = "Maria Gomez"


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        gateway.add_user(email=AGENT, role=Role.AGENT)
        gateway.add_user(email=MANAGER, role=Role.MANAGER)
        yield gateway


@pytest.fixture(name="page", scope="module")
def _page(url: str, browser: Any) -> Iterator[Any]:
    with open_page(browser) as page, no_script_fails(page):
        sign_in(page, url, email=AGENT)
        wait_until_live(page)
        yield page


def arrive(gateway: LiveGateway, words: str) -> None:
    """Maria comes with a wish, and writes."""
    now = datetime.now(UTC)
    shared = {"location_id": OFFICE, "lead_id": LeadId("maria"), "source": Source.APP_WEBHOOK}
    facts: list[Event] = [
        LeadUpserted(
            event_id=new_event_id(), occurred_at=now - timedelta(minutes=7), correlation_id=CorrelationId("maria"), created=True,
            contact={"name": NAME, "phone": "+15550102030"}, wishes={"city": "Elm Harbor", "max_list_price": "450000"}, **shared,
        ),
        MessageReceived(
            event_id=new_event_id(), occurred_at=now - timedelta(minutes=5), correlation_id=CorrelationId("maria"),
            channel=Channel.SMS, text=words, **shared,
        ),
    ]  # fmt: skip

    async def receive(services: Services) -> None:
        for fact in facts:
            await services.inbox.receive(Delivery(delivery_id=fact.event_id, event=fact, received_at=now))

    gateway.do(receive)


def log_of(gateway: LiveGateway) -> list[Event]:
    async def read(services: Services) -> list[Event]:
        events = await services.memory.read(lambda uow: uow.events.read(OFFICE, after=0, limit=10_000))
        return [recorded.event for recorded in events]

    return gateway.do(read)


def test_a_corrected_wish_becomes_a_fact_comes_back_on_the_page_and_is_undone(
    page: Any, gateway: LiveGateway
) -> None:
    arrive(gateway, "We need 3 bedrooms. Is anything free on Saturday?")
    page.locator("section[data-stream=next_actions]").get_by_role("button", name=NAME, exact=True).click()
    dialog = page.get_by_role("dialog", name=NAME)
    wishes = dialog.get_by_role("region", name="Wishes")
    wishes.get_by_role("button", name="Change: up to $450,000").click()
    wishes.get_by_label("Highest price, US dollars").fill("500000")
    page.keyboard.press("Enter")
    wishes.locator(".wish-chip:not(.pending)", has_text="up to $500,000").wait_for()
    dialog.get_by_role("region", name="Timeline").get_by_text("by you").wait_for()
    wishes.get_by_role("button", name="Undo").click()
    wishes.locator(".wish-chip:not(.pending)", has_text="up to $450,000").wait_for()
    corrected = [event.wishes for event in log_of(gateway) if isinstance(event, WishesCorrected)]
    assert [wish["max_list_price"] for wish in corrected] == ["500000", "450000"]
    wishes.get_by_role("button", name="Add: 3+ bedrooms (from message)").click()
    wishes.locator(".wish-chip:not(.pending)", has_text="3+ bedrooms").wait_for()


def test_a_value_that_the_gateway_refuses_is_named_at_the_field(page: Any) -> None:
    wishes = page.get_by_role("dialog", name=NAME).get_by_role("region", name="Wishes")
    wishes.get_by_role("button", name="Change: 3+ bedrooms").click()
    wishes.get_by_label("Bedrooms, at least").fill("99")
    page.keyboard.press("Enter")
    wishes.get_by_role("alert").get_by_text("Bedrooms: ", exact=False).wait_for()
    wishes.get_by_role("button", name="Cancel").click()
    wishes.get_by_role("button", name="Change: 3+ bedrooms").wait_for()


def put_on_the_market(gateway: LiveGateway, home: dict[str, Any]) -> None:
    """As a manager does, over HTTP."""
    who = {"email": MANAGER, "password": PASSWORD}
    with httpx.Client(base_url=gateway.settings.gateway_url, timeout=WAIT_S) as client:
        token = client.post("/v1/sessions", json=who).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        client.post("/v1/listings", json={"value": [home]}, headers=headers).raise_for_status()


def test_a_home_that_fits_comes_by_itself_and_is_judged(page: Any, gateway: LiveGateway) -> None:
    put_on_the_market(
        gateway,
        {
            "ListingKey": "K1",
            "ListPrice": 425_000,
            "City": "Elm Harbor",
            "BedroomsTotal": 3,
            "UnparsedAddress": "12 Oak St",
            "Media": [{"MediaURL": "https://photos.invalid/1.jpg", "Order": 0}],
        },
    )
    arrive(gateway, "Is 12 Oak St still available?")
    dialog = page.get_by_role("dialog", name=NAME)
    card = dialog.get_by_role("region", name="Homes").locator(".home-card", has_text="12 Oak St")
    card.get_by_text("$425,000", exact=True).wait_for()
    # its host does not answer: a place for a photo that says so
    card.get_by_role("img", name="No photo of 12 Oak St").wait_for()
    card.get_by_role("button", name="Like").click()
    dialog.get_by_text("Liked: 12 Oak St.").wait_for()
    (judged,) = [event for event in log_of(gateway) if isinstance(event, ListingJudged)]
    assert (judged.listing_key, judged.verdict, judged.by) == ("K1", "like", "agent")


def test_a_reply_is_suggested_to_the_newest_message_and_nothing_is_sent(
    page: Any, gateway: LiveGateway
) -> None:
    talk = page.get_by_role("dialog", name=NAME).get_by_role("region", name="Conversation")
    talk.get_by_text("Is 12 Oak St still available?").wait_for()
    talk.get_by_role("button", name="Suggest a reply").click()
    reply = talk.get_by_label("Suggested reply")
    reply.wait_for()
    assert "12 Oak St" in reply.input_value()
    talk.get_by_text("What it rests on").wait_for()
    assert not any(event.type == "MessageSent" for event in log_of(gateway))


def test_the_address_names_the_lead_and_back_closes_its_page(page: Any) -> None:
    assert "lead=maria" in page.url
    page.go_back()
    page.get_by_role("dialog", name=NAME).wait_for(state="hidden")
    assert "lead=" not in page.url
    page.go_forward()
    page.get_by_role("dialog", name=NAME).wait_for()


def test_a_lead_that_is_forgotten_leaves_the_open_page_without_a_click(
    page: Any, gateway: LiveGateway
) -> None:
    page.get_by_role("dialog", name=NAME).wait_for()

    async def forget(services: Services) -> None:
        await forget_lead(services.memory, OFFICE, LeadId("maria"))

    gateway.do(forget)
    page.get_by_text("This lead is not here: it was deleted or forgotten", exact=False).wait_for()
    assert NAME not in page.locator("dialog.lead-page").inner_text()
