"""Errors of a request, as its sender gets them; no message contains anything of a row."""

from http import HTTPStatus

_CODES = {
    HTTPStatus.BAD_REQUEST: "Invalid",
    HTTPStatus.UNAUTHORIZED: "Unauthorized",
    HTTPStatus.FORBIDDEN: "Forbidden",
    HTTPStatus.NOT_FOUND: "NotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "MethodNotAllowed",
    HTTPStatus.TOO_MANY_REQUESTS: "TooManyRequests",
    HTTPStatus.SERVICE_UNAVAILABLE: "Unavailable",
}


class RequestError(Exception):
    """A request cannot be answered; the message says what to change."""

    def __init__(self, status: HTTPStatus, message: str, retry_after: int | None = None) -> None:
        """``retry_after`` is in seconds; None if the same request never succeeds."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after

    @property
    def code(self) -> str:
        """Word for programs."""
        return _CODES.get(self.status, "Internal")


def invalid(field: str, problem: str) -> RequestError:
    """Return the error of a parameter."""
    return RequestError(HTTPStatus.BAD_REQUEST, f"{field}: {problem}")
