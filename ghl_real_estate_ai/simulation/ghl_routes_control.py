"""``/_fake/``: how a test or a person at a terminal steers the fake. None of it exists at GoHighLevel.

Served by ghl_server.py; the same knobs are there as Python objects (``Vendor``).
"""

from __future__ import annotations

import json
from dataclasses import asdict
from http import HTTPStatus
from typing import Final

from fastapi import APIRouter, Request
from pydantic import JsonValue
from starlette.responses import Response

from ghl_real_estate_ai.errors import VendorRefusal
from ghl_real_estate_ai.simulation import ghl_knobs
from ghl_real_estate_ai.simulation.ghl_account import Body
from ghl_real_estate_ai.simulation.ghl_requests import answer, vendor_of
from ghl_real_estate_ai.simulation.ghl_vendor import Vendor
from ghl_real_estate_ai.simulation.ghl_webhooks import Subscription
from ghl_real_estate_ai.simulation.vendor_servers import retries_of_august_2026, retry_on_429_only

router = APIRouter(prefix="/_fake")

_POLICIES: Final = {"august_2026": retries_of_august_2026, "only_429": retry_on_429_only}
_KINDS: Final = ("app", "workflow")
_LIMITS: Final = {"on": bool, "per_interval": int, "interval_s": float, "per_day": int, "retry_after": bool}


@router.get("/state")
async def state(request: Request) -> Response:
    """What the account holds, and every knob."""
    vendor = vendor_of(request)
    places: Body = {
        place.location_id: {
            "contacts": len(place.contacts),
            "messages": len(place.messages),
            "conversations": len(place.conversations),
            "opportunities": len(place.opportunities),
            "appointments": len(place.appointments),
            "notes": len(place.notes),
            "tasks": len(place.tasks),
            "records": len(place.records),
        }
        for place in vendor.account.sub_accounts.values()
    }
    return answer(
        {
            "simulated": True,
            "time": vendor.clock.now().isoformat(),
            "companyId": vendor.account.company_id,
            "locations": places,
            "installed": [*vendor.authority.installed],
            "habits": ghl_knobs.as_json(vendor.habits),
            "faults": ghl_knobs.as_json(vendor.faults),
            "limits": {name: getattr(vendor.limits, name) for name in _LIMITS},
            "webhooks": _webhooks(vendor),
        }
    )


@router.post("/faults")
async def set_faults(request: Request) -> Response:
    """Some of the knobs of ``Faults``."""
    return answer(ghl_knobs.as_json(ghl_knobs.turn(vendor_of(request).faults, await _json(request))))


@router.delete("/faults")
async def clear_faults(request: Request) -> Response:
    """A good day again."""
    ghl_knobs.reset(vendor_of(request).faults)
    return answer(ghl_knobs.as_json(vendor_of(request).faults))


@router.post("/habits")
async def set_habits(request: Request) -> Response:
    """Some of the knobs of ``Habits``."""
    return answer(ghl_knobs.as_json(ghl_knobs.turn(vendor_of(request).habits, await _json(request))))


@router.post("/limits")
async def set_limits(request: Request) -> Response:
    """``on, per_interval, interval_s, per_day, retry_after``; the windows begin anew."""
    limits = vendor_of(request).limits
    for name, value in (await _json(request)).items():
        kind = _LIMITS.get(name)
        if kind is None or not isinstance(value, (int, float) if kind is float else kind):
            raise VendorRefusal(HTTPStatus.BAD_REQUEST, f"{name}: no limit, or not of its kind")
        setattr(limits, name, value)
    limits.forget()
    return answer({name: getattr(limits, name) for name in _LIMITS})


