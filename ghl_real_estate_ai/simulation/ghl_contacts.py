"""The contacts of a sub-account, and the search index that lags behind them.

Called by ghl_account.py. The index shows what a contact was a moment ago, as GoHighLevel's does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from copy import deepcopy

from pydantic import JsonValue

from ghl_real_estate_ai.simulation.ghl_search import ContactSearch

Body = dict[str, JsonValue]


class ContactBook:
    """The truth by id, and the index of ``ContactSearch``."""

    def __init__(self, steady_s: Callable[[], float], lag_s: Callable[[], float]) -> None:
        self._steady_s, self._lag_s = steady_s, lag_s
        self._contacts: dict[str, Body] = {}
        self._waiting: deque[tuple[float, str, Body | None]] = deque()
        self._index = ContactSearch()

    def __len__(self) -> int:
        return len(self._contacts)

    def __iter__(self) -> Iterator[Body]:
        return iter(self._contacts.values())

    def get(self, contact_id: str) -> Body | None:
        """The contact as it is now."""
        return self._contacts.get(contact_id)

    def put(self, contact: Body) -> None:
        """A new or changed contact."""
        contact_id = str(contact["id"])
        self._contacts[contact_id] = contact
        self._waiting.append((self._steady_s() + self._lag_s(), contact_id, deepcopy(contact)))

    def remove(self, contact_id: str) -> None:
        """Forget a contact."""
        del self._contacts[contact_id]
        self._waiting.append((self._steady_s() + self._lag_s(), contact_id, None))

    def duplicate_of(self, email: JsonValue, phone: JsonValue) -> Body | None:
        """A contact with this email or phone."""
        for contact in self._contacts.values():
            if (email and contact.get("email") == email) or (phone and contact.get("phone") == phone):
                return contact
        return None

    def index(self) -> ContactSearch:
        """The index as far as it has come."""
        now = self._steady_s()
        while self._waiting and self._waiting[0][0] <= now:
            _, contact_id, contact = self._waiting.popleft()
            self._index.take(contact_id, contact)
        return self._index
