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
    QuotaReachedError,
    ThrottledError,
    UnavailableError,
)

_CODES: tuple[tuple[type[ClusterError], Code], ...] = (
    (AlreadyExistsError, Code.ALREADY_EXISTS),
    (NotFoundError, Code.NOT_FOUND),
    (QuotaReachedError, Code.RESOURCE_EXHAUSTED),
    (ForbiddenError, Code.PERMISSION_DENIED),
    (InvalidError, Code.INVALID_ARGUMENT),
    (ConflictError, Code.ABORTED),
    (ThrottledError, Code.RESOURCE_EXHAUSTED),
    (UnavailableError, Code.UNAVAILABLE),
)


_ENDING = "it is being terminated"
"""What the API server forbids to everybody, and not to this caller, in a namespace that is being deleted."""


def to_connect_error(error: ClusterError) -> ConnectError:
    """Return what a caller is told."""
    if isinstance(error, ForbiddenError) and _ENDING in str(error):
        return ConnectError(Code.FAILED_PRECONDITION, str(error))
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.INTERNAL)
    return ConnectError(code, str(error))
