"""What can go wrong at the API server, in the project's own words; the only place that knows status codes.

ClusterError
├── AlreadyExistsError    409 on create
├── ConflictError         409 on a write with a resourceVersion, 422 on a failed JSON-patch test
├── ExpiredError          410: a list's continue token, or a watch's start, is too old
├── NotFoundError         404 on a write (a read gives None)
├── InvalidError          400, 405, 413, 415 and other 422: the object itself is refused
├── ForbiddenError        403
└── UnavailableError      worth trying again
    ├── ThrottledError    429, with the server's Retry-After
    └── UnauthorizedError 401: the credentials are being renewed
"""

from taskaction.core.errors import TaskActionError


class ClusterError(TaskActionError):
    """A call to the API server failed; the message is the server's, cut to a sane length."""


class AlreadyExistsError(ClusterError):
    """An object of that name is there already."""


class ConflictError(ClusterError):
    """Somebody else has written the object meanwhile."""


class ExpiredError(ClusterError):
    """What was to be continued is too old; it must be begun anew."""


class NotFoundError(ClusterError):
    """The object to be written is gone."""


class InvalidError(ClusterError):
    """The API server refuses the object for what it says: trying again cannot help."""


class ForbiddenError(ClusterError):
    """The account used lacks a right."""


class UnavailableError(ClusterError):
    """The API server did not answer, or not usefully (5xx, timeout, broken connection): worth trying again.

    Attributes:
        retry_after: seconds that the server asks to wait, None where it says nothing.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ThrottledError(UnavailableError):
    """The API server asks to slow down."""


class UnauthorizedError(UnavailableError):
    """The credentials are refused; they are read anew before the next call."""