@router.post("/tokens/{action}")
async def tokens(action: str, request: Request) -> Response:
    """``revoke-access``, ``kill-refresh``, ``private`` (location_id, scopes) or ``rotate`` (token)."""
    authority, said = vendor_of(request).authority, await _json(request)
    if action == "revoke-access":
        return answer({"revoked": authority.revoke_access()})
    if action == "kill-refresh":
        return answer({"killed": authority.kill_refresh_tokens()})
    if action == "rotate":
        return answer({"token": authority.rotate(str(said.get("token", "")))})
    if action == "private":
        scopes = said.get("scopes")
        location_id = str(said.get("location_id") or vendor_of(request).account.first.location_id)
        if isinstance(scopes, list):
            return answer({"token": authority.private_token(location_id, [str(scope) for scope in scopes])})
        return answer({"token": authority.private_token(location_id)})
    raise VendorRefusal(HTTPStatus.NOT_FOUND, f"no action {action!r} on tokens")


@router.post("/app/{action}")
async def app(action: str, request: Request) -> Response:
    """``install`` or ``uninstall`` at ``location_id``."""
    vendor, said = vendor_of(request), await _json(request)
    location_id = str(said.get("location_id") or vendor.account.first.location_id)
    if action == "install":
        vendor.install(location_id)
    elif action == "uninstall":
        vendor.uninstall(location_id)
    else:
        raise VendorRefusal(HTTPStatus.NOT_FOUND, "install or uninstall")
    return answer({"installed": [*vendor.authority.installed]})


@router.post("/webhooks")
async def subscribe(request: Request) -> Response:
    """``url``; optional ``kind`` (app, workflow), ``location_id``, ``events``, ``custom_data``, ``policy``, ``scale``."""
    vendor, said = vendor_of(request), await _json(request)
    url, kind, events = said.get("url"), said.get("kind", "app"), said.get("events")
    custom, scale = said.get("custom_data"), said.get("scale", 1.0)
    policy = _POLICIES.get(str(said.get("policy", "august_2026")))
    if not isinstance(url, str) or kind not in _KINDS or policy is None:
        raise VendorRefusal(
            HTTPStatus.BAD_REQUEST, "url, kind (app, workflow), policy (august_2026, only_429)"
        )
    is_app = kind == "app"
    vendor.webhooks.subscribe(
        url,
        kind="app" if is_app else "workflow",
        location_id=str(said.get("location_id") or ""),
        events=frozenset(str(event) for event in events) if isinstance(events, list) else frozenset(),
        custom_data=custom if isinstance(custom, dict) else {},
        policy=policy(scale=scale if isinstance(scale, int | float) else 1.0) if is_app else None,
    )
    return answer(_webhooks(vendor), HTTPStatus.CREATED)


@router.get("/webhooks")
async def webhooks(request: Request) -> Response:
    """Subscriptions, their health, and what became of deliveries."""
    return answer(_webhooks(vendor_of(request)))


@router.delete("/webhooks")
async def unsubscribe(request: Request) -> Response:
    """No webhooks any more."""
    vendor_of(request).webhooks.subscriptions.clear()
    return answer(_webhooks(vendor_of(request)))


@router.post("/webhooks/enable")
async def enable(request: Request) -> Response:
    """Press the button after a pause."""
    vendor = vendor_of(request)
    for subscription in vendor.webhooks.subscriptions:
        subscription.health.enable(vendor.clock.now())
    return answer(_webhooks(vendor))


def _webhooks(vendor: Vendor) -> Body:
    counts: Body = dict(asdict(vendor.webhooks.counts))
    subscriptions: list[JsonValue] = [_subscription(one) for one in vendor.webhooks.subscriptions]
    return {"publicKey": vendor.webhooks.key.public, "counts": counts, "subscriptions": subscriptions}


def _subscription(one: Subscription) -> Body:
    return {
        "url": one.url,
        "kind": one.kind,
        "location_id": one.location_id,
        "events": [*sorted(one.events)],
        "deliveries": one.health.deliveries,
        "successes": one.health.successes,
        "warned": one.health.warned,
        "paused": one.health.paused,
    }


async def _json(request: Request) -> Body:
    raw = await request.body()
    try:
        content: JsonValue = json.loads(raw or b"{}")
    except ValueError:
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "body: not JSON") from None
    if not isinstance(content, dict):
        raise VendorRefusal(HTTPStatus.BAD_REQUEST, "body: must be a JSON object")
    return content
