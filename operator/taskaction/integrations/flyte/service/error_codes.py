"""Which code of the RPC stands for what went wrong at the API server; pure."""

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from taskaction.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ThrottledError,
    UnavailableError,
)

_CODES: tuple[tuple[type[ClusterError], Code], ...] = (
    (AlreadyExistsError, Code.ALREADY_EXISTS),
    (NotFoundError, Code.NOT_FOUND),
    (ForbiddenError, Code.PERMISSION_DENIED),
    (InvalidError, Code.INVALID_ARGUMENT),
    (ConflictError, Code.ABORTED),
    (ThrottledError, Code.RESOURCE_EXHAUSTED),
    (UnavailableError, Code.UNAVAILABLE),
)


_REFUSALS: tuple[tuple[str, Code], ...] = (
    ("exceeded quota", Code.RESOURCE_EXHAUSTED),
    ("status unknown for quota", Code.RESOURCE_EXHAUSTED),
    ("it is being terminated", Code.FAILED_PRECONDITION),
)
"""What the API server forbids to everybody, and not to this caller: for a quota, or the namespace's end."""


def to_connect_error(error: ClusterError) -> ConnectError:
    """Return what a caller is told."""
    if isinstance(error, ForbiddenError):
        for words, code in _REFUSALS:
            if words in str(error):
                return ConnectError(code, str(error))
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.INTERNAL)
    return ConnectError(code, str(error))
