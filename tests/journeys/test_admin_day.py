"""An admin's day on a real installation, at a desk and on a phone: findings, the kill switch, people, letters, an empty office.

The account behind it is the simulated GoHighLevel over real HTTP: what is written back arrives there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.synchronization import ChangeStatus
from tests.support.browser import DESKTOP, PHONE, open_page
from tests.support.dashboard import sign_in, wait_until_live
from tests.support.fake_ghl import FakeGhl, fake_ghl_in_thread
from tests.support.installation import EMAILS, Installation, fits_and_reads_well, go, installed, shown, until

pytestmark = [pytest.mark.browser, pytest.mark.untraced]

EMPTY_ADMIN = "eve@example.com"


@dataclass
class Desk:
    """The admin's open page, and a second window for somebody else."""

    page: Any
    browser: Any
    house: Installation
    crm: FakeGhl
    width: int

    @contextmanager
    def somebody_else(self, email: str, **signing: str) -> Iterator[Any]:
        """Signed in on a screen of the same size."""
        size = next(one for one in (DESKTOP, PHONE) if one[0] == self.width)
        with open_page(self.browser, size=size, reduced_motion=True) as page:
            sign_in(page, self.house.url, email=email, **signing)
            wait_until_live(page)
            yield page

    def open(self, section: str) -> None:
        """A section of the page."""
        heading = self.page.get_by_role("heading", name=section)

        def is_open() -> bool:  # a click that falls into a run of the page's script may be lost
            if not heading.is_visible():
                self.page.get_by_text(section, exact=True).first.click()
                self.page.wait_for_timeout(2_000)
            return bool(heading.is_visible())

        until(self.page, is_open)
        self.page.wait_for_function("!document.querySelector('[data-stale=true]')")


@pytest.fixture(name="crm", scope="module")
def _crm() -> Iterator[FakeGhl]:
    with fake_ghl_in_thread() as fake:
        yield fake


@pytest.fixture(name="house", scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory, crm: FakeGhl) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("admin"), crm=crm) as house:
        house.add_empty_office(EMPTY_ADMIN)
        yield house


@pytest.fixture(name="desk", scope="module", params=[DESKTOP, PHONE], ids=["1440", "390"])
def _desk(request: pytest.FixtureRequest, browser: Any, house: Installation, crm: FakeGhl) -> Iterator[Desk]:
    with open_page(browser, size=request.param, reduced_motion=True) as page:
        sign_in(page, house.url, email=EMAILS[Role.ADMIN])
        wait_until_live(page)
        yield Desk(page, browser, house, crm, request.param[0])


def test_an_empty_office_says_what_to_do_with_a_button(desk: Desk) -> None:
    with desk.somebody_else(EMPTY_ADMIN) as page:
        first = page.get_by_role("region", name="No lead has come yet")
        first.get_by_text("These steps bring the first one.").wait_for()
        first.locator("li[aria-current=step] code").first.wait_for()  # a command to run
        fits_and_reads_well(page)
        first.get_by_role("button", name="Open Admin").click()
        shown(page, "Admin")
        page.get_by_text("Homes", exact=True).first.click()
        rows = f"MLS #,Price,City\nE-{desk.width},425000,Elm Harbor\nE-0,,Elm Harbor\n"
        page.locator("input[type=file]").set_input_files(
            {"name": "homes.csv", "mimeType": "text/csv", "buffer": rows.encode()}
        )
        page.get_by_role("row", name="Row 3").wait_for()  # refused, with its reason
        fits_and_reads_well(page)
        page.get_by_role("button", name="Import 1 home").click()
        page.get_by_text("homes.csv is imported: 1 new, 0 changed, 1 left out.").wait_for()


def test_health_tells_its_findings_with_what_to_do(desk: Desk) -> None:
    go(desk.page, "Admin")
    shown(desk.page, "Admin")
    desk.page.locator("section.finding").first.wait_for()
    desk.page.get_by_text(f"enterprisehub doctor --location {desk.house.location_id}").wait_for()
    fits_and_reads_well(desk.page)


