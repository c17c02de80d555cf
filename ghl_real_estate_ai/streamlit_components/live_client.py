"""The tiny HTTP client of the pages: signing in, and the track record. The live screen itself speaks to the gateway from the browser.

Called by ``streamlit_components/app.py``.
"""

from __future__ import annotations

from datetime import datetime

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from ghl_real_estate_ai.errors import (
    EnterpriseHubError,
    InputError,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)
from ghl_real_estate_ai.limits import OUTBOUND_TIMEOUT_S
from ghl_real_estate_ai.models.identifiers import LocationId, UtcTime
from ghl_real_estate_ai.models.leads import User
from ghl_real_estate_ai.models.track_record import TrackRecord


class Session(BaseModel):
    """A signed-in user with the token that speaks for them, until ``expires_at``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    access_token: str
    expires_at: UtcTime
    user: User

    def expired(self, now: datetime) -> bool:
        """Whether the gateway refuses this token from now on."""
        return now >= self.expires_at


class GatewayClient:
    """Speaks to one gateway. ``transport`` lets a test answer in its place."""

    def __init__(self, url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self._url = url
        self._transport = transport

    def sign_in(self, email: str, password: str, location_id: LocationId | None = None) -> Session:
        """A new session. Raises Unauthenticated, TooManyRequests, InputError (the message says what is missing), Unreachable."""
        body = {"email": email, "password": password}
        if location_id:
            body["location_id"] = location_id
        answer = self._post("/v1/sessions", body)
        try:
            return Session.model_validate_json(answer.content)
        except ValidationError as error:
            raise Unreachable(f"{self._url} is not an EnterpriseHub gateway of this version") from error

    def track_record(self, session: Session) -> TrackRecord:
        """What was said and what came true. Raises Unauthenticated, InputError (the role does not allow it), Unreachable."""
        answer = self._get("/v1/track-record", session)
        try:
            return TrackRecord.model_validate_json(answer.content)
        except ValidationError as error:
            raise Unreachable(f"{self._url} is not an EnterpriseHub gateway of this version") from error

    def track_record_rows(self, session: Session) -> bytes:
        """Every resolved answer, as CSV. Raises as above."""
        return self._get("/v1/track-record.csv", session).content

    def _get(self, path: str, session: Session) -> httpx.Response:
        return self._ask("GET", path, headers={"Authorization": f"Bearer {session.access_token}"})

    def _post(self, path: str, body: dict[str, str]) -> httpx.Response:
        return self._ask("POST", path, json=body)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        headers: dict[str, str] | None = None,
        json: dict[str, str] | None = None,
    ) -> httpx.Response:
        """The answer, if it is a good one; else the refusal as one of our errors."""
        try:
            with httpx.Client(transport=self._transport, timeout=OUTBOUND_TIMEOUT_S) as client:
                answer = client.request(method, self._url + path, headers=headers, json=json)
        except httpx.TransportError as error:
            raise Unreachable(
                f"The gateway at {self._url} does not answer. Start it with: enterprisehub serve"
            ) from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer


def _refusal(answer: httpx.Response) -> EnterpriseHubError:
    """The gateway's refusal as one of our own errors, with its own sentence where it gave one."""
    try:
        message = str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"The gateway answered HTTP {answer.status_code}."
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Unauthenticated(message)
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return TooManyRequests(message, retry_after_s=_seconds(answer.headers.get("Retry-After")))
    if answer.is_client_error:
        return InputError(message)
    return Unreachable(f"The gateway failed (HTTP {answer.status_code}). Its log names the reason.")


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
