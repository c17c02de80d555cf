"""The writer over a real client before the fake GoHighLevel: real HTTP, calls counted, waits that pass at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiProfile
from ghl_real_estate_ai.integrations.gohighlevel.client import AccessToken, GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.gohighlevel.standings import Standings
from ghl_real_estate_ai.integrations.gohighlevel.writer import GoHighLevelWriter
from ghl_real_estate_ai.integrations.http import HttpAnswer, HttpClient, HttpRequest
from ghl_real_estate_ai.models.identifiers import LeadId, LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind, CrmChange
from ghl_real_estate_ai.models.write_back import OwnField
from ghl_real_estate_ai.ports import Memory
from tests.support.clock import FakeClock
from tests.support.fake_ghl import FakeGhl


class CountingHttp(HttpClient):
    """Keeps which endpoints were called, how often."""

    def __init__(self) -> None:
        super().__init__(timeout_s=2.0)
        self.calls: Counter[str] = Counter()

    async def send(self, request: HttpRequest) -> HttpAnswer:
        self.calls[request.name] += 1
        return await super().send(request)


class OneToken:
    """A private token: static."""

    def __init__(self, value: str) -> None:
        self._value = value

    async def token(self, owner_id: str) -> AccessToken:
        return AccessToken(self._value, 1)

    async def renewed(self, owner_id: str, *, generation: int) -> AccessToken:
        raise AssertionError(f"{owner_id}: nothing renews a private token")


@dataclass
class Desk:
    """The writer, and everything around it."""

    fake: FakeGhl
    writer: GoHighLevelWriter
    http: CountingHttp
    memory: Memory
    clock: FakeClock

    @property
    def location_id(self) -> LocationId:
        """The first location."""
        return LocationId(self.fake.location_id)

    def lead(self, **fields: JsonValue) -> LeadId:
        """A contact in the account."""
        contact = self.fake.home.put_contact({"firstName": "Ada", **fields}, at=self.fake.vendor.clock.now())
        return LeadId(str(contact["id"]))

    def tags_of(self, lead_id: str) -> list[str]:
        """The contact's tags in the account."""
        tags = self.contact(lead_id)["tags"]
        return [str(tag) for tag in tags] if isinstance(tags, list) else []

    def contact(self, lead_id: str) -> dict[str, JsonValue]:
        """The contact in the account."""
        found = self.fake.home.contacts.get(lead_id)
        assert found is not None
        return found

    def fields_of(self, lead_id: str) -> dict[str, JsonValue]:
        """The contact's custom fields in the account, by name."""
        return own_fields(self.fake, lead_id)

    def change(
        self,
        kind: ChangeKind,
        lead_id: LeadId,
        content: dict[str, JsonValue],
        *,
        created_at: datetime | None = None,
    ) -> CrmChange:
        """A change that is to be made."""
        now = created_at or self.fake.vendor.clock.now()
        return CrmChange(
            location_id=self.location_id,
            change_id=f"{kind}:1",
            lead_id=lead_id,
            kind=kind,
            content=content,
            due_at=now,
            created_at=now,
        )


def own_fields(fake: FakeGhl, lead_id: str) -> dict[str, JsonValue]:
    """What the account holds in our custom fields of a contact, by name."""
    contact = fake.home.contacts.get(lead_id)
    entries = None if contact is None else contact["customFields"]
    shown: dict[str, JsonValue] = {}
    for entry in entries if isinstance(entries, list) else ():
        assert isinstance(entry, dict)
        definition = fake.home.custom_fields.get(str(entry["id"]), {})
        value = next((entry[key] for key in ("value", "fieldValue", "field_value") if key in entry), None)
        if definition.get("name") in set(OwnField):
            shown[str(definition["name"])] = value
    return shown


@asynccontextmanager
async def writing_to(
    fake: FakeGhl, *, memory: Memory, api: ApiProfile = ApiProfile.V3
) -> AsyncIterator[Desk]:
    """Open until the block is left."""
    clock = FakeClock()

    async def at_once(seconds: float) -> None:
        clock.set_forward(seconds)

    http = CountingHttp()
    async with http:
        client = GoHighLevelClient(
            http=http,
            tokens=OneToken(fake.pit),
            limiter=RateLimiter(seconds=lambda: clock.now().timestamp(), sleep=at_once),
            standings=Standings(),
            clock=clock,
            api=api,
            base_url=fake.url,
            sleep=at_once,
        )
        yield Desk(fake, GoHighLevelWriter(client=client, memory=memory, clock=clock), http, memory, clock)
