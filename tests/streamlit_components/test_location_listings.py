"""The admin's section "Homes" as Streamlit runs it, against a real gateway: a file is looked at first, then imported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from ghl_real_estate_ai.models.leads import Role
from ghl_real_estate_ai.models.properties import Listing
from ghl_real_estate_ai.streamlit_components import page_frame
from ghl_real_estate_ai.streamlit_components.listing_file import BATCH_ROWS
from ghl_real_estate_ai.streamlit_components.live_client import GatewayClient
from tests.support.dashboard import LiveGateway, dashboard_settings, live_gateway
from tests.support.dashboard_pages import add_everybody, html, opened, press, session_of, told

HEADS = "ListingKey,ListPrice,City,Beds\n"


@pytest.fixture(name="gateway", scope="module")
def _gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway(dashboard_settings(tmp_path_factory.mktemp("data"))) as gateway:
        add_everybody(gateway)
        yield gateway


@pytest.fixture(name="page")
def _page(gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    page = opened(gateway, monkeypatch, Role.ADMIN, page_frame.ADMIN)
    return section(page, "Homes")


def section(page: AppTest, name: str) -> AppTest:
    page.session_state["admin_section"] = name
    page.run()
    assert not page.exception
    return page


def choose(page: AppTest, text: str, name: str = "homes.csv") -> AppTest:
    page.file_uploader[0].upload(name, text.encode(), "text/csv").run()
    assert not page.exception
    return page


def price_of(gateway: LiveGateway, key: str) -> str:
    url = gateway.settings.gateway_url
    found = GatewayClient(url).read(Listing, f"/v1/listings/{key}", session_of(url, Role.ADMIN))
    return str(found.list_price)


def figures(page: AppTest) -> list[str]:
    return [part.split("</dd>")[0] for part in html(page).split("</dt><dd>")[1:]]


def test_a_file_is_looked_at_before_anything_is_saved_and_then_imported(
    gateway: LiveGateway, page: AppTest
) -> None:
    press(section(page, "First steps"), "open_Homes")
    assert "Nothing is saved before you have seen what would change." in told(page)
    choose(page, f"{HEADS}H1,100,Austin,3\nH2,200,Austin,many\nH3,,Austin,2\n")
    assert figures(page) == ["1", "0", "0", "2"]
    assert "Beds as BedroomsTotal" in html(page)
    assert "Row 3</th><td>BedroomsTotal</td><td>Not a number: many</td>" in html(page)
    assert "Row 4</th><td>ListPrice</td><td>It is missing</td>" in html(page)
    assert "0 homes are here." in html(page)
    assert page.button(key="listing_import").label == "Import 1 home"
    press(page, "listing_import")
    assert "homes.csv is imported: 1 new, 0 changed, 2 left out." in told(page)
    assert "1 home is here." in html(page)
    assert price_of(gateway, "H1") == "100"


def test_the_same_file_again_changes_nothing_and_a_new_price_is_a_change(
    gateway: LiveGateway, page: AppTest
) -> None:
    homes = "".join(f"S{number},100,Austin,3\n" for number in range(BATCH_ROWS + 1))
    press(choose(page, HEADS + homes), "listing_import")
    choose(page, HEADS + homes)
    assert figures(page) == ["0", "0", str(BATCH_ROWS + 1), "0"]
    assert "Nothing of this file would change anything." in html(page)
    assert not [button for button in page.button if button.key == "listing_import"]
    press(page, "listing_back")
    choose(page, f"{HEADS}S0,90,Austin,3\n")
    assert figures(page) == ["0", "1", "0", "0"]
    press(page, "listing_back")
    assert price_of(gateway, "S0") == "100"


def test_a_key_that_stands_twice_in_a_file_is_one_home_and_its_last_row_counts(
    gateway: LiveGateway, page: AppTest
) -> None:
    between = "".join(f"T{number},100,Austin,3\n" for number in range(BATCH_ROWS))
    choose(
        page,
        f"MLS #,ListPrice,City,Beds\nT-twice,1,Austin,3\n{between}T-bad,x,Austin,3\nT-twice,2,Austin,3\n",
    )
    assert figures(page) == [str(BATCH_ROWS + 1), "0", "0", "2"]
    assert f"Row 2</th><td>ListingKey</td><td>The same key stands again in Row {BATCH_ROWS + 4}" in html(page)
    assert f"Row {BATCH_ROWS + 3}</th><td>ListPrice</td>" in html(page)
    assert "Homes that are here under another key would come twice." in html(page)
    press(page, "listing_import")
    assert price_of(gateway, "T-twice") == "2"


def test_a_file_that_is_none_says_what_it_lacks(page: AppTest) -> None:
    choose(page, "Key,Town\n1,2\n")
    assert "There is no column ListingKey" in told(page)
    assert not [button for button in page.button if button.key == "listing_import"]
