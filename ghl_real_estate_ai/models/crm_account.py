"""A location's account at the CRM, as ``enterprisehub connect`` and ``enterprisehub doctor`` see it. No tokens, no leads.

Filled by integrations/gohighlevel/account.py; read by services/crm_health.py and commands/connect.py.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from pydantic import Field

from ghl_real_estate_ai.models.identifiers import Frozen, UserId
from ghl_real_estate_ai.models.leads import StageRole

_STAGE_WORDS: Final = {
    StageRole.LOST: r"lost|dead\b|unqualified|disqualified|not interested|no longer|abandoned|archived|junk|spam|"
    "do not contact|cancelled|canceled|expired|withdrawn|fell through",
    StageRole.WON: r"won\b|closed|sold\b|settled|funded|past client|completed|moved in",
    StageRole.APPOINTMENT: "appointment|appt|showing|tour|viewing|open house|consult|meeting|booked|scheduled|"
    "listing presentation|walkthrough",
    StageRole.WORKING: r"contacted|attempt|follow|nurtur|engag|qualif|working|active|warm|hot\b|cold\b|pre-?approv|offer|"
    "contract|escrow|pending|negotiat|search|responded|replied|conversation|in progress|call ?back|proposal|signed|"
    "closing|showed|no ?show|called|texted|emailed|long term|application",
    StageRole.NEW: r"new\b|incoming|inquiry|enquiry|lead|opt[- ]?in|uncontacted",
}
"""What the name of a stage says of it. Lost comes first ("closed lost"), new last ("hot lead" is worked on)."""

_NOT_YET: Final = re.compile(r"\b(not yet|un|never|to be|needs?)[ -]?(contacted|called|worked)\b")


def proposed_role(stage_name: str) -> StageRole | None:
    """What a stage probably means, by the words of its name. None: the name says nothing; its owner has to."""
    name = " ".join(stage_name.casefold().split())
    if _NOT_YET.search(name):
        return StageRole.NEW
    return next((role for role, words in _STAGE_WORDS.items() if re.search(rf"\b({words})", name)), None)


class PipelineStage(Frozen):
    """One stage of a pipeline, by the account's own name."""

    stage_id: str
    name: str


class Pipeline(Frozen):
    """A row of stages that deals move through."""

    pipeline_id: str
    name: str
    stages: tuple[PipelineStage, ...] = ()


class AccountUser(Frozen):
    """Somebody who works in the account."""

    user_id: UserId
    name: str
    email: str | None = None


class AccountCalendar(Frozen):
    """A calendar that leads can be booked in."""

    calendar_id: str
    name: str


class ScopeNeed(StrEnum):
    """Who needs a scope: everybody, those who write back, or those who want what it gives."""

    ALWAYS = "always"
    WRITE_BACK = "write_back"
    OPTIONAL = "optional"


class ScopeCheck(Frozen):
    """Whether the token may do something. ``granted`` None: not known, because no harmless call shows it."""

    scope: str
    need: ScopeNeed
    granted: bool | None
    without: str = Field(description="what does not work without it")


class CrmAccount(Frozen):
    """What an account holds. A part that the token may not read is empty, and its scope says so."""

    name: str | None = None
    company_id: str | None = None
    pipelines: tuple[Pipeline, ...] = ()
    users: tuple[AccountUser, ...] = ()
    calendars: tuple[AccountCalendar, ...] = ()
    objects: tuple[str, ...] = Field(default=(), description="schema keys of custom objects")
    fields: dict[str, str] = Field(default_factory=dict, description="custom field of a contact: id -> name")
    scopes: tuple[ScopeCheck, ...] = ()

    @property
    def stages(self) -> dict[str, PipelineStage]:
        """Every stage of every pipeline, by id."""
        return {stage.stage_id: stage for pipeline in self.pipelines for stage in pipeline.stages}

    def may_not(self) -> tuple[ScopeCheck, ...]:
        """The scopes that are known to be missing."""
        return tuple(check for check in self.scopes if check.granted is False)


class ApiUse(Frozen):
    """What the CRM's newest answers said beside their content. None: no answer yet, or it did not say."""

    calls_left_today: int | None = None
    calls_per_day: int | None = None
    clock_skew_s: float | None = Field(default=None, description="the CRM's clock minus ours")
