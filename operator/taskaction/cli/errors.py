"""What went wrong, in a sentence that says the mend, and with which exit code; knows no commands."""

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
    "this cluster does not know the API of taskaction.dev: install the operator's chart, or its CRDs by "
    "`kubectl apply -f crds/`; `taskaction doctor` says what is missing"
)
_UNKNOWN = ("could not find the requested resource", "404 page not found", "HTTP 404")


class CommandError(TaskActionError):
    """A command cannot do what was asked for.

    Attributes:
        code: the exit code.
    """

    def __init__(self, message: str, code: Exit = Exit.USAGE) -> None:
        super().__init__(message)
        self.code = code


def explained(error: ClusterError, server: str, namespace: str) -> CommandError:
    """Give what people are told of an error of the API server."""
    match error:
        case UnauthorizedError():
            said = f"{server} does not accept these credentials: log in again, or choose another --context"
        case UnavailableError():
            said = f"{server} cannot be reached ({error}): is the cluster running, and is it the right --context?"
        case ForbiddenError():
            said = (
                f"{error}; ask for a RoleBinding in namespace {namespace} that grants it "
                "(`taskaction doctor` shows which rights you have)"
            )
        case NotFoundError() if any(sign in str(error) for sign in _UNKNOWN):
            said = _NO_CRDS
        case InvalidError():
            return CommandError(f"the API server refuses it: {error}")
        case AlreadyExistsError():
            return CommandError(f"{error}: choose another name, or leave it out to have one made")
        case _:
            said = str(error)
    return CommandError(said, Exit.CLUSTER)
