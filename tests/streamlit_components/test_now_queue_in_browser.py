"""The Now queue in a real browser, on the real gateway: answers with a way back, filters, the keyboard, the address, a renewed session."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.bootstrap import Services
from ghl_real_estate_ai.models.connections import LocationSetup
from ghl_real_estate_ai.models.conversations import Channel
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.events import Delivery, LeadUpserted, MessageReceived, Source
from ghl_real_estate_ai.models.identifiers import ActionId, CorrelationId, LeadId, UserId, new_event_id
from ghl_real_estate_ai.models.intelligence import ActionKind, Evidence, NextAction
from ghl_real_estate_ai.models.leads import Contact, Lead, LeadActivity, Role
from ghl_real_estate_ai.models.streams import NextActionItem, Stream
from ghl_real_estate_ai.ports import UnitOfWork
from tests.support.accessibility import grave_findings
from tests.support.browser import DESKTOP, PHONE, no_script_fails, open_page
from tests.support.dashboard import (
    OFFICE,
    LiveGateway,
    dashboard_settings,
    live_gateway,
    sign_in,
    wait_until_live,
)
from tests.support.stream_items import item

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

AGENT = "dana@example.com"
MANAGER = "mia@example.com"
DANA = UserId("crm-dana")
BLAKE = UserId("crm-blake")
MANY = 2_000
FOCUSED = """(() => {
  let at = document;
  while (at.activeElement?.shadowRoot) at = at.activeElement.shadowRoot;
  return at.activeElement.textContent;
})()"""


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        gateway.add_user(email=AGENT, role=Role.AGENT)
        gateway.add_user(email=MANAGER, role=Role.MANAGER)
        people = (
            AccountUser(user_id=DANA, name="Dana Agent", email=AGENT),
            AccountUser(user_id=BLAKE, name="Blake Chen", email="blake@example.com"),
        )
        setup = LocationSetup(location_id=OFFICE, crm_users=people)

        async def introduce(services: Services) -> None:
            await services.memory.write(lambda uow: uow.connections.put_setup(setup))

        gateway.do(introduce)
        yield gateway


@pytest.fixture(name="page")
def _page(browser: Any) -> Iterator[Any]:
    with open_page(browser) as page, no_script_fails(page):
        yield page


def wrote(gateway: LiveGateway, lead: str, name: str, text: str, **contact: str) -> None:
    """A lead with a phone writes a message, two minutes ago."""
    now = datetime.now(UTC)
    shared: dict[str, Any] = {
        "location_id": OFFICE,
        "lead_id": LeadId(lead),
        "source": Source.APP_WEBHOOK,
        "correlation_id": CorrelationId(lead),
        "event_id": new_event_id(),
    }
    known = {"name": name, "phone": "+15550100", **contact}
    came = LeadUpserted(occurred_at=now - timedelta(minutes=3), created=True, contact=known, **shared)
    said = MessageReceived(
        occurred_at=now - timedelta(minutes=2),
        channel=Channel.SMS,
        text=text,
        **{**shared, "event_id": new_event_id()},
    )

    async def receive(services: Services) -> None:
        for fact in (came, said):
            await services.inbox.receive(Delivery(delivery_id=fact.event_id, event=fact, received_at=now))

    gateway.do(receive)


def facts_about(gateway: LiveGateway, lead: str) -> list[str]:
    """What the agent's answers became, oldest first."""
    kinds = {"ActionAcknowledged", "ActionSnoozed", "MarkedAnswered", "LeadDeclined", "ActionReopened"}

    async def read(services: Services) -> list[str]:
        events = await services.memory.read(lambda uow: uow.events.read(OFFICE, after=0, limit=100_000))
        return [r.event.type for r in events if r.event.lead_id == lead and r.event.type in kinds]

    return gateway.do(read)


def wait_for_facts(page: Any, gateway: LiveGateway, lead: str, *kinds: str) -> None:
    """Until the answers stand in the log; the rows are faster."""
    for _ in range(900):
        if facts_about(gateway, lead) == list(kinds):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{lead}: {facts_about(gateway, lead)}")


def queue(page: Any) -> Any:
    return page.locator('section[data-stream="next_actions"]')


def row(page: Any, lead: str, text: str = "") -> Any:
    return queue(page).locator(f'li[data-key="{lead}"]', has_text=text)


def start(page: Any, url: str, email: str = AGENT) -> None:
    sign_in(page, url, email=email)
    wait_until_live(page)


