"""Errors of the client, except those by the reason of a failed action, which are in ``failures``.

ClientError
├── ConfigurationError    no usable credentials, or a kubeconfig that the client cannot read
├── ApiError              the API server refused a request
│   ├── InvalidError          400, 405, 413, 415, 422: the object or the request is wrong
│   ├── ForbiddenError        403
│   ├── NotFoundError         404
│   ├── ConflictError         409: another client has changed the object
│   ├── AlreadyExistsError    409: another object has the name
│   ├── ExpiredError          410: a list or watch is too old to continue
│   └── UnavailableError      no useful response for longer than ``retry_for``
│       ├── ThrottledError        429
│       └── UnauthorizedError     401, also with new credentials
├── WaitTimeoutError      the time to wait is over; the action continues
├── DeletedError          the object was deleted before its end was visible
├── OutputStoredError     the output is in the operator's storage
└── ActionFailedError     the action or run ended without success
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from taskaction_client.objects import Snapshot

_TOO_LARGE = ("etcdserver: request is too large", "trying to send message larger than max")
"""Messages of a 500 that is permanent: the API server returns it for the same object forever."""


class ClientError(Exception):
    """Base of all errors of the client."""


class ConfigurationError(ClientError):
    """No usable credentials; the message names the field and the remedy."""


class ApiError(ClientError):
    """The API server refused a request.

    Attributes:
        status: HTTP status of the response, 0 if there was none.
        reason: the reason that the API server gives, such as ``Forbidden``; empty if it gives none.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class InvalidError(ApiError):
    """The object or the request is wrong; a retry cannot help."""


class ForbiddenError(ApiError):
    """The account lacks a permission, or an admission policy or a quota refuses the object."""


class NotFoundError(ApiError):
    """The object does not exist, or the cluster does not serve its kind."""


class ConflictError(ApiError):
    """Another client has changed the object meanwhile."""


class AlreadyExistsError(ApiError):
    """Another object has the name."""


class ExpiredError(ApiError):
    """A list or watch is too old to continue; it must begin again."""


class UnavailableError(ApiError):
    """The API server did not respond, or not usefully.

    Attributes:
        retry_after: seconds that the server asks to wait, or None.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class ThrottledError(UnavailableError):
    """The API server throttles the client."""


class UnauthorizedError(UnavailableError):
    """The API server rejects the credentials, also after they were loaded again."""


class WaitTimeoutError(ClientError, TimeoutError):
    """The time to wait is over; the action continues."""


class DeletedError(ClientError):
    """The object was deleted before its end was visible."""


class OutputStoredError(ClientError):
    """The output is too large for the object; the operator has stored it, or has not kept it.

    Attributes:
        uri: where the output is, or None if it was not kept.
    """

    def __init__(self, message: str, *, uri: str | None) -> None:
        super().__init__(message)
        self.uri = uri


class ActionFailedError(ClientError):
    """The action or run ended without success: its phase is Failed, Aborted or TimedOut.

    Attributes:
        snapshot: the ended object, with its whole status.
        reason: its reason, by which ``failures`` has subclasses; executors add reasons of their own.
    """

    def __init__(self, snapshot: Snapshot[Any, Any]) -> None:
        super().__init__(f"{snapshot} is {snapshot.phase} ({snapshot.reason}): {snapshot.message}")
        self.snapshot = snapshot
        self.reason = snapshot.reason


def error_from_response(status: int, content: bytes, headers: Mapping[str, str]) -> ApiError:
    """Return the error for a response of the API server."""
    reason, text = _read_status(content)
    message = text or f"HTTP {status}"
    if status == HTTPStatus.CONFLICT and reason == "AlreadyExists":
        return AlreadyExistsError(message, status=status, reason=reason)
    if (known := _BY_STATUS.get(status)) is not None:
        return known(message, status=status, reason=reason)
    if any(mark in text for mark in _TOO_LARGE):
        return InvalidError(message, status=status, reason=reason)
    if (kind := _RETRIED.get(status)) is not None or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        after = _read_seconds(headers.get("Retry-After"))
        return (kind or UnavailableError)(message, status=status, reason=reason, retry_after=after)
    return InvalidError(message, status=status, reason=reason)


_BY_STATUS: Mapping[int, type[ApiError]] = {
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ExpiredError,
}
_RETRIED: Mapping[int, type[UnavailableError]] = {
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.REQUEST_TIMEOUT: UnavailableError,
    HTTPStatus.TOO_MANY_REQUESTS: ThrottledError,
}


def _read_status(content: bytes) -> tuple[str, str]:
    """Return reason and message of a ``Status`` object; for anything else no reason and the beginning of the text."""
    try:
        status = json.loads(content)
    except ValueError:
        return "", content[:512].decode(errors="replace").strip()
    if not isinstance(status, dict):
        return "", ""
    return str(status.get("reason") or ""), str(status.get("message") or "")


def _read_seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
