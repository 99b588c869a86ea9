"""Changes of a collection from the bytes of watches and from lists; does no I/O.

A watch can end at any byte. The cursor knows up to which resourceVersion it has returned changes, so the next watch
continues there, and nothing is missed or returned twice. If the API server no longer has that version, a list takes its
place: it shows the present state, and changes that another one has replaced meanwhile are not returned.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from taskaction_client.errors import ApiError, ExpiredError, UnavailableError

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """An object that was created or changed, or deleted.

    Attributes:
        body: the object; of a deletion that only a list shows, its name, namespace and uid.
    """

    body: Body
    deleted: bool = False


class ChangeCursor:
    """Position in the changes of a collection.

    Attributes:
        since: resourceVersion after which the next watch begins; None if a list must come first.
    """

    def __init__(self, since: str | None = None, known: Iterable[Body] = ()) -> None:
        """Begin after ``since``; ``known`` are the objects that the caller has seen until then."""
        self.since = since
        self._known = {body["metadata"]["uid"]: _identity(body) for body in known}
        self._rest = b""

    def expect(self, body: Body) -> None:
        """Know of an object that another response has shown, so that a list without it shows its deletion."""
        self._known.setdefault(body["metadata"]["uid"], _identity(body))

    def restart(self, bodies: Iterable[Body], resource_version: str) -> list[Change]:
        """Return what a complete list shows that the cursor has not returned, and continue after the list."""
        found = {body["metadata"]["uid"]: body for body in bodies}
        gone = [Change({"metadata": self._known[uid]}, deleted=True) for uid in self._known if uid not in found]
        changed = [Change(body) for uid, body in found.items() if not self._is_known(uid, body)]
        self._known = {uid: _identity(body) for uid, body in found.items()}
        self.since = resource_version
        return gone + changed

    def feed(self, data: bytes) -> Iterator[Change]:
        """Yield the changes in the next bytes of a watch; the cursor is always after the last one that it has yielded.

        Raises:
            ExpiredError: the API server no longer has the version.
            ApiError: the API server reports another error instead of a change.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.strip() and (change := self._read(line)) is not None:
                yield change

    def disconnect(self) -> None:
        """Drop the unfinished line of a watch that has ended; the next one repeats it."""
        self._rest = b""

    def expire(self) -> None:
        """Require a list before the next watch."""
        self.since = None

    def _read(self, line: bytes) -> Change | None:
        try:
            event = json.loads(line)
            kind, body = event["type"], event["object"]
            if kind == "ERROR":
                raise _error_of(body)
            version = body["metadata"]["resourceVersion"]
        except (ValueError, KeyError, TypeError) as error:
            raise UnavailableError(f"the watch contains what is no event: {line[:200]!r}") from error
        self.since = version
        if kind == "BOOKMARK":
            return None
        uid = body["metadata"]["uid"]
        if kind == "DELETED":
            self._known.pop(uid, None)
            return Change(body, deleted=True)
        if self._is_known(uid, body):
            return None
        self._known[uid] = _identity(body)
        return Change(body)

    def _is_known(self, uid: str, body: Body) -> bool:
        known = self._known.get(uid)
        return known is not None and known["resourceVersion"] == body["metadata"]["resourceVersion"]


def _identity(body: Body) -> Body:
    names = ("name", "namespace", "uid", "resourceVersion")
    return {name: body["metadata"][name] for name in names if name in body["metadata"]}


def _error_of(status: Body) -> ApiError:
    message, code, reason = str(status.get("message", "")), int(status.get("code", 0)), str(status.get("reason", ""))
    if code == HTTPStatus.GONE:
        return ExpiredError(message, status=code, reason=reason)
    return UnavailableError(message, status=code, reason=reason)