def show_team(page: Any) -> None:
    page.get_by_role("button", name="Everyone", exact=True).click()


def test_a_waiting_lead_is_answered_in_one_tap_and_taken_back_by_z(
    page: Any, url: str, gateway: LiveGateway
) -> None:
    wrote(gateway, "maria", "Maria Gomez", "Can we see the house on Elm St?", assigned_to=DANA)
    start(page, url)
    mine = row(page, "maria", "Can we see the house on Elm St?")
    mine.filter(has_text="new").filter(has_not_text="Dana Agent").filter(has_text="worth about $").wait_for()
    clock = mine.locator(".clock")
    clock.filter(has_text="first answer due").wait_for()
    before = clock.inner_text()
    clock.filter(has_not_text=before).wait_for()  # it ticks without an event
    mine.locator("details").click()
    mine.get_by_text("Typical deal value assumed").first.wait_for()
    assert mine.get_by_text("for a human answer").count() == 0  # told by the clock, which goes on
    call = mine.get_by_role("link", name="+15550100")
    assert call.get_attribute("href") in {"tel:+15550100", "sms:+15550100"}
    call.focus()
    page.keyboard.press("Enter")
    mine.wait_for(state="detached")
    page.get_by_role("status").filter(has_text=re.compile(r"Taken on until .+: Maria Gomez")).wait_for()
    page.keyboard.press("z")
    mine.wait_for()
    mine.get_by_role("button", name="Answered: Maria Gomez").click()  # from the own phone, say
    mine.wait_for(state="detached")
    page.keyboard.press("z")
    mine.wait_for()
    wait_for_facts(
        page, gateway, "maria", "ActionAcknowledged", "ActionReopened", "MarkedAnswered", "ActionReopened"
    )


def test_snooze_is_one_tap_and_its_toast_undoes_it(page: Any, url: str, gateway: LiveGateway) -> None:
    wrote(gateway, "omar", "Omar Haddad", "Is the price firm?", assigned_to=DANA)
    start(page, url)
    put_off = row(page, "omar", "Is the price firm?")
    page.get_by_role("searchbox").fill("price firm")
    queue(page).locator("li").nth(1).wait_for(state="detached")
    put_off.get_by_role("button", name="Snooze Omar Haddad for 2 hours").press("Enter")
    put_off.wait_for(state="detached")
    assert page.evaluate(FOCUSED) == "Now"  # the last row has no neighbour to hand the focus to
    page.get_by_role("button", name="Undo").click()
    put_off.wait_for()
    put_off.get_by_role("button", name="for longer").click()
    page.get_by_role("menuitem", name="Tomorrow, 9:00").click()
    put_off.wait_for(state="detached")
    wait_for_facts(page, gateway, "omar", "ActionSnoozed", "ActionReopened", "ActionSnoozed")
    page.reload()
    wait_until_live(page)
    put_off.wait_for(state="detached")


def test_not_mine_leaves_my_queue_and_stays_in_the_teams_with_a_mark(
    page: Any, url: str, gateway: LiveGateway
) -> None:
    wrote(gateway, "rosa", "Rosa Ilic", "Please call me")
    wrote(gateway, "tom", "Tom Berg", "Not for Dana", assigned_to=BLAKE)
    start(page, url)
    free = row(page, "rosa", "Please call me")
    free.filter(has_text="nobody yet").wait_for()
    assert row(page, "tom").count() == 0
    free.get_by_role("button", name="Not mine: Rosa Ilic").click()
    free.wait_for(state="detached")
    queue(page).get_by_role("button", name="1 not mine: show").click()
    page.wait_for_url("**put_off=1*")
    put_off = row(page, "rosa", "Passed on by you")
    put_off.wait_for()
    assert grave_findings(page) == []
    put_off.get_by_role("button", name="Open again: Rosa Ilic").click()
    free.get_by_role("button", name="Not mine: Rosa Ilic").click()
    queue(page).get_by_role("button", name="1 not mine: hide").click()
    free.wait_for(state="detached")
    show_team(page)
    row(page, "tom").filter(has_text="Blake Chen").wait_for()
    free.get_by_text("not mine", exact=True).wait_for()
    free.get_by_role("button", name="Not mine: Rosa Ilic").wait_for(state="hidden")
    wait_for_facts(page, gateway, "rosa", "LeadDeclined", "ActionReopened", "LeadDeclined")


