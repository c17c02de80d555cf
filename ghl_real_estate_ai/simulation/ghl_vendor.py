"""The whole simulated vendor: account, authority, limits, webhooks, knobs, wired. A parts list.

Called by ghl_server.py, which serves it, by commands/fake_account.py and by tests, which hold it in their hands.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.ghl_account import Account, Body
from ghl_real_estate_ai.simulation.ghl_clock import VendorClock, real_time
from ghl_real_estate_ai.simulation.ghl_knobs import Faults, Habits
from ghl_real_estate_ai.simulation.ghl_limits import Limits
from ghl_real_estate_ai.simulation.ghl_oauth import Authority
from ghl_real_estate_ai.simulation.ghl_webhooks import Webhooks
from ghl_real_estate_ai.simulation.vendor_signature import VendorKey

COMPANY_ID: Final = "simulatedCompany0001"
LOCATION_ID: Final = "simulatedLocation001"
_CALLS_KEPT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Called:
    """A call that was made. ``owner``: location or company of its token, '' without one. ``status`` 0: nothing was answered."""

    at_s: float
    owner: str
    method: str
    path: str
    status: int


@dataclass
class Vendor:
    """Make one with ``build``."""

    account: Account
    authority: Authority
    limits: Limits
    webhooks: Webhooks
    habits: Habits
    faults: Faults
    clock: VendorClock
    luck: random.Random = field(default_factory=lambda: random.Random(0))
    calls: deque[Called] = field(default_factory=lambda: deque(maxlen=_CALLS_KEPT))
    """The newest calls, whatever became of them; those to the control routes left out."""

    @classmethod
    def build(
        cls,
        *,
        location_ids: Sequence[str] = (LOCATION_ID,),
        now: Callable[[], datetime] = real_time,
        key_seed: bytes | None = None,
        seed: int = 0,
    ) -> Vendor:
        """``now``: the clock underneath. The same seed gives the same ids and the same luck; tokens are always fresh."""
        habits, faults, clock = Habits(), Faults(), VendorClock(now)
        account = Account(location_ids, company_id=COMPANY_ID, clock=clock, habits=habits, seed=seed)
        authority = Authority(COMPANY_ID, clock.now, lambda: habits.access_token_s)
        webhooks = Webhooks(
            key=VendorKey(key_seed),
            now=clock.now,
            habits=habits,
            faults=faults,
            hears=lambda location_id, scope: (
                authority.is_installed(location_id) and (not scope or scope in authority.app_scopes)
            ),
            describe=lambda location_id, contact_id: _described(account, location_id, contact_id),
            seed=seed,
        )
        account.listeners.append(webhooks.publish)
        limits = Limits(clock.steady_s)
        return cls(account, authority, limits, webhooks, habits, faults, clock, random.Random(seed))

    def install(self, location_id: str) -> None:
        """As if the owner had installed the app: its webhooks begin, and INSTALL is the first."""
        self.authority.installed.setdefault(location_id, self.clock.now())
        self.tell_of_app("INSTALL", location_id)

    def uninstall(self, location_id: str) -> None:
        """The app is gone: its tokens are dead, UNINSTALL is its last webhook."""
        self.tell_of_app("UNINSTALL", location_id)
        self.authority.uninstall(location_id)

    def tell_of_app(self, type_: str, location_id: str) -> None:
        """INSTALL or UNINSTALL; ``location_id`` '': of the whole company."""
        body: Body = {"companyId": self.account.company_id, "companyName": "Simulated Agency", "userId": ""}
        self.account.tell(location_id, type_, body)


def _described(account: Account, location_id: str, contact_id: str) -> Mapping[str, JsonValue]:
    """A contact and its location, in the workflow action's words."""
    sub_account = account.sub_accounts[location_id]
    contact = sub_account.contacts.get(contact_id) or {}
    location: Body = {"id": location_id, "name": sub_account.name, "address": "", "city": "", "state": "", "country": "US",
                      "postalCode": "", "fullAddress": ""}  # fmt: skip
    return {**contact, "location": location}
