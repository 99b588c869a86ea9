"""Client of the history service for commands: its options, requests, and past objects in the form of live ones."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from taskaction.cli import durations
from taskaction.cli.errors import CommandError
from taskaction.cli.exit_codes import Exit
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body
from taskaction.core.constants import API_VERSION

if TYPE_CHECKING:
    import aiohttp

_PAGE = 500
_SECONDS = 60.0
_UNSET = (
    "--history-url: required, but not set; use the URL of the history service, such as http://127.0.0.1:8096 with "
    "`kubectl port-forward -n taskaction-system svc/taskaction-taskaction-operator-history 8096:80`"
)
_CERTIFICATE_ONLY = (
    "--history-token: required, because the kubeconfig has no token; use e.g. the output of "
    "`kubectl create token NAME` for a ServiceAccount that may list actions"
)

HistoryUrl = Annotated[
    str | None,
    typer.Option("--history-url", envvar="TASKACTION_HISTORY_URL", metavar="URL", help="URL of the history service."),
]
HistoryToken = Annotated[
    str | None,
    typer.Option(
        "--history-token",
        envvar="TASKACTION_HISTORY_TOKEN",
        metavar="TOKEN",
        help="Token for the history service. Default: that of the kubeconfig.",
    ),
]
Query = Mapping[str, str | Sequence[str] | None]
"""Parameters by name; one without a value is not sent, and one with several is sent more than once."""


class HistoryClient:
    """Connection to a history service."""

    def __init__(self, http: "aiohttp.ClientSession", url: str) -> None:
        self._http = http
        self._url = url.rstrip("/")

    async def get(self, path: str, query: Query | None = None) -> dict[str, Any]:
        """Return the document at a path; raise ``CommandError``."""
        return await self._ask("GET", path, query or {})

    async def delete(self, query: Query) -> dict[str, Any]:
        """Delete records, or count them; raise ``CommandError``."""
        return await self._ask("DELETE", "/v1/objects", query)

    async def list(self, query: Query, most: int) -> tuple[list[dict[str, Any]], bool]:
        """Return at most so many records, the newest end first, and whether there are more; raise ``CommandError``."""
        found: list[dict[str, Any]] = []
        token: str | None = None
        while True:
            limit = min(_PAGE, most - len(found))
            page = await self.get("/v1/objects", {**query, "limit": str(limit), "pageToken": token})
            found += page["items"]
            token = page.get("nextPageToken")
            if token is None or len(found) >= most:
                return found, token is not None

    async def _ask(self, method: str, path: str, query: Query) -> dict[str, Any]:
        import aiohttp

        pairs = [
            (name, one)
            for name, value in query.items()
            if value is not None
            for one in ([value] if isinstance(value, str) else value)
        ]
        try:
            async with self._http.request(method, self._url + path, params=pairs) as answer:
                document = await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            said = str(error) or type(error).__name__
            raise CommandError(f"--history-url: cannot ask {self._url}: {said}", Exit.CLUSTER) from error
        problem = _problem_of(document)
        if problem is not None:
            raise CommandError(f"the history service at {self._url}: {problem}", Exit.CLUSTER)
        found: dict[str, Any] = document
        return found


def _problem_of(document: Any) -> str | None:
    """Return the message of an error; None for an answer."""
    if not isinstance(document, dict):
        return "this is not a history service"
    error = document.get("error")
    return str(error.get("message")) if isinstance(error, dict) else None


@asynccontextmanager
async def open_history(session: Session, url: str | None, token: str | None) -> AsyncIterator[HistoryClient]:
    """Open a client that acts as the user; raise ``CommandError`` without a URL or a token."""
    import aiohttp

    if not url:
        raise CommandError(_UNSET)
    authorization = f"Bearer {token}" if token else session.authorization()
    if authorization is None:
        raise CommandError(_CERTIFICATE_ONLY)
    headers = {"Authorization": authorization}
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, trust_env=True) as http:
        yield HistoryClient(http, url)


def ago(text: str) -> str:
    """Return the time that is a duration ago, as the service reads it."""
    moment = datetime.now(UTC) - timedelta(seconds=durations.parse_seconds(text))
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def to_body(item: Mapping[str, Any]) -> Body:
    """Return a record in the form of the object that it is of, as far as commands show it."""
    provider = {"kind": item.get("providerKind"), "name": item.get("provider")} if "provider" in item else None
    spec = {"executor": item.get("executor"), "providerRef": provider, "parentRef": item.get("parent")}
    status = {
        "phase": item["phase"],
        "reason": item.get("reason"),
        "message": item.get("message"),
        "attempt": item["attempts"] or None,
        "startedAt": item.get("startedAt"),
        "finishedAt": item["endedAt"],
    }
    return {
        "apiVersion": API_VERSION,
        "kind": item["kind"],
        "metadata": {
            "name": item["name"],
            "namespace": item["namespace"],
            "uid": item["uid"],
            "creationTimestamp": item["createdAt"],
            "labels": item["labels"],
        },
        "spec": {name: value for name, value in spec.items() if value is not None},
        "status": {name: value for name, value in status.items() if value is not None},
    }