def test_an_answer_that_the_gateway_refuses_brings_the_row_back_with_the_reason(
    page: Any, url: str, gateway: LiveGateway
) -> None:
    wrote(gateway, "lee", "Lee Park", "Anybody there?", assigned_to=DANA)
    start(page, url)
    page.route("**/snooze", lambda route: route.abort())
    tried = row(page, "lee", "Anybody there?")
    tried.get_by_role("button", name="Snooze Lee Park for 2 hours").click()
    tried.get_by_text("Not snoozed: the gateway does not answer. Try again.").wait_for()
    page.unroute("**/snooze")
    tried.get_by_role("button", name="Snooze Lee Park for 2 hours").click()
    tried.wait_for(state="detached")


def test_filters_stand_in_the_address_and_survive_reload_rerun_and_back(
    page: Any, url: str, gateway: LiveGateway
) -> None:
    wrote(gateway, "zoe", "Zoe Quill", "A garden, please", assigned_to=BLAKE)
    start(page, url)
    assert row(page, "zoe").count() == 0
    page.get_by_role("searchbox").fill("garden")
    queue(page).get_by_text("Nothing in yours; 1 in the team.").wait_for()
    assert queue(page).get_by_text("Nobody").count() == 0  # others may wait
    queue(page).get_by_role("button", name="Show", exact=True).click()
    row(page, "zoe").wait_for()
    assert page.evaluate(FOCUSED) == "Everyone"
    queue(page).locator("li").nth(1).wait_for(state="detached")
    page.wait_for_function("/q=garden/.test(location.search) && /who=team/.test(location.search)")
    page.get_by_text("1 of ").wait_for()
    page.reload()
    wait_until_live(page)
    row(page, "zoe").wait_for()
    assert page.get_by_role("searchbox").input_value() == "garden"
    row(page, "zoe").get_by_role("button", name="Zoe Quill", exact=True).click()
    page.wait_for_url("**lead=zoe*")
    page.get_by_role("dialog", name="Zoe Quill").wait_for()
    page.go_back()
    page.get_by_role("dialog", name="Zoe Quill").wait_for(state="hidden")
    page.wait_for_url("**q=garden*")
    assert "lead=" not in page.url
    row(page, "zoe").get_by_role("button", name="Zoe Quill", exact=True).click()
    page.get_by_role("dialog", name="Zoe Quill").wait_for()
    page.keyboard.press("Escape")
    page.wait_for_function("!location.search.includes('lead=')")
    assert page.evaluate("__enterprisehub.mounts") == 1
    page.get_by_role("button", name="Clear", exact=True).click()
    page.wait_for_function("!location.search.includes('q=')")


def test_a_lead_at_risk_is_called_from_its_row(page: Any, url: str, gateway: LiveGateway) -> None:
    wrote(gateway, "uma", "Uma Reyes", "Still there?", assigned_to=DANA)
    start(page, url)
    slipping = page.locator('section[data-stream="churn_risk"] tr[data-key="uma"]')
    slipping.get_by_role("link", name="+15550100").wait_for()
    assert slipping.get_by_role("button", name="Snooze").count() == 0
    slipping.get_by_role("link", name="+15550100").focus()
    page.keyboard.press("Enter")
    wait_for_facts(page, gateway, "uma", "ActionAcknowledged")


def test_a_manager_looks_at_one_agents_leads(page: Any, url: str, gateway: LiveGateway) -> None:
    wrote(gateway, "ivy", "Ivy Novak", "For Blake", assigned_to=BLAKE)
    wrote(gateway, "ned", "Ned Frost", "For Dana", assigned_to=DANA)
    start(page, url, MANAGER)
    row(page, "ned").wait_for()
    page.get_by_role("combobox", name="Agent").select_option("Blake Chen")
    row(page, "ned").wait_for(state="detached")
    row(page, "ivy").wait_for()
    page.wait_for_url("**agent=crm-blake*")
    page.reload()
    wait_until_live(page)
    row(page, "ivy").wait_for()
    assert row(page, "ned").count() == 0
    assert page.locator('.pages [aria-current="page"]').inner_text() == "Live"


