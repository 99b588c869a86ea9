"""Actions at an Action Provider of the tests' own: what they are given, and what providers answer."""

from typing import Any

from support.runs import later, run
from taskaction.testing.targets import HttpServer, says

SCOPE = "https://auth.globus.org/scopes/demo/run"
DESCRIPTION = {"title": "demo", "globus_auth_scope": SCOPE, "synchronous": False, "visible_to": ["public"]}
HTML = says("<!doctype html><title>405</title>", 405, content_type="text/html")


def status(standing: str, **fields: Any) -> dict[str, Any]:
    """An ActionStatus as the toolkit writes it, with null for what is absent."""
    nothing = dict.fromkeys(("label", "completion_time", "monitor_by", "manage_by", "release_after", "display_status"))
    return {"action_id": "a/1", "status": standing, "details": {}, "creator_id": "urn:x", **nothing, **fields}


def asked(provider: HttpServer, **parameters: Any) -> Any:
    """Give an action that is to be started."""
    return run({"url": provider.url, "body": {"echo": "hello"}, **parameters})


def known(provider: HttpServer, **parameters: Any) -> Any:
    """Give an action that was started three seconds ago."""
    return later(asked(provider, **parameters), 3, external_id="a/1")
