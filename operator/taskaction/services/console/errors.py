"""Errors of a request, as the page shows them; no message contains anything of an object that is not asked for."""

from http import HTTPStatus

from taskaction.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    UnauthorizedError,
)
from taskaction.core.errors import TaskActionError


class PageError(TaskActionError):
    """A page cannot be shown, or an act is refused; the message says what to change."""

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class SignInError(TaskActionError):
    """Nobody is signed in, or no longer; the message says why."""


def invalid(field: str, problem: str) -> PageError:
    """Return the error of a parameter or field of a form."""
    return PageError(HTTPStatus.BAD_REQUEST, f"{field}: {problem}")


def explain_error(error: ClusterError) -> PageError | SignInError:
    """Return the error of a page for an error of the API server, which answered to the user's own credentials."""
    match error:
        case UnauthorizedError():
            return SignInError("the API server does not accept your token any longer: sign in again")
        case ForbiddenError():
            return PageError(HTTPStatus.FORBIDDEN, str(error))
        case NotFoundError():
            return PageError(HTTPStatus.NOT_FOUND, str(error))
        case ConflictError() | AlreadyExistsError():
            return PageError(HTTPStatus.CONFLICT, f"{error}: load the page again")
        case InvalidError():
            return PageError(HTTPStatus.UNPROCESSABLE_ENTITY, f"the API server rejected it: {error}")
    return PageError(HTTPStatus.SERVICE_UNAVAILABLE, "the API server does not answer: try again")
