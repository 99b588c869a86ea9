"""Credentials of a request: headers from Secrets, and what else of the request must not be shown."""

import base64
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from yarl import URL

from taskaction.executors.http.model import Auth, SecretRef
from taskaction.executors.templates import render
from taskaction.plugin.base import Run
from taskaction.plugin.secrets import Secret, secrets_in


async def authenticate(auth: Auth | None, run: Run) -> dict[str, str]:
    """Return the authentication headers."""
    if auth is None:
        return {}
    if auth.bearer_secret_key_ref is not None:
        token = await _secret(auth.bearer_secret_key_ref, run)
        return {"Authorization": f"Bearer {token}"}
    if auth.basic is not None:
        password = await _secret(auth.basic.password_secret_key_ref, run)
        encoded = base64.b64encode(f"{auth.basic.username}:{password}".encode()).decode()
        return {"Authorization": f"Basic {run.secrets.protect(encoded).reveal()}"}
    if auth.header is not None:
        value = await _secret(auth.header.secret_key_ref, run)
        return {auth.header.name: value}
    return {}


def protect_address(url: str, template: str, values: Mapping[str, Any], run: Run) -> None:
    """Redact what clients make of a URL with the value of a Secret: its parts, and a host in lower case."""
    given = render(template, values) if run.config else run.parameters.get("url")
    if not isinstance(given, Secret):
        return
    with suppress(ValueError):  # the client reports an invalid URL
        target, netloc = URL(url), urlsplit(url).netloc
        found = [target.raw_path_qs, target.path_qs]
        if any(given == secret for _, secret in secrets_in(run.parameters)) or run.secrets.redact(netloc) != netloc:
            found += [netloc, netloc.lower(), target.raw_host or ""]
        for text in found:
            run.secrets.protect(text)


async def _secret(ref: SecretRef, run: Run) -> str:
    # A Secret written by a shell often ends in a line break, which is invalid in a header.
    secret = await run.secrets.read_secret(ref.name, ref.key, namespace=ref.namespace)
    return str(secret.reveal()).strip()