def stored_leads(gateway: LiveGateway) -> None:
    """Leads in the memory that no stream tells of."""
    at = datetime.now(UTC) - timedelta(days=40)

    async def store(services: Services) -> None:
        def put(uow: UnitOfWork) -> None:
            for number in range(MANY):
                contact = Contact(
                    name=f"Quiet Person {number}", phone=f"+1512555{number:04}", assigned_to=BLAKE
                )
                lead_id = LeadId(f"quiet-{number}")
                lead = Lead(
                    location_id=OFFICE,
                    lead_id=lead_id,
                    contact=contact,
                    simulated=number == 0,
                    activity=LeadActivity(first_at=at),
                )
                uow.leads.put(lead, None)

        await services.memory.write(put)

    gateway.do(store)


def test_a_search_reaches_leads_that_no_panel_holds(page: Any, url: str, gateway: LiveGateway) -> None:
    stored_leads(gateway)
    wrote(gateway, "quincy", "Quincy Person", "Hello", assigned_to=DANA)
    start(page, url)
    search = page.get_by_role("searchbox")
    search.fill("quiet person 1777")
    found = page.get_by_role("group", name="Also found")
    found.get_by_role("listitem").filter(has_text="new · Blake Chen · last activity: 40 d").wait_for()
    assert found.get_by_role("listitem").count() == 1
    assert grave_findings(page) == []
    found.get_by_role("button", name="Quiet Person 1777", exact=True).click()
    page.get_by_role("dialog", name="Quiet Person 1777").wait_for()
    page.wait_for_url("**lead=quiet-1777*")
    page.keyboard.press("Escape")
    search.fill("555-1776")
    found.get_by_role("button", name="Quiet Person 1776", exact=True).wait_for()
    search.fill("quiet person")
    found.get_by_text("type more of it").wait_for()
    assert found.get_by_role("listitem").count() == 20
    search.fill("quincy")
    row(page, "quincy").wait_for()
    found.wait_for(state="hidden")  # a panel has the lead
    search.fill("quiet person 0")
    found.get_by_role("listitem").get_by_text("SIM", exact=True).wait_for()
    search.fill("zzz")
    found.get_by_text("No lead of this account has “zzz” in its name or phone.").wait_for()
    page.reload()
    wait_until_live(page)
    found.get_by_text("No lead of this account").wait_for()


def test_the_queue_is_worked_by_keyboard(page: Any, url: str, gateway: LiveGateway) -> None:
    for number in range(3):
        wrote(gateway, f"key-{number}", f"Kay {number}", "keyboard please", assigned_to=DANA)
    start(page, url)
    page.keyboard.press("/")
    page.keyboard.type("keyboard")  # no key is taken while somebody types
    rows = queue(page).locator("li")
    rows.nth(2).wait_for()
    rows.nth(3).wait_for(state="detached")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    first = page.evaluate(FOCUSED)
    page.keyboard.press("j")
    second = page.evaluate(FOCUSED)
    page.keyboard.press("k")
    assert first.startswith("Kay")
    assert second != first == page.evaluate(FOCUSED)
    put_off = queue(page).locator("li", has_text=first).filter(has_text="keyboard please")
    page.keyboard.press("s")
    put_off.wait_for(state="detached")
    assert page.evaluate(FOCUSED).startswith("Kay")  # its own row with a lesser action, or a neighbour's
    page.keyboard.press("z")
    page.wait_for_function(f"(name) => {FOCUSED} === name", arg=first)  # the next key's row
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    keys.get_by_text("Undo the newest answer").wait_for()
    keys.get_by_role("checkbox", name="Single keys work").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert keys.count() == 0  # dictation types letters
    page.get_by_role("button", name="Keys", exact=True).click()
    keys.get_by_role("checkbox", name="Single keys work").check()
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    page.wait_for_url("**tab=churn_risk*")


def test_the_session_is_renewed_half_way_without_a_flicker_and_kept_for_a_reload(
    page: Any, url: str, gateway: LiveGateway
) -> None:
    said: list[str] = []

    def shorten(route: Any) -> None:
        """The gateway's greeting, with a token that seems to end in four seconds."""
        server = route.connect_to_server()

        def greet(message: str) -> None:
            told = json.loads(message)
            if "hello" in told:
                told["hello"]["expires_at"] = (datetime.now(UTC) + timedelta(seconds=4)).isoformat()
            route.send(json.dumps(told))

        def speak(message: str) -> None:
            said.append(message)
            server.send(message)

        server.on_message(greet)
        route.on_message(speak)

    page.route_web_socket("**/v1/realtime**", shorten)
    start(page, url)
    kept = "JSON.parse(sessionStorage.getItem('enterprisehub.session') ?? '{}').access_token"
    first = page.evaluate(kept)
    page.wait_for_function(f"(first) => {kept} && {kept} !== first", arg=first)
    page.wait_for_function("__enterprisehub.state === 'live' && __enterprisehub.mounts === 1")
    token = page.evaluate(kept)
    assert any(json.loads(message).get("auth") == token for message in said)
    page.get_by_role("button", name="Sign out").click()
    page.get_by_text("You are signed out.").wait_for()
    page.wait_for_function("sessionStorage.getItem('enterprisehub.session') === null")


