"""What the API server says where it refuses: manifests of each kind, a dry run, and the checks of a message."""

import json
from typing import Any

import pytest

from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from support.actions import API_VERSION

Body = dict[str, Any]


def manifest(kind: str, spec: Body, *, name: str = "subject", **metadata: Any) -> Body:
    """Give a manifest of one of the project's kinds."""
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def create(kubectl: Kubectl, body: Body, *options: str) -> Body:
    """Create an object and give it as the API server stored it, or with `--dry-run=server` would have."""
    return dict(json.loads(kubectl("create", "-f", "-", "-o", "json", *options, stdin=json.dumps(body))))


def merge(kubectl: Kubectl, kind: str, name: str, change: Body, *options: str) -> Body:
    """Merge a change into an object and give it as it is then."""
    merged = kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change), "-o", "json", *options)
    return dict(json.loads(merged))


def refusal(kubectl: Kubectl, body: Body, *options: str) -> str:
    """Give what the API server says against a manifest; nothing is stored either way."""
    return refused(kubectl, "create", "-f", "-", "--dry-run=server", *options, stdin=json.dumps(body))


def merge_refusal(kubectl: Kubectl, kind: str, name: str, change: Body, *options: str) -> str:
    """Give what the API server says against a change; nothing is stored either way."""
    return refused(kubectl, "patch", kind, name, "--type=merge", "-p", json.dumps(change), "--dry-run=server", *options)


def refused(kubectl: Kubectl, *args: str, stdin: str | None = None) -> str:
    """Give the server's words without the command line, which has the same field names in it."""
    with pytest.raises(KubectlError) as caught:
        kubectl(*args, stdin=stdin)
    return str(caught.value).removeprefix(f"kubectl {' '.join(args)}: ")


def assert_says(message: str, parts: tuple[str, ...]) -> None:
    """Check that a message holds every part: the field, and what to write instead."""
    missing = [part for part in parts if part not in message]
    assert not missing, f"{missing} not in: {message}"
