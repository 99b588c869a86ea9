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


def error_for(error: ClusterError) -> ConnectError:
    """Give what a caller is told."""
    code = next((code for kind, code in _CODES if isinstance(error, kind)), Code.INTERNAL)
    return ConnectError(code, str(error))
