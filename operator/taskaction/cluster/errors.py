"""Errors of the API server; with ``responses.py`` the only place that knows status codes.

ClusterError
├── AlreadyExistsError    409 on create
├── ConflictError         409 on a write with a resourceVersion, 422 on a failed JSON-patch test
├── ExpiredError          410: the continue token of a list, or the start of a watch, is too old
├── NotFoundError         404 on a write (a read returns None)
├── InvalidError          400, 405, 415 and other 422: the object itself is rejected
│   └── TooLargeError     413, and a 500 of etcd: the object would be too large
├── ForbiddenError        403
│   ├── MissingAccountError 403: the impersonated ServiceAccount does not exist
│   └── QuotaReachedError 403: a ResourceQuota leaves no room
└── UnavailableError      may be retried
    ├── ThrottledError    429, with the server's Retry-After
    └── UnauthorizedError 401: the credentials are refreshed
"""

from taskaction.core.errors import TaskActionError


class ClusterError(TaskActionError):
    """A call to the API server failed; the message is the server's, truncated."""


class AlreadyExistsError(ClusterError):
    """An object with that name already exists."""


class ConflictError(ClusterError):
    """Another client changed the object meanwhile."""


class ExpiredError(ClusterError):
    """The list or watch is too old to continue; it must be started again."""


class NotFoundError(ClusterError):
    """The object to write does not exist."""


class InvalidError(ClusterError):
    """The API server rejects the content of the object; a retry cannot help."""


class TooLargeError(InvalidError):
    """The object would be larger than the API server or etcd accepts."""


class ForbiddenError(ClusterError):
    """The account lacks a permission."""


class MissingAccountError(ForbiddenError):
    """The impersonated ServiceAccount does not exist; the message names it and the remedy."""


class QuotaReachedError(ForbiddenError):
    """A ResourceQuota leaves no room for the object at present; room may become free later."""


class UnavailableError(ClusterError):
    """The API server did not respond, or not usefully (5xx, timeout, broken connection); the call may be retried.

    Attributes:
        retry_after: seconds that the server asks to wait, or None.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottledError(UnavailableError):
    """The API server throttles the client."""


class UnauthorizedError(UnavailableError):
    """The credentials were refused; they are loaded again before the next call."""
