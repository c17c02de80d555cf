"""What an unsuccessful answer of GoHighLevel means: one of our errors, in the vendor's words without what is personal.

Called by exchange.py.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any, Final

from ghl_real_estate_ai.errors import (
    CrmRefused,
    EnterpriseHubError,
    LocationInactive,
    NeedsReconnect,
    NotFound,
    ScopeMissing,
    Unreachable,
)
from ghl_real_estate_ai.integrations.gohighlevel.api_request import ApiRequest
from ghl_real_estate_ai.integrations.http import HttpAnswer

_WORDS: Final = 300
"""Characters of the vendor's message that are kept."""

_PERSONAL: Final = re.compile(
    r"[\w.+-]+@[\w-]+\.[\w.-]+"  # an email address
    r"|(?<![\w-])\+?(?!\d{4}-\d\d)\(?\d[\d ().-]{6,}\d"  # a phone number, no date
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]+|\bpit-[\w-]{8,}|(?i:\bbearer\s+\S+)"  # tokens
)
_INACTIVE: Final = re.compile(r"location is not active", re.IGNORECASE)
_ELSEWHERE: Final = re.compile(r"access to this (location|company)", re.IGNORECASE)
_SCOPE: Final = re.compile(r"\bscopes?\b", re.IGNORECASE)


_NOT_YET: Final = "PUT /conversations/messages/{messageId}/status"
"""Answers 403 in the first seconds of a message, whatever the scopes."""


def error_of(answer: HttpAnswer, request: ApiRequest) -> EnterpriseHubError:
    """The error for an answer that is no success and will not be one by sending it again."""
    words = vendor_words(answer)
    said = f"{request.operation}: {words}"
    if answer.status == HTTPStatus.FORBIDDEN and request.operation == _NOT_YET:
        return CrmRefused(
            f"{said} (status 403); a new message takes seconds until it can be changed", status=403
        )
    unauthorized = answer.status == HTTPStatus.UNAUTHORIZED
    if answer.status == HTTPStatus.FORBIDDEN or (unauthorized and _SCOPE.search(words)):
        # A 401 that speaks of scopes is no matter of the token's age: a new one would have the same scopes.
        if _ELSEWHERE.search(words):
            return ScopeMissing(f"{said}; this token opens another account")
        needed = f"scope {request.scope!r}" if request.scope else "its scopes"
        return ScopeMissing(f"{said}; check {needed} of the app or token", scope=request.scope)
    if unauthorized:
        return NeedsReconnect(f"{said}; connect the account again")
    if answer.status == HTTPStatus.NOT_FOUND:
        return NotFound(said)
    if answer.status == HTTPStatus.BAD_REQUEST and _INACTIVE.search(words):
        return LocationInactive(f"{said}; the account's owner has to reactivate it")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(f"{said} (status {answer.status}); try again later")
    return CrmRefused(f"{said} (status {answer.status})", status=answer.status)


def vendor_words(answer: HttpAnswer) -> str:
    """The message of an error answer: one line, short, without addresses, numbers and tokens."""
    try:
        content = answer.parsed()
    except ValueError:
        return "no message"
    found = _message(content)
    line = " ".join(_PERSONAL.sub("[removed]", found).split())
    return line[:_WORDS] or "no message"


def _message(content: Any) -> str:
    """``message`` is a text, a list of texts or an object with one; OAuth says ``error_description``."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "; ".join(_message(part) for part in content)
    if not isinstance(content, dict):
        return ""
    for name in ("message", "error_description", "error", "msg"):
        if content.get(name):
            return _message(content[name])
    return ""
