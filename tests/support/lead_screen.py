"""The lead page alone in a browser, before a gateway that a test scripts answer by answer. Used by the lead page's tests.

The page is the real one: its modules, markup and sheets as the live screen has them; only Streamlit is left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ghl_real_estate_ai.models.conversations import Message
from ghl_real_estate_ai.models.intelligence import LeadIntelligence
from ghl_real_estate_ai.streamlit_components.realtime_lead_intelligence_hub import ASSETS, SHEETS, assemble
from tests.support.browser import no_script_fails

ORIGIN = "http://lead.test"
LEAD = "lead-1"
NOW = datetime.now(UTC).replace(microsecond=0)
Answer = tuple[int, Any]


def lead_html() -> str:
    """A page that holds the dialog and the lead page's modules; ``window.lead`` is the page object."""
    css = "\n".join((ASSETS / sheet).read_text() for sheet in SHEETS)
    source = assemble(str(Path(__file__).with_suffix(".js")))
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Lead</title>"
        "<meta name='viewport' content='width=device-width'>"
        f"<style>:root{{color-scheme:light dark}}body{{margin:0}}{css}</style></head>"
        f"<body>{(ASSETS / 'live_hub.html').read_text()}<script type='module'>{source}</script></body></html>"
    )


class ScriptedGateway:
    """Answers by (method, path): a test sets them, the newest stands. ``posts`` holds what was sent."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Answer | None] = {
            ("GET", f"/v1/leads/{LEAD}"): (200, lead_detail()),
            ("GET", f"/v1/leads/{LEAD}/risk-curve"): (200, risk_curve()),
            ("GET", "/v1/team"): (
                200,
                {"me": None, "members": [{"user_id": "crm-alex", "name": "Alex Rivera"}]},
            ),
        }
        self.posts: list[tuple[str, Any]] = []

    def serve(self, page: Any) -> None:
        """Answer all requests of the Playwright page."""
        page.route("**/*", self._handle)

    def _handle(self, route: Any) -> None:
        request = route.request
        path = request.url.removeprefix(ORIGIN)
        if path == "/":
            route.fulfill(body=lead_html(), content_type="text/html; charset=utf-8")
        elif request.url.startswith("https://"):
            route.fulfill(body=PIXEL, content_type="image/svg+xml")
        else:
            self._answer(route, path)

    def _answer(self, route: Any, path: str) -> None:
        request = route.request
        if request.method == "POST":
            self.posts.append((path, json.loads(request.post_data) if request.post_data else None))
        answer = self.answers.get((request.method, path), (404, error("no such route")))
        if answer is None:
            route.abort()
        else:
            route.fulfill(status=answer[0], json=answer[1])


PIXEL = "<svg xmlns='http://www.w3.org/2000/svg' width='400' height='300'><rect width='400' height='300' fill='#7a9'/></svg>"


def error(message: str) -> dict[str, Any]:
    return {"error": {"code": "error", "message": message}}


def iso(ago: timedelta) -> str:
    return (NOW - ago).isoformat().replace("+00:00", "Z")


_STAMP = {"name": "lead_score", "version": "3", "fitted_on": "the simulated city", "simulated": True}


def home(key: str, *, photo: bool, price: int = 425_000) -> dict[str, Any]:
    """A match as the gateway tells it."""
    listing: dict[str, Any] = {
        "ListingKey": key, "ListPrice": str(price), "City": "Elm Harbor", "UnparsedAddress": f"{key} Oak St", "BedroomsTotal": 3,
        "BathroomsTotalInteger": 2, "LivingArea": 1840.0, "PropertySubType": "SingleFamilyResidence",
    }  # fmt: skip
    if photo:
        listing["Media"] = [
            {
                "MediaURL": f"https://photos.test/{key}.svg",
                "Order": 0,
                "ShortDescription": "Front of the house",
            }
        ]
    return {
        "lead_id": LEAD, "listing": listing, "overall_score": 0.91, "match_rank": 1, "generated_at": iso(timedelta()),
        "wishes": [
            {"wish": "max_list_price", "outcome": "met", "closeness": 1.0, "detail": f"${price:,} (wished up to $450,000)"},
            {"wish": "min_bathrooms", "outcome": "missed", "closeness": 0.5, "detail": "2 bathrooms (wished 3 or more)"},
            {"wish": "feature:pool", "outcome": "unknown", "closeness": None, "detail": "pool: the listing does not say"},
        ],
        "gaps": ["neighborhood", "commute"], "verdict": None, "also_listed_as": ["OLD-7"] if photo else [],
    }  # fmt: skip


def message(number: int, ago: timedelta, text: str, **fields: Any) -> dict[str, Any]:
    return Message.model_validate(
        {"event_id": f"m-{number}", "at": iso(ago), "direction": "inbound", "channel": "sms", "text": text, **fields}
    ).model_dump(mode="json")  # fmt: skip


def intelligence(**fields: Any) -> dict[str, Any]:
    """What is concluded of the lead; ``fields`` replace parts of it."""
    action = {
        "action_id": "act-1", "kind": "first_response", "title": "Give the first response", "urgency": 0.9, "priority": 120.0,
        "expected_value": 340.0, "value_assumed": True, "reach": {"channel": "call", "to": "+1 555 010 2030"},
        "evidence": [{"event_id": "m-3", "text": "wrote: “can we see 12 Oak St on Saturday at 2?”"}, {"text": "looked at 12 Oak St 3 times in 10 min"}],
        "waiting_since": iso(timedelta(minutes=12)),
    }  # fmt: skip
    score = {
        "probability": 0.18,
        "horizon_days": 14,
        "model": _STAMP,
        "interval": {"low": 0.11, "high": 0.27, "level": 0.8},
        "prior_share": 0.9,
    }
    won = {
        "probability": 0.04,
        "horizon_days": 180,
        "model": _STAMP,
        "interval": {"low": 0.02, "high": 0.07, "level": 0.8},
        "prior_share": 0.3,
    }
    churn = {
        "probability": 0.42, "stage": 1, "horizon_days": 14, "model": {**_STAMP, "name": "churn_risk"}, "stage_since": iso(timedelta(days=2)),
        "crossings": crossings(),
    }  # fmt: skip
    known = {
        "lead_id": LEAD, "lead_name": "Maria Gomez", "assigned_to": "crm-alex", "stage": "new", "simulated": False,
        "as_of": iso(timedelta(seconds=5)), "source": "zillow", "next_action": action,
        "score": {"value": score, "as_of": iso(timedelta())}, "won": {"value": won, "as_of": iso(timedelta())},
        "churn": {"value": churn, "as_of": iso(timedelta())},
        "matches": {"value": [home("12", photo=True), home("14", photo=False, price=439_000)]},
        "cause": {"event_id": "m-3", "event_type": "MessageReceived", "summary": "lead's sms message", "score_by_event": 0.06, "score_by_time": -0.02, "churn_by_event": -0.11},
        **fields,
    }  # fmt: skip
    return {
        **LeadIntelligence.model_validate(known | {"matches": {}}).model_dump(mode="json"),
        "matches": known["matches"],
    }


def crossings() -> list[dict[str, Any]]:
    return [{"stage": 2, "at": iso(-timedelta(days=3, hours=4))}, {"stage": 3, "at": iso(-timedelta(days=8))}]


def risk_curve() -> dict[str, Any]:
    points = [
        {"at": iso(-timedelta(hours=6 * i)), "probability": min(0.93, 0.42 + 0.014 * i)} for i in range(57)
    ]
    return {"points": points, "crossings": crossings(), "stages_from": iso(timedelta(days=30))}


WISHES: dict[str, Any] = {
    "city": "Elm Harbor", "min_list_price": None, "max_list_price": "450000", "min_bedrooms": 3, "min_bathrooms": None,
    "min_living_area": None, "property_sub_type": None, "features": ["pool"],
}  # fmt: skip


def lead_detail(**fields: Any) -> dict[str, Any]:
    """GET /v1/leads/{lead}: Maria asks to see a home. ``fields`` replace parts of it."""
    contact = {
        "name": "Maria Gomez",
        "phone": "+1 555 010 2030",
        "email": "maria@example.com",
        "source": "zillow",
        "assigned_to": "crm-alex",
        "dnd": False,
    }
    facts = [
        {"kind": "bathrooms", "value": "2 or more bathrooms", "quote": "2 baths", "wish": "min_bathrooms", "wish_value": 2},
        {"kind": "meeting", "value": "Saturday at 2", "quote": "Saturday at 2", "wish": None, "wish_value": None},
    ]  # fmt: skip
    return {
        "lead": {
            "lead_id": LEAD, "name": "Maria Gomez", "stage": "new", "assigned_to": "crm-alex", "simulated": False, "deleted": False,
            "last_activity_at": iso(timedelta(minutes=12)), "contact": contact, "wishes": WISHES,
        },
        "intelligence": intelligence(),
        "timeline": [
            {"position": 9, "event_id": "e-9", "type": "LeadIntelligenceUpdated", "at": iso(timedelta(seconds=5)), "summary": "score 18 %", "simulated": False},
            {"position": 8, "event_id": "m-3", "type": "MessageReceived", "at": iso(timedelta(minutes=12)), "summary": "lead's sms message", "simulated": False},
            {"position": 7, "event_id": "e-7", "type": "ActionSnoozed", "at": iso(timedelta(days=1, hours=2)), "summary": "action snoozed", "simulated": False, "user_id": "u-dana"},
            {"position": 6, "event_id": "e-6", "type": "PropertyActivityRecorded", "at": iso(timedelta(days=1, hours=3)), "summary": "viewed a home", "simulated": False, "home": "12 Oak St"},
            {"position": 1, "event_id": "e-1", "type": "LeadUpserted", "at": iso(timedelta(days=3)), "summary": "new lead: email, name, phone", "simulated": False},
        ],
        "conversation": [
            message(1, timedelta(days=3), "Thanks for asking about homes in Elm Harbor! An agent will be in touch.", direction="outbound", human=False),
            message(2, timedelta(days=2), "Hello, we are looking for something near the water."),
            message(3, timedelta(minutes=12), "We need 2 baths at least. Can we see 12 Oak St on Saturday at 2?", facts=facts),
        ],
        "reasons": {
            "score": {"base": -2.0, "messages_in_7d": 0.8, "views_1d": 0.5, "silence_days": -0.3},
            "won": {"base": -3.0, "wishes_stated": 0.4},
            "churn": {"base": 0.2, "silence_days": 0.6, "messages_in_7d": -0.9},
        },
        "judged": {"14": "like"},
        **fields,
    }  # fmt: skip


SUGGESTED: dict[str, Any] = {
    "text": "Hi Maria, 12 Oak St is listed at $425,000 and active. Would Saturday at 2 pm work for a visit? Alex, Elm Harbor Homes",
    "withheld": None,
    "grounds": [
        {"claim": "listed at $425,000", "source": "listing 12"},
        {"claim": "on the market", "source": "listing 12"},
    ],
    "answers": "m-3",
    "by": "rules",
}


def served(page: Any, gateway: ScriptedGateway) -> Iterator[Any]:
    """The lead page, loaded; what its scripts throw fails the test."""
    with no_script_fails(page):
        gateway.serve(page)
        page.goto(f"{ORIGIN}/")
        page.wait_for_function("window.lead")
        yield page


def open_lead(page: Any) -> Any:
    """The dialog with the lead in it."""
    page.evaluate(f"void lead.open('{LEAD}', 'Maria Gomez')")
    dialog = page.get_by_role("dialog", name="Maria Gomez")
    dialog.get_by_role("heading", name="Next action").wait_for()
    return dialog


def part(dialog: Any, title: str) -> Any:
    """A part of the page by its heading."""
    return dialog.get_by_role("region", name=title, exact=True)


def hear(page: Any) -> None:
    """A stream speaks of the lead."""
    page.evaluate(f"lead.heard('{LEAD}')")


def fresh(gateway: ScriptedGateway, **fields: Any) -> None:
    """From now on the gateway tells this of the lead."""
    gateway.answers["GET", f"/v1/leads/{LEAD}"] = (200, lead_detail(**fields))
