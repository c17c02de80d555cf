"""What EnterpriseHub writes into the CRM, by name: fields, tags, the mark on its texts, and when a change is worth a call.

Used by ``ml/crm_content.py`` (what to write), the services that write it, and the CRM's adapters. ``docs/write-back.md``
shows it to the account's owner.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from ghl_real_estate_ai.models.connections import (
    Connection,
    ConnectionStatus,
    LocationSetup,
    WriteBackPart,
)
from ghl_real_estate_ai.models.identifiers import LocationId
from ghl_real_estate_ai.models.synchronization import ChangeKind

# --- names that the account's owner sees ---------------------------------------------------------------------------


class OwnField(StrEnum):
    """Our custom fields of a contact. Fields of any other name are the account's own and are never written."""

    SCORE = "EnterpriseHub Score"
    WON = "EnterpriseHub Won"
    INTERVAL = "EnterpriseHub Interval"
    STAGE = "EnterpriseHub Stage"
    RISK = "EnterpriseHub Risk"
    NEXT_ACTION = "EnterpriseHub Next Action"
    BASIS = "EnterpriseHub Basis"


NUMBER_FIELDS: Final = frozenset({OwnField.SCORE, OwnField.WON})
"""Hold numbers, 0 to 100; the others hold text."""

TAG_PREFIX: Final = "eh:"
"""Tags that begin so are ours: only they are added and removed, and none of them ever reaches a model."""


class OwnTag(StrEnum):
    """Our tags. A tag says what is so now; it goes when it is so no longer."""

    HOT = "eh:hot"
    WAITING = "eh:waiting"
    SLIPPING = "eh:slipping"


def is_own_tag(tag: str) -> bool:
    """Whether a tag is ours, also one that an older release wrote. The CRM changes capitals as it likes."""
    return tag.strip().lower().startswith(TAG_PREFIX)


def marker(location_id: LocationId, change_id: str) -> str:
    """What a text of ours carries, so that it is known again when it comes back: the change's id, unreadable."""
    return f"[eh-{hashlib.sha256(f'{location_id}\x1f{change_id}'.encode()).hexdigest()[:16]}]"


PART_OF: Final[dict[ChangeKind, WriteBackPart]] = {
    ChangeKind.FIELDS: WriteBackPart.FIELDS,
    ChangeKind.TAGS: WriteBackPart.TAGS,
    ChangeKind.TASK: WriteBackPart.TASKS,
    ChangeKind.NOTE: WriteBackPart.NOTES,
}
"""Which switch of the owner a change needs. A message has none: nothing of ours wants one."""

STATES: Final = frozenset({ChangeKind.FIELDS, ChangeKind.TAGS})
"""Changes that hold a state: sent twice they do the same, and only the newest matters. The others happen once."""


def obstacle(
    kind: ChangeKind, *, connection: Connection | None, setup: LocationSetup | None, simulated: bool
) -> str | None:
    """Why nothing of this kind may be written, in words for the account's owner; None when it may.

    ``simulated``: whether the lead is. What is simulated goes into simulated accounts only, what is real into real ones.
    """
    if connection is None or connection.status is ConnectionStatus.UNINSTALLED:
        return "the account is not connected"
    if connection.status is not ConnectionStatus.ACTIVE:
        return "the account has to be connected again"
    if connection.simulated != simulated:
        told, into = ("a simulated", "a real") if simulated else ("a real", "a simulated")
        return f"{told} lead is not written into {into} account"
    part = PART_OF.get(kind)
    if part is not None and (setup is None or part not in setup.write_back):
        return f"writing {part} is turned off"
    return None


# --- policy: when a change is worth a call -------------------------------------------------------------------------

STEPS: Final = {OwnField.SCORE: 5, OwnField.WON: 2}
"""A number (0 to 100) that moved less than this is not written again, unless something else changed too."""

RIDES_ALONG: Final = frozenset({OwnField.INTERVAL})
"""Written with the others, and no reason to write by itself."""

HOT_SCORE: Final = 0.5
"""From this chance of an appointment a lead is tagged hot."""

TASK_URGENCY: Final = 0.5
"""From this urgency a next action becomes a task: whoever waits for a human, and what is about to be missed."""

TASK_REST_HOURS: Final = 4.0
"""A lead that writes five times in a row is one task: a further one of the same kind waits this long."""

TASK_DUE_HOURS: Final = ((0.7, 1.0), (0.6, 4.0), (TASK_URGENCY, 24.0))
"""(from this urgency, the task is due in so many hours), most urgent first."""

NEWS_HOURS: Final = 24.0
"""Tasks and notes are for news: an event older than this, as a history import brings by the thousand, causes none."""

SETTLE_S: Final = 5.0
"""A change waits this long before it is sent, so that a burst of events is one call."""

HISTORY_SETTLE_S: Final = 600.0
"""A change that old events caused waits this long: an import tells a lead's whole history before it is written once."""

FAILED_REST_HOURS: Final = 1.0
"""Fields or tags that the CRM refused are tried again with the lead's next event, but not sooner than this."""

ECHO_WINDOW_MINUTES: Final = 10.0
"""A change of ours may come back as the CRM's own webhook within this time."""
