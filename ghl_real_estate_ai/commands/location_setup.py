"""What the owner decides for a location: what stages mean, calendars, site activity, the workflow's URL, write-back.

Called by connect.py. What is not asked for keeps what it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ghl_real_estate_ai.commands.questions import Questions
from ghl_real_estate_ai.errors import InputError
from ghl_real_estate_ai.models.connections import (
    WORKFLOW_PATH,
    LocationSetup,
    WriteBackPart,
    workflow_key_hash,
)
from ghl_real_estate_ai.models.crm_account import CrmAccount, Pipeline, proposed_role
from ghl_real_estate_ai.models.leads import StageRole

NONE = "none"
"""Answer for: nothing of these."""

_ROLES = (*(role.value for role in StageRole), NONE)

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class SetupOptions:
    """What was said on the command line; None: not said."""

    stages: Sequence[str] = ()
    calendars: Sequence[str] | None = None
    activity_object: str | None = None
    new_workflow_url: bool | None = None
    write_back: str | None = None
    polling: bool | None = None


@dataclass(frozen=True)
class Decided:
    """The setup, and the workflow's URL if a new one was made: shown now and never again."""

    setup: LocationSetup
    workflow_url: str | None = field(default=None, repr=False)


def decide(
    before: LocationSetup,
    account: CrmAccount,
    options: SetupOptions,
    *,
    ask: Questions,
    say: Say,
    gateway_url: str,
) -> Decided:
    """The new setup. Raises InputError for an option that fits nothing in the account."""
    first_time = not before.stages and not before.calendars
    stages = _stages(before, account, given_roles(options.stages, account), ask=ask, say=say)
    url, key_hash = _workflow_url(before, options, ask=ask, gateway_url=gateway_url)
    setup = before.model_copy(
        update={
            "stages": stages,
            "calendars": _calendars(before, account, options.calendars, first_time=first_time),
            "activity_object": _activity_object(before, account, options.activity_object),
            "polling": before.polling if options.polling is None else options.polling,
            "write_back": _write_back(before, options.write_back, ask=ask),
            "workflow_key_hash": key_hash,
            "crm_users": account.users or before.crm_users,  # without the scope, the names of before
        }
    )
    return Decided(setup, url)


def given_roles(said: Sequence[str], account: CrmAccount) -> dict[str, StageRole | None]:
    """``ID=ROLE`` or ``NAME=ROLE`` by stage id; None: the stage means nothing. A name may be that of several stages."""
    given: dict[str, StageRole | None] = {}
    for one in said:
        name, _, role = (part.strip() for part in one.rpartition("="))
        if role not in _ROLES or not name:
            raise InputError(f"--stage {one!r}: write ID=ROLE, with a role of {', '.join(_ROLES)}")
        ids = [
            stage_id
            for stage_id, stage in account.stages.items()
            if name == stage_id or name.casefold() == stage.name.casefold()
        ]
        if not ids:
            raise InputError(f"--stage {one!r}: the account has no stage of this id or name")
        given.update(dict.fromkeys(ids, None if role == NONE else StageRole(role)))
    return given


# --- what stages mean ---------------------------------------------------------------------------------------------


def _stages(
    before: LocationSetup,
    account: CrmAccount,
    given: Mapping[str, StageRole | None],
    *,
    ask: Questions,
    say: Say,
) -> dict[str, StageRole]:
    """What was said, else what it was, else what the name says. Stages that are gone keep their meaning: deals had it."""
    roles: dict[str, StageRole | None] = {
        stage_id: given[stage_id]
        if stage_id in given
        else before.stages.get(stage_id) or proposed_role(stage.name)
        for stage_id, stage in account.stages.items()
    }
    for pipeline in account.pipelines:
        say(f"pipeline {pipeline.name!r}:")
        for stage in pipeline.stages:
            say(f"  {stage.name:32} means {_word(roles[stage.stage_id])}")
    if account.pipelines and not given and not ask.agree("Is that what the stages mean?", default=True):
        for pipeline in account.pipelines:
            roles |= _asked(pipeline, roles, ask)
    kept = {stage_id: role for stage_id, role in before.stages.items() if stage_id not in roles}
    return kept | {stage_id: role for stage_id, role in roles.items() if role is not None}


def _asked(
    pipeline: Pipeline, roles: Mapping[str, StageRole | None], ask: Questions
) -> dict[str, StageRole | None]:
    answers: dict[str, StageRole | None] = {}
    for stage in pipeline.stages:
        word = ask.choose(f"{pipeline.name} / {stage.name}", _ROLES, default=_word(roles[stage.stage_id]))
        answers[stage.stage_id] = None if word == NONE else StageRole(word)
    return answers


def _word(role: StageRole | None) -> str:
    return NONE if role is None else role.value


# --- the rest -----------------------------------------------------------------------------------------------------


def _calendars(
    before: LocationSetup, account: CrmAccount, said: Sequence[str] | None, *, first_time: bool
) -> tuple[str, ...]:
    """All of them at first; later, those that were chosen."""
    if said is None:
        return tuple(one.calendar_id for one in account.calendars) if first_time else before.calendars
    if list(said) == [NONE]:
        return ()
    known = {one.calendar_id: one.calendar_id for one in account.calendars}
    known |= {one.name: one.calendar_id for one in account.calendars}
    for name in said:
        if name not in known:
            raise InputError(
                f"--calendar {name!r}: the account has {', '.join(one.name for one in account.calendars) or NONE}"
            )
    return tuple(dict.fromkeys(known[name] for name in said))


def _activity_object(before: LocationSetup, account: CrmAccount, said: str | None) -> str | None:
    """The one that was said, or was there before, or is named for it (docs/simulation.md, "Site activity")."""
    if said == NONE:
        return None
    if said is not None and said not in account.objects:
        raise InputError(
            f"--activity-object {said!r}: the account has {', '.join(account.objects) or 'no custom objects'}"
        )
    return said or before.activity_object or next((key for key in account.objects if "activity" in key), None)


def _write_back(before: LocationSetup, said: str | None, *, ask: Questions) -> frozenset[WriteBackPart]:
    """Off until it is asked for."""
    if said is None:
        was = ",".join(sorted(part.value for part in before.write_back)) or NONE
        parts = ", ".join(part.value for part in WriteBackPart)
        said = ask.text(f"Write into the CRM ({parts}; {NONE})", default=was, option="--write-back")
    words = {word.strip() for word in said.split(",") if word.strip()} - {NONE}
    unknown = words - {part.value for part in WriteBackPart}
    if unknown:
        raise InputError(
            f"--write-back: {', '.join(sorted(unknown))} is none of {', '.join(WriteBackPart)}, {NONE}"
        )
    return frozenset(WriteBackPart(word) for word in words)


def _workflow_url(
    before: LocationSetup, options: SetupOptions, *, ask: Questions, gateway_url: str
) -> tuple[str | None, str | None]:
    """A new URL with its hash, or None with the hash of before. Only the hash is stored."""
    wanted = options.new_workflow_url
    if wanted is None:
        wanted = before.workflow_key_hash is None and ask.agree(
            "Make a URL for the Webhook action of workflows?", default=False
        )
    if not wanted:
        return None, before.workflow_key_hash
    key = secrets.token_urlsafe(32)
    return f"{gateway_url}{WORKFLOW_PATH}{key}", workflow_key_hash(key)
