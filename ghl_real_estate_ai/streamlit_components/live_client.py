"""The HTTP client of the pages: signing in and all that they read and ask. The live screen itself speaks to the gateway from the browser.

Called by ``streamlit_components/app.py`` and its pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from ghl_real_estate_ai.errors import (
    EnterpriseHubError,
    Forbidden,
    InputError,
    TooManyRequests,
    Unauthenticated,
    Unreachable,
)
from ghl_real_estate_ai.limits import OUTBOUND_TIMEOUT_S
from ghl_real_estate_ai.models.identifiers import LocationId, UtcTime
from ghl_real_estate_ai.models.leads import User

type Body = Mapping[str, object]


class SignedIn(User):
    """A user as the gateway tells of them. ``location_name`` None: it was given none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    location_name: str | None = None


class Session(BaseModel):
    """A signed-in user with the token that speaks for them, until ``expires_at``."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    access_token: str
    expires_at: UtcTime
    user: SignedIn

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
        return self._as(Session, self._ask("POST", "/v1/sessions", body=body))

    def renew(self, session: Session) -> Session:
        """The same user with a fresh token. Raises Unauthenticated (gone, or signed in for too long), InputError, Unreachable."""
        return self.post(Session, "/v1/sessions/renewal", session)

    def me(self, session: Session) -> SignedIn:
        """Whom the gateway takes the token for. Raises Unauthenticated, Unreachable."""
        return self.read(SignedIn, "/v1/me", session)

    def read[T: BaseModel](self, shape: type[T], path: str, session: Session) -> T:
        """What the gateway holds at ``path``. Raises Unauthenticated, Forbidden, InputError, Unreachable, each with its own words."""
        return self._as(shape, self._ask("GET", path, session=session))

    def rows(self, path: str, session: Session) -> bytes:
        """A file of the gateway's. Raises as ``read``."""
        return self._ask("GET", path, session=session).content

    def post[T: BaseModel](
        self, shape: type[T], path: str, session: Session, *, body: Body | None = None
    ) -> T:
        """Ask for a change; the gateway's answer. Raises as ``read``."""
        return self._as(shape, self._ask("POST", path, session=session, body=body))

    def tell(self, path: str, session: Session) -> None:
        """Ask for a change whose answer nobody needs. Raises as ``read``."""
        self._ask("POST", path, session=session)

    def _as[T: BaseModel](self, shape: type[T], answer: httpx.Response) -> T:
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError as error:
            raise Unreachable(f"{self._url} is not an EnterpriseHub gateway of this version") from error

    def _ask(
        self, method: str, path: str, *, session: Session | None = None, body: Body | None = None
    ) -> httpx.Response:
        """The answer, if it is a good one; else the refusal as one of our errors."""
        headers = {} if session is None else {"Authorization": f"Bearer {session.access_token}"}
        try:
            with httpx.Client(transport=self._transport, timeout=OUTBOUND_TIMEOUT_S) as client:
                answer = client.request(method, self._url + path, headers=headers, json=body)
        except httpx.TransportError as error:
            raise Unreachable(
                f"The gateway at {self._url} does not answer. Start it with: enterprisehub serve. "
                "If somebody else runs it, tell them."
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
    if answer.status_code == httpx.codes.FORBIDDEN:
        return Forbidden(message)
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