def test_the_kill_switch_holds_what_goes_out_tells_everybody_and_lets_it_go_again(desk: Desk) -> None:
    page, house = desk.page, desk.house
    page.get_by_role("button", name="Stop everything that goes out").click()
    page.get_by_role("button", name="Yes, stop it all").click()
    page.get_by_text("Nothing goes out from now on.").wait_for()
    written = house.changes().get(ChangeStatus.DONE, 0)
    contact = desk.crm.home.put_contact({"firstName": "Ada"}, at=datetime.now(UTC))
    house.arrives(str(contact["id"]), "Ada Lead", ago=timedelta(minutes=2))
    house.writes(str(contact["id"]), "Could we see 12 Oak St?", ago=timedelta(minutes=1))
    until(page, lambda: house.changes().get(ChangeStatus.PENDING, 0) > 0)
    with desk.somebody_else(EMAILS[Role.AGENT]) as agents:
        agents.get_by_role("alert").filter(has_text="Nothing goes out.").wait_for()
        assert agents.get_by_role("link", name="Turn it on again").count() == 0
    for title in ("Team", "Track record"):
        go(page, title)
        shown(page, title)
        page.get_by_role("alert").filter(has_text="Nothing goes out.").wait_for()
    page.wait_for_timeout(6_000)  # longer than changes are given to settle
    assert house.changes().get(ChangeStatus.DONE, 0) == written
    page.get_by_role("link", name="Turn it on again").click()
    shown(page, "Admin")
    page.get_by_role("button", name="Let changes go out again").click()
    page.get_by_role("button", name="Yes, let it go out").click()
    page.get_by_text("Changes go out again.").wait_for()
    until(page, lambda: house.changes().get(ChangeStatus.DONE, 0) > written)


def test_a_user_who_is_added_signs_in_and_whose_screen_ends_when_removed(desk: Desk) -> None:
    page, email = desk.page, f"nora-{desk.width}@example.com"
    desk.open("Users")
    page.get_by_text("Add a user", exact=True).click()
    form = page.locator(".st-key-user_add")
    form.get_by_label("Email").fill(email)
    form.get_by_label("Name", exact=True).fill(f"Nora {desk.width}")
    form.get_by_role("button", name="Add user").click()
    box = page.locator(".st-key-user_password_box")
    password = box.locator("code").inner_text()
    with desk.somebody_else(email, password=password) as noras:
        assert noras.locator(".who").text_content() == f"Nora {desk.width} · agent"  # not shown on a phone
        page.get_by_role("button", name="I have copied it").click()
        box.wait_for(state="detached")
        noras_row = page.locator("[class*=st-key-user_]").filter(has_text=email)
        noras_row.get_by_role("button", name="Change").click()
        page.get_by_role("button", name="Remove this user").click()
        page.get_by_text(f"Remove Nora {desk.width}?").wait_for()
        page.get_by_role("button", name="Yes, remove").click()
        page.get_by_text(f"Nora {desk.width} is removed.").wait_for()
        noras.get_by_text("Your session has expired. Sign in again to go on.").wait_for()


def test_a_delivery_that_cannot_be_read_is_a_letter_with_its_reason_and_is_tried_again(desk: Desk) -> None:
    page, house = desk.page, desk.house
    assert house.tell("ContactCreate", name="A contact without an id") == "dead_letter"
    desk.open("Dead letters")
    letter = page.locator("[class*=st-key-letter_]").first
    letter.get_by_text("id: missing").wait_for()
    letter.get_by_role("button", name="Replay", exact=True).click()
    page.get_by_text("failed again").filter(has_text="id: missing").wait_for()
    fits_and_reads_well(page)
    page.get_by_role("button", name="Replay all").click()
    page.get_by_text("0 worked on now").wait_for()


def test_a_power_cut_brings_the_admin_back_to_the_same_page(desk: Desk) -> None:
    desk.house.kill()
    desk.house.start()
    shown(desk.page, "Admin")
    desk.page.reload()
    shown(desk.page, "Admin")
    desk.page.locator("section.finding").first.wait_for()
