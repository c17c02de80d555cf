"""A look at a GoHighLevel account by harmless reads: what it holds, and which scopes its token has.

Implements crm_ports.CrmAccountReader for ``enterprisehub connect``, ``enterprisehub doctor`` and services/crm_sync.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from ghl_real_estate_ai.errors import CrmRefused, CrmUnreadable, NotFound, NotInThisVersion, ScopeMissing
from ghl_real_estate_ai.integrations.gohighlevel.account_resources import UserPage
from ghl_real_estate_ai.integrations.gohighlevel.client import GoHighLevelClient
from ghl_real_estate_ai.integrations.gohighlevel.resources import PipelineList
from ghl_real_estate_ai.models.crm_account import (
    AccountCalendar,
    AccountUser,
    ApiUse,
    CrmAccount,
    Pipeline,
    PipelineStage,
    ScopeCheck,
    ScopeNeed,
)
from ghl_real_estate_ai.models.identifiers import LocationId, UserId
from ghl_real_estate_ai.ports import Clock

_WITHOUT: Final[Mapping[str, tuple[ScopeNeed, str]]] = {
    "locations.readonly": (ScopeNeed.ALWAYS, "the account's name and company; users cannot be listed either"),
    "contacts.readonly": (
        ScopeNeed.ALWAYS,
        "leads: no import, no polling, no reading after a workflow's hint",
    ),
    "conversations/message.readonly": (ScopeNeed.ALWAYS, "messages and calls: no history, no response times"),
    "opportunities.readonly": (ScopeNeed.ALWAYS, "deals and the stages of their pipelines"),
    "calendars.readonly": (ScopeNeed.OPTIONAL, "the list of calendars: appointments come by webhook only"),
    "calendars/events.readonly": (ScopeNeed.OPTIONAL, "appointments, other than by webhook"),
    "conversations.readonly": (
        ScopeNeed.OPTIONAL,
        "looking up a conversation whose last message may be lost",
    ),
    "users.readonly": (ScopeNeed.OPTIONAL, "the names of the agents that leads are assigned to"),
    "objects/schema.readonly": (ScopeNeed.OPTIONAL, "finding the custom object that holds site activity"),
    "objects/record.readonly": (ScopeNeed.OPTIONAL, "site activity, other than by webhook"),
    "contacts.write": (ScopeNeed.WRITE_BACK, "writing fields, tags, tasks and notes"),
    "locations/customFields.readonly": (ScopeNeed.WRITE_BACK, "finding our custom fields"),
    "locations/customFields.write": (ScopeNeed.WRITE_BACK, "making our custom fields"),
}
"""Scope -> who needs it, and what does not work without it. A scope that nothing uses is not asked about."""

_FEW: Final = 10
"""Messages of the smallest page."""

_LOOK_AHEAD: Final = timedelta(days=1)


class GoHighLevelAccount:
    """About a dozen calls per look. Safe to share."""

    def __init__(self, *, client: GoHighLevelClient, clock: Clock) -> None:
        """``client``: an urgent one, because somebody waits for the answer."""
        self._client: Final = client
        self._clock: Final = clock

    async def describe(self, location_id: LocationId, *, stated: Sequence[str]) -> CrmAccount:
        """Everything that can be read. Raises what the client raises, but for a missing scope."""
        client, seen = self._client, _Scopes(stated)
        place = await seen.read("locations.readonly", client.get_location(location_id))
        pipelines = await seen.read("opportunities.readonly", client.list_pipelines(location_id))
        calendars = await seen.read("calendars.readonly", client.list_calendars(location_id))
        fields = await seen.read("locations/customFields.readonly", client.list_custom_fields(location_id))
        objects = await seen.read("objects/schema.readonly", client.list_objects(location_id))
        company_id = place.company_id if place else None
        users: UserPage | None = None
        if company_id is not None:
            asked = client.search_users(location_id, company_id, location_id=location_id)
            users = await seen.read("users.readonly", asked)
        keys = tuple(one.key for one in (objects.objects if objects else ()) if one.key and not one.standard)
        found = tuple(calendars.calendars if calendars else ())
        await self._knock(location_id, seen, calendar_id=found[0].id if found else None, keys=keys)
        return CrmAccount(
            name=place.name if place else None,
            company_id=company_id,
            pipelines=_pipelines(pipelines),
            users=_people(users),
            calendars=tuple(AccountCalendar(calendar_id=one.id, name=one.name or one.id) for one in found),
            objects=keys,
            fields={one.id: one.name for one in (fields.custom_fields if fields else ()) if one.name},
            scopes=seen.checks(),
        )

    async def people(self, location_id: LocationId, *, company_id: str | None) -> tuple[AccountUser, ...]:
        """Who works in it; the company is looked up when it is not known. Raises what the client raises."""
        if company_id is None:
            company_id = (await self._client.get_location(location_id)).company_id
        if company_id is None:
            return ()
        return _people(await self._client.search_users(location_id, company_id, location_id=location_id))

    def use(self, location_id: LocationId) -> ApiUse:
        """What the newest answers said of the day's calls and of the time."""
        standing = self._client.standing(location_id)
        skew = standing.clock_skew
        return ApiUse(
            calls_left_today=standing.quota.remaining_today,
            calls_per_day=standing.quota.per_day,
            clock_skew_s=None if skew is None else skew.total_seconds(),
        )

    async def _knock(
        self, location_id: LocationId, seen: _Scopes, *, calendar_id: str | None, keys: Sequence[str]
    ) -> None:
        """Ask for one item of what is read in bulk: only whether it is allowed counts."""
        client, now = self._client, self._clock.now()
        await seen.read("contacts.readonly", client.search_contacts(location_id, page_limit=1))
        await seen.read("conversations/message.readonly", client.export_messages(location_id, limit=_FEW))
        await seen.read("conversations.readonly", client.search_conversations(location_id, limit=1))
        if calendar_id is not None:
            events = client.list_calendar_events(
                location_id, start=now, end=now + _LOOK_AHEAD, calendar_id=calendar_id
            )
            await seen.read("calendars/events.readonly", events)
        if keys:
            await seen.read(
                "objects/record.readonly", client.search_records(location_id, keys[0], page_limit=1)
            )


