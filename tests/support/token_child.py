"""A process that calls the CRM many times at once with a token that is no longer accepted.

Run by ``tests/chaos/test_one_renewal.py`` in a process of its own. Says ``ready``, waits for a word, calls, and tells what
became of it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from multiprocessing.connection import Connection

from ghl_real_estate_ai import telemetry
from ghl_real_estate_ai.errors import EnterpriseHubError
from ghl_real_estate_ai.integrations.gohighlevel.oauth_endpoints import AppCredentials
from ghl_real_estate_ai.integrations.gohighlevel.rate_limits import RateLimiter
from ghl_real_estate_ai.integrations.http import HttpAnswer, HttpClient, HttpRequest
from ghl_real_estate_ai.storage.database import Database
from tests.support.crm_access import crm_tools

_FASTER = 100
"""Our own limits pass by so much faster: this is about tokens, not about turns."""


class CountingHttp(HttpClient):
    """Keeps what was answered: (endpoint, status) -> how often."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: Counter[tuple[str, int]] = Counter()

    async def send(self, request: HttpRequest) -> HttpAnswer:
        """One attempt."""
        answer = await super().send(request)
        self.answers[request.name, answer.status] += 1
        return answer


@dataclass(frozen=True)
class Report:
    """What became of the calls, and how often the CRM answered what."""

    good: int
    failed: list[str]
    refused: int
    renewals: int


async def main(
    wire: Connection, database_url: str, crm_url: str, app: AppCredentials, location_id: str, calls: int
) -> None:
    """Call at once, and report."""
    http = CountingHttp()
    limiter = RateLimiter(
        seconds=lambda: time.monotonic() * _FASTER, sleep=lambda s: asyncio.sleep(s / _FASTER)
    )
    async with (
        Database(database_url) as memory,
        crm_tools(memory, crm_url, app, limiter=limiter, http=http) as tools,
    ):
        wire.send("ready")
        await asyncio.to_thread(wire.recv)
        outcomes = await asyncio.gather(
            *(tools.client.get_location(location_id) for _ in range(calls)), return_exceptions=True
        )
    failed = [str(outcome) for outcome in outcomes if isinstance(outcome, EnterpriseHubError)]
    good = sum(getattr(outcome, "id", None) == location_id for outcome in outcomes)
    refused = sum(
        times for (name, status), times in http.answers.items() if status == 401 and "locations" in name
    )
    renewals = sum(times for (name, _), times in http.answers.items() if name == "POST /oauth/token")
    wire.send(Report(good=good, failed=failed, refused=refused, renewals=renewals))


def run(
    wire: Connection, database_url: str, crm_url: str, app: AppCredentials, location_id: str, calls: int
) -> None:
    """The whole process."""
    telemetry.configure_logging(level="ERROR", as_json=False)
    asyncio.run(main(wire, database_url, crm_url, app, location_id, calls))
