"""The app's way in, whole: the command waits, the owner agrees in a browser, the gateway's callback stores the tokens."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands.connect import APP, ConnectOptions, Connector, connect
from ghl_real_estate_ai.commands.location_setup import SetupOptions
from ghl_real_estate_ai.commands.questions import Unattended
from ghl_real_estate_ai.models.diagnosis import FindingStatus
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.settings import Settings
from tests.support.fake_ghl import fake_ghl
from tests.support.gateway import served
from tests.support.ghl import GhlSigner

pytestmark = [pytest.mark.asyncio, pytest.mark.untraced]


async def test_an_owner_agrees_in_the_browser_and_the_waiting_command_goes_on(tmp_path: Path) -> None:
    async with fake_ghl() as fake:
        common = {
            "data_dir": tmp_path,
            "ghl_api_url": fake.url,
            "ghl_install_url": f"{fake.url}/oauth/chooselocation",
            "ghl_client_id": fake.client_id,
            "ghl_client_secret": fake.client_secret,
        }
        signer = GhlSigner()
        gateway_settings = Settings(**common, ghl_public_keys=(signer.public_key,))
        async with served(gateway_settings, signer) as gateway:
            settings = Settings(**common, public_url=gateway.url)
            said: list[str] = []

            async def owner_agrees(_: float) -> None:
                page = next(line for line in said if "chooselocation" in line)
                async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as browser:
                    answer = await browser.get(page)
                assert (answer.status_code, answer.url.path) == (200, "/oauth/ghl/callback")

            async with bootstrap.connected(settings) as (memory, _, crm):
                report = await connect(
                    Connector(
                        memory=memory,
                        connections=crm.connections,
                        account=crm.account,
                        sync=crm.sync,
                        gateway_url=settings.gateway_url,
                        callback_url=settings.oauth_callback_url,
                    ),
                    ConnectOptions(way=APP, setup=SetupOptions(write_back="none"), import_history=True),
                    ask=Unattended(),
                    say=said.append,
                    sleep=owner_agrees,
                )
                diagnosis = await crm.health.examined(LocationId(fake.location_id))
    assert (report["location_id"], report["kind"], report["simulated"]) == (fake.location_id, "oauth", True)
    found = {finding.check: finding.status for finding in diagnosis.findings}
    assert found["connection"] is found["scopes"] is found["sync_contacts"] is FindingStatus.OK
    assert FindingStatus.FAILURE not in found.values()
