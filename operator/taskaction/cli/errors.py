"""Errors of commands, with a message that names the remedy, and an exit code."""

from taskaction.cli.exit_codes import Exit
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
    UnavailableError,
)
from taskaction.core.errors import TaskActionError

_NO_CRDS = (
    "the cluster does not serve the API group taskaction.dev: install the operator's chart, or its CRDs with "
    "`kubectl apply -f crds/`; `taskaction doctor` shows what is missing"
)
_UNKNOWN = ("could not find the requested resource", "404 page not found", "HTTP 404")


class CommandError(TaskActionError):
    """A command failed.

    Attributes:
        code: exit code of the command.
    """

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


def explain_error(error: ClusterError, server: str, namespace: str) -> CommandError:
    """Return the error of a command for an error of the API server."""
    match error:
        case UnauthorizedError():
            said = f"{server} rejects your credentials: log in again, or choose another --context"
        case UnavailableError():
            said = f"cannot reach {server} ({error}): check that the cluster is running and that --context is right"
        case ForbiddenError():
            said = (
                f"{error}; ask an administrator for a RoleBinding in namespace {namespace} "
                "(`taskaction doctor` shows your rights)"
            )
        case NotFoundError() if any(sign in str(error) for sign in _UNKNOWN):
            said = _NO_CRDS
        case InvalidError():
            return CommandError(f"the API server rejected the object: {error}")
        case AlreadyExistsError():
            return CommandError(f"{error}: choose another name, or omit it to generate one")
        case _:
            said = str(error)
    return CommandError(said, Exit.CLUSTER)
