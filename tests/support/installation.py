"""An installation as an operator runs it: gateway and dashboard, killed and started again at will.

Used by the journeys of agent, manager and admin. Only the vendor's key, and with ``crm`` the vendor, are the test's own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from ghl_real_estate_ai import bootstrap
from ghl_real_estate_ai.commands import launch, records
from ghl_real_estate_ai.models.connections import LocationSetup, WriteBackPart
from ghl_real_estate_ai.models.crm_account import AccountUser
from ghl_real_estate_ai.models.events import Event
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.models.leads import Location, Role
from ghl_real_estate_ai.models.synchronization import ChangeStatus
from ghl_real_estate_ai.ports import Memory
from ghl_real_estate_ai.settings import Settings, load_settings
from tests.support.accessibility import grave_findings
from tests.support.dashboard import PASSWORD
from tests.support.fake_ghl import FakeGhl
from tests.support.ghl import LOCATION, GhlSigner, encoded, webhook
from tests.support.ports import port_of_its_own

HARBOUR = LocationId(LOCATION)
EMAILS = {role: f"{role}@example.com" for role in Role}
NAMES = {Role.AGENT: "Ana Agent", Role.MANAGER: "Mo Manager", Role.ADMIN: "Ada Admin"}
ANA, BEN = UserId("crm-ana"), UserId("crm-ben")
"""Whom leads are assigned to in the CRM: the agent who signs in here, and another."""
SENDERS = 8
WAIT_S = 60.0


class Installation:
    """One location with an agent, a manager and an admin, whose password is PASSWORD."""

    def __init__(self, folder: Path, *, crm: FakeGhl | None = None) -> None:
        self.signer = GhlSigner()
        self.location_id = HARBOUR if crm is None else LocationId(crm.location_id)
        self.settings: Settings = load_settings(
            data_dir=folder,
            port=port_of_its_own(),
            dashboard_port=port_of_its_own(),
            sqlite_synchronous="NORMAL",
            **(
                {"ghl_public_keys": (self.signer.public_key,)}
                if crm is None  # into a simulated account only what is simulated is written
                else {"simulator_public_key": self.signer.public_key, "ghl_api_url": crm.url}
            ),
        )
        self._log = folder / "server.log"
        self._numbers = itertools.count(1)
        self._running = ExitStack()
        self._gateway: subprocess.Popen[bytes]
        self._dashboard: subprocess.Popen[bytes]
        in_a_loop(lambda: self._furnish(crm))

    @property
    def url(self) -> str:
        """Of the dashboard."""
        return self.settings.dashboard_url

    # --- the operator ------------------------------------------------------------------------------------------------

    def start(self, *, dashboard: bool = True) -> None:
        """Returns when both answer. They are processes of their own, so that one may die without the other."""
        self._gateway = self._process("serve", "--no-dashboard")
        if dashboard:
            self._dashboard = self._process("dashboard")
        launch.wait_until_ready(
            f"{self.settings.gateway_url}/health/ready", process=self._gateway, log=self._log
        )
        launch.wait_until_ready(f"{self.url}/_stcore/health", process=self._dashboard, log=self._log)

    def _process(self, *command: str) -> subprocess.Popen[bytes]:
        whole = [sys.executable, "-m", "ghl_real_estate_ai.cli", *command]
        return self._running.enter_context(
            launch.child(whole, env=launch.environment(self.settings), log=self._log)
        )

    def kill(self, *, dashboard: bool = True) -> None:
        """SIGKILL, as when the machine loses its power; to the gateway alone if the dashboard runs elsewhere."""
        for process in (self._gateway, self._dashboard) if dashboard else (self._gateway,):
            process.kill()
            process.wait(WAIT_S)

    @contextmanager
    def without_dashboard(self) -> Iterator[None]:
        """The dashboard's process is gone for the time of the block; the gateway goes on."""
        self._dashboard.kill()
        self._dashboard.wait(WAIT_S)
        yield
        self._dashboard = self._process("dashboard")
        launch.wait_until_ready(f"{self.url}/_stcore/health", process=self._dashboard, log=self._log)

    def stop(self) -> None:
        """A clean stop. Nothing has failed without being said."""
        self._running.close()
        assert "Traceback" not in self._log.read_text()

    # --- the vendor --------------------------------------------------------------------------------------------------

    def tell(self, type_: str, *, ago: timedelta = timedelta(), **fields: Any) -> str:
        """One signed delivery of something that happened ``ago``; the gateway's word on it."""
        with httpx.Client(base_url=self.settings.gateway_url, timeout=WAIT_S) as client:
            return self._tell(client, self._body(type_, ago=ago, **fields))

    def arrives(self, lead: str, name: str, *, ago: timedelta, **fields: Any) -> None:
        """A new lead. ``fields`` as GoHighLevel names them."""
        assert self.tell("ContactCreate", ago=ago, id=lead, name=name, **fields) == "stored"

    def writes(self, lead: str, words: str, *, ago: timedelta = timedelta()) -> dict[str, Any]:
        """The lead sends a text message; its delivery, which may be sent once more."""
        body = self._body("InboundMessage", ago=ago, **self._message(lead, "inbound", words))
        assert self.again(body) == "stored"
        return body

    def answered(self, lead: str, words: str, *, ago: timedelta, by: UserId = ANA) -> None:
        """Somebody of the team has answered, in the CRM."""
        said = self._message(lead, "outbound", words)
        assert self.tell("OutboundMessage", ago=ago, userId=by, source="app", **said) == "stored"

    def again(self, body: dict[str, Any]) -> str:
        """The same delivery, as a vendor repeats it."""
        with httpx.Client(base_url=self.settings.gateway_url, timeout=WAIT_S) as client:
            return self._tell(client, body)

    def many(self, bodies: Sequence[dict[str, Any]]) -> None:
        """All of them through the same door, some at a time."""

        async def send() -> None:
            left = iter(bodies)
            async with (
                httpx.AsyncClient(base_url=self.settings.gateway_url, timeout=WAIT_S) as client,
                asyncio.TaskGroup() as tasks,
            ):

                async def sender() -> None:
                    for body in left:
                        raw = encoded(body)
                        answer = await client.post(
                            "/webhooks/ghl", content=raw, headers=self.signer.headers(raw)
                        )
                        assert answer.json()["status"] == "stored", answer.text

                for _ in range(SENDERS):
                    tasks.create_task(sender())

        in_a_loop(send)

    def body(self, type_: str, *, ago: timedelta, **fields: Any) -> dict[str, Any]:
        """A delivery for ``many``."""
        return self._body(type_, ago=ago, **fields)

    def _body(self, type_: str, *, ago: timedelta, **fields: Any) -> dict[str, Any]:
        flat = webhook(
            type_, webhook_id=f"hook-{next(self._numbers)}", location_id=self.location_id, **fields
        )
        return {**flat, "timestamp": (datetime.now(UTC) - ago).isoformat()}

    def _message(self, lead: str, direction: str, words: str) -> dict[str, Any]:
        return {
            "contactId": lead,
            "direction": direction,
            "messageType": "SMS",
            "messageId": f"msg-{next(self._numbers)}",
            "body": words,
        }

    def _tell(self, client: httpx.Client, body: dict[str, Any]) -> str:
        raw = json.dumps(body).encode()
        answer = client.post("/webhooks/ghl", content=raw, headers=self.signer.headers(raw))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["status"])

    # --- the office --------------------------------------------------------------------------------------------------

    def put_on_the_market(self, *homes: dict[str, Any]) -> None:
        """As a manager does, over HTTP."""
        who = {"email": EMAILS[Role.MANAGER], "password": PASSWORD}
        with httpx.Client(base_url=self.settings.gateway_url, timeout=WAIT_S) as client:
            token = client.post("/v1/sessions", json=who).json()["access_token"]
            headers = {"Authorization": f"Bearer {token}"}
            client.post("/v1/listings", json={"value": list(homes)}, headers=headers).raise_for_status()

    def log(self) -> list[Event]:
        """All facts of the location, read beside the running processes."""

        async def read(memory: Memory) -> list[Event]:
            return [recorded.event async for recorded in records.log_events(memory, self.location_id)]

        return self._read(read)

    def facts_of(self, lead: str, *types: str) -> list[str]:
        """The types of the lead's facts, oldest first, of those that are named."""
        return [event.type for event in self.log() if event.lead_id == lead and event.type in types]

    def add_empty_office(self, email: str) -> None:
        """Another location, in which nothing is but its admin."""

        async def add(memory: Memory) -> None:
            place = LocationId("empty-office")
            await records.add_location(memory, Location(location_id=place, name="Empty Office"))
            await records.add_user(
                memory,
                location_id=place,
                email=email,
                name="Eve Empty",
                role=Role.ADMIN,
                password=PASSWORD,
            )

        self._read(add)

    def changes(self) -> dict[ChangeStatus, int]:
        """What was ever to be written into the CRM."""
        return dict(self._read(lambda memory: memory.read(lambda uow: uow.changes.counts(self.location_id))))

    def _read[T](self, work: Callable[[Memory], Awaitable[T]]) -> T:
        async def opened() -> T:
            async with bootstrap.opened(self.settings) as memory:
                return await work(memory)

        return in_a_loop(opened)

    async def _furnish(self, crm: FakeGhl | None) -> None:
        async with bootstrap.connected(self.settings) as (memory, _, access):
            if crm is not None:
                await access.connections.connect_private_token(self.location_id, crm.pit)
            else:
                await records.add_location(
                    memory, Location(location_id=self.location_id, name="Harbour Realty")
                )
            for role, email in EMAILS.items():
                await records.add_user(
                    memory,
                    location_id=self.location_id,
                    email=email,
                    name=NAMES[role],
                    role=role,
                    password=PASSWORD,
                )
            people = (
                AccountUser(user_id=ANA, name="Ana Agent", email=EMAILS[Role.AGENT]),
                AccountUser(user_id=BEN, name="Ben Berg", email="ben@example.com"),
            )
            parts = frozenset(WriteBackPart) if crm is not None else frozenset()
            setup = LocationSetup(
                location_id=self.location_id, crm_users=people, write_back=parts, polling=False
            )
            await memory.write(lambda uow: uow.connections.put_setup(setup))


