"""What the fake GoHighLevel can be told to do otherwise: habits of a normal day, faults of a bad one.

Called by the tests' and the command's set-up, and by ``/_fake/`` (ghl_routes_control.py). Every knob is in
docs/fake-gohighlevel.md.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from http import HTTPStatus
from typing import Final

from pydantic import JsonValue

from ghl_real_estate_ai.errors import VendorRefusal

_SHUFFLE_S: Final = 0.5
_HTTP: Final = frozenset({"GET", "POST", "PUT", "DELETE"})


@dataclass
class Habits:
    """What GoHighLevel does every day. Defaults are what its documents or users report."""

    index_lag_s: float = 2.0
    """A changed contact shows up in contacts/search this much later."""
    status_lag_s: float = 7.0
    """A sent message stays pending for so long, and PUT .../status answers 403 until then (users report 5 to 10 s)."""
    access_token_s: int = 86_399
    nested_messages: bool = True
    """GET /conversations/{id}/messages as it really answers; false: flat, as its document shows."""
    unreadable_id_status: int = 500
    """What an id that no GoHighLevel id looks like gets."""
    unknown_id_status: int = 404
    """What a well-formed id of nothing gets. Not documented."""
    missing_version_status: int = 400
    """What a call without the right ``Version`` header gets. The document says only that the header is required."""
    scope_refusal_status: int = 0
    """What a call outside the token's scopes gets; 0: 403 under v3, 401 under the date versions."""
    both_spellings: bool = True
    """Answers of v3 say ``succeeded`` and ``succeded``, as its document does."""
    appointment_updates_claim_create: bool = False
    """Webhooks of changed and deleted appointments say ``type: AppointmentCreate``, as their pages do."""
    sent_texts_claim_inbound: bool = False
    """Webhooks of sent SMS say ``direction: inbound``, as their page does."""
    texts_without_message_id: bool = False
    """Webhooks of SMS carry no ``messageId``, as their page shows."""
    records_without_type: bool = False
    """Webhooks of records carry no ``type``, as their pages show."""


@dataclass
class Faults:
    """What goes wrong. ``*_next`` counts down; a share is decided by a seeded luck."""

    refuse_next: int = 0
    """So many calls get a 429."""
    fail_next: int = 0
    """So many calls get a 503 and are not done."""
    fail_share: float = 0.0
    """This share of all calls gets a 503 and is not done."""
    lose_next: int = 0
    """So many calls are done, and their answer never arrives: the connection breaks instead."""
    lose_silently: bool = False
    """A lost answer leaves the connection open until the client gives up."""
    fail_after_next: int = 0
    """So many calls are done and answered 500."""
    slow_s: float = 0.0
    """Every answer takes this much longer."""
    only_method: str = ""
    only_path: str = ""
    """The faults above touch only calls of this method, whose path contains this text."""
    inactive_locations: list[str] = field(default_factory=list)
    """Calls and refreshes of these locations get 400 "Location is not active"."""
    clock_skew_s: float = 0.0
    """Its clock, ``Date`` header and stamps, is ahead by so much."""
    doubled: float = 0.0
    """This share of webhooks is sent twice."""
    shuffled: float = 0.0
    """This share of webhooks is held back for up to ``shuffle_s``."""
    shuffle_s: float = _SHUFFLE_S

    def touch(self, method: str, path: str) -> bool:
        """Whether the call is one that faults are for. The control routes never are."""
        wanted = self.only_method in {"", method} and self.only_path in path
        return wanted and method in _HTTP and not path.startswith("/_fake/")

    def refusal(self, luck: random.Random) -> VendorRefusal | None:
        """What a call gets instead of being done."""
        if self._uses_up("refuse_next"):
            return VendorRefusal(HTTPStatus.TOO_MANY_REQUESTS, "Too Many Requests")
        if self._uses_up("fail_next") or (self.fail_share and luck.random() < self.fail_share):
            return VendorRefusal(HTTPStatus.SERVICE_UNAVAILABLE, "Service Unavailable")
        return None

    def loses_the_answer(self) -> bool:
        """Whether this call is done without an answer."""
        return self._uses_up("lose_next")

    def fails_afterwards(self) -> bool:
        """Whether this call is done and then answered 500."""
        return self._uses_up("fail_after_next")

    def _uses_up(self, name: str) -> bool:
        left: int = getattr(self, name)
        if left <= 0:
            return False
        setattr(self, name, left - 1)
        return True


def turn[K: (Habits, Faults)](knobs: K, changes: Mapping[str, JsonValue]) -> K:
    """Set knobs by name. Raises VendorRefusal (400) naming one that does not exist or takes another kind of value."""
    known = {knob.name: getattr(knobs, knob.name) for knob in fields(knobs)}
    for name, value in changes.items():
        if name not in known:
            raise VendorRefusal(
                HTTPStatus.BAD_REQUEST, f"no knob {name!r}; there are {', '.join(sorted(known))}"
            )
        kind = type(known[name])
        fitting = (int, float) if kind is float else (kind,)
        if not isinstance(value, fitting) or (kind is not bool and isinstance(value, bool)):
            raise VendorRefusal(HTTPStatus.BAD_REQUEST, f"{name}: must be {kind.__name__}")
    for name, value in changes.items():
        setattr(knobs, name, value)
    return knobs


def reset(knobs: Habits | Faults) -> None:
    """Every knob as it was at the start."""
    for knob in fields(knobs):
        setattr(knobs, knob.name, getattr(type(knobs)(), knob.name))


def as_json(knobs: Habits | Faults) -> dict[str, JsonValue]:
    """Every knob and its value."""
    return {knob.name: getattr(knobs, knob.name) for knob in fields(knobs)}
