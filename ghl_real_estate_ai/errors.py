"""Every error that EnterpriseHub raises on purpose; each carries its API code, HTTP status and whether to try again.

EnterpriseHubError
+-- InputError                 400  the caller sent something unusable; the message names the field and the fix
|   +-- PayloadTooLarge        413
+-- Unauthenticated            401  no identity, or one that cannot be trusted
|   +-- SignatureRejected      401  a webhook that no known key signed
+-- Forbidden                  403  a known identity without this right
+-- NotFound                   404
+-- Conflict                   409  already exists
+-- TooManyRequests            429  slow down; ``retry_after_s`` says for how long
+-- Unreachable                503  another host gave no usable answer in time
+-- StorageUnavailable         429  not stored, send again: GHL retries 429 under both of its retry policies
+-- ConfigurationError         500  a setting or file that the operator must mend
|   +-- ModelArtifactError     500
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


class StorageUnavailable(EnterpriseHubError):
    """The database did not take the write. 429, because GHL retries it under its old and its new policy."""

    code = "storage_unavailable"
    http_status = 429
    retryable = True


class ConfigurationError(EnterpriseHubError):
    """A setting or a file that the operator must mend; the message says how."""

    code = "configuration_error"


class ModelArtifactError(ConfigurationError):
    """A model file is missing, damaged or of another feature set."""

    code = "model_artifact_error"


class TranslationError(EnterpriseHubError):
    """A verified delivery that cannot be read as the event it claims to be."""

    code = "untranslatable_event"
    http_status = 422