@contextmanager
def installed(folder: Path, *, crm: FakeGhl | None = None) -> Iterator[Installation]:
    """An installation for the time of the block."""
    house = Installation(folder, crm=crm)
    try:
        house.start()
        yield house
    finally:
        house.stop()


def in_a_loop[T](work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """In a thread: Playwright's own loop holds the one of the test."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


# --- what everybody does on a page ----------------------------------------------------------------------------------


def shown(page: Any, title: str) -> None:
    """Until this page is open, and all of it is drawn."""
    page.locator("h1.page-title", has_text=title).wait_for()
    page.wait_for_function("!document.querySelector('[data-stale=true]')")


def go(page: Any, title: str) -> None:
    """To another page, by its name in the bar of either kind."""
    page.locator(".pages").locator("a, button").filter(has_text=title).click()


def fits_and_reads_well(page: Any) -> None:
    """No grave finding of axe-core in either scheme; nothing to scroll sideways."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.wait_for_timeout(300)  # colours of Streamlit's own follow a moment later
        found = grave_findings(page)
        assert found == [], f"{scheme}: {found}"
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def until(page: Any, is_so: Callable[[], bool]) -> None:
    """Wait for something that is not on the page, while the page goes on."""
    for _ in range(int(WAIT_S * 4)):
        if is_so():
            return
        page.wait_for_timeout(250)
    raise AssertionError("it did not come")
