"""Every error that EnterpriseHub raises on purpose; each carries its API code, HTTP status and whether to try again.

EnterpriseHubError
+-- InputError                 400  the caller sent something unusable; the message names the field and the fix
|   +-- PayloadTooLarge        413
|   +-- UnprocessableInput     422  well formed, but a value that cannot be meant
+-- Unauthenticated            401  no identity, or one that cannot be trusted
|   +-- SignatureRejected      401  a webhook that no known key signed
+-- Forbidden                  403  a known identity without this right
+-- NotFound                   404
+-- Conflict                   409  already exists
+-- TooManyRequests            429  slow down; ``retry_after_s`` says for how long
+-- Unreachable                503  another host gave no usable answer in time
|   +-- NotSent                503  no connection: the other host cannot have seen the request
|   +-- AnswerLost             503  the request may have arrived; its answer did not
+-- CrmError                   502  the CRM did not do what it was asked; the message says what to do
|   +-- NeedsReconnect         502  the account's token is not accepted and cannot be renewed
|   +-- GrantRefused           502  a code or refresh token is definitely void
|   +-- ScopeMissing           502  the token is good, but its scopes do not allow this call
|   +-- LocationInactive       502  the account is paused or cancelled at the CRM
|   +-- CrmRefused             422  the CRM read the request and refused it, in its own words
|   +-- CrmUnreadable          502  an answer in a shape that we cannot read
|   +-- NotInThisVersion       502  the API version in use has no such call
|   +-- NotYet                 503  the CRM does not do this yet; the same call later will pass
|   +-- OutcomeUnknown         502  a change that must not be doubled may have happened: look before sending it again
+-- StorageUnavailable         429  not stored, send again: GHL retries 429 under both of its retry policies
+-- HoleInLog                  503  a follower of a shared topic missed a publication: it adopts the topic again
+-- BrokerUnavailable          503  Redis, which several processes share, does not answer; what is stored stays stored
+-- ConfigurationError         500  a setting or file that the operator must mend
|   +-- ModelArtifactError     500
+-- TrainingFailed             500  a location's models were not learned anew; the ones it has go on answering
+-- VendorRefusal              ...  what the simulated GoHighLevel answers instead of doing it; only simulation/ knows it
+-- TranslationError           422  signed, but not readable as the event it claims to be (goes to dead letters)
"""

from __future__ import annotations


class EnterpriseHubError(Exception):
    """Base of the tree. ``str(error)`` is one line that a user can act on."""

    code = "internal_error"
    http_status = 500
    retryable = False


class InputError(EnterpriseHubError):
    """Something unusable was sent. The message names the field and the fix."""

    code = "invalid_input"
    http_status = 400


class PayloadTooLarge(InputError):
    """A request body above the limit."""

    code = "payload_too_large"
    http_status = 413


class UnprocessableInput(InputError):
    """A field of the right type whose value cannot be meant. The message names the field and what it takes."""

    http_status = 422


class Unauthenticated(EnterpriseHubError):
    """No identity, or one that cannot be trusted (expired, forged, reused)."""

    code = "unauthenticated"
    http_status = 401


class SignatureRejected(Unauthenticated):
    """A webhook whose raw bytes no configured key signed."""

    code = "signature_rejected"


class Forbidden(EnterpriseHubError):
    """A known identity asked for something its role or tenant does not hold."""

    code = "forbidden"
    http_status = 403


class NotFound(EnterpriseHubError):
    """No such thing in this tenant."""

    code = "not_found"
    http_status = 404


class Conflict(EnterpriseHubError):
    """The thing exists already."""

    code = "conflict"
    http_status = 409


class TooManyRequests(EnterpriseHubError):
    """A limit was reached; try again after ``retry_after_s`` seconds."""

    code = "too_many_requests"
    http_status = 429
    retryable = True

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unreachable(EnterpriseHubError):
    """Another host gave no usable answer in time; the message names it and the fix."""

    code = "unreachable"
    http_status = 503
    retryable = True


class NotSent(Unreachable):
    """No connection was made: the other host cannot have seen the request. Sending it again doubles nothing."""


class AnswerLost(Unreachable):
    """The request may have arrived; its answer did not."""


class CrmError(EnterpriseHubError):
    """The CRM did not do what it was asked. Holds no token and no request."""

    code = "crm_error"
    http_status = 502


class NeedsReconnect(CrmError):
    """The account's token is not accepted and cannot be renewed: its owner connects again."""

    code = "crm_needs_reconnect"


class GrantRefused(CrmError):
    """A code or a refresh token is definitely void: used, expired, or its app was uninstalled."""

    code = "crm_grant_refused"


class ScopeMissing(CrmError):
    """The token is good, but its scopes do not allow this call; ``scope`` is the missing one, where it is known."""

    code = "crm_scope_missing"

    def __init__(self, message: str, *, scope: str | None = None) -> None:
        super().__init__(message)
        self.scope = scope


class LocationInactive(CrmError):
    """The account is paused or cancelled at the CRM. Its tokens are still good: it may come back."""

    code = "crm_location_inactive"


class CrmRefused(CrmError):
    """The CRM read the request and refused it; ``status`` is its HTTP status, the message its own words."""

    code = "crm_refused"
    http_status = 422

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class CrmUnreadable(CrmError):
    """An answer in a shape that we cannot read; the message names the field, never its value."""

    code = "crm_unreadable"


class NotInThisVersion(CrmError):
    """The API version in use has no such call; the message names the one that has."""

    code = "crm_version_lacks_call"


class NotYet(CrmError):
    """The CRM does not do this yet, such as take a status of a message that is seconds old; try again later."""

    code = "crm_not_yet"
    http_status = 503
    retryable = True


class OutcomeUnknown(CrmError):
    """A change that must not be doubled may or may not have happened: look before sending it again."""

    code = "crm_outcome_unknown"


class StorageUnavailable(EnterpriseHubError):
    """The database did not take the write. 429, because GHL retries it under its old and its new policy."""

    code = "storage_unavailable"
    http_status = 429
    retryable = True


class HoleInLog(EnterpriseHubError):
    """The publication after the newest one that is held did not come next: whoever follows the topic adopts it again."""

    code = "hole_in_log"
    http_status = 503
    retryable = True


class BrokerUnavailable(EnterpriseHubError):
    """Redis, which several processes share, does not answer. Nothing that was acknowledged depends on it: it comes later."""

    code = "broker_unavailable"
    http_status = 503
    retryable = True


class Overtaken(EnterpriseHubError):
    """Another process has moved this cursor: nothing of the change is stored, and what this process remembers is old."""

    code = "overtaken"
    http_status = 409
    retryable = True


class ConfigurationError(EnterpriseHubError):
    """A setting or a file that the operator must mend; the message says how."""

    code = "configuration_error"


class ModelArtifactError(ConfigurationError):
    """A model file is missing, damaged or of another feature set."""

    code = "model_artifact_error"


class TrainingFailed(EnterpriseHubError):
    """The process that learns a location's models failed or took too long. Its models stay as they are."""

    code = "training_failed"


class TranslationError(EnterpriseHubError):
    """A verified delivery that cannot be read as the event it claims to be."""

    code = "untranslatable_event"
    http_status = 422


class VendorRefusal(EnterpriseHubError):
    """What the simulated GoHighLevel answers instead of doing what it was asked; raised and caught in simulation/ only."""

    code = "vendor_refusal"

    def __init__(self, http_status: int, message: str | list[str]) -> None:
        super().__init__("; ".join(message) if isinstance(message, list) else message)
        self.http_status = http_status
        self.said = message