def many_leads(gateway: LiveGateway) -> None:
    now = datetime.now(UTC)

    def action(key: str, number: int) -> NextActionItem:
        thing = NextAction(
            action_id=ActionId(f"many-{number}"),
            kind=ActionKind.REPLY,
            title="Reply",
            urgency=0.5,
            priority=float(number),
            evidence=(Evidence(event_id=new_event_id(), text=f"message number {number}"),),
            waiting_since=now,
        )
        name = f"Many {number}"
        return NextActionItem(
            key=key,
            at=now,
            simulated=False,
            lead_id=LeadId(key),
            lead_name=name,
            assigned_to=None,
            action=thing,
            score=0.5,
        )

    keys = [f"many-{number}" for number in range(MANY)]
    for stream in (Stream.LEAD_SCORES, Stream.CHURN_RISK):
        gateway.publish(stream, *(item(stream, key, number) for number, key in enumerate(keys)))
    gateway.publish(Stream.NEXT_ACTIONS, *(action(key, number) for number, key in enumerate(keys)))


ROWS_IN_SIGHT = """([rows, bottom]) => rows.map((row) => {
  const { top, height } = row.getBoundingClientRect();
  return Math.min(1, Math.max(0, (bottom - top) / height));
}).reduce((sum, share) => sum + share, 0)"""


@pytest.mark.parametrize(("size", "below", "at_least"), [(DESKTOP, ".system", 6), (PHONE, ".tabs", 2.5)])
def test_so_many_leads_of_the_queue_are_in_sight(
    browser: Any, url: str, gateway: LiveGateway, size: tuple[int, int], below: str, at_least: float
) -> None:
    words = "Can we see the house this weekend? We are free from ten until two, and my sister would come too."
    for number in range(8):
        wrote(gateway, f"long-{number}", f"Long {number}", words, assigned_to=DANA)
    with open_page(browser, size=size) as page:
        start(page, url)
        page.get_by_role("searchbox").fill("my sister")
        rows = queue(page).locator("li", has_text="Can we see the house")
        rows.nth(7).wait_for(state="attached")
        assert rows.first.get_by_text("for a human answer").first.is_hidden()  # the clock says it
        in_sight = page.evaluate(
            f"(([rows, sill]) => ({ROWS_IN_SIGHT})([rows, sill.getBoundingClientRect().top]))",
            [
                rows.element_handles(),
                page.locator(below).element_handle(),
            ],
        )
        assert in_sight >= at_least


def test_on_a_phone_with_2_000_leads_the_best_come_first_the_list_grows_and_targets_fit_a_thumb(
    browser: Any, url: str, gateway: LiveGateway
) -> None:
    many_leads(gateway)
    with open_page(browser, size=PHONE, scheme="dark", reduced_motion=True) as page:
        start(page, url, email=MANAGER)
        rows = queue(page).locator("li")
        rows.first.filter(has_text=f"Many {MANY - 1}").wait_for()
        assert rows.count() == 24
        rows.nth(23).scroll_into_view_if_needed()
        rows.nth(40).wait_for(state="attached")
        page.get_by_role("searchbox").fill("many 1234")
        rows.first.filter(has_text="Many 1234").wait_for()
        rows.nth(1).wait_for(state="detached")
        targets = rows.first.locator(".answers .take, .answers .quiet, summary").all()
        sizes = [target.bounding_box() for target in targets]
        assert len(sizes) == 6
        assert [size["y"] for size in sizes[1:]] == pytest.approx([sizes[1]["y"]] * 5, abs=2)  # in one line
        assert [size for size in sizes if size["height"] < 44 or size["width"] < 44] == []
        assert page.locator(".hub").evaluate("(hub) => hub.scrollWidth <= innerWidth")
        rows.first.get_by_role("button", name="for longer").click()
        page.get_by_role("menuitem", name="1 hour").wait_for()
        assert grave_findings(page) == []