class _Scopes:
    """What the answers of one look say about scopes."""

    def __init__(self, stated: Sequence[str]) -> None:
        self._stated: Final = frozenset(stated)
        self._granted: Final[dict[str, bool]] = {}

    async def read[R](self, scope: str, call: Awaitable[R]) -> R | None:
        """The answer; None when it cannot be had, for want of the scope or for a reason that tells nothing of it."""
        try:
            answer = await call
        except ScopeMissing:
            self._granted[scope] = False
            return None
        except NotFound:
            self._granted[scope] = True
            return None
        except (CrmRefused, CrmUnreadable, NotInThisVersion):
            return None
        self._granted[scope] = True
        return answer

    def checks(self) -> tuple[ScopeCheck, ...]:
        """What was seen, else what the CRM stated when it gave the token, else None."""
        return tuple(
            ScopeCheck(
                scope=scope,
                need=need,
                granted=self._granted.get(scope, scope in self._stated if self._stated else None),
                without=without,
            )
            for scope, (need, without) in _WITHOUT.items()
        )


def _pipelines(listed: PipelineList | None) -> tuple[Pipeline, ...]:
    return tuple(
        Pipeline(
            pipeline_id=one.id,
            name=one.name or one.id,
            stages=tuple(
                PipelineStage(stage_id=stage.id, name=stage.name or stage.id) for stage in one.stages
            ),
        )
        for one in (listed.pipelines if listed else ())
    )


def _people(listed: UserPage | None) -> tuple[AccountUser, ...]:
    return tuple(
        AccountUser(
            user_id=UserId(one.id),
            name=one.name or _joined(one.first_name, one.last_name),
            email=one.email,
        )
        for one in (listed.users if listed else ())
        if not one.deleted
    )


def _joined(*parts: str | None) -> str:
    return " ".join(part for part in parts if part) or "unnamed"
